"""Taking over where an earlier session's streams stood (secure-channel.md §8.2)."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field

from .errors import RecordError
from .noise import hmac_sha256
from .wire import Reader, u16, u32, u64

MAX_STREAMS = 256
MAX_AGE = 3600.0

Streams = dict[int, int]


def encode_streams(streams: Streams) -> bytes:
    return u16(len(streams)) + b"".join(u32(number) + u64(last) for number, last in sorted(streams.items()))


def read_streams(reader: Reader) -> Streams:
    count = reader.u16()
    if count > MAX_STREAMS:
        raise RecordError("RESUME", f"{count} streams")
    pairs = [(reader.u32(), reader.u64()) for _ in range(count)]
    if any(first[0] >= second[0] for first, second in zip(pairs, pairs[1:], strict=False)):
        raise RecordError("RESUME", "order")
    return dict(pairs)


def proof(continuity: bytes, role: bytes, transcript_hash: bytes) -> bytes:
    return hmac_sha256(continuity, role + transcript_hash)


@dataclass(frozen=True)
class Resumable:
    """What a side keeps of a session that has ended."""

    resume_id: bytes
    continuity: bytes
    peer: str
    streams: Streams = field(default_factory=dict)
    ended: float = field(default_factory=time.monotonic)

    def resume(self, transcript_hash: bytes, streams: Streams) -> bytes:
        """I: the body of RESUME."""
        return self.resume_id + proof(self.continuity, b"I", transcript_hash) + encode_streams(streams)

    def check_resumed(self, body: bytes, transcript_hash: bytes) -> Streams | None:
        """I: how far R had received; `None` where the streams start afresh."""
        if not body:
            return None
        reader = Reader(body, RecordError, "RESUME")
        found, streams = reader.take(32), read_streams(reader)
        reader.finish()
        if not hmac.compare_digest(found, proof(self.continuity, b"R", transcript_hash)):
            raise RecordError("RESUME", "proof")
        return streams


def answer(
    table: dict[bytes, Resumable], peer: str, transcript_hash: bytes, body: bytes
) -> tuple[bytes, Streams | None]:
    """R: the body of RESUMED, and how far I had received. What is named is gone afterwards."""
    reader = Reader(body, RecordError, "RESUME")
    name, found = reader.take(16), reader.take(32)
    streams = read_streams(reader)
    reader.finish()
    session = table.pop(name, None)
    if session is None or session.peer != peer or time.monotonic() - session.ended > MAX_AGE:
        return b"", None
    if not hmac.compare_digest(found, proof(session.continuity, b"I", transcript_hash)):
        return b"", None
    return proof(session.continuity, b"R", transcript_hash) + encode_streams(session.streams), streams
