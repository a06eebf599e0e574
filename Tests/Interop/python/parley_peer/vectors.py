"""Replays `vectors/handshake/parley_v1_suite{1,2}.json` in both roles.

Suite 1 is compared byte for byte. ML-DSA signatures of suite 2 are not deterministic and their keys' seeds are not in
the file: there the payloads are first taken from the recorded messages, checked, and then sent again by this side's
own state machines, so that all other bytes are compared all the same.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from . import resumption
from .channel import Channel, Direction, RecordType
from .handshake import (
    Accept,
    IdentityPayload,
    Initiator,
    Responder,
    Secrets,
    check_identity,
    make_payload,
    prologue,
    signed_bytes,
)
from .identity import Identity, Signature, Signer, peer4_encode, resolve
from .noise import NoiseKeys, public_raw
from .ratchet import Ratchet, RatchetKeys
from .resumption import Resumable
from .retry import Retry, cookie
from .stream import Silent, Streams


def vector_folder() -> Path | None:
    """The shared vectors: `PARLEY_VECTORS`, or `shared/vectors` beside the checkout."""
    named = os.environ.get("PARLEY_VECTORS")
    candidates = [Path(named)] if named else [parent / "shared/vectors" for parent in Path(__file__).resolve().parents]
    return next((folder for folder in candidates if (folder / "handshake").is_dir()), None)


@dataclass(frozen=True)
class PlaceholderIdentity(Identity):
    """The file's responder: a did:web whose document is not given, only its hash."""

    hash: bytes = b""

    @property
    def document_hash(self) -> bytes:
        return self.hash


@dataclass(frozen=True)
class ReplayingSigner(Signer):
    """Signs with Ed25519 itself and repeats the recorded ML-DSA signature."""

    suite: int = 1
    recorded: bytes = b""

    def sign(self, message: bytes, context: str) -> Signature:
        return Signature(self.suite, self.ed25519.sign(message), self.recorded)


class Vector:
    """One file's values as bytes, and the two sides built from them."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        raw = json.loads(path.read_text())
        self.suite: int = raw["suite"]
        self._hex = {name: bytes.fromhex(value) for name, value in raw.items() if isinstance(value, str)}

    def __getitem__(self, name: str) -> bytes:
        return self._hex[name]

    def keys(self, role: str) -> NoiseKeys:
        return NoiseKeys(
            X25519PrivateKey.from_private_bytes(self[f"s_{role}"]),
            X25519PrivateKey.from_private_bytes(self[f"e_{role}"]),
            MLKEM768PrivateKey.from_seed_bytes(self["kem_seed_dz"]),
            lambda _: (self["kem_ct"], self["kem_K"]),
        )

    def identity(self, role: str) -> Identity:
        did = self[f"did_{role}"].decode()
        if did.startswith("did:peer:4"):
            return resolve(did, self[f"document_{role}"])
        key = Ed25519PrivateKey.from_private_bytes(self[f"ed25519_seed_{role}"]).public_key().public_bytes_raw()
        # The recorded ML-DSA key of this side is not in the file: only its Ed25519 part can be checked.
        return PlaceholderIdentity(did, "key-1", key, None, {"id": did}, hash=self[f"doc_hash_{role}"])

    def signer(self, role: str, recorded: IdentityPayload) -> Signer:
        key = Ed25519PrivateKey.from_private_bytes(self[f"ed25519_seed_{role}"])
        return ReplayingSigner(self.identity(role), key, None, self.suite, recorded.signature.mldsa65)


class _VectorInitiator(Initiator):
    """An initiator with the file's keys, which hands out the payload of message 2 unchecked."""

    def __init__(self, vector: Vector) -> None:
        self.vector = vector
        signer = Signer(vector.identity("I"), Ed25519PrivateKey.from_private_bytes(vector["ed25519_seed_I"]))
        super().__init__(signer, vector.identity("R"), vector.keys("I"))

    def payload2(self) -> tuple[IdentityPayload, bytes]:
        data, before = self._noise.read_message2(self.vector["m2"])
        payload = IdentityPayload.decode(data)
        _expect("IDP_R encodes to the same bytes", payload.encode(), data)
        return payload, before


