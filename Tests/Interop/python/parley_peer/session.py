"""The session of one pair of DIDs (negotiation.md §5): numbers, links, SYNC, ACK, FREEZE. It outlives channels."""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from .clock import PeerClock
from .errors import NegotiationError
from .identity import Identity, Signer
from .packing import Fields, pack, unpack
from .payload import Incarnation
from .repair import (
    MAX_BYTES,
    MAX_STATEMENTS,
    UNREPAIRABLE,
    Adopt,
    Books,
    Position,
    What,
    answers,
    counted_id,
    in_order,
    read_incarnation,
    return_frame,
    sign_incarnation,
)
from .statement import NO_HASH, Code, code_name
from .wire import lp, sha256, u64

VERSION = 1
MAX_FRAME = 32768
MAX_EVIDENCE = 25600
NO_INCARNATION = bytes(16)
KEPT_IDS = 1024
LIMITS = [64, 1 << 20, 200, 60]
PINGS_A_SECOND = 20


class FrameType(IntEnum):
    DATA = 1
    ACK = 2
    SYNC = 3
    PING = 4
    PONG = 5
    FREEZE = 6
    BYE = 7
    REPAIR = 8
    RETURN = 9


COUNTS = {
    FrameType.DATA: 3,
    FrameType.ACK: 3,
    FrameType.SYNC: 10,
    FrameType.PING: 2,
    FrameType.PONG: 4,
    FrameType.FREEZE: 3,
    FrameType.BYE: 1,
    FrameType.REPAIR: 9,
    FrameType.RETURN: 4,
}


class CloseChannel(NegotiationError):
    """The channel must close; the session is unhurt."""


@dataclass(frozen=True)
class Sync:
    inc: bytes
    your_inc: bytes
    sent: int
    sent_link: bytes
    recv: int
    recv_link: bytes
    now: int

    def encode(self) -> bytes:
        counters = [self.sent, self.sent_link, self.recv, self.recv_link]
        return pack([FrameType.SYNC.value, VERSION, self.inc, self.your_inc, *counters, LIMITS, self.now])

    @classmethod
    def parse(cls, fields: Fields) -> Sync:
        fields.integer(VERSION, VERSION)
        inc, your_inc = fields.binary(16), fields.binary(16)
        sent, sent_link, recv, recv_link = fields.integer(), fields.binary(32), fields.integer(), fields.binary(32)
        limits = Fields(fields.any(), 4, "limits")
        for _ in range(4):
            limits.integer(1)
        sync = cls(inc, your_inc, sent, sent_link, recv, recv_link, fields.integer())
        first = your_inc == NO_INCARNATION
        if inc == NO_INCARNATION or (first and (sent, recv, sent_link, recv_link) != (0, 0, NO_HASH, NO_HASH)):
            raise CloseChannel("MALFORMED", "SYNC")
        return sync


