"""A responder under load (secure-channel.md §8.3): RETRY, its cookie, and the work that it asks for."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from .errors import HandshakeError
from .noise import hmac_sha256
from .wire import Reader, u16, u64

RETRY_SIZE = 35
MAX_DIFFICULTY = 20
MAX_MILLISECONDS = 2000
MAX_RETRIES = 2
BUCKET_SECONDS = 120


@dataclass(frozen=True)
class Retry:
    cookie: bytes
    difficulty: int
    milliseconds: int

    def encode(self) -> bytes:
        return self.cookie + bytes([self.difficulty]) + u16(self.milliseconds)

    @classmethod
    def decode(cls, data: bytes) -> Retry:
        reader = Reader(data, HandshakeError, "RETRY")
        retry = cls(reader.take(32), reader.u8(), reader.u16())
        reader.finish()
        if retry.difficulty > MAX_DIFFICULTY or retry.milliseconds > MAX_MILLISECONDS:
            raise HandshakeError("RETRY", f"{retry.difficulty} bits, {retry.milliseconds} ms")
        return retry


def zero_bits(token: bytes, keys: bytes, work: int) -> int:
    digest = hashlib.sha256(token + keys + u64(work)).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def search(token: bytes, keys: bytes, difficulty: int) -> int:
    """The least `work` that does it."""
    start = hashlib.sha256(token + keys)
    work = 0
    while True:
        state = start.copy()
        state.update(u64(work))
        if 256 - int.from_bytes(state.digest(), "big").bit_length() >= difficulty:
            return work
        work += 1


def cookie(key: bytes, difficulty: int, bucket: int, source: bytes) -> bytes:
    message = b"parley/psc1 cookie\0" + bytes([difficulty]) + u64(bucket) + source
    return bytes([difficulty]) + hmac_sha256(key, message)[:31]


class Cookies:
    """R's side: it keeps nothing but a key."""

    def __init__(self, difficulty: int) -> None:
        self._key = secrets.token_bytes(32)
        self._difficulty = difficulty

    def _bucket(self) -> int:
        return int(time.monotonic() // BUCKET_SECONDS) + 1

    def retry(self, source: bytes) -> bytes:
        return Retry(cookie(self._key, self._difficulty, self._bucket(), source), self._difficulty, 0).encode()

    def is_paid(self, source: bytes, token: bytes, keys: bytes, work: int) -> bool:
        difficulty, now = token[0], self._bucket()
        valid = any(
            hmac.compare_digest(token, cookie(self._key, difficulty, bucket, source)) for bucket in (now, now - 1)
        )
        return valid and zero_bits(token, keys, work) >= difficulty
