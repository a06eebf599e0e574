"""DIDs, DID documents and their signing keys (secure-channel.md §4): did:peer:4 and did:key, Ed25519 and ML-DSA-65."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from . import multiformats as mf
from .errors import IdentityError
from .wire import sha256

SUITE_ED25519 = 1
SUITE_ED25519_MLDSA65 = 2
ED25519_SIGNATURE_SIZE = 64
MLDSA65_SIGNATURE_SIZE = 3309
MAX_INPUT_DOCUMENT = 4096
SERVICE_TYPE = "ParleyNode"

_FIELD_PRIME = 2**255 - 19
# y of the points whose order divides 8 (RFC 8032 section 5.1; sign bit aside).
_SMALL_ORDER_Y = {
    0,
    1,
    _FIELD_PRIME - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


def _is_strict_point(encoded: bytes) -> bool:
    """Canonical and not of small order."""
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    return y < _FIELD_PRIME and y not in _SMALL_ORDER_Y


@dataclass(frozen=True)
class Signature:
    """The signatures of one suite over one message."""

    suite: int
    ed25519: bytes
    mldsa65: bytes = b""


@dataclass(frozen=True)
class Identity:
    """A DID with its document checked: what a signature of this DID can be verified against."""

    did: str
    key_fragment: str
    ed25519: bytes
    mldsa65: bytes | None
    document: dict[str, Any]
    document_bytes: bytes = b""
    long_form: str | None = None

    @property
    def suite(self) -> int:
        return SUITE_ED25519 if self.mldsa65 is None else SUITE_ED25519_MLDSA65

    @property
    def document_hash(self) -> bytes:
        """H(did): the document of did:peer:4 and did:key is a function of the DID."""
        return sha256(self.did.encode())

    @property
    def endpoint(self) -> str | None:
        for service in self.document.get("service", []):
            if isinstance(service, dict) and service.get("type") == SERVICE_TYPE:
                endpoint = service.get("serviceEndpoint")
                return endpoint if isinstance(endpoint, str) else None
        return None

    def is_valid(self, signature: Signature, message: bytes, context: str) -> bool:
        """Every signature of the suite must hold; a suite other than the document's is invalid."""
        if signature.suite != self.suite or len(signature.ed25519) != ED25519_SIGNATURE_SIZE:
            return False
        if not _is_strict_point(self.ed25519) or not _is_strict_point(signature.ed25519[:32]):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.ed25519).verify(signature.ed25519, message)
            if self.mldsa65 is None:
                return signature.mldsa65 == b""
            public = MLDSA65PublicKey.from_public_bytes(self.mldsa65)
            public.verify(signature.mldsa65, message, context.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """An identity with its private keys."""

    identity: Identity
    ed25519: Ed25519PrivateKey
    mldsa65: MLDSA65PrivateKey | None = None

    def sign(self, message: bytes, context: str) -> Signature:
        post_quantum = b"" if self.mldsa65 is None else self.mldsa65.sign(message, context.encode())
        return Signature(self.identity.suite, self.ed25519.sign(message), post_quantum)

    @classmethod
    def peer4(cls, ed25519_seed: bytes, mldsa65_seed: bytes | None = None, endpoint: str | None = None) -> Signer:
        """A did:peer:4 whose document lists the keys as `#key-1`, `#key-2`, and the endpoint as a ParleyNode."""
        ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        mldsa65 = None if mldsa65_seed is None else MLDSA65PrivateKey.from_seed_bytes(mldsa65_seed)
        keys = [mf.multikey(mf.ED25519_PUB, ed25519.public_key().public_bytes_raw())]
        if mldsa65 is not None:
            keys.append(mf.multikey(mf.MLDSA65_PUB, mldsa65.public_key().public_bytes_raw()))
        names = [f"#key-{index}" for index in range(1, len(keys) + 1)]
        document: dict[str, Any] = {
            "verificationMethod": [
                {"id": name, "type": "Multikey", "publicKeyMultibase": key}
                for name, key in zip(names, keys, strict=True)
            ],
            "authentication": names,
        }
        if endpoint is not None:
            document["service"] = [{"id": "#parley", "type": SERVICE_TYPE, "serviceEndpoint": endpoint}]
        return cls(peer4_from_document(json.dumps(document, separators=(",", ":")).encode()), ed25519, mldsa65)

    @classmethod
    def did_key(cls, ed25519_seed: bytes) -> Signer:
        ed25519 = Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        key = mf.multikey(mf.ED25519_PUB, ed25519.public_key().public_bytes_raw())
        return cls(resolve(f"did:key:{key}"), ed25519)


def peer4_encode(document: bytes) -> tuple[str, str]:
    """(short form, long form) of the input document with exactly these JSON bytes."""
    encoded = "z" + mf.base58_encode(mf.JSON_CODEC + document)
    short = "did:peer:4z" + mf.base58_encode(mf.SHA2_256 + sha256(encoded.encode()))
    return short, f"{short}:{encoded}"


def short_form(did: str) -> str:
    """The short form of a did:peer:4 in long form; any other DID as it is."""
    return did.rsplit(":", 1)[0] if did.startswith("did:peer:4") and did.count(":") == 3 else did


_SHORT_PEER4 = re.compile(r"did:peer:4zQm[1-9A-HJ-NP-Za-km-z]{44}")
_DID = re.compile(r"did:[a-z0-9]+:(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})")


def is_well_formed(did: str) -> bool:
    """One spelling, and a did:peer:4 in its short form."""
    return (_SHORT_PEER4 if did.startswith("did:peer:4") else _DID).fullmatch(did) is not None


def peer4_from_document(document: bytes) -> Identity:
    """The identity that an input document defines."""
    if len(document) > MAX_INPUT_DOCUMENT:
        raise IdentityError("DOCUMENT_LENGTH", str(len(document)))
    short, long = peer4_encode(document)
    resolved = _parse_document(document)
    if "id" in resolved:
        raise IdentityError("INPUT_DOCUMENT_ID")
    resolved = {"id": short, **resolved}
    resolved.setdefault("alsoKnownAs", []).append(long)
    return _identity(short, resolved, document, long)


def resolve(did: str, document: bytes = b"", key_fragment: str | None = None) -> Identity:
    """What a DID says by itself, or with the input document that a did:peer:4 short form needs."""
    if did.startswith("did:peer:4"):
        return _resolve_peer4(did, document, key_fragment)
    if document:
        raise IdentityError("DOCUMENT_NOT_ALLOWED", did)
    if did.startswith("did:key:"):
        return _resolve_key(did, key_fragment)
    raise IdentityError("METHOD", did)


def _resolve_peer4(did: str, document: bytes, key_fragment: str | None) -> Identity:
    short = short_form(did)
    if short != did:
        encoded = mf.multibase_decode(did.rsplit(":", 1)[1])
        if not encoded.startswith(mf.JSON_CODEC):
            raise IdentityError("PEER4_CODEC")
        if document and document != encoded[len(mf.JSON_CODEC) :]:
            raise IdentityError("PEER4_HASH")
        document = encoded[len(mf.JSON_CODEC) :]
    computed, long = peer4_encode(document)
    if computed != short or did not in (short, long):
        raise IdentityError("PEER4_HASH")
    identity = peer4_from_document(document)
    if key_fragment is None or key_fragment == identity.key_fragment:
        return identity
    return _identity(short, identity.document, document, long, key_fragment)


def _resolve_key(did: str, key_fragment: str | None) -> Identity:
    key = did.removeprefix("did:key:")
    decoded = mf.multibase_decode(key)
    if not decoded.startswith(mf.ED25519_PUB) or len(decoded) != 34 or mf.multikey(decoded[:2], decoded[2:]) != key:
        raise IdentityError("DID_KEY", did)
    method = {"id": f"{did}#{key}", "type": "Multikey", "controller": did, "publicKeyMultibase": key}
    document = {"id": did, "verificationMethod": [method], "authentication": [method["id"]]}
    return _identity(did, document, b"", None, key_fragment)


def _parse_document(data: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise IdentityError("JSON", "duplicate name")
        return dict(pairs)

    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise IdentityError("JSON") from error
    if not isinstance(document, dict):
        raise IdentityError("JSON", "not an object")
    return document


def _identity(
    did: str, document: dict[str, Any], document_bytes: bytes, long: str | None, key_fragment: str | None = None
) -> Identity:
    """Applies the key rules of secure-channel.md §4 to `authentication`."""
    if document.get("id") != did:
        raise IdentityError("DOCUMENT_ID")
    methods = _methods(did, document)
    ed25519: dict[str, bytes] = {}
    mldsa65: list[bytes] = []
    for entry in _list(document, "authentication"):
        method = entry if isinstance(entry, dict) else methods.get(_absolute(did, entry))
        if method is None:
            raise IdentityError("AUTHENTICATION", "refers to nothing")
        key = _key_of(did, method)
        if key is None:
            continue
        kind, raw = key
        if kind == mf.ED25519_PUB:
            ed25519[_absolute(did, method["id"]).removeprefix(did + "#")] = raw
        else:
            mldsa65.append(raw)
    fragment = key_fragment if key_fragment is not None else next(iter(ed25519), "")
    if fragment not in ed25519:
        raise IdentityError("KEY_NOT_IN_AUTHENTICATION", fragment)
    pq = mldsa65[0] if mldsa65 else None
    return Identity(did, fragment, ed25519[fragment], pq, document, document_bytes, long)


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name, [])
    if not isinstance(value, list):
        raise IdentityError("JSON", f"{name} is not an array")
    return value


def _absolute(did: str, identifier: Any) -> str:
    if not isinstance(identifier, str):
        raise IdentityError("JSON", "an id is not a string")
    return did + identifier if identifier.startswith("#") else identifier


def _methods(did: str, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    methods: dict[str, dict[str, Any]] = {}
    for method in _list(document, "verificationMethod"):
        if not isinstance(method, dict):
            raise IdentityError("JSON", "a verification method is not an object")
        identifier = _absolute(did, method.get("id"))
        if identifier in methods:
            raise IdentityError("DUPLICATE_METHOD", identifier)
        methods[identifier] = method
    return methods


def _key_of(did: str, method: dict[str, Any]) -> tuple[bytes, bytes] | None:
    """(multicodec prefix, raw key), or `None` for a key of a kind that Parley does not use."""
    if method.get("controller", did) != did:
        raise IdentityError("CONTROLLER")
    multibase, jwk = method.get("publicKeyMultibase"), method.get("publicKeyJwk")
    if sum(name.startswith("publicKey") for name in method) != 1:
        raise IdentityError("KEY_ENCODING", "not exactly one")
    if isinstance(multibase, str) and method.get("type") == "Multikey":
        decoded = mf.multibase_decode(multibase)
        for prefix, size in ((mf.ED25519_PUB, 32), (mf.MLDSA65_PUB, 1952)):
            if decoded.startswith(prefix):
                if len(decoded) != len(prefix) + size:
                    raise IdentityError("KEY_LENGTH")
                return prefix, decoded[len(prefix) :]
    if isinstance(jwk, dict) and jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519":
        raw = mf.base64url_decode(jwk.get("x", ""))
        if raw is None or len(raw) != 32 or "d" in jwk:
            raise IdentityError("JWK")
        return mf.ED25519_PUB, raw
    return None