def _expect(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.80} instead of {expected!r:.80}")


def _check_ed25519(vector: Vector, role: str, payload: IdentityPayload, before: bytes, peer_did: str) -> None:
    static = public_raw(X25519PrivateKey.from_private_bytes(vector[f"s_{role}"]))
    covered = signed_bytes(
        role.encode(),
        before,
        static,
        payload.did,
        payload.fragment,
        payload.document_hash,
        payload.signature.suite,
        peer_did,
        payload.ext,
    )
    key = Ed25519PrivateKey.from_private_bytes(vector[f"ed25519_seed_{role}"])
    _expect(f"Ed25519 signature of {role}", payload.signature.ed25519, key.sign(covered))


def check(path: Path) -> list[str]:
    """Every comparison made; raises `AssertionError` at the first that fails."""
    vector = Vector(path)
    done: list[str] = []

    def expect(what: str, actual: object, expected: object) -> None:
        _expect(f"{vector.name}: {what}", actual, expected)
        done.append(what)

    did_r = vector["did_R"].decode()
    bound = prologue("parley.v1", "parley.v1", did_r, _exporter(vector["prologue"]))
    expect("prologue", bound, vector["prologue"])

    # The initiator up to message 2, and what the recorded payloads say.
    initiator = _VectorInitiator(vector)
    expect("message 1", initiator.message1, vector["m1"])
    initiator.begin(bound)
    expect("h after message 1", initiator._noise.symmetric.h, vector["h_m1"])
    payload_r, before_r = initiator.payload2()
    expect("h that R signs", before_r, vector["h_sig_R"])
    expect(
        "DID, hash and suite of R",
        (payload_r.did, payload_r.document_hash, payload_r.signature.suite),
        (did_r, vector["doc_hash_R"], vector.suite),
    )
    _check_ed25519(vector, "R", payload_r, before_r, "")

    # The responder: message 2 byte for byte, then message 3 in full.
    responder = Responder(vector.signer("R", payload_r), vector.keys("R"))
    responder.make_identity_payload = lambda h: _replayed(vector, "R", payload_r, h, responder._noise.s, "")
    expect("message 2", responder.read_message1(vector["m1"], bound), vector["m2"])
    data, before_i, _ = responder._noise.read_message3(vector["m3"])
    payload_i = IdentityPayload.decode(data)
    expect("IDP_I encodes to the same bytes", payload_i.encode(), data)
    expect("h that I signs", before_i, vector["h_sig_I"])
    peer = check_identity(payload_i, b"I", before_i, responder._noise.rs, did_r, did_r, resolve)
    expect("I accepted with all its signatures", peer.did, vector["did_I"].decode())
    expect("suite of I", peer.suite, vector.suite)

    # Message 3 from the initiator, byte for byte, and all secrets, on the responder through its public face.
    message3, result = initiator._noise.write_message3(
        lambda h: _replayed(vector, "I", payload_i, h, initiator._noise.s, did_r).encode()
    )
    expect("message 3", message3, vector["m3"])
    expect("split", (result.k1, result.k2), (vector["k1"], vector["k2"]))
    again = Responder(vector.signer("R", payload_r), vector.keys("R"))
    again.make_identity_payload = responder.make_identity_payload
    again.read_message1(vector["m1"], bound)
    again.read_message3(vector["m3"])
    secrets = again.secrets
    expect("transcript hash", secrets.transcript_hash, vector["th"])
    expect("root", secrets.root, vector["root0"])
    expect("traffic secrets", (secrets.i2r, secrets.r2i), (vector["i2r"], vector["r2i"]))
    expect(
        "ratchet, exporter, continuity",
        (secrets.ratchet, secrets.exporter, secrets.continuity),
        (vector["ratchet"], vector["exporter"], vector["continuity"]),
    )

    # The first record, opened by one side and sealed again by the other.
    kind, body = Channel(secrets, True, responder._signer, peer).open(vector["accept"])
    accept = Accept.decode(body)
    expect("ACCEPT", (kind, accept.did_initiator, accept.did_responder), (RecordType.ACCEPT, peer.did, did_r))
    sender = Channel(secrets, False, responder._signer, peer)
    expect("ACCEPT sealed again", sender.seal(RecordType.ACCEPT, accept.encode()), vector["accept"])
    for _ in range(511):
        sender.seal(RecordType.APP, b"")
    expect("secret after 512 records", sender.sending.secret, vector["r2i_after_512"])
    return done


