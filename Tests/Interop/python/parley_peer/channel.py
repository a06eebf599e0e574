"""The record layer (secure-channel.md §6). Version 1 has one epoch."""

from __future__ import annotations

from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import RecordError
from .handshake import Secrets
from .noise import hkdf_expand
from .wire import u32, u64

RECORDS_PER_KEY = 512
INNER_SIZES = tuple(64 << k for k in range(9))
MAX_BODY = INNER_SIZES[-1] - 5
MAX_RECORD = 4 + INNER_SIZES[-1] + 16
EPOCH_RECORDS = 1 << 16
EPOCH_BYTES = 1 << 28
CLOSE_SIZE = 4 + INNER_SIZES[0] + 16


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


class Direction:
    """The keys of one direction: the key moves on after every 512 records, and the epoch has an end."""

    def __init__(self, secret: bytes, role: bytes) -> None:
        self.role = role
        self.sequence = 0
        self.byte_count = 0
        self._install(secret)

    def _install(self, secret: bytes) -> None:
        self.secret = secret
        self._aead = AESGCM(hkdf_expand(secret, b"parley/psc1 key", 32))
        self._iv = int.from_bytes(hkdf_expand(secret, b"parley/psc1 iv", 12), "big")

    def _parameters(self) -> tuple[bytes, bytes]:
        nonce = (self._iv ^ self.sequence).to_bytes(12, "big")
        return nonce, u32(0) + self.role + u64(self.sequence)

    def _advance(self, byte_count: int) -> None:
        self.sequence += 1
        self.byte_count += byte_count
        if self.sequence % RECORDS_PER_KEY == 0:
            self._install(hkdf_expand(self.secret, b"parley/psc1 upd", 32))

    def seal_inner(self, inner: bytes) -> bytes:
        """Encrypts an inner plaintext as it is: tests build wrong ones with this."""
        nonce, associated = self._parameters()
        record = u32(0) + self._aead.encrypt(nonce, inner, associated)
        self._advance(len(record))
        return record

    def seal(self, kind: RecordType | int, body: bytes) -> bytes:
        """Keeps room for the CLOSE record in the epoch."""
        inner = pad_inner(kind, body)
        room = 0 if kind == RecordType.CLOSE else 1
        size = 4 + len(inner) + 16 + room * CLOSE_SIZE
        if self.sequence + room >= EPOCH_RECORDS or self.byte_count + size > EPOCH_BYTES:
            raise RecordError("EPOCH_FULL")
        return self.seal_inner(inner)

    def open(self, record: bytes) -> tuple[RecordType, bytes]:
        if len(record) > MAX_RECORD or len(record) - 20 not in INNER_SIZES:
            raise RecordError("RECORD_LENGTH", str(len(record)))
        if record[:4] != u32(0):
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
    """Both directions, seen from one side."""

    def __init__(self, secrets: Secrets, initiator: bool) -> None:
        i2r, r2i = Direction(secrets.i2r, b"I"), Direction(secrets.r2i, b"R")
        self.sending, self.receiving = (i2r, r2i) if initiator else (r2i, i2r)
        self.exporter = secrets.exporter
        self.transcript_hash = secrets.transcript_hash

    def seal(self, kind: RecordType | int, body: bytes) -> bytes:
        return self.sending.seal(kind, body)

    def open(self, record: bytes) -> tuple[RecordType, bytes]:
        return self.receiving.open(record)
