"""Renewing the keys of a session (secure-channel.md §8.1): the bodies of OFFER, REPLY and DONE, and the next root."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .errors import HandshakeError, RecordError
from .handshake import CONTEXT, Secrets
from .identity import ED25519_SIGNATURE_SIZE, MLDSA65_SIGNATURE_SIZE, Identity, Signature, Signer
from .noise import (
    CIPHERTEXT_SIZE,
    DH_SIZE,
    ENCAPSULATION_KEY_SIZE,
    Encapsulate,
    check_encapsulation_key,
    diffie_hellman,
    encapsulate,
    hkdf_extract,
    public_raw,
)
from .wire import Reader, lp, sha256, u32


@dataclass(frozen=True)
class Part:
    """OFFER (`kem` is an encapsulation key) or REPLY (`kem` is a ciphertext)."""

    epoch: int
    e: bytes
    kem: bytes
    signature: Signature

    def encode(self) -> bytes:
        return u32(self.epoch) + self.e + self.kem + lp(self.signature.ed25519) + lp(self.signature.mldsa65)

    @classmethod
    def decode(cls, body: bytes, kem_size: int) -> Part:
        reader = Reader(body, RecordError, "RATCHET")
        epoch, e, kem = reader.u32(), reader.take(DH_SIZE), reader.take(kem_size)
        ed25519, mldsa65 = reader.lp(ED25519_SIGNATURE_SIZE), reader.lp(MLDSA65_SIGNATURE_SIZE)
        reader.finish()
        if len(ed25519) != ED25519_SIGNATURE_SIZE or len(mldsa65) not in (0, MLDSA65_SIGNATURE_SIZE):
            raise RecordError("RATCHET", "signature")
        return cls(epoch, e, kem, Signature(2 if mldsa65 else 1, ed25519, mldsa65))


@dataclass
class RatchetKeys:
    """The random inputs of one renewal; tests inject them."""

    ephemeral: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    kem: MLKEM768PrivateKey = field(default_factory=MLKEM768PrivateKey.generate)
    encapsulate: Encapsulate = encapsulate


class Ratchet:
    """One session's renewals, seen from one side. `secrets` are those of the newest epoch."""

    def __init__(self, secrets: Secrets, initiator: bool, signer: Signer, peer: Identity) -> None:
        self.secrets = secrets
        self.epoch = 0
        self.offered: tuple[RatchetKeys, bytes] | None = None
        self._initiator = initiator
        self._signer = signer
        self._peer = peer

    def offer_statement(self, epoch: int, e: bytes, kem: bytes) -> bytes:
        return self._statement(b"O", epoch) + e + kem + self._dids(b"I")

    def reply_statement(self, epoch: int, offer: bytes, e: bytes, kem: bytes) -> bytes:
        return self._statement(b"R", epoch) + sha256(offer) + e + kem + self._dids(b"R")

    def _statement(self, kind: bytes, epoch: int) -> bytes:
        return b"parley/psc1 ratchet\0" + kind + self.secrets.transcript_hash + u32(epoch)

    def _dids(self, first: bytes) -> bytes:
        mine, theirs = lp(self._signer.identity.did.encode()), lp(self._peer.did.encode())
        return mine + theirs if (first == b"I") == self._initiator else theirs + mine

    def sign(self, statement: bytes) -> Signature:
        return self._signer.sign(statement, CONTEXT)

    def make_offer(self, keys: RatchetKeys | None = None) -> bytes:
        keys = keys or RatchetKeys()
        e, kem = public_raw(keys.ephemeral), keys.kem.public_key().public_bytes_raw()
        epoch = self.epoch + 1
        body = Part(epoch, e, kem, self.sign(self.offer_statement(epoch, e, kem))).encode()
        self.offered = keys, body
        return body

    def answer(self, body: bytes, keys: RatchetKeys | None = None) -> bytes:
        """R: the REPLY to an OFFER. Afterwards `secrets` are the next epoch's."""
        keys = keys or RatchetKeys()
        offer = Part.decode(body, ENCAPSULATION_KEY_SIZE)
        if offer.epoch != self.epoch + 1:
            raise RecordError("RATCHET", "epoch")
        self._verify(offer, self.offer_statement(offer.epoch, offer.e, offer.kem))
        e = public_raw(keys.ephemeral)
        try:
            check_encapsulation_key(offer.kem)
            agreed = diffie_hellman(keys.ephemeral, offer.e)
            ciphertext, shared = keys.encapsulate(offer.kem)
        except HandshakeError as error:
            raise RecordError(error.code) from error
        if offer.e == e:
            raise RecordError("OWN_EPHEMERAL")
        signature = self.sign(self.reply_statement(offer.epoch, body, e, ciphertext))
        reply = Part(offer.epoch, e, ciphertext, signature).encode()
        self._advance(shared + agreed, body + reply)
        return reply

    def finish(self, body: bytes) -> bytes:
        """I: takes REPLY and gives the body of DONE. Afterwards `secrets` are the next epoch's."""
        if self.offered is None:
            raise RecordError("UNEXPECTED_RECORD", "REPLY")
        keys, offer = self.offered
        self.offered = None
        reply = Part.decode(body, CIPHERTEXT_SIZE)
        if reply.epoch != self.epoch + 1:
            raise RecordError("RATCHET", "epoch")
        self._verify(reply, self.reply_statement(reply.epoch, offer, reply.e, reply.kem))
        if reply.e == public_raw(keys.ephemeral):
            raise RecordError("OWN_EPHEMERAL")
        try:
            agreed = diffie_hellman(keys.ephemeral, reply.e)
        except HandshakeError as error:
            raise RecordError(error.code) from error
        self._advance(keys.kem.decapsulate(reply.kem) + agreed, offer + body)
        return u32(self.epoch)

    def _verify(self, part: Part, statement: bytes) -> None:
        if part.signature.suite != self._peer.suite:
            raise RecordError("SUITE")
        if not self._peer.is_valid(part.signature, statement, CONTEXT):
            raise RecordError("SIGNATURE")

    def _advance(self, agreed: bytes, exchange: bytes) -> None:
        self.epoch += 1
        root = hkdf_extract(self.secrets.ratchet, agreed + sha256(exchange))
        self.secrets = self.secrets.next(root, self.epoch)
