"""Peers that break one rule of the secure channel: in the handshake, or in the records after it."""

from __future__ import annotations

import secrets
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from .channel import MAX_RECORD, Channel, RecordType, pad_inner
from .handshake import MESSAGE1_SIZE, Accept, IdentityPayload, Initiator, Responder
from .identity import SUITE_ED25519, Identity, Signer
from .multiformats import base64url_encode
from .peer import Hooks, PeerConnection
from .wire import u32
from .yamux import HARMLESS, data

# The handshake


class GarbageMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(secrets.token_bytes(MESSAGE1_SIZE))


class GarbageFirstMessage(Hooks):
    def header(self, message1: bytes) -> str | None:
        return None

    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return [secrets.token_bytes(MESSAGE1_SIZE)]


class ShortMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1[:-1])


class PaddedMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1) + "=="


class WrongMac1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1[:-1] + bytes([message1[-1] ^ 1]))


class NoMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return None

    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return []


class Message1Twice(Hooks):
    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return [message1]


class GarbageMessage2(Hooks):
    def message2(self, message: bytes) -> bytes:
        return secrets.token_bytes(len(message))


class GarbageMessage3(Hooks):
    def message3(self, message: bytes) -> bytes:
        return secrets.token_bytes(len(message))


class GarbageAccept(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return u32(0) + secrets.token_bytes(272)


class RetryTooHard(Hooks):
    """More work than an initiator does: d = 255."""

    def retry(self, message: bytes) -> bytes:
        return message[:32] + b"\xff" + message[33:]


class RetryTooSlow(Hooks):
    """A longer wait than an initiator takes: 65,535 ms."""

    def retry(self, message: bytes) -> bytes:
        return message[:33] + b"\xff\xff"


class RetryWithoutEnd(Hooks):
    """Free of work, and again and again."""

    def retry(self, message: bytes) -> bytes:
        return message[:32] + bytes(3)


class AcceptForOthers(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        swapped = replace(accept, did_initiator=accept.did_responder, did_responder=accept.did_initiator)
        return channel.seal(RecordType.ACCEPT, swapped.encode())


class AcceptWithLimits(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return channel.seal(RecordType.ACCEPT, replace(accept, limits=b"\0\1").encode())


class LongAccept(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return channel.seal(RecordType.ACCEPT, accept.encode() + b"\0")


class ApplicationBeforeAccept(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return channel.seal(RecordType.APP, HARMLESS)


class OtherSigner(Hooks):
    """Signs the identity payload with keys other than the document's, or as somebody else."""

    def other(self, signer: Signer) -> Signer:
        return replace(signer, ed25519=Ed25519PrivateKey.generate())

    def initiator(self, signer: Signer, responder: Identity) -> Initiator:
        return Initiator(self.other(signer), responder)

    def responder(self, signer: Signer) -> Responder:
        # Message 1 is checked against the true DID; only message 2 speaks as somebody else.
        responder, other = Responder(signer), Responder(self.other(signer))
        other._noise = responder._noise
        responder.make_identity_payload = other.make_identity_payload  # type: ignore[method-assign]
        return responder


class OtherPostQuantumKey(OtherSigner):
    def other(self, signer: Signer) -> Signer:
        return replace(signer, mldsa65=None if signer.mldsa65 is None else MLDSA65PrivateKey.generate())


class OtherDID(OtherSigner):
    def other(self, signer: Signer) -> Signer:
        victim = Signer.peer4(secrets.token_bytes(32)).identity
        return Signer(victim, signer.ed25519)


class _Stripped(Initiator):
    def make_identity_payload(self, handshake_hash: bytes) -> IdentityPayload:
        payload = super().make_identity_payload(handshake_hash)
        return replace(payload, signature=replace(payload.signature, suite=SUITE_ED25519, mldsa65=b""))


class StrippedSuite(Hooks):
    def initiator(self, signer: Signer, responder: Identity) -> Initiator:
        return _Stripped(signer, responder)


# Records


def _harmless(connection: PeerConnection) -> bytes:
    return connection.channel.seal(RecordType.APP, HARMLESS)


async def truncated_record(connection: PeerConnection) -> None:
    await connection.send_raw(_harmless(connection)[:-1])


async def oversized_frame(connection: PeerConnection) -> None:
    await connection.send_raw(u32(0) + bytes(MAX_RECORD + 1 - 4))


async def text_frame(connection: PeerConnection) -> None:
    await connection.send_raw("a text frame")


async def replayed_record(connection: PeerConnection) -> None:
    record = _harmless(connection)
    await connection.send_raw(record)
    await connection.send_raw(record)


async def flipped_byte(connection: PeerConnection) -> None:
    record = bytearray(_harmless(connection))
    record[len(record) // 2] ^= 1
    await connection.send_raw(bytes(record))


async def nonzero_padding(connection: PeerConnection) -> None:
    inner = bytearray(pad_inner(RecordType.APP, HARMLESS))
    inner[-1] = 1
    await connection.send_raw(connection.channel.sending.seal_inner(bytes(inner)))


async def large_bucket(connection: PeerConnection) -> None:
    inner = pad_inner(RecordType.APP, HARMLESS).ljust(256, b"\0")
    await connection.send_raw(connection.channel.sending.seal_inner(inner))


async def unknown_record_type(connection: PeerConnection) -> None:
    await connection.send_record(9, b"")


async def second_accept(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.ACCEPT, connection.accept.encode())


async def wrong_epoch(connection: PeerConnection) -> None:
    await connection.send_raw(u32(1) + _harmless(connection)[4:])


async def long_message(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.APP, data(2, u32(64 * 1024 + 1) + bytes(100)))


async def record_after_close(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.CLOSE, b"")
    await connection.send_raw(_harmless(connection))


async def close_with_body(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.CLOSE, b"\0")


async def close_inside_message(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.APP, data(2, u32(2) + b"\x91"))
    await connection.send_record(RecordType.CLOSE, b"")


async def reserved_record_type(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.OFFER, bytes(1 + 32 + 1184 + 66))


async def close_without_record(connection: PeerConnection) -> None:
    await connection.socket.close(1000)


async def drop(connection: PeerConnection) -> None:
    connection.socket.transport.abort()
