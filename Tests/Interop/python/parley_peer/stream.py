"""Messages over APP records: each is `u32 length ‖ bytes`; it may span records, and a record may hold several."""

from __future__ import annotations

from .channel import MAX_BODY
from .errors import RecordError
from .wire import u32

MAX_MESSAGE = 64 * 1024


def split(*messages: bytes, limit: int = MAX_BODY) -> list[bytes]:
    """The APP bodies that carry these messages, as few as `limit` bytes a body allow."""
    framed = b"".join(u32(len(message)) + message for message in messages)
    return [framed[start : start + limit] for start in range(0, len(framed), limit)]


class Assembler:
    """Collects APP bodies and returns whole messages."""

    def __init__(self) -> None:
        self._buffer = b""

    def finish(self) -> None:
        """CLOSE has come: the stream must stand between two messages."""
        if self._buffer:
            raise RecordError("CUT_MESSAGE", f"{len(self._buffer)} bytes")

    def receive(self, body: bytes) -> list[bytes]:
        self._buffer += body
        messages = []
        while len(self._buffer) >= 4:
            size = int.from_bytes(self._buffer[:4], "big")
            if not 1 <= size <= MAX_MESSAGE:
                raise RecordError("MESSAGE_LENGTH", str(size))
            if len(self._buffer) < 4 + size:
                break
            messages.append(self._buffer[4 : 4 + size])
            self._buffer = self._buffer[4 + size :]
        return messages
