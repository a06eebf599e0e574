"""Strict MessagePack (negotiation.md §1): arrays of fixed length, shortest forms, nothing else.

PyPI's `msgpack` reads and writes; strictness is one comparison: what does not pack again to the same bytes was not in
the shortest form.
"""

from __future__ import annotations

from typing import Any

import msgpack

from .errors import NegotiationError

MAX_DEPTH = 8

Packed = int | bool | bytes | str | None | list["Packed"]


def pack(value: Packed) -> bytes:
    return msgpack.packb(value, use_bin_type=True)


def unpack(data: bytes) -> Any:
    """The value of exactly these bytes. Maps, floats and extension types are refused."""
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise NegotiationError("MALFORMED", "MessagePack") from error
    _check(value, 0)
    if pack(value) != data:
        raise NegotiationError("MALFORMED", "not the shortest form")
    return value


def _check(value: object, depth: int) -> None:
    if isinstance(value, list):
        if depth == MAX_DEPTH:
            raise NegotiationError("MALFORMED", "too deep")
        for item in value:
            _check(item, depth + 1)
    elif not (value is None or isinstance(value, bool | int | bytes | str)):
        raise NegotiationError("MALFORMED", type(value).__name__)


class Fields:
    """One array being taken apart: each field by its type, all of them, in order."""

    def __init__(self, value: object, count: int, name: str) -> None:
        if not isinstance(value, list) or len(value) != count:
            raise NegotiationError("MALFORMED", f"{name} is not an array of {count}")
        self._items = iter(value)
        self._name = name

    def _next(self, kind: type) -> Any:
        item = next(self._items)
        if not isinstance(item, kind):
            raise NegotiationError("MALFORMED", f"{self._name}: {item!r:.40} where {kind.__name__} is wanted")
        return item

    def any(self) -> Any:
        return next(self._items)

    def integer(self, low: int = 0, high: int = 2**63 - 1) -> int:
        item = next(self._items)
        if isinstance(item, bool) or not isinstance(item, int) or not low <= item <= high:
            raise NegotiationError("MALFORMED", f"{self._name}: {item!r:.40} is not in {low}...{high}")
        return item

    def boolean(self) -> bool:
        return self._next(bool)

    def binary(self, count: int) -> bytes:
        item = self._next(bytes)
        if len(item) != count:
            raise NegotiationError("MALFORMED", f"{self._name}: {len(item)} bytes, not {count}")
        return item

    def bytes(self, limit: int) -> bytes:
        item = self._next(bytes)
        if len(item) > limit:
            raise NegotiationError("MALFORMED", f"{self._name}: {len(item)} bytes, at most {limit}")
        return item

    def text(self, limit: int, least: int = 0) -> str:
        item = self._next(str)
        if not least <= len(item.encode()) <= limit:
            raise NegotiationError("MALFORMED", f"{self._name}: text of {len(item)} characters")
        return item

    def array(self, limit: int, least: int = 0) -> list[Any]:
        item = self._next(list)
        if not least <= len(item) <= limit:
            raise NegotiationError("MALFORMED", f"{self._name}: {len(item)} items, at most {limit}")
        return item

    def nil(self) -> None:
        if next(self._items) is not None:
            raise NegotiationError("MALFORMED", f"{self._name}: nil is wanted")

    def optional_binary(self, count: int) -> bytes | None:
        item = next(self._items)
        return None if item is None else Fields([item], 1, self._name).binary(count)

    def optional_integer(self, low: int, high: int) -> int | None:
        item = next(self._items)
        return None if item is None else Fields([item], 1, self._name).integer(low, high)
