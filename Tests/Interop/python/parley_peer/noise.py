"""Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256 (secure-channel.md §3, Noise revision 34), without a word about DIDs.

    → e, e1                payload 1, clear and hashed
    ← e, ee, ekem1, s, es  payload 2
    → s, se                payload 3

Payloads that carry signatures need the handshake hash of the moment before they are encrypted, so a writer takes a
function from that hash to the payload.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import HandshakeError
from .wire import Reader, sha256, u64

PROTOCOL_NAME = b"Noise_XXhfs_25519+MLKEM768_AESGCM_SHA256"
DH_SIZE = 32
TAG_SIZE = 16
ENCAPSULATION_KEY_SIZE = 1184
CIPHERTEXT_SIZE = 1088

PayloadWriter = Callable[[bytes], bytes]
Encapsulate = Callable[[bytes], tuple[bytes, bytes]]


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac_sha256(salt, ikm)


def hkdf_expand(prk: bytes, info: bytes, count: int) -> bytes:
    output, block = b"", b""
    counter = 1
    while len(output) < count:
        block = hmac_sha256(prk, block + info + bytes([counter]))
        output += block
        counter += 1
    return output[:count]


def public_raw(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def diffie_hellman(key: X25519PrivateKey, public: bytes) -> bytes:
    """X25519; an all-zero result (a small-order point) is an error."""
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise HandshakeError("SMALL_ORDER") from error
    if shared == bytes(DH_SIZE):
        raise HandshakeError("SMALL_ORDER")
    return shared


def encapsulate(encapsulation_key: bytes) -> tuple[bytes, bytes]:
    """ML-KEM-768 encapsulation: (ciphertext, shared secret)."""
    try:
        shared, ciphertext = MLKEM768PublicKey.from_public_bytes(encapsulation_key).encapsulate()
    except ValueError as error:
        raise HandshakeError("ENCAPSULATION_KEY") from error
    return ciphertext, shared


def check_encapsulation_key(encapsulation_key: bytes) -> None:
    """The modulus check of FIPS 203 section 7.2: every 12-bit coefficient is below q."""
    for index in range(0, ENCAPSULATION_KEY_SIZE - 32, 3):
        low, middle, high = encapsulation_key[index : index + 3]
        if (low | (middle & 0x0F) << 8) >= 3329 or (middle >> 4 | high << 4) >= 3329:
            raise HandshakeError("ENCAPSULATION_KEY", "coefficient not below q")


class CipherState:
    """A key and a nonce counter; without a key it passes plaintext through."""

    def __init__(self) -> None:
        self._aead: AESGCM | None = None
        self._nonce = 0

    def initialize_key(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._nonce = 0

    def encrypt(self, associated: bytes, plaintext: bytes) -> bytes:
        if self._aead is None:
            return plaintext
        return self._aead.encrypt(self._next_nonce(), plaintext, associated)

    def decrypt(self, associated: bytes, ciphertext: bytes) -> bytes:
        if self._aead is None:
            return ciphertext
        try:
            return self._aead.decrypt(self._next_nonce(), ciphertext, associated)
        except InvalidTag as error:
            raise HandshakeError("AEAD") from error

    def _next_nonce(self) -> bytes:
        nonce = bytes(4) + u64(self._nonce)
        self._nonce += 1
        return nonce


class SymmetricState:
    """The chaining key and the handshake hash."""

    def __init__(self, prologue: bytes) -> None:
        # The name is longer than a hash: h = HASH(name).
        self.h = PROTOCOL_NAME.ljust(32, b"\0") if len(PROTOCOL_NAME) <= 32 else sha256(PROTOCOL_NAME)
        self.ck = self.h
        self._cipher = CipherState()
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        self.h = sha256(self.h, data)

    def mix_key(self, material: bytes) -> None:
        self.ck, key = self._hkdf2(material)
        self._cipher.initialize_key(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(self.h, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        plaintext = self._cipher.decrypt(self.h, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        return self._hkdf2(b"")

    def _hkdf2(self, material: bytes) -> tuple[bytes, bytes]:
        secret = hmac_sha256(self.ck, material)
        first = hmac_sha256(secret, b"\x01")
        return first, hmac_sha256(secret, first + b"\x02")


@dataclass
class NoiseKeys:
    """The random inputs of one side; tests inject them, everyone else takes the defaults."""

    static: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    ephemeral: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    kem: MLKEM768PrivateKey = field(default_factory=MLKEM768PrivateKey.generate)
    encapsulate: Encapsulate = encapsulate


@dataclass(frozen=True)
class NoiseResult:
    """What the handshake leaves behind."""

    k1: bytes
    k2: bytes
    transcript_hash: bytes


class NoiseInitiator:
    """Message 1 needs nothing of the responder, so it exists before the prologue does."""

    def __init__(self, keys: NoiseKeys) -> None:
        self._keys = keys
        self.e = public_raw(keys.ephemeral)
        self.e1 = keys.kem.public_key().public_bytes_raw()
        self.s = public_raw(keys.static)

    def write_message1(self, payload: bytes) -> bytes:
        self._payload1 = payload
        return self.e + self.e1 + payload

    def begin(self, prologue: bytes) -> None:
        self.symmetric = SymmetricState(prologue)
        self.symmetric.mix_hash(self.e)
        self.symmetric.encrypt_and_hash(self.e1)
        self.symmetric.encrypt_and_hash(self._payload1)

    def read_message2(self, message: bytes) -> tuple[bytes, bytes]:
        """The payload, and the handshake hash before it. `self.rs` is set; the caller must check the payload."""
        symmetric, reader = self.symmetric, Reader(message, HandshakeError, "M2_LENGTH")
        self.re = reader.take(DH_SIZE)
        if self.re == self.e:
            raise HandshakeError("OWN_EPHEMERAL")
        symmetric.mix_hash(self.re)
        symmetric.mix_key(diffie_hellman(self._keys.ephemeral, self.re))
        ciphertext = symmetric.decrypt_and_hash(reader.take(CIPHERTEXT_SIZE + TAG_SIZE))
        symmetric.mix_key(self._keys.kem.decapsulate(ciphertext))
        self.rs = symmetric.decrypt_and_hash(reader.take(DH_SIZE + TAG_SIZE))
        if self.rs == self.s:
            raise HandshakeError("OWN_STATIC")
        symmetric.mix_key(diffie_hellman(self._keys.ephemeral, self.rs))
        hash_before = symmetric.h
        return symmetric.decrypt_and_hash(reader.rest()), hash_before

    def write_message3(self, payload: PayloadWriter) -> tuple[bytes, NoiseResult]:
        symmetric = self.symmetric
        message = symmetric.encrypt_and_hash(self.s)
        symmetric.mix_key(diffie_hellman(self._keys.static, self.re))
        message += symmetric.encrypt_and_hash(payload(symmetric.h))
        return message, NoiseResult(*symmetric.split(), symmetric.h)


class NoiseResponder:
    def __init__(self, keys: NoiseKeys) -> None:
        self._keys = keys
        self.e = public_raw(keys.ephemeral)
        self.s = public_raw(keys.static)

    def read_message1(self, message: bytes, prologue: bytes) -> bytes:
        """The payload of message 1."""
        self.symmetric = symmetric = SymmetricState(prologue)
        reader = Reader(message, HandshakeError, "M1_LENGTH")
        self.re = reader.take(DH_SIZE)
        if self.re == self.e:
            raise HandshakeError("OWN_EPHEMERAL")
        symmetric.mix_hash(self.re)
        self.re1 = symmetric.decrypt_and_hash(reader.take(ENCAPSULATION_KEY_SIZE))
        check_encapsulation_key(self.re1)
        return symmetric.decrypt_and_hash(reader.rest())

    def write_message2(self, payload: PayloadWriter) -> bytes:
        symmetric = self.symmetric
        message = self.e
        symmetric.mix_hash(self.e)
        symmetric.mix_key(diffie_hellman(self._keys.ephemeral, self.re))
        ciphertext, shared = self._keys.encapsulate(self.re1)
        message += symmetric.encrypt_and_hash(ciphertext)
        symmetric.mix_key(shared)
        message += symmetric.encrypt_and_hash(self.s)
        symmetric.mix_key(diffie_hellman(self._keys.static, self.re))
        return message + symmetric.encrypt_and_hash(payload(symmetric.h))

    def read_message3(self, message: bytes) -> tuple[bytes, bytes, NoiseResult]:
        """The payload, the handshake hash before it, and the keys, not to be used before the payload is accepted."""
        symmetric, reader = self.symmetric, Reader(message, HandshakeError, "M3_LENGTH")
        self.rs = symmetric.decrypt_and_hash(reader.take(DH_SIZE + TAG_SIZE))
        if self.rs == self.s:
            raise HandshakeError("OWN_STATIC")
        symmetric.mix_key(diffie_hellman(self._keys.ephemeral, self.rs))
        hash_before = symmetric.h
        payload = symmetric.decrypt_and_hash(reader.rest())
        return payload, hash_before, NoiseResult(*symmetric.split(), symmetric.h)
