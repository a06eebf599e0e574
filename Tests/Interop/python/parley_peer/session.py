"""The session of one pair of DIDs (negotiation.md §5): numbers, links, SYNC, ACK, FREEZE. It outlives channels."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from .clock import PeerClock
from .errors import NegotiationError
from .packing import Fields, pack, unpack
from .statement import NO_HASH, Code, Statement, code_name, malformed_id
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


COUNTS = {
    FrameType.DATA: 3,
    FrameType.ACK: 3,
    FrameType.SYNC: 10,
    FrameType.PING: 2,
    FrameType.PONG: 4,
    FrameType.FREEZE: 3,
    FrameType.BYE: 1,
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
        self.links: list[bytes] = []

    @property
    def count(self) -> int:
        return len(self.ids)

    def begin(self, sender: str, receiver: str, sender_inc: bytes, receiver_inc: bytes) -> None:
        dids = lp(sender.encode()) + lp(receiver.encode())
        self.links = [sha256(b"parley/neg1 link0\0", dids, sender_inc, receiver_inc)]

    def append(self, identifier: bytes) -> None:
        number = self.count + 1
        self.links.append(sha256(b"parley/neg1 link\0", self.links[-1], u64(number), identifier))
        self.ids.append(identifier)

    def link(self, number: int) -> bytes:
        return self.links[number] if self.links else NO_HASH


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
        self.outbox = [self._freeze_frame(b"") if self.frozen is not None else self.make_sync().encode()]

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
            case FrameType.SYNC:
                sync = Sync.parse(fields)
                if self.synced:
                    raise CloseChannel("SECOND_SYNC")
                self._frozen_answer() if self.frozen is not None else self._check(sync)
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
            self.acked = number


def data_frame(number: int, statement: bytes) -> bytes:
    return pack([FrameType.DATA.value, number, statement])


def counted_id(statement: bytes) -> bytes:
    try:
        return Statement.decode(statement).id
    except NegotiationError:
        return malformed_id(statement)
