"""Around Noise (secure-channel.md §2 to §5): prologue, P1, identity payloads, ACCEPT and the secrets."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from . import noise
from .errors import HandshakeError, IdentityError
from .identity import (
    ED25519_SIGNATURE_SIZE,
    MLDSA65_SIGNATURE_SIZE,
    SUITE_ED25519_MLDSA65,
    Identity,
    Signature,
    Signer,
    is_well_formed,
    resolve,
)
from .noise import NoiseInitiator, NoiseKeys, NoiseResponder, NoiseResult, hkdf_expand, hkdf_extract, hmac_sha256
from .retry import MAX_RETRIES, Retry, search
from .wire import Reader, lp, sha256, u16, u32, u64

SUBPROTOCOL = "parley.v1"
CONTEXT = "parley/psc1"
MESSAGE1_SIZE = 1276
P1_SIZE = 60
MAC1_SIZE = 16
BUCKETS = (1024, 2048, 4096, 8192)
MESSAGE2_OVERHEAD, MESSAGE3_OVERHEAD = 1200, 64
INITIATOR, RESPONDER = b"I", b"R"

Resolver = Callable[[str, bytes, str], Identity]


def prologue(offered: str, selected: str, responder_did: str, exporter: bytes | None = None) -> bytes:
    """§2. `offered` is the header value as this side saw it; `exporter` is RFC 9266's where this process ends TLS."""
    offer = ",".join(part.strip(" \t") for part in offered.split(","))
    binding = b"\0" + lp(b"") if exporter is None else b"\1" + lp(exporter)
    names = lp(offer.encode()) + lp(selected.encode())
    return b"parley/psc1\0" + u16(1) + names + b"IR" + sha256(responder_did.encode()) + binding


def message1_mac(responder_did: str, covered: bytes) -> bytes:
    return hmac_sha256(sha256(b"parley/psc1 mac1", responder_did.encode()), covered)[:MAC1_SIZE]


def signed_bytes(
    role: bytes,
    handshake_hash: bytes,
    static: bytes,
    did: str,
    fragment: str,
    document_hash: bytes,
    suite: int,
    peer_did: str,
    ext: bytes = b"",
) -> bytes:
    """What an identity signature covers (§3)."""
    return b"".join(
        [
            b"parley/psc1 identity\0",
            role,
            handshake_hash,
            static,
            lp(did.encode()),
            lp(f"{did}#{fragment}".encode()),
            document_hash,
            bytes([suite]),
            lp(peer_did.encode()),
            lp(ext),
        ]
    )


@dataclass(frozen=True)
class IdentityPayload:
    """IDP of §3, as it stands between the AEAD and the rules of §4."""

    role: bytes
    did: str
    fragment: str
    document_hash: bytes
    signature: Signature
    document: bytes = b""
    ext: bytes = b""

    def encode(self) -> bytes:
        body = b"".join(
            [
                b"\x01",
                self.role,
                lp(self.did.encode()),
                lp(self.fragment.encode()),
                self.document_hash,
                bytes([self.signature.suite]),
                lp(self.signature.ed25519),
                lp(self.signature.mldsa65),
                lp(self.document),
                lp(self.ext),
            ]
        )
        return body.ljust(next(bucket for bucket in BUCKETS if bucket >= len(body)), b"\0")

    @classmethod
    def decode(cls, data: bytes) -> IdentityPayload:
        if len(data) not in BUCKETS:
            raise HandshakeError("IDP_BUCKET", str(len(data)))
        reader = Reader(data, HandshakeError, "IDP")
        if reader.u8() != 1:
            raise HandshakeError("IDP_VERSION")
        role = reader.take(1)
        try:
            did, fragment = reader.lp(255).decode("ascii"), reader.lp(64).decode("ascii")
        except UnicodeDecodeError as error:
            raise HandshakeError("IDP", "not ASCII") from error
        if not is_well_formed(did):
            raise HandshakeError("DID_FORM", did)
        if not fragment:
            raise HandshakeError("IDP", "no fragment")
        document_hash, suite = reader.take(32), reader.u8()
        signature = Signature(suite, reader.lp(ED25519_SIGNATURE_SIZE), reader.lp(MLDSA65_SIGNATURE_SIZE))
        wanted = MLDSA65_SIGNATURE_SIZE if suite == SUITE_ED25519_MLDSA65 else 0
        if suite not in (1, 2) or len(signature.ed25519) != 64 or len(signature.mldsa65) != wanted:
            raise HandshakeError("IDP_SUITE", str(suite))
        document = reader.lp(BUCKETS[-1])
        if document and not did.startswith("did:peer:4"):
            raise HandshakeError("IDP", "a document that this DID does not need")
        ext = reader.lp(256)
        if len(data) != next(bucket for bucket in BUCKETS if bucket >= reader.offset):
            raise HandshakeError("IDP_BUCKET", "larger than needed")
        if any(reader.rest()):
            raise HandshakeError("IDP_PADDING")
        return cls(role, did, fragment, document_hash, signature, document, ext)


