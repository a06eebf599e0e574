"""The repair of a frozen pair (negotiation.md §5.1): where a side stands, what it hands back, what it takes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from .errors import NegotiationError
from .identity import Identity, Signer
from .packing import Fields, pack
from .payload import Accept, Confirm, Decline, Incarnation, Reject, TradeAck, encode, parse
from .statement import NO_HASH, PAIR_DIALOGUE, Code, Header, Kind, Statement, malformed_id
from .wire import lp, sha256, u64

NO_INCARNATION = bytes(16)
UNREPAIRABLE = (Code.EQUIVOCATION, Code.FORGED)
MAX_STATEMENTS = 65_536
MAX_BYTES = 64 << 20


class What(IntEnum):
    END = 0
    YOURS = 1
    MINE = 2
    INCARNATION = 3


@dataclass(frozen=True)
class Position:
    """REPAIR."""

    code: int
    inc: bytes
    new_inc: bytes
    sent: int
    sent_history: bytes
    recv: int
    recv_history: bytes
    acked: int

    def encode(self) -> bytes:
        incs = [self.inc, self.new_inc]
        return pack([8, self.code, *incs, self.sent, self.sent_history, self.recv, self.recv_history, self.acked])

    @classmethod
    def parse(cls, fields: Fields) -> Position:
        code, inc, new_inc = fields.integer(0, 65535), fields.binary(16), fields.binary(16)
        sent, sent_history, recv, recv_history = fields.integer(), fields.binary(32), fields.integer(), fields.binary(32)
        return cls(code, inc, new_inc, sent, sent_history, recv, recv_history, fields.integer(0, sent))


def return_frame(what: What, number: int, statement: bytes) -> bytes:
    return pack([9, what.value, number, statement])


def counted_id(data: bytes) -> bytes:
    try:
        return Statement.decode(data).id
    except NegotiationError:
        return malformed_id(data)


def history(sender: str, receiver: str, statements: list[bytes], count: int) -> bytes:
    value = sha256(b"parley/neg1 history0\0", lp(sender.encode()), lp(receiver.encode()))
    for number, statement in enumerate(statements[:count], 1):
        value = sha256(b"parley/neg1 history\0", value, u64(number), counted_id(statement))
    return value


def named(data: bytes) -> list[bytes]:
    """The statements of the other side that this one shows its signer to have processed."""
    try:
        statement = Statement.decode(data)
        header = Header.decode(statement.header_bytes)
    except NegotiationError:
        return []
    try:
        content = parse(header, statement.payload)
    except NegotiationError:
        return [header.seen]
    match content:
        case Accept():
            return [header.seen, content.offer]
        case Reject():
            return [header.seen, content.target]
        case Decline():
            return [header.seen, content.accept]
        case TradeAck():
            return [header.seen, content.confirm]
        case Confirm():
            return [header.seen, content.accept()[0].id]
    return [header.seen]


@dataclass
class Books:
    """What both sides have signed, as one of them has it."""

    me: str
    peer: str
    mine: list[bytes]
    theirs: list[bytes]

    def my_history(self, count: int) -> bytes:
        return history(self.me, self.peer, self.mine, count)

    def their_history(self, count: int) -> bytes:
        return history(self.peer, self.me, self.theirs, count)

    def agree_with(self, position: Position) -> bool:
        return (position.sent > len(self.theirs) or self.their_history(position.sent) == position.sent_history) and (
            position.recv > len(self.mine) or self.my_history(position.recv) == position.recv_history
        )

    def handed_back(self, position: Position, acked: int) -> list[bytes]:
        """The RETURN frames for a side that lacks something."""
        lost = self.theirs[position.sent :]
        numbers = {counted_id(statement): number for number, statement in enumerate(self.mine, 1)}
        processed = max([acked, *(numbers.get(name, 0) for statement in lost for name in named(statement))])
        frames = [return_frame(What.YOURS, position.sent + 1 + place, each) for place, each in enumerate(lost)]
        for number in range(position.recv + 1, processed + 1):
            frames.append(return_frame(What.MINE, number, self.mine[number - 1]))
        return [*frames, return_frame(What.END, 0, b"")]


def in_order(mine: list[bytes], theirs: list[bytes]) -> list[tuple[bool, bytes]]:
    """Each of theirs before the first of mine that names it: (is mine, statement)."""
    places = {counted_id(statement): place for place, statement in enumerate(theirs)}
    ordered: list[tuple[bool, bytes]] = []
    taken = 0
    for statement in mine:
        last = max([places[name] + 1 for name in named(statement) if name in places], default=0)
        ordered += [(False, each) for each in theirs[taken:last]]
        taken = max(taken, last)
        ordered.append((True, statement))
    return ordered + [(False, each) for each in theirs[taken:]]


def answers(mine: list[bytes]) -> dict[bytes, tuple[int | None, bytes]]:
    """What my statements say of theirs: the code of a refusal (none: taken), and the dialogue that says it."""
    found: dict[bytes, tuple[int | None, bytes]] = {}
    for data in mine:
        statement = Statement.decode(data)
        header = Header.decode(statement.header_bytes)
        match parse(header, statement.payload):
            case Reject() as reject:
                found[reject.target] = reject.code, header.dialogue
            case Decline() as decline:
                found[decline.accept] = decline.code, header.dialogue
            case Confirm() as confirm:
                found[confirm.accept()[0].id] = None, header.dialogue
            case TradeAck() as ack:
                found[ack.confirm] = None, header.dialogue
    return found


def sign_incarnation(signer: Signer, peer: str, content: Incarnation, created: int) -> Statement:
    identity = signer.identity
    header = Header(
        kind=Kind.INCARNATION,
        dialogue=PAIR_DIALOGUE,
        sender=identity.did,
        key_fragment=identity.key_fragment,
        receiver=peer,
        seq=1,
        own=NO_HASH,
        seen=NO_HASH,
        created=created,
        expiry=0,
        document_hash=identity.document_hash,
    )
    return Statement.sign(signer, header.encode(), encode(content))


def read_incarnation(data: bytes, signer: Identity, receiver: str) -> Incarnation:
    """An authentic Incarnation of the peer's."""
    statement = Statement.decode(data)
    header = Header.decode(statement.header_bytes)
    names = (header.sender, header.receiver, header.key_fragment, header.document_hash, header.seq)
    if names != (signer.did, receiver, signer.key_fragment, signer.document_hash, 1):
        raise NegotiationError("KEY", "an Incarnation of somebody else")
    if not statement.is_signed_by(signer):
        raise NegotiationError("SIGNATURE", "Incarnation")
    content = parse(header, statement.payload)
    if not isinstance(content, Incarnation):
        raise NegotiationError("KIND", "not an Incarnation")
    return content


Adopt = Callable[[list[tuple[bool, bytes]], dict[bytes, tuple[int | None, bytes]]], None]
