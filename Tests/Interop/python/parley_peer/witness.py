"""The witness (docs/protocol/witness.md): slots, writes, stamps and messages, and a small witness of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .errors import NegotiationError
from .identity import SUITE_ED25519, SUITE_ED25519_MLDSA65, Identity, Signature, Signer, _is_strict_point
from .packing import Fields, pack, unpack
from .payload import Accept
from .statement import NO_HASH, Code, Statement, statement_id
from .wire import sha256

PROTOCOL = "/parley/witness/1"
CONTEXT = "parley/witness1"
SECOND = 10**9
HORIZON = 120 * SECOND
RETENTION = 30 * 86_400 * SECOND
MAX_SLOTS = 100_000
MAX_QUESTIONS = 50
MAX_STAMP = 4_413
MAX_MESSAGE = 8_192


@dataclass(frozen=True)
class Slot:
    """Section 2."""

    offer: bytes
    key: bytes
    deadline: int

    @property
    def id(self) -> bytes:
        return sha256(b"parley/witness1 slot\0", self.offer, self.key, self.deadline.to_bytes(8, "big"))

    def written_bytes(self, content: bytes) -> bytes:
        return b"parley/witness1 write\0" + self.id + content

    def is_written(self, content: bytes, signature: bytes) -> bool:
        if len(signature) != 64 or not (_is_strict_point(self.key) and _is_strict_point(signature[:32])):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, self.written_bytes(content))
        except (InvalidSignature, ValueError):
            return False
        return True


def content(statement: Statement, accept: Accept) -> bytes:
    """The id that an Accept would have without its write."""
    return statement_id(statement.header_bytes, pack(accept.bare().fields()))


def slot_key(signer: Signer, dialogue: bytes) -> Ed25519PrivateKey:
    label = b"parley/witness1 slot seed\0"
    secret = signer.sign(label + dialogue, CONTEXT).ed25519
    return Ed25519PrivateKey.from_private_bytes(sha256(label, secret))


# Section 3: stamps


@dataclass(frozen=True)
class Stamp:
    witness: str
    key_fragment: str
    document_hash: bytes
    slot: Slot
    content: bytes
    time: int
    encoded: bytes = field(repr=False)
    id: bytes
    signature: Signature = field(repr=False)

    @property
    def is_empty(self) -> bool:
        return self.content == NO_HASH

    @classmethod
    def decode(cls, data: bytes) -> Stamp:
        if len(data) > MAX_STAMP:
            raise NegotiationError("MALFORMED", "a stamp too long")
        outer = Fields(unpack(data), 5, "stamp")
        outer.integer(1, 1)
        body, suite, ed25519 = outer.bytes(1024), outer.integer(1, 2), outer.binary(64)
        mldsa65 = outer.optional_binary(3309)
        if (mldsa65 is None) != (suite == SUITE_ED25519):
            raise NegotiationError("MALFORMED", "the stamp's suite")
        fields = Fields(unpack(body), 8, "stamp")
        witness, key, document_hash = fields.text(255, 1), fields.text(64, 1), fields.binary(32)
        slot = Slot(fields.binary(32), fields.binary(32), fields.integer())
        written, time = fields.binary(32), fields.integer()
        if (written == NO_HASH) != (time > slot.deadline):
            raise NegotiationError("MALFORMED", "the stamp's time")
        name = sha256(b"parley/witness1 stamp\0", body)
        return cls(witness, key, document_hash, slot, written, time, data, name, Signature(suite, ed25519, mldsa65 or b""))

    @classmethod
    def sign(cls, slot: Slot, written: bytes, time: int, signer: Signer) -> Stamp:
        me = signer.identity
        body = pack(
            [me.did, me.key_fragment, me.document_hash, slot.offer, slot.key, slot.deadline, written, time]
        )
        signature = signer.sign(_signed_bytes(sha256(b"parley/witness1 stamp\0", body), me.suite), CONTEXT)
        return cls.decode(pack([1, body, signature.suite, signature.ed25519, signature.mldsa65 or None]))

    def is_signed_by(self, identity: Identity) -> bool:
        named = (self.witness, self.key_fragment, self.document_hash, self.signature.suite)
        return named == (identity.did, identity.key_fragment, identity.document_hash, identity.suite) and (
            identity.is_valid(self.signature, _signed_bytes(self.id, identity.suite), CONTEXT)
        )


def _signed_bytes(name: bytes, suite: int) -> bytes:
    assert suite in (SUITE_ED25519, SUITE_ED25519_MLDSA65)
    return b"parley/witness1 sign\0" + bytes([suite]) + name


# Section 4: messages


def write(slot: Slot, written: bytes, signature: bytes) -> bytes:
    return pack([1, slot.offer, slot.key, slot.deadline, written, signature])


def query(slot: Slot) -> bytes:
    return pack([2, slot.offer, slot.key, slot.deadline])


@dataclass(frozen=True)
class Answer:
    """STAMP, OPEN or REFUSED."""

    stamp: Stamp | None = None
    slot: bytes = b""
    code: int = 0
    now: int = 0

    @classmethod
    def decode(cls, data: bytes) -> Answer:
        value = unpack(data)
        kind = value[0] if isinstance(value, list) and value else None
        if kind == 3:
            fields = Fields(value, 2, "STAMP")
            fields.any()
            return cls(Stamp.decode(fields.bytes(MAX_STAMP)))
        if kind == 4:
            fields = Fields(value, 3, "OPEN")
            fields.any()
            return cls(slot=fields.binary(32), now=fields.integer())
        fields = Fields(value, 4, "REFUSED")
        fields.integer(5, 5)
        slot, code = fields.binary(32), fields.integer(0, 65535)
        fields.text(128)
        return cls(slot=slot, code=code)


# Section 5: a witness, in memory only


@dataclass
class Slots:
    """Answers questions; a witness that is to be believed would make each row durable before its answer."""

    signer: Signer
    time: int = 0
    written: dict[Slot, Stamp] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)

    def answer(self, question: bytes, peer: str, now: int) -> bytes:
        """The answer; NegotiationError where the stream has to end."""
        if len(question) > MAX_MESSAGE:
            raise NegotiationError("MALFORMED", "a message too long")
        value = unpack(question)
        kind = value[0] if isinstance(value, list) and value else None
        fields = Fields(value, 6 if kind == 1 else 4, "question")
        fields.integer(1, 2)
        slot = Slot(fields.binary(32), fields.binary(32), fields.integer())
        wanted = (fields.binary(32), fields.binary(64)) if kind == 1 else None
        if wanted is not None and wanted[0] == NO_HASH:
            raise NegotiationError("MALFORMED", "content")
        self.time = now = max(now, self.time)
        if code := self._refusal(slot, wanted, peer, now):
            return pack([5, slot.id, int(code), ""])
        stamp = self.written.get(slot)
        if stamp is None and now > slot.deadline:
            stamp = Stamp.sign(slot, NO_HASH, now, self.signer)
        elif stamp is None and wanted is None:
            return pack([4, slot.id, now])
        elif stamp is None and wanted is not None:
            if self.counts.get(peer, 0) >= MAX_SLOTS:
                return pack([5, slot.id, int(Code.LIMIT), ""])
            self.counts[peer] = self.counts.get(peer, 0) + 1
            stamp = self.written[slot] = Stamp.sign(slot, wanted[0], now, self.signer)
        assert stamp is not None
        return pack([3, stamp.encoded])

    def _refusal(self, slot: Slot, wanted: tuple[bytes, bytes] | None, peer: str, now: int) -> Code | None:
        start, count = self.rates.get(peer, (now, 0))
        start, count = (now, 0) if now - start >= SECOND else (start, count)
        self.rates[peer] = start, count + 1
        if count >= MAX_QUESTIONS:
            return Code.RATE
        if slot.deadline > now + HORIZON:
            return Code.HORIZON
        if slot.deadline + RETENTION < now:
            return Code.FORGOTTEN
        if wanted is not None and not slot.is_written(*wanted):
            return Code.SIGNATURE
        return None