def _exporter(recorded: bytes) -> bytes | None:
    """The channel binding is given only inside the prologue: its last field."""
    return recorded[-32:] if recorded[-34:-32] == b"\x00\x20" and recorded[-35] == 1 else None


def _replayed(
    vector: Vector, role: str, recorded: IdentityPayload, before: bytes, static: bytes, peer_did: str
) -> IdentityPayload:
    """This side's own payload, with the recorded ML-DSA signature and suite."""
    signer = vector.signer(role, recorded)
    own = make_payload(role.encode(), signer, before, static, peer_did)
    if own.signature.suite == signer.identity.suite:
        return own
    # The placeholder identity knows no ML-DSA key, so `make_payload` signed for suite 1.
    covered = signed_bytes(
        role.encode(), before, static, own.did, own.fragment, own.document_hash, vector.suite, peer_did
    )
    return IdentityPayload(
        own.role, own.did, own.fragment, own.document_hash, signer.sign(covered, ""), own.document, own.ext
    )


def check_peer4(path: Path) -> int:
    """Short and long forms of the published did:peer:4 examples."""
    examples = json.loads(path.read_text())
    for example in examples:
        forms = peer4_encode(example["json_text"].encode())
        _expect(example["file"], forms, (example["short_form"], example["long_form"]))
    return len(examples)


def check_channel() -> int:
    """`docs/protocol/vectors`: a renewal, a resumption and a RETRY, made again from their inputs; streams, read."""
    path = Path(__file__).resolve().parents[4] / "docs/protocol/vectors/secure-channel.json"
    raw = json.loads(path.read_text())
    parts = {
        part: {name: bytes.fromhex(value) for name, value in values.items()}
        for part, values in raw.items()
        if isinstance(values, dict)
    }
    streams = _check_streams(json.loads(path.with_name("secure-channel-streams.json").read_text()))
    done = [*streams, *_check_renewal(parts["parties"], parts["renewal"]), *_check_resumption(parts["resumption"])]
    return len([*done, *_check_retry(parts["parties"], parts["retry"])])


def _check_streams(vector: dict[str, Any]) -> list[str]:
    """The records of each side, read by the other: this side opens the same streams, in the same order."""
    sides = {"I": Streams(initiator=True), "R": Streams(initiator=False)}
    for role, side in sides.items():
        side.ping()
        side.question = bytes.fromhex(vector[f"ping_{role}"])
    sides["I"].open(vector["refused"], Silent)
    for record in vector["records"]:
        sides["R" if record["from"] == "I" else "I"].receive(bytes.fromhex(record["body"]))
    for role, peer in ("I", sides["R"]), ("R", sides["I"]):
        _expect(f"messages of {role}", [message.hex() for message in peer.messages], vector[f"messages_{role}"])
        peer.finish()
    _expect("answers to pings", [len(side.round_trips) for side in sides.values()], [1, 1])
    _expect("refused", (sides["I"].refusals, sides["R"].refusals), (1, 0))
    return ["messages of I", "messages of R", "answers to pings", "refused"]