@dataclass(frozen=True)
class Secrets:
    """§5, the secrets of an epoch."""

    transcript_hash: bytes
    root: bytes
    i2r: bytes
    r2i: bytes
    ratchet: bytes
    exporter: bytes
    continuity: bytes

    @classmethod
    def derive(cls, result: NoiseResult) -> Secrets:
        th = result.transcript_hash
        root = hkdf_extract(th, result.k1 + result.k2)
        labels = ("i2r", "r2i", "ratchet", "exporter", "continuity")
        return cls(th, root, *(hkdf_expand(root, derivation_info(label, th), 32) for label in labels))

    def next(self, root: bytes, epoch: int) -> Secrets:
        """Those of a later epoch; `exporter` and `continuity` stay those of the first (§8.1)."""
        th = self.transcript_hash
        fresh = (hkdf_expand(root, derivation_info(label, th, epoch), 32) for label in ("i2r", "r2i", "ratchet"))
        return Secrets(th, root, *fresh, self.exporter, self.continuity)


def derivation_info(label: str, transcript_hash: bytes, epoch: int = 0) -> bytes:
    return b"parley/psc1 " + label.encode() + b"\0" + u32(epoch) + transcript_hash


@dataclass(frozen=True)
class Accept:
    """Body of the ACCEPT record. Version 1 has no limits to announce, and refuses them."""

    did_initiator: str
    did_responder: str
    resume_id: bytes
    priority_tokens: bytes
    limits: bytes = b""

    def encode(self) -> bytes:
        dids = lp(self.did_initiator.encode()) + lp(self.did_responder.encode())
        return dids + self.resume_id + self.priority_tokens + lp(self.limits)

    @classmethod
    def decode(cls, data: bytes) -> Accept:
        reader = Reader(data, HandshakeError, "ACCEPT")
        dids = reader.lp(255).decode("ascii", "replace"), reader.lp(255).decode("ascii", "replace")
        accept = cls(*dids, reader.take(16), reader.take(128), reader.lp(0))
        reader.finish()
        return accept


def check_identity(
    payload: IdentityPayload, role: bytes, handshake_hash: bytes, static: bytes, own: str, peer_did: str, find: Resolver
) -> Identity:
    """§4 for a received IDP: `own` is the receiver's DID, `peer_did` what the sender must have signed as its peer."""
    if payload.role != role:
        raise HandshakeError("ROLE")
    if payload.did == own:
        raise HandshakeError("OWN_DID")
    try:
        identity = find(payload.did, payload.document, payload.fragment)
    except IdentityError as error:
        raise HandshakeError(error.code, error.detail) from error
    if payload.document_hash != identity.document_hash:
        raise HandshakeError("DOCUMENT_HASH")
    if payload.signature.suite != identity.suite:
        raise HandshakeError("SUITE")
    covered = signed_bytes(
        role,
        handshake_hash,
        static,
        payload.did,
        payload.fragment,
        payload.document_hash,
        payload.signature.suite,
        peer_did,
        payload.ext,
    )
    if not identity.is_valid(payload.signature, covered, CONTEXT):
        raise HandshakeError("SIGNATURE")
    return identity


def make_payload(role: bytes, signer: Signer, handshake_hash: bytes, static: bytes, peer_did: str) -> IdentityPayload:
    """The own IDP; only I sends its document, because R's is known to whoever dials it."""
    me = signer.identity
    document = me.document_bytes if role == INITIATOR else b""
    covered = signed_bytes(role, handshake_hash, static, me.did, me.key_fragment, me.document_hash, me.suite, peer_did)
    signature = signer.sign(covered, CONTEXT)
    return IdentityPayload(role, me.did, me.key_fragment, me.document_hash, signature, document)


