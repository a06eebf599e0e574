"""The record layer (secure-channel.md §6), with the epochs of §8.1."""

from __future__ import annotations

from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import RecordError
from .handshake import Secrets
from .identity import Identity, Signer
from .noise import hkdf_expand
from .ratchet import Ratchet
from .resumption import Resumable, Streams, answer
from .wire import u32, u64

RECORDS_PER_KEY = 512
INNER_SIZES = tuple(64 << k for k in range(9))
MAX_BODY = INNER_SIZES[-1] - 5
MAX_RECORD = 4 + INNER_SIZES[-1] + 16
EPOCH_RECORDS = 1 << 16
EPOCH_BYTES = 1 << 28
CLOSE_SIZE = 4 + INNER_SIZES[0] + 16
RENEWAL_SIZE = 4 + 8192 + 16  # the longest OFFER or REPLY


class RecordType(IntEnum):
    ACCEPT = 1
    REFUSE = 2
    CLOSE = 3
    OFFER = 4
    REPLY = 5
    DONE = 6
    RESUME = 7
    RESUMED = 8
    APP = 16


# What a sender keeps free after a record of this type: records and bytes.
_RESERVED: dict[int, tuple[int, int]] = {
    RecordType.CLOSE: (0, 0),
    RecordType.REFUSE: (0, 0),
    RecordType.OFFER: (1, CLOSE_SIZE),
    RecordType.REPLY: (1, CLOSE_SIZE),
}


class Direction:
    """The keys of one direction: the key moves on after every 512 records, and the epoch has an end."""

    def __init__(self, secret: bytes, role: bytes, epoch: int = 0) -> None:
        self.role = role
        self.epoch = epoch
        self.sequence = 0
        self.byte_count = 0
        self._install(secret)

    def _install(self, secret: bytes) -> None:
        self.secret = secret
        self._aead = AESGCM(hkdf_expand(secret, b"parley/psc1 key", 32))
        self._iv = int.from_bytes(hkdf_expand(secret, b"parley/psc1 iv", 12), "big")

    def _parameters(self) -> tuple[bytes, bytes]:
        nonce = (self._iv ^ self.sequence).to_bytes(12, "big")
        return nonce, u32(self.epoch) + self.role + u64(self.sequence)

    def _advance(self, byte_count: int) -> None:
        self.sequence += 1
        self.byte_count += byte_count
        if self.sequence % RECORDS_PER_KEY == 0:
            self._install(hkdf_expand(self.secret, b"parley/psc1 upd", 32))

    def seal_inner(self, inner: bytes) -> bytes:
        """Encrypts an inner plaintext as it is: tests build wrong ones with this."""
        nonce, associated = self._parameters()
        record = u32(self.epoch) + self._aead.encrypt(nonce, inner, associated)
        self._advance(len(record))
        return record

    def seal(self, kind: RecordType | int, body: bytes) -> bytes:
        """Keeps room in the epoch for CLOSE, and for what renews the keys."""
        inner = pad_inner(kind, body)
        room, reserved = _RESERVED.get(kind, (2, CLOSE_SIZE + RENEWAL_SIZE))
        size = 4 + len(inner) + 16 + reserved
        if self.sequence + room >= EPOCH_RECORDS or self.byte_count + size > EPOCH_BYTES:
            raise RecordError("EPOCH_FULL")
        return self.seal_inner(inner)

    def open(self, record: bytes) -> tuple[RecordType, bytes]:
        if len(record) > MAX_RECORD or len(record) - 20 not in INNER_SIZES:
            raise RecordError("RECORD_LENGTH", str(len(record)))
        if record[:4] != u32(self.epoch):
            raise RecordError("EPOCH")
        if self.sequence >= EPOCH_RECORDS or self.byte_count + len(record) > EPOCH_BYTES:
            raise RecordError("EPOCH_FULL")
        nonce, associated = self._parameters()
        try:
            inner = self._aead.decrypt(nonce, record[4:], associated)
        except InvalidTag as error:
            raise RecordError("AEAD") from error
        self._advance(len(record))
        size = int.from_bytes(inner[1:5], "big")
        if size > len(inner) - 5 or len(inner) != next(n for n in INNER_SIZES if n >= size + 5):
            raise RecordError("RECORD_BODY")
        if any(inner[5 + size :]):
            raise RecordError("PADDING")
        try:
            return RecordType(inner[0]), inner[5 : 5 + size]
        except ValueError as error:
            raise RecordError("RECORD_TYPE", str(inner[0])) from error


