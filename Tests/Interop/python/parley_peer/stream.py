"""The streams of a channel (secure-channel.md §7.2, §7.3): which protocol each speaks, and what it carries."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable

from .errors import NegotiationError, RecordError
from .topics import INTERESTS, decode_interests, encode_interests
from .wire import u32
from .yamux import Stream, Yamux

MAX_MESSAGE = 64 * 1024
MAX_AGREEMENT = 1024
MAX_PROPOSALS = 32
MULTISTREAM = "/multistream/1.0.0"
NEGOTIATE = "/parley/negotiate/1"
PING = "/parley/ping/1"
WITNESS = "/parley/witness/1"
PING_SIZE = 32


def agreement(text: str) -> bytes:
    """One message of multistream-select."""
    line = text.encode() + b"\n"
    size = bytes([len(line)]) if len(line) < 128 else bytes([len(line) & 127 | 128, len(line) >> 7])
    return size + line


def frame(*messages: bytes) -> bytes:
    return b"".join(u32(len(message)) + message for message in messages)


class Assembler:
    """Collects the bytes of a stream and returns whole messages."""

    def __init__(self) -> None:
        self._buffer = b""

    @property
    def is_between_messages(self) -> bool:
        return not self._buffer

    def receive(self, content: bytes) -> list[bytes]:
        self._buffer += content
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


class _Malformed(Exception):
    """What is wrong on this stream alone."""


class Agreeing:
    """Multistream-select in front of a protocol. `agreed` gives the protocol's handler, or nothing: then RST."""

    def __init__(self, streams: Streams, stream: Stream, proposal: str | None, agreed: Callable[..., object]) -> None:
        self.streams = streams
        self.stream = stream
        self.protocol: Protocol | None = None
        self._proposal = proposal
        self._agreed = agreed
        self._buffer = b""
        self._lines = 0
        if proposal is not None:
            stream.write(agreement(MULTISTREAM) + agreement(proposal))

    def received(self, content: bytes) -> None:
        try:
            self._received(content)
        except _Malformed as error:
            if self.stream is self.streams.negotiation:
                raise RecordError("NEGOTIATION_STREAM", str(error)) from error
            self.stream.reset()

    def _received(self, content: bytes) -> None:
        if self.protocol is None:
            self._buffer += content
            while self.protocol is None and (line := self._line()) is not None:
                self._take(line)
            content, self._buffer = (self._buffer, b"") if self.protocol is not None else (b"", self._buffer)
        if content and self.protocol is not None and self.stream.is_open:
            self.protocol.received(content)

    def _line(self) -> str | None:
        """The next message; its bytes count as read."""
        size = used = 0
        for used, byte in enumerate(self._buffer[:2], 1):
            size |= (byte & 127) << 7 * (used - 1)
            if byte < 128:
                break
        else:
            if used == 2:
                raise _Malformed("length")
            return None
        if not 1 <= size <= MAX_AGREEMENT:
            raise _Malformed("length")
        if len(self._buffer) < used + size:
            return None
        line, self._buffer = self._buffer[used : used + size], self._buffer[used + size :]
        if line[-1:] != b"\n":
            raise _Malformed("line feed")
        self.stream.consume(used + size)
        return line[:-1].decode(errors="replace")

    def _take(self, line: str) -> None:
        self._lines += 1
        if self._lines == 1:
            if line != MULTISTREAM:
                raise _Malformed("header")
            if self._proposal is None:
                self.stream.write(agreement(MULTISTREAM))
        elif self._proposal is not None:
            if line != self._proposal:
                self.streams.refusals += line == "na"
                raise _Malformed(line)
            self.protocol = self._agreed(self.stream)
        elif line in self.streams.names:
            self.stream.write(agreement(line))
            self.protocol = self._agreed(self.stream, line)
            if self.protocol is None:
                self._buffer = b""
                self.stream.reset()
        elif self._lines > MAX_PROPOSALS:
            raise _Malformed("proposals")
        else:
            self.stream.write(agreement("na"))

    def finished(self) -> None:
        if self.protocol is not None:
            self.protocol.finished()
        elif self.stream is self.streams.negotiation:
            raise RecordError("NEGOTIATION_STREAM", "finished")
        else:
            self.stream.reset()

    def was_reset(self) -> None:
        if self.stream is self.streams.negotiation:
            raise RecordError("NEGOTIATION_STREAM", "reset")


class Protocol:
    """What is spoken on a stream once both sides know."""

    def __init__(self, streams: Streams, stream: Stream) -> None:
        self.streams = streams
        self.stream = stream

    def received(self, content: bytes) -> None:
        raise NotImplementedError

    def finished(self) -> None:
        self.stream.reset()


class Negotiation(Protocol):
    def received(self, content: bytes) -> None:
        for message in self.streams.assembler.receive(content):
            self.streams.messages.append(message)
            self.stream.consume(4 + len(message))

    def finished(self) -> None:
        raise RecordError("NEGOTIATION_STREAM", "finished")


class Echo(Protocol):
    """Blocks go back; they count as read once they have left."""

    _block = b""

    def received(self, content: bytes) -> None:
        self._block += content
        whole = len(self._block) - len(self._block) % PING_SIZE
        self.stream.write(self._block[:whole])
        self._block = self._block[whole:]
        self.streams.settle_echo(self.stream, whole)

    def finished(self) -> None:
        self.stream.reset() if self._block else self.stream.finish()