def _check_renewal(parties: dict[str, bytes], vector: dict[str, bytes]) -> list[str]:
    signers = {
        role: Signer(
            resolve(parties[f"did_{role}"].decode(), parties[f"document_{role}"]),
            Ed25519PrivateKey.from_private_bytes(parties[f"ed25519_seed_{role}"]),
        )
        for role in "IR"
    }
    secrets = Secrets(vector["th"], b"", b"", b"", vector["ratchet_0"], b"", b"")
    initiator = Ratchet(secrets, True, signers["I"], signers["R"].identity)
    responder = Ratchet(secrets, False, signers["R"], signers["I"].identity)
    kem = MLKEM768PrivateKey.from_seed_bytes(vector["kem_seed_dz"])
    mine = RatchetKeys(X25519PrivateKey.from_private_bytes(vector["e_I"]), kem)
    theirs = RatchetKeys(
        X25519PrivateKey.from_private_bytes(vector["e_R"]), kem, lambda _: (vector["kem_ct"], vector["kem_K"])
    )
    _expect("OFFER", initiator.make_offer(mine), vector["offer"])
    _expect("REPLY", responder.answer(vector["offer"], theirs), vector["reply"])
    done = initiator.finish(vector["reply"])
    _expect("secrets of both sides", initiator.secrets, responder.secrets)
    _expect("next ratchet secret", initiator.secrets.ratchet, vector["ratchet_1"])
    sender = Direction(initiator.secrets.i2r, b"I", 1)
    _expect("DONE", sender.seal(RecordType.DONE, done), vector["done_record"])
    _expect("APP of I", sender.seal(RecordType.APP, bytes([1, 2, 3])), vector["app_record_I"])
    answer = Direction(initiator.secrets.r2i, b"R", 1).seal(RecordType.APP, bytes([4, 5]))
    _expect("APP of R", answer, vector["app_record_R"])
    return ["OFFER", "REPLY", "secrets", "ratchet", "DONE", "APP of I", "APP of R"]


def _check_resumption(vector: dict[str, bytes]) -> list[str]:
    session = Resumable(vector["resume"][:16], vector["continuity"], "peer", {0: 7, 9: 2**64 - 1})
    _expect("RESUME", session.resume(vector["th_new"], {0: 3}), vector["resume"])
    table = {session.resume_id: session}
    answered, streams = resumption.answer(table, "peer", vector["th_new"], vector["resume"])
    _expect("RESUMED", answered, vector["resumed"])
    _expect("streams of I", streams, {0: 3})
    _expect("the session is gone", table, {})
    _expect("streams of R", session.check_resumed(vector["resumed"], vector["th_new"]), session.streams)
    _expect("a second time", resumption.answer(table, "peer", vector["th_new"], vector["resume"]), (b"", None))
    return ["RESUME", "RESUMED", "streams of I", "the session is gone", "streams of R", "a second time"]


def _check_retry(parties: dict[str, bytes], vector: dict[str, bytes]) -> list[str]:
    retry = Retry.decode(vector["retry"])
    bucket = int.from_bytes(vector["bucket"], "big")
    _expect("RETRY", retry.encode(), vector["retry"])
    _expect("cookie", cookie(vector["cookie_key"], retry.difficulty, bucket, vector["source"]), retry.cookie)
    responder = resolve(parties["did_R"].decode(), parties["document_R"])
    signer = Signer(responder, Ed25519PrivateKey.from_private_bytes(parties["ed25519_seed_I"]))
    initiator = Initiator(signer, responder)
    initiator.begin(b"")
    ephemeral = X25519PrivateKey.from_private_bytes(vector["e_I"])
    kem = MLKEM768PrivateKey.from_seed_bytes(vector["kem_seed_dz"])
    initiator.read_retry(vector["retry"], NoiseKeys(ephemeral=ephemeral, kem=kem))
    _expect("message 1", initiator.message1, vector["m1"])
    return ["RETRY", "cookie", "message 1"]


def check_all() -> dict[str, int] | None:
    """Comparisons per shared file, or `None` where the folder is absent."""
    folder = vector_folder()
    if folder is None:
        return None
    peer4 = {"did:peer:4": check_peer4(folder / "did/peer/numalgo4_generated.json")}
    return peer4 | {f"suite{suite}": len(check(folder / f"handshake/parley_v1_suite{suite}.json")) for suite in (1, 2)}