def pad_inner(kind: int, body: bytes) -> bytes:
    inner = bytes([kind]) + u32(len(body)) + body
    return inner.ljust(next(n for n in INNER_SIZES if n >= len(inner)), b"\0")


class Channel:
    """Both directions, seen from one side. What must be sent because of a record that came is in `outbox`."""

    def __init__(self, secrets: Secrets, initiator: bool, signer: Signer, peer: Identity) -> None:
        i2r, r2i = Direction(secrets.i2r, b"I"), Direction(secrets.r2i, b"R")
        self.sending, self.receiving = (i2r, r2i) if initiator else (r2i, i2r)
        self.initiator = initiator
        self.exporter = secrets.exporter
        self.transcript_hash = secrets.transcript_hash
        self.ratchet = Ratchet(secrets, initiator, signer, peer)
        self.continuity = secrets.continuity
        self.peer = peer.did
        self.resume_id = b""
        self.resumable: dict[bytes, Resumable] = {}  # R: sessions that this peer may name
        self.resumed: Streams | None = None
        self._asked: Resumable | None = None
        self.outbox: list[bytes] = []
        self._next: Direction | None = None

    def seal(self, kind: RecordType | int, body: bytes) -> bytes:
        return self.sending.seal(kind, body)

    def offer(self) -> bytes:
        """I: begins a renewal."""
        return self.seal(RecordType.OFFER, self.ratchet.make_offer())

    @property
    def may_offer(self) -> bool:
        return self.initiator and self.ratchet.offered is None

    def open(self, record: bytes) -> tuple[RecordType, bytes]:
        """Also takes the steps of a renewal: after OFFER, REPLY or DONE there is nothing left to do but send `outbox`."""
        if self._next is not None and record[:4] != u32(self.receiving.epoch):
            return self._open_done(record)
        kind, body = self.receiving.open(record)
        if kind is RecordType.OFFER:
            self._receive_offer(body)
        elif kind is RecordType.REPLY:
            self._receive_reply(body)
        elif kind is RecordType.DONE:
            raise RecordError("UNEXPECTED_RECORD", "DONE")
        elif kind is RecordType.RESUME:
            self._receive_resume(body)
        elif kind is RecordType.RESUMED:
            self._receive_resumed(body)
        return kind, body

    def resume(self, session: Resumable, streams: Streams) -> bytes:
        """I: asks about an earlier session, as its first record."""
        self._asked = session
        return self.seal(RecordType.RESUME, session.resume(self.transcript_hash, streams))

    def _receive_resume(self, body: bytes) -> None:
        if self.initiator or self.receiving.epoch != 0 or self.receiving.sequence != 1:
            raise RecordError("UNEXPECTED_RECORD", "RESUME")
        answered, self.resumed = answer(self.resumable, self.peer, self.transcript_hash, body)
        self.outbox.append(self.seal(RecordType.RESUMED, answered))

    def _receive_resumed(self, body: bytes) -> None:
        if self._asked is None:
            raise RecordError("UNEXPECTED_RECORD", "RESUMED")
        session, self._asked = self._asked, None
        self.resumed = session.check_resumed(body, self.transcript_hash)

    def _receive_offer(self, body: bytes) -> None:
        if self.initiator or self._next is not None:
            raise RecordError("UNEXPECTED_RECORD", "OFFER")
        reply = self.ratchet.answer(body)
        self.outbox.append(self.seal(RecordType.REPLY, reply))
        secrets, epoch = self.ratchet.secrets, self.ratchet.epoch
        self.sending = Direction(secrets.r2i, b"R", epoch)
        self._next = Direction(secrets.i2r, b"I", epoch)

    def _receive_reply(self, body: bytes) -> None:
        done = self.ratchet.finish(body)
        secrets, epoch = self.ratchet.secrets, self.ratchet.epoch
        self.receiving = Direction(secrets.r2i, b"R", epoch)
        self.sending = Direction(secrets.i2r, b"I", epoch)
        self.outbox.append(self.seal(RecordType.DONE, done))

    def _open_done(self, record: bytes) -> tuple[RecordType, bytes]:
        assert self._next is not None
        self.receiving, self._next = self._next, None
        kind, body = self.receiving.open(record)
        if kind is not RecordType.DONE:
            raise RecordError("UNEXPECTED_RECORD", kind.name)
        if body != u32(self.receiving.epoch):
            raise RecordError("RATCHET", "DONE")
        return kind, body
