"""base58btc, base64url and the multicodec prefixes that DIDs use."""

from __future__ import annotations

import base64
import binascii

from .errors import IdentityError

ED25519_PUB = b"\xed\x01"
MLDSA65_PUB = b"\x91\x24"  # varint of 0x1211
JSON_CODEC = b"\x80\x04"  # varint of 0x0200
SHA2_256 = b"\x12\x20"

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: index for index, character in enumerate(_ALPHABET)}


def base58_encode(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def base58_decode(text: str) -> bytes:
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise IdentityError("BASE58", f"character {character!r}")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base64url_encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_decode(text: str) -> bytes | None:
    """Strict: no padding, no foreign character, no stray bits. `None` where the text breaks that."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64url_encode(data) == text else None


def multibase_decode(text: str) -> bytes:
    match text[:1]:
        case "z":
            return base58_decode(text[1:])
        case "u":
            data = base64url_decode(text[1:])
            if data is not None:
                return data
    raise IdentityError("MULTIBASE", text[:8])


def multikey(prefix: bytes, raw: bytes) -> str:
    return "z" + base58_encode(prefix + raw)