class Pinger(Protocol):
    """One question at a time."""

    def __init__(self, streams: Streams, stream: Stream) -> None:
        super().__init__(streams, stream)
        self._block = b""

    def received(self, content: bytes) -> None:
        self._block += content
        if len(self._block) < PING_SIZE:
            return
        if self._block != self.streams.question:
            self.stream.reset()
            return
        self.stream.consume(PING_SIZE)
        self._block = self.streams.question = b""
        self.streams.round_trips.append(time.monotonic() - self.streams.asked)


class Interests(Protocol):
    """What the peer may be asked by topic; the newest message counts."""

    def __init__(self, streams: Streams, stream: Stream) -> None:
        super().__init__(streams, stream)
        self._assembler = Assembler()

    def received(self, content: bytes) -> None:
        try:
            for message in self._assembler.receive(content):
                self.stream.consume(4 + len(message))
                self.streams.interests = decode_interests(message)
        except (NegotiationError, RecordError):
            self.stream.reset()

    def finished(self) -> None:
        self.stream.finish()


class Witnessing(Protocol):
    """Questions of a client; each is answered at once. One that is none ends the stream."""

    def __init__(self, streams: Streams, stream: Stream, answer: Callable[[bytes], bytes]) -> None:
        super().__init__(streams, stream)
        self._answer = answer
        self._assembler = Assembler()

    def received(self, content: bytes) -> None:
        try:
            for question in self._assembler.receive(content):
                self.stream.write(frame(self._answer(question)))
                self.stream.consume(4 + len(question))
        except (NegotiationError, RecordError):
            self.stream.reset()

    def finished(self) -> None:
        self.stream.finish()


class Silent(Protocol):
    """Reads nothing: for tests."""

    def received(self, content: bytes) -> None:
        pass


class Draining(Protocol):
    """Reads everything and looks at nothing: for tests."""

    def received(self, content: bytes) -> None:
        self.stream.consume(len(content))


class Streams:
    """One side of a channel: `receive` takes APP bodies, `take` gives what goes into the next ones."""

    def __init__(self, initiator: bool) -> None:
        self.names = [PING, INTERESTS] if not initiator else [NEGOTIATE, PING, INTERESTS]
        self.interests: list[str] = []
        self.messages: deque[bytes] = deque()
        self.assembler = Assembler()
        self.negotiation: Stream | None = None
        self.refusals = 0  # how often the peer said `na`
        self.question = b""
        self.asked = 0.0
        self.round_trips: list[float] = []
        self.yamux = Yamux(initiator, self._opened)
        self._early = b""
        self._echo: Stream | None = None
        self._owed: dict[int, int] = {}
        self._witness: Callable[[bytes], bytes] | None = None
        self.pinger: Stream | None = None
        if not initiator:
            self.negotiation = self.open(NEGOTIATE, Negotiation)

    def open(self, name: str, protocol: type[Protocol]) -> Stream:
        """A stream of this side; bytes may follow at once."""
        stream = self.yamux.open()
        stream.handler = Agreeing(self, stream, name, lambda stream: protocol(self, stream))
        return stream

    def _opened(self, stream: Stream) -> Agreeing:
        return Agreeing(self, stream, None, self._agreed)

    def _agreed(self, stream: Stream, name: str) -> Protocol | None:
        if name == NEGOTIATE and self.negotiation is None:
            self.negotiation = stream
            stream.write(self._early)
            return Negotiation(self, stream)
        if name == PING and (self._echo is None or not self._echo.is_open):
            self._echo = stream
            return Echo(self, stream)
        if name == WITNESS and self._witness is not None:
            return Witnessing(self, stream, self._witness)
        return Interests(self, stream) if name == INTERESTS else None

    def declare(self, topics: list[str]) -> None:
        """Says once what this side may be asked by topic."""
        stream = self.open(INTERESTS, Draining)
        stream.write(frame(encode_interests(topics)))
        stream.finish()

    def serve_witness(self, answer: Callable[[bytes], bytes]) -> None:
        """Answers questions about slots."""
        self._witness = answer
        self.names.append(WITNESS)

    def settle_echo(self, stream: Stream, more: int = 0) -> None:
        """What was sent back and has left counts as read."""
        owed = self._owed.get(stream.number, 0) + more
        left = min(owed, len(stream.waiting))
        self._owed[stream.number] = left
        stream.consume(owed - left)

    def send(self, *messages: bytes) -> None:
        framed = frame(*messages)
        if self.negotiation is None:
            self._early += framed
        else:
            self.negotiation.write(framed)

    def mute(self, stream: Stream) -> None:
        """Whatever comes on this stream is not read any more: for tests."""
        assert isinstance(stream.handler, Agreeing)
        stream.handler.protocol = Silent(self, stream)

    def drain(self, stream: Stream) -> None:
        """Whatever comes on this stream is read and thrown away: for tests."""
        assert isinstance(stream.handler, Agreeing)
        stream.handler.protocol = Draining(self, stream)

    def ping(self) -> None:
        """Asks; the answer is the next of `round_trips`."""
        if self.pinger is None:
            self.pinger = self.open(PING, Pinger)
        self.question = secrets.token_bytes(PING_SIZE)
        self.asked = time.monotonic()
        self.pinger.write(self.question)

    def receive(self, body: bytes) -> None:
        self.yamux.receive(body)
        if self._echo is not None:
            self.settle_echo(self._echo)

    def take(self) -> bytes:
        return self.yamux.take()

    def finish(self) -> None:
        """CLOSE has come."""
        if not self.yamux.is_between_frames:
            raise RecordError("CUT_FRAME")
        if not self.assembler.is_between_messages:
            raise RecordError("CUT_MESSAGE")
