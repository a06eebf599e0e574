"""One side of many sessions, replayed: each step gives the same bytes as on the other implementation, or the same refusal.

A case is a line of JSON on standard input: a side's keys, and what it is given step by step. Everything random is in it:
keys, what is encapsulated under which key, and the signatures, which in suite 2 are never the same twice. A verdict is a
line on standard output: for each step a digest of what the side gives, or the rule that it found broken.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from .channel import Channel, Direction, RecordType
from .errors import HandshakeError, PeerError
from .handshake import Accept, Initiator, Responder, prologue
from .identity import Identity, Signature, Signer, resolve
from .noise import NoiseKeys
from .ratchet import RatchetKeys
from .resumption import Resumable
from .wire import sha256, u16

# The class of a refusal: the rule of the page that was broken.
CLASSES = {
    "M1_LENGTH": "length",
    "M2_LENGTH": "length",
    "M3_LENGTH": "length",
    "VERSION": "version",
    "FLAGS": "flags",
    "MAC1": "mac1",
    "ENCAPSULATION_KEY": "kem-key",
    "SMALL_ORDER": "zero",
    "OWN_EPHEMERAL": "reflected",
    "OWN_STATIC": "reflected",
    "RETRY": "retry",
    "RETRIES": "retries",
    "IDP": "identity-form",
    "IDP_VERSION": "identity-form",
    "IDP_SUITE": "identity-form",
    "IDP_BUCKET": "identity-form",
    "IDP_PADDING": "identity-form",
    "DID_FORM": "identity-form",
    "DID_KEY": "key",
    "METHOD": "key",
    "DOCUMENT_NOT_ALLOWED": "identity-form",
    "ROLE": "role",
    "OTHER_DID": "did",
    "OWN_DID": "own-did",
    "KEY_NOT_IN_AUTHENTICATION": "key",
    "PEER4_HASH": "document",
    "DOCUMENT_HASH": "document",
    "SUITE": "suite",
    "SIGNATURE": "signature",
    "ACCEPT": "answer",
    "ACCEPT_DIDS": "others",
    "REFUSE": "answer",
    "RECORD_LENGTH": "record-length",
    "EPOCH": "epoch",
    "RECORD_BODY": "record-form",
    "PADDING": "record-form",
    "CLOSE_BODY": "record-form",
    "RECORD_TYPE": "record-type",
    "UNEXPECTED_RECORD": "record-type",
    "RATCHET": "ratchet",
    "RESUME": "resumption",
}


class Refused(PeerError):
    """REFUSE came."""


class ReplayedSigner:
    """Gives the signatures that the other implementation made, once it has seen that it signs the same."""

    def __init__(self, signer: Signer, signatures: list[list[str]]) -> None:
        self.identity = signer.identity
        self._signer = signer
        self._signatures = iter(signatures)

    def sign(self, message: bytes, context: str) -> Signature:
        ed25519, mldsa65 = (unpacked(part) for part in next(self._signatures))
        if self._signer.ed25519.sign(message) != ed25519:
            raise AssertionError("the two implementations sign different bytes")
        if self._signer.mldsa65 is not None:
            self._signer.mldsa65.public_key().verify(mldsa65, message, context.encode())
        return Signature(self.identity.suite, ed25519, mldsa65)


def unpacked(text: str) -> bytes:
    return base64.b64decode(text)


def identity(about: dict[str, str]) -> Identity:
    return resolve(about["did"], unpacked(about["document"]))


class Side:
    """A case, step by step."""

    def __init__(self, case: dict[str, Any]) -> None:
        own = case["own"]
        keys = Ed25519PrivateKey.from_private_bytes(unpacked(own["ed25519"]))
        post_quantum = MLDSA65PrivateKey.from_seed_bytes(unpacked(own["mldsa65"])) if own["mldsa65"] else None
        self.is_initiator = case["role"] == "I"
        self.signer = ReplayedSigner(Signer(identity(own), keys, post_quantum), case["signatures"])
        self.peer = identity(case["peer"])
        self.case = case
        responder_did = self.peer.did if self.is_initiator else own["did"]
        self.prologue = prologue(case["offered"], "parley.v1", responder_did, unpacked(case["exporter"]) or None)
        self.known: dict[bytes, Resumable] = {}
        self.channel: Channel | None = None
        if self.is_initiator:
            self.initiator = Initiator(self.signer, self.peer, self.noise_keys(0))  # type: ignore[arg-type]
        else:
            self.responder = Responder(self.signer, self.noise_keys(0))  # type: ignore[arg-type]

    def key_pair(self, number: int) -> tuple[X25519PrivateKey, MLKEM768PrivateKey]:
        e, kem = unpacked(self.case["e"][number]), unpacked(self.case["kem"][number])
        return X25519PrivateKey.from_private_bytes(e), MLKEM768PrivateKey.from_seed_bytes(kem)

    def noise_keys(self, number: int) -> NoiseKeys:
        static = X25519PrivateKey.from_private_bytes(unpacked(self.case["static"]))
        return NoiseKeys(static, *self.key_pair(number), self.encapsulate)

    def encapsulate(self, key: bytes) -> tuple[bytes, bytes]:
        ciphertext, shared = self.case["encapsulations"][base64.b64encode(sha256(key)).decode()]
        return unpacked(ciphertext), unpacked(shared)

    def step(self, verb: str, *operands: str) -> bytes:
        return getattr(self, f"do_{verb}")(*operands)

    # The handshake

    def do_begin(self) -> bytes:
        self.initiator.begin(self.prologue)
        return self.initiator.message1

    def do_retry(self, message: str) -> bytes:
        retry = self.initiator.read_retry(unpacked(message), self.noise_keys(1))
        return self.initiator.message1 + u16(retry.milliseconds)

    def do_message1(self, message: str) -> bytes:
        return self.responder.read_message1(unpacked(message), self.prologue)

    def do_message2(self, message: str) -> bytes:
        return self.initiator.read_message2(unpacked(message))

    def do_message3(self, message: str) -> bytes:
        accept = self.responder.read_message3(unpacked(message))
        names = unpacked(self.case["resume"])
        accept = Accept(accept.did_initiator, accept.did_responder, names[:16], names[16:])
        self.open_channel(self.responder)
        assert self.channel is not None
        return self.channel.seal(RecordType.ACCEPT, accept.encode()) + self.shown()

    def do_answer(self, message: str) -> bytes:
        self.open_channel(self.initiator)
        assert self.channel is not None
        kind, body = self.channel.receiving.open(unpacked(message))
        if kind is RecordType.REFUSE:
            if len(body) != 2:
                raise HandshakeError("REFUSE")
            raise Refused(f"refused {int.from_bytes(body, 'big')}")
        if kind is not RecordType.ACCEPT:
            raise HandshakeError("UNEXPECTED_RECORD", kind.name)
        self.initiator.check_accept(Accept.decode(body))
        return self.shown()

    def open_channel(self, machine: Initiator | Responder) -> None:
        channel = Channel(machine.secrets, self.is_initiator, self.signer, machine.peer)  # type: ignore[arg-type]
        answer = channel.ratchet.answer
        channel.ratchet.answer = lambda body: answer(body, self.ratchet_keys())  # type: ignore[method-assign]
        channel.resumable = self.known
        self.channel = channel

    def ratchet_keys(self) -> RatchetKeys:
        return RatchetKeys(*self.key_pair(2), self.encapsulate)

    def shown(self) -> bytes:
        assert self.channel is not None
        return self.channel.transcript_hash + self.channel.exporter + self.channel.continuity

    # The channel

    def do_know(self, name: str, continuity: str, peer: str, age: str, streams: str) -> bytes:
        pairs = (item.split(":") for item in streams.split(","))
        positions = {int(stream): int(last) for stream, last in pairs}
        ended = time.monotonic() - int(age)
        self.known[unpacked(name)] = Resumable(unpacked(name), unpacked(continuity), peer, positions, ended)
        return b""

    def do_open(self, record: str) -> bytes:
        assert self.channel is not None
        kind, body = self.channel.open(unpacked(record))
        if kind in (RecordType.ACCEPT, RecordType.REFUSE):
            raise HandshakeError("UNEXPECTED_RECORD", kind.name)
        if kind is RecordType.CLOSE and body:
            raise HandshakeError("CLOSE_BODY")
        sent, self.channel.outbox = b"".join(self.channel.outbox), []
        return sent + bytes([kind]) + body

    def do_seal(self, body: str) -> bytes:
        assert self.channel is not None
        return self.channel.seal(RecordType.APP, unpacked(body))

    def do_close(self) -> bytes:
        assert self.channel is not None
        return self.channel.seal(RecordType.CLOSE, b"")

    def do_offer(self) -> bytes:
        assert self.channel is not None
        return self.channel.seal(RecordType.OFFER, self.channel.ratchet.make_offer(self.ratchet_keys()))

    def do_resume(self, name: str, continuity: str) -> bytes:
        assert self.channel is not None
        session = Resumable(unpacked(name), unpacked(continuity), self.peer.did)
        return self.channel.resume(session, {0: 3, 7: 2**64 - 1})


def open_records(case: dict[str, Any]) -> list[Callable[[], bytes]]:
    """One direction by itself."""
    direction = Direction(unpacked(case["secret"]), case["role"].encode(), case["epoch"])

    def opened(record: bytes) -> bytes:
        kind, body = direction.open(record)
        return bytes([kind]) + body

    return [lambda record=unpacked(record): opened(record) for record in case["records"]]  # type: ignore[misc]


def steps_of(case: dict[str, Any]) -> list[Callable[[], bytes]]:
    if "records" in case:
        return open_records(case)
    side = Side(case)
    return [lambda step=step: side.step(*step) for step in case["steps"]]  # type: ignore[misc]


def judge(case: dict[str, Any]) -> dict[str, Any]:
    verdicts: list[str] = []
    why = ""
    in_channel = "records" in case
    steps = steps_of(case)
    for number, step in enumerate(steps):
        verb = "open" if in_channel else case["steps"][number][0]
        try:
            given = step()
        except PeerError as error:
            why = f"{error.code} {error.detail}"
            verdicts.append("no " + refusal(error, verb))
            break
        except Exception as error:  # a fault of this program, which the comparison shows
            why = repr(error)
            verdicts.append("crash")
            break
        verdicts.append("ok" if verb == "know" else "ok " + sha256(given)[:8].hex())
    return {"n": case["n"], "verdicts": verdicts, "why": why}


def refusal(error: PeerError, verb: str) -> str:
    if isinstance(error, Refused):
        return error.code
    if error.code == "AEAD":
        return "record-aead" if verb in ("answer", "open") else "aead"
    return CLASSES.get(error.code, error.code)


def run() -> int:
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))))
    return 0
