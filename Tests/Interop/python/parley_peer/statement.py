"""Statements (negotiation.md §3): signed bytes, their header and their id."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from .errors import NegotiationError
from .identity import (
    ED25519_SIGNATURE_SIZE,
    MLDSA65_SIGNATURE_SIZE,
    SUITE_ED25519,
    SUITE_ED25519_MLDSA65,
    Identity,
    Signature,
    Signer,
)
from .packing import Fields, Packed, pack, unpack
from .wire import Reader, lp, sha256, u16, u32

CONTEXT = "parley/neg1"
MAX_HEADER = 1024
MAX_PAYLOAD = 8192
MAX_CONFIRM_PAYLOAD = 20480
MAX_TIME = 2**63 - 1
NO_HASH = bytes(32)
PAIR_DIALOGUE = bytes(16)


class Kind(IntEnum):
    QUOTE_REQUEST = 1
    QUOTE = 2
    COUNTER = 3
    ACCEPT = 4
    CONFIRM = 5
    DECLINE = 6
    QUOTE_CANCEL = 7
    WITHDRAW = 8
    PASS = 9
    REJECT = 10
    TRADE_ACK = 11
    INCARNATION = 12
    MASS_CANCEL = 13


class Code(IntEnum):
    MALFORMED = 1
    VERSION = 2
    KIND = 3
    CRITICAL = 4
    SIGNATURE = 5
    KEY = 6
    CHAIN = 7
    DUPLICATE = 8
    UNKNOWN = 9
    ROLE = 10
    ROUNDS = 11
    REPLACES = 12
    NO_OFFER = 13
    INDICATIVE = 14
    DEAD = 15
    LATE = 16
    LAPSED = 17
    CANCELLED = 18
    SUPERSEDED = 19
    TAKEN = 20
    CROSSED = 21
    DECIDED = 22
    HELD = 23
    CLOSED = 24
    WITHDRAWN = 25
    UNSOLICITED = 26
    TERMS = 27
    LOTS = 28
    SPEC = 29
    CLOCK = 30
    BAND = 31
    DUST = 32
    LIMIT = 33
    RATE = 34
    POLICY = 35
    CPTY = 36
    FISHING = 37
    LOOK_ABUSE = 38
    PRICE = 39
    KILLED = 40
    OVERLOAD = 41
    WITNESS = 42
    AMNESIA = 43
    PAUSED = 44
    SELF_TRADE = 45
    BLIND = 50
    NO_WITNESS = 53
    HORIZON = 54
    FORGOTTEN = 55
    LOST_SELF = 64
    LOST_PEER = 65
    FORK = 66
    NEW_INCARNATION = 67
    EQUIVOCATION = 68
    FORGED = 69
    RESYNC_LOOP = 70


def code_name(code: int) -> str:
    return Code(code).name if code in Code._value2member_map_ else str(code)


@dataclass(frozen=True)
class Extension:
    id: int
    critical: bool
    value: bytes


@dataclass(frozen=True)
class Header:
    """The protected header, 13 elements."""

    kind: int
    dialogue: bytes
    sender: str
    key_fragment: str
    receiver: str
    seq: int
    own: bytes
    seen: bytes
    created: int
    expiry: int
    document_hash: bytes
    ext: tuple[Extension, ...] = ()

    def encode(self) -> bytes:
        ext: list[Packed] = [[e.id, e.critical, e.value] for e in self.ext]
        return pack(
            [
                1,
                self.kind,
                self.dialogue,
                self.sender,
                self.key_fragment,
                self.receiver,
                self.seq,
                self.own,
                self.seen,
                self.created,
                self.expiry,
                self.document_hash,
                ext,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> Header:
        value = unpack(data)
        if isinstance(value, list) and value and type(value[0]) is int and value[0] != 1:
            raise NegotiationError("VERSION", str(value[0]))
        fields = Fields(value, 13, "header")
        fields.integer(1, 1)
        header = cls(
            kind=fields.integer(high=255),
            dialogue=fields.binary(16),
            sender=fields.text(255, 1),
            key_fragment=fields.text(64, 1),
            receiver=fields.text(255, 1),
            seq=fields.integer(1),
            own=fields.binary(32),
            seen=fields.binary(32),
            created=fields.integer(),
            expiry=fields.integer(),
            document_hash=fields.binary(32),
            ext=tuple(_extension(item) for item in fields.array(8)),
        )
        if any(a.id >= b.id for a, b in zip(header.ext, header.ext[1:], strict=False)):
            raise NegotiationError("MALFORMED", "ext is not ascending")
        return header


def _extension(item: object) -> Extension:
    fields = Fields(item, 3, "ext")
    return Extension(fields.integer(high=65535), fields.boolean(), fields.bytes(MAX_HEADER))


@dataclass(frozen=True)
class Statement:
    """One signed statement, kept as the bytes that arrived."""

    encoded: bytes
    header_bytes: bytes
    payload: bytes
    signature: Signature
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", statement_id(self.header_bytes, self.payload))

    @classmethod
    def decode(cls, data: bytes) -> Statement:
        """Cuts the bytes into parts; the header stays bytes."""
        reader = Reader(data, NegotiationError)
        if reader.u8() != 1:
            raise NegotiationError("MALFORMED", "statement format")
        header = reader.lp(MAX_HEADER)
        size = reader.u32()
        if size > MAX_CONFIRM_PAYLOAD:
            raise NegotiationError("MALFORMED", "payload too long")
        payload, suite = reader.take(size), reader.u8()
        if suite not in (SUITE_ED25519, SUITE_ED25519_MLDSA65):
            raise NegotiationError("MALFORMED", f"suite {suite}")
        ed25519 = reader.take(ED25519_SIGNATURE_SIZE)
        mldsa65 = reader.take(MLDSA65_SIGNATURE_SIZE) if suite == SUITE_ED25519_MLDSA65 else b""
        reader.finish()
        return cls(data, header, payload, Signature(suite, ed25519, mldsa65))

    @classmethod
    def sign(cls, signer: Signer, header: bytes, payload: bytes) -> Statement:
        suite = signer.identity.suite
        signature = signer.sign(signed_bytes(suite, statement_id(header, payload)), CONTEXT)
        return cls(encode(header, payload, signature), header, payload, signature)

    def is_signed_by(self, identity: Identity) -> bool:
        """Whether every signature of the identity's suite is valid."""
        return identity.is_valid(self.signature, signed_bytes(self.signature.suite, self.id), CONTEXT)


def encode(header: bytes, payload: bytes, signature: Signature) -> bytes:
    signatures = bytes([signature.suite]) + signature.ed25519 + signature.mldsa65
    return b"\x01" + lp(header) + u32(len(payload)) + payload + signatures


def statement_id(header: bytes, payload: bytes) -> bytes:
    return sha256(b"parley/neg1 statement\0", u16(len(header)), header, u32(len(payload)), payload)


def malformed_id(data: bytes) -> bytes:
    """Under this id bytes are counted that are no statement."""
    return sha256(b"parley/neg1 malformed\0", data)


def signed_bytes(suite: int, identifier: bytes) -> bytes:
    return b"parley/neg1 sign\0" + bytes([suite]) + identifier


def dialogue_id(requester: str, responder: str, nonce: bytes) -> bytes:
    return sha256(b"parley/neg1 dialogue\0", lp(requester.encode()), lp(responder.encode()), nonce)[:16]