class Initiator:
    """message1 → begin(prologue) → read_message2 (returns message 3) → secrets; ACCEPT is the channel's business."""

    def __init__(self, signer: Signer, responder: Identity, keys: NoiseKeys | None = None) -> None:
        self._signer = signer
        self._responder = responder
        self._noise = NoiseInitiator(keys or NoiseKeys())
        self._retries = 0
        self.message1 = self._write_message1(bytes(32), 0)

    def _write_message1(self, token: bytes, work: int) -> bytes:
        fixed = u16(1) + u16(0) + token + u64(work)
        mac = message1_mac(self._responder.did, self._noise.e + self._noise.e1 + fixed)
        return self._noise.write_message1(fixed + mac)

    def begin(self, bound: bytes) -> None:
        self._bound = bound
        self._noise.begin(bound)

    def read_retry(self, message: bytes, keys: NoiseKeys | None = None) -> Retry:
        """§8.3: fresh keys, and the work that R asks for. Afterwards `message1` is the next one, due after the delay."""
        retry = Retry.decode(message)
        self._retries += 1
        if self._retries > MAX_RETRIES:
            raise HandshakeError("RETRIES")
        self._noise = NoiseInitiator(keys or NoiseKeys())
        work = search(retry.cookie, self._noise.e + self._noise.e1, retry.difficulty)
        self.message1 = self._write_message1(retry.cookie, work)
        self._noise.begin(self._bound)
        return retry

    def read_message2(self, message: bytes) -> bytes:
        """Message 3. Afterwards `peer` and `secrets` are set."""
        if len(message) - MESSAGE2_OVERHEAD not in BUCKETS:
            raise HandshakeError("M2_LENGTH", str(len(message)))
        data, before = self._noise.read_message2(message)
        payload = IdentityPayload.decode(data)
        me, dialled = self._signer.identity.did, self._responder
        if payload.did not in (dialled.did, me):
            raise HandshakeError("OTHER_DID", payload.did)

        def find(did: str, document: bytes, fragment: str) -> Identity:
            return resolve(dialled.long_form or did, document, fragment)

        self.peer = check_identity(payload, RESPONDER, before, self._noise.rs, me, "", find)

        def identity(handshake_hash: bytes) -> bytes:
            return self.make_identity_payload(handshake_hash).encode()

        message3, result = self._noise.write_message3(identity)
        self.secrets = Secrets.derive(result)
        return message3

    def make_identity_payload(self, handshake_hash: bytes) -> IdentityPayload:
        """What message 3 carries; misbehaving peers override it."""
        return make_payload(INITIATOR, self._signer, handshake_hash, self._noise.s, self._responder.did)

    def check_accept(self, accept: Accept) -> None:
        if (accept.did_initiator, accept.did_responder) != (self._signer.identity.did, self._responder.did):
            raise HandshakeError("ACCEPT_DIDS")


class Responder:
    """read_message1 (returns message 2) → read_message3 → secrets and the ACCEPT body."""

    def __init__(self, signer: Signer, keys: NoiseKeys | None = None) -> None:
        self._signer = signer
        self._noise = NoiseResponder(keys or NoiseKeys())

    def check_message1(self, message: bytes) -> None:
        """All that needs no public-key operation, cheapest first."""
        if len(message) != MESSAGE1_SIZE:
            raise HandshakeError("M1_LENGTH", str(len(message)))
        payload = Reader(message[-P1_SIZE:], HandshakeError)
        if payload.u16() != 1:
            raise HandshakeError("VERSION")
        if payload.u16() != 0:
            raise HandshakeError("FLAGS")
        mac = message1_mac(self._signer.identity.did, message[:-MAC1_SIZE])
        if not hmac.compare_digest(mac, message[-MAC1_SIZE:]):
            raise HandshakeError("MAC1")

    def read_message1(self, message: bytes, bound: bytes) -> bytes:
        self.check_message1(message)
        self._noise.read_message1(message, bound)
        return self._noise.write_message2(lambda h: self.make_identity_payload(h).encode())

    def make_identity_payload(self, handshake_hash: bytes) -> IdentityPayload:
        """What message 2 carries; misbehaving peers override it."""
        return make_payload(RESPONDER, self._signer, handshake_hash, self._noise.s, "")

    def read_message3(self, message: bytes, find: Resolver = resolve) -> Accept:
        """The ACCEPT to send. `peer` and `secrets` are set."""
        if len(message) - MESSAGE3_OVERHEAD not in BUCKETS:
            raise HandshakeError("M3_LENGTH", str(len(message)))
        data, before, result = self._noise.read_message3(message)
        payload = IdentityPayload.decode(data)
        me = self._signer.identity.did
        self.peer = check_identity(payload, INITIATOR, before, self._noise.rs, me, me, find)
        self.secrets = Secrets.derive(result)
        return Accept(payload.did, me, secrets.token_bytes(16), secrets.token_bytes(128))


__all__ = ["Accept", "IdentityPayload", "Initiator", "Responder", "Secrets", "noise", "prologue"]
