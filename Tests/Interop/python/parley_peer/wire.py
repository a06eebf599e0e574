"""The byte notation of the pages: `LP(x)` is a 16-bit length and x, and integers are big-endian."""

from __future__ import annotations

import hashlib

from .errors import PeerError


def sha256(*parts: bytes) -> bytes:
    """`H` of the pages, over the concatenation."""
    return hashlib.sha256(b"".join(parts)).digest()


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def lp(value: bytes) -> bytes:
    return u16(len(value)) + value


class Reader:
    """A cursor that raises `error(code)` where the bytes end too soon."""

    def __init__(self, data: bytes, error: type[PeerError], code: str = "MALFORMED") -> None:
        self._data = data
        self._offset = 0
        self._error = error
        self._code = code

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def remaining(self) -> int:
        return len(self._data) - self._offset

    def take(self, count: int) -> bytes:
        if count > self.remaining:
            raise self._error(self._code, f"{count} bytes wanted, {self.remaining} left")
        start, self._offset = self._offset, self._offset + count
        return self._data[start : self._offset]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def lp(self, limit: int) -> bytes:
        count = self.u16()
        if count > limit:
            raise self._error(self._code, f"field of {count} bytes, at most {limit}")
        return self.take(count)

    def rest(self) -> bytes:
        return self.take(self.remaining)

    def finish(self) -> None:
        if self.remaining:
            raise self._error(self._code, f"{self.remaining} bytes too many")
