"""Initiators that ask to resume what they must not, or in a way they must not (secure-channel.md §8.2)."""

from __future__ import annotations

import secrets

from .channel import RecordType
from .peer import Hooks, PeerConnection
from .resumption import Resumable, encode_streams, proof
from .wire import u16, u32, u64


class _Resumes(Hooks):
    """RESUME is the first record: it goes before SYNC."""

    async def opened(self, connection: PeerConnection) -> None:
        channel = connection.channel
        # Whatever comes is an answer to this.
        channel._asked = Resumable(bytes(16), secrets.token_bytes(32), connection.peer.did)
        for body in self.bodies(connection):
            await connection.send_raw(channel.seal(RecordType.RESUME, body))

    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection)]

    def body(
        self,
        connection: PeerConnection,
        name: bytes | None = None,
        secret: bytes | None = None,
        th: bytes | None = None,
        streams: bytes = encode_streams({0: 1}),
    ) -> bytes:
        channel = connection.channel
        proved = proof(secret or secrets.token_bytes(32), b"I", th or channel.transcript_hash)
        return (name or secrets.token_bytes(16)) + proved + streams


class ResumeUnknown(_Resumes):
    """A session that nobody has heard of."""


class ResumeSelf(_Resumes):
    """The session that has just begun, with its true name and secret: none that has ended."""

    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection, connection.accept.resume_id, connection.channel.continuity)]


class ResumeOtherTranscript(_Resumes):
    """A proof that was made for another session."""

    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection, connection.accept.resume_id, connection.channel.continuity, bytes(32))]


class ResumeTwice(_Resumes):
    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection), self.body(connection)]


class ResumeCut(_Resumes):
    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection)[:-1]]


class ResumeExtended(_Resumes):
    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection) + b"\0"]


class ResumeEmpty(_Resumes):
    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [b""]


class ResumeManyStreams(_Resumes):
    """One stream more than a session has."""

    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection, streams=encode_streams({number: 0 for number in range(257)}))]


class ResumeUnordered(_Resumes):
    """Streams that do not ascend."""

    def bodies(self, connection: PeerConnection) -> list[bytes]:
        return [self.body(connection, streams=u16(2) + u32(5) + u64(1) + u32(5) + u64(2))]