class Strand:
    """One direction: ids and links of statements 1...n."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        # From the height at which the last incarnations began.
        self.links: list[bytes] = []
        self.base = 0

    @property
    def count(self) -> int:
        return len(self.ids)

    def begin(self, sender: str, receiver: str, sender_inc: bytes, receiver_inc: bytes) -> None:
        dids = lp(sender.encode()) + lp(receiver.encode())
        self.links = [sha256(b"parley/neg1 link0\0", dids, sender_inc, receiver_inc)]

    def append(self, identifier: bytes) -> None:
        number = self.count + 1
        if self.links:
            self.links.append(sha256(b"parley/neg1 link\0", self.links[-1], u64(number), identifier))
        self.ids.append(identifier)

    def begin_anew(self, base: int, sender: str, receiver: str, sender_inc: bytes, receiver_inc: bytes) -> None:
        later, self.ids, self.base = self.ids[base:], self.ids[:base], base
        self.begin(sender, receiver, sender_inc, receiver_inc)
        for identifier in later:
            self.append(identifier)

    def link(self, number: int) -> bytes:
        place = number - self.base
        return self.links[place] if 0 <= place < len(self.links) else NO_HASH


class Session:
    """Frames in through `receive`, frames out through `outbox`; each new statement goes to `process` once."""

    def __init__(
        self,
        me: str,
        peer: str,
        process: Callable[[bytes], None],
        event: Callable[..., None],
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.me = me
        self.peer = peer
        self.inc = secrets.token_bytes(16)
        self.peer_inc = NO_INCARNATION
        self.sent, self.received = Strand(), Strand()
        self.acked = 0
        self.frozen: int | None = None
        self.synced = False
        self.outbox: list[bytes] = []
        self.clock = PeerClock()
        self.now = now
        self._pings: list[int] = []
        self._statements: list[bytes] = []
        self._received: list[bytes] = []
        # The operator's word: every freeze that can be repaired is to be.
        self.repairs = False
        self.signer: Signer | None = None
        self.identity: Identity | None = None
        self.adopt: Adopt | None = None
        self.after_sync: Callable[[], None] = lambda: None
        self._new_inc = NO_INCARNATION
        self._signed: tuple[Incarnation, bytes] | None = None
        self._unconfirmed: bytes | None = None
        self._position: Position | None = None
        self._has_returned = False
        self._returned: tuple[list[bytes], list[bytes]] = ([], [])
        self._process = process
        self._event = event
        self._promised: tuple[int, bytes] | None = None
        self._gaps: list[float] = []

    # Sending

    def open_channel(self) -> None:
        """First thing on each new channel."""
        self.synced = False
        self.clock.open_channel()
        self._promised = None
        self._position, self._has_returned, self._returned = None, False, ([], [])
        if self.frozen is None:
            own = [] if self._unconfirmed is None else [return_frame(What.INCARNATION, 0, self._unconfirmed)]
            self.outbox = [*own, self.make_sync().encode()]
        elif self.repairs:
            self.outbox = []
            self._agree()
        else:
            self.outbox = [self._freeze_frame(b"")]

    def make_sync(self) -> Sync:
        sent, recv = self.sent.count, self.received.count
        links = self.sent.link(sent), self.received.link(recv)
        return Sync(self.inc, self.peer_inc, sent, links[0], recv, links[1], time.time_ns())

    def ping(self) -> None:
        """Puts the PING out that is due."""
        if self.synced and self.frozen is None and (t1 := self.clock.ping(self.now())) is not None:
            self.outbox.append(pack([FrameType.PING.value, t1]))

    def append(self, statement: bytes, identifier: bytes) -> None:
        """Numbers a statement and puts its DATA out."""
        if self.frozen is not None:
            raise NegotiationError("FROZEN")
        self.sent.append(identifier)
        self._statements.append(statement)
        self.outbox.append(data_frame(self.sent.count, statement))

    def freeze(self, code: Code, evidence: bytes = b"") -> None:
        if self.frozen is None:
            self.frozen = code
            self._event("frozen", code=code_name(code), by="me")
            self.outbox = [self._freeze_frame(evidence)]
            if self.repairs:
                self._agree()

    def _freeze_frame(self, evidence: bytes) -> bytes:
        return pack([FrameType.FREEZE.value, self.frozen, evidence[:MAX_EVIDENCE]])

    # Receiving

    def receive(self, frame: bytes) -> None:
        """Raises `CloseChannel` where the page says so."""
        if len(frame) > MAX_FRAME:
            raise CloseChannel("MALFORMED", "frame too long")
        try:
            value = unpack(frame)
            kind = Fields(value[:1], 1, "frame").integer() if isinstance(value, list) else 0
            self._dispatch(kind, value)
        except NegotiationError as error:
            raise error if isinstance(error, CloseChannel) else CloseChannel(error.code, error.detail) from error

    def _dispatch(self, kind: int, value: list) -> None:
        if kind not in COUNTS:
            raise CloseChannel("MALFORMED", f"frame type {kind}")
        fields = Fields(value, COUNTS[FrameType(kind)], FrameType(kind).name)
        fields.any()
        match FrameType(kind):
            case FrameType.BYE:
                return
            case FrameType.FREEZE:
                code, evidence = fields.integer(0, 65535), fields.bytes(MAX_EVIDENCE)
                self._event("freeze_received", code=code_name(code), evidence_bytes=len(evidence))
                if self.frozen is None:
                    self.frozen = code
                    self.outbox.clear()
                    if self.repairs:
                        self._agree()
            case FrameType.SYNC:
                sync = Sync.parse(fields)
                if self.synced:
                    raise CloseChannel("SECOND_SYNC")
                self._frozen_answer() if self.frozen is not None else self._check(sync)
            case FrameType.REPAIR:
                self._on_position(Position.parse(fields))
            case FrameType.RETURN:
                self._on_return(What(fields.integer(0, 3)), fields.integer(), fields.bytes(MAX_FRAME))
            case FrameType.DATA:
                number, statement = fields.integer(1), fields.bytes(MAX_FRAME)
                self._frozen_answer() if self.frozen is not None else self._data(number, statement)
            case FrameType.PING:
                self._ping(fields.integer())
            case FrameType.PONG:
                self._pong(fields.integer(), fields.integer(), fields.integer())
            case FrameType.ACK:
                number, link = fields.integer(), fields.binary(32)
                if self.frozen is None:
                    self._ack(number, link)

    def _ping(self, t1: int) -> None:
        if self.frozen is not None:
            return
        if not self.synced:
            raise CloseChannel("PING_BEFORE_SYNC")
        now = self.now()
        self._pings = [moment for moment in self._pings if now - moment < 10**9] + [now]
        if len(self._pings) > PINGS_A_SECOND:
            raise CloseChannel("PING_RATE")
        self.outbox.append(pack([FrameType.PONG.value, t1, now, now]))

    def _pong(self, t1: int, t2: int, t3: int) -> None:
        if t3 < t2:
            raise CloseChannel("MALFORMED", "PONG")
        if self.frozen is None:
            if not self.synced:
                raise CloseChannel("PONG_BEFORE_SYNC")
            self.clock.pong(t1, t2, t3, self.now())
            self.ping()

    def _frozen_answer(self) -> None:
        self.outbox.append(self._freeze_frame(b""))

    def _check(self, sync: Sync) -> None:
        """The table of §5."""
        sent, received = self.sent, self.received
        known = sync.your_inc != NO_INCARNATION
        evidence = sync.encode()
        if self.peer_inc not in (NO_INCARNATION, sync.inc) or (known and sync.your_inc != self.inc):
            return self.freeze(Code.NEW_INCARNATION, evidence)
        if sync.recv > sent.count:
            return self.freeze(Code.LOST_SELF, evidence)
        if sync.sent < received.count or sync.recv < self.acked:
            return self.freeze(Code.LOST_PEER, evidence)
        if self.peer_inc == NO_INCARNATION:
            self.peer_inc = sync.inc
            sent.begin(self.me, self.peer, self.inc, self.peer_inc)
            received.begin(self.peer, self.me, self.peer_inc, self.inc)
        if known and sync.recv_link != sent.link(sync.recv):
            return self.freeze(Code.FORK, evidence)
        if known and sync.sent == received.count and sync.sent_link != received.link(received.count):
            return self.freeze(Code.FORK, evidence)
        self.synced = True
        self.acked = sync.recv
        self._promised = (sync.sent, sync.sent_link) if sync.sent > received.count else None
        resent = range(sync.recv + 1, sent.count + 1)
        self.outbox += [data_frame(number, self._statements[number - 1]) for number in resent]
        self.ping()
        self.after_sync()
        self._event("sync", sent=sync.sent, recv=sync.recv, first=not known, resent=len(resent))

    def _data(self, number: int, statement: bytes) -> None:
        if not self.synced:
            raise CloseChannel("DATA_BEFORE_SYNC")
        identifier = counted_id(statement)
        count = self.received.count
        if number > count + 1:
            return self._gap(statement)
        if number <= count:
            if number > count - KEPT_IDS and self.received.ids[number - 1] != identifier:
                return self.freeze(Code.FORK, statement)
            self._event("duplicate", n=number)
        else:
            self.received.append(identifier)
            self._received.append(statement)
            self._unconfirmed = None
            self._gaps.clear()
            if self._promised is not None and self._promised[0] == number:
                if self._promised[1] != self.received.link(number):
                    return self.freeze(Code.FORK, statement)
                self._promised = None
            self._process(statement)
        if self.frozen is None:
            count = self.received.count
            self.outbox.append(pack([FrameType.ACK.value, count, self.received.link(count)]))

    def _gap(self, statement: bytes) -> None:
        now = time.monotonic()
        self._gaps = [moment for moment in self._gaps if now - moment < 60] + [now]
        if len(self._gaps) < 3:
            raise CloseChannel("GAP")
        self.freeze(Code.RESYNC_LOOP, statement)

    def _ack(self, number: int, link: bytes) -> None:
        if not self.synced:
            raise CloseChannel("ACK_BEFORE_SYNC")
        if number > self.sent.count:
            self.freeze(Code.LOST_SELF)
        elif number >= self.acked:
            if link != self.sent.link(number):
                self.freeze(Code.FORK)
            self._unconfirmed = None
            self.acked = number


    # Repair (§5.1)

    def back_up(self) -> dict[str, Any]:
        kept = ("inc", "peer_inc", "sent", "received", "acked", "_statements", "_received")
        return {name: copy.deepcopy(getattr(self, name)) for name in kept}

    def restore(self, backup: dict[str, Any]) -> None:
        for name, value in backup.items():
            setattr(self, name, value)
        self.synced, self.frozen = False, None

    @property
    def _books(self) -> Books:
        return Books(self.me, self.peer, self._statements, self._received)

    def _agree(self) -> None:
        if self.frozen in UNREPAIRABLE:
            return
        if self._new_inc == NO_INCARNATION:
            self._new_inc = secrets.token_bytes(16)
        self._send_position()
        self._evaluate()

    def _send_position(self) -> None:
        books, sent, recv = self._books, self.sent.count, self.received.count
        assert self.frozen is not None
        histories = books.my_history(sent), books.their_history(recv)
        position = Position(self.frozen, self.inc, self._new_inc, sent, histories[0], recv, histories[1], self.acked)
        self.outbox.append(position.encode())

    def _on_position(self, position: Position) -> None:
        agreed = position.new_inc != NO_INCARNATION
        if self.frozen is None:
            if self._unconfirmed is not None and agreed:
                return
            self.frozen = position.code
            self.outbox.clear()
        self._position = position
        self._event("repair", agreed=agreed, sent=position.sent, recv=position.recv)
        if self.repairs and self._new_inc == NO_INCARNATION:
            return self._agree()
        self._evaluate()

    def _evaluate(self) -> None:
        position = self._position
        if position is None or NO_INCARNATION in (position.new_inc, self._new_inc) or self.frozen is None:
            return
        books = self._books
        if self.frozen in UNREPAIRABLE or not books.agree_with(position):
            self._event("repair_failed", code="FORK")
            return
        sent, recv = self.sent.count, self.received.count
        peer_lacks = position.sent < recv or position.recv < self.acked
        if peer_lacks and not self._has_returned:
            self._has_returned = True
            self.outbox += books.handed_back(position, self.acked)
        if peer_lacks or position.recv > sent or position.acked > recv:
            return
        histories = books.my_history(sent), books.their_history(recv)
        content = Incarnation(
            self.inc, position.inc, self._new_inc, position.new_inc, sent, histories[0], recv, histories[1]
        )
        if self._signed is None or self._signed[0] != content:
            assert self.signer is not None
            self._signed = content, sign_incarnation(self.signer, self.peer, content, time.time_ns()).encoded
        self.outbox.append(return_frame(What.INCARNATION, 0, self._signed[1]))

    def _on_return(self, what: What, number: int, statement: bytes) -> None:
        if what is What.INCARNATION:
            return self._on_incarnation(statement)
        if self.frozen is None or self._position is None or NO_INCARNATION in (self._position.new_inc, self._new_inc):
            raise CloseChannel("UNSOLICITED", "nothing was asked back")
        mine, theirs = self._returned
        if len(mine) + len(theirs) >= MAX_STATEMENTS or sum(map(len, mine + theirs)) + len(statement) > MAX_BYTES:
            raise CloseChannel("LIMIT", "too much is handed back")
        if what is What.YOURS and number == self.sent.count + len(mine) + 1:
            mine.append(statement)
        elif what is What.MINE and number == self.received.count + len(theirs) + 1:
            theirs.append(statement)
        elif what is What.END:
            self._returned = ([], [])
            self._adopt(mine, theirs)
        else:
            raise CloseChannel("UNSOLICITED", "not the statement that is missing")

    def _adopt(self, mine: list[bytes], theirs: list[bytes]) -> None:
        assert self.adopt is not None and self._position is not None
        sent, recv = self.sent.count + len(mine), self.received.count + len(theirs)
        if sent < self._position.recv or recv < self._position.acked:
            raise CloseChannel("MALFORMED", "something is still missing")
        self.adopt(in_order(mine, theirs), answers(mine))
        for data in mine:
            self.sent.append(counted_id(data))
        for data in theirs:
            self.received.append(counted_id(data))
        self._statements += mine
        self._received += theirs
        self._event("adopted", own=len(mine), received=len(theirs))
        self._send_position()
        self._evaluate()

    def _on_incarnation(self, data: bytes) -> None:
        if self.frozen is None or self._signed is None:
            return
        assert self.identity is not None
        mine, theirs = self._signed[0], read_incarnation(data, self.identity, self.me)
        books = self._books
        right = (theirs.new_inc, theirs.peer_new_inc) == (mine.peer_new_inc, mine.new_inc)
        right = right and self.acked <= theirs.recv <= self.sent.count and theirs.sent >= self.received.count
        right = right and books.my_history(theirs.recv) == theirs.recv_history
        if theirs.sent == self.received.count:
            right = right and books.their_history(theirs.sent) == theirs.sent_history
        if not right:
            raise CloseChannel("MALFORMED", "an Incarnation of something else")
        self.inc, self.peer_inc, self.acked = mine.new_inc, mine.peer_new_inc, theirs.recv
        self.sent.begin_anew(theirs.recv, self.me, self.peer, self.inc, self.peer_inc)
        self.received.begin_anew(self.received.count, self.peer, self.me, self.peer_inc, self.inc)
        self.frozen, self.synced, self._unconfirmed = None, False, self._signed[1]
        self._new_inc, self._signed, self._position = NO_INCARNATION, None, None
        self._event("repaired")
        self.outbox.append(self.make_sync().encode())


def data_frame(number: int, statement: bytes) -> bytes:
    return pack([FrameType.DATA.value, number, statement])
