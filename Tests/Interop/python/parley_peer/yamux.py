"""yamux (secure-channel.md §7.1): bytes of APP records in, frames out. What a stream says is its handler's business."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from .errors import RecordError
from .wire import u16, u32

HEADER_SIZE = 12
WINDOW = 1 << 18
MAX_STREAMS = 32
SYN, ACK, FIN, RST = 1, 2, 4, 8


class Kind(IntEnum):
    DATA = 0
    WINDOW_UPDATE = 1
    PING = 2
    GO_AWAY = 3


def header(kind: int, flags: int, stream: int, length: int, version: int = 0) -> bytes:
    return bytes([version, kind]) + u16(flags) + u32(stream) + u32(length)


def data(stream: int, content: bytes, flags: int = 0) -> bytes:
    return header(Kind.DATA, flags, stream, len(content)) + content


# A frame that says nothing: no byte more on the stream of the negotiation.
HARMLESS = header(Kind.WINDOW_UPDATE, 0, 2, 0)


class Handler(Protocol):
    """What a stream is for."""

    def received(self, content: bytes) -> None: ...

    def finished(self) -> None: ...

    def was_reset(self) -> None: ...


class Stream:
    """One stream: what waits for the peer's window, and what the peer may still send."""

    def __init__(self, yamux: Yamux, number: int) -> None:
        self.number = number
        self.handler: Handler | None = None
        self.is_open = True
        self.leave = WINDOW  # what the peer may send
        self.consumed = 0
        self.window = WINDOW  # what this side may send
        self.waiting = b""
        self.finishes = self.finished_here = self.finished_there = False
        self._yamux = yamux

    def write(self, content: bytes) -> None:
        self.waiting += content
        self.push()

    def push(self) -> None:
        sent, self.waiting = self.waiting[: self.window], self.waiting[self.window :]
        if sent and self.is_open:
            self.window -= len(sent)
            self._yamux.emit(data(self.number, sent))
        if self.finishes and not self.waiting and self.is_open and not self.finished_here:
            self.finished_here = True
            self._yamux.emit(header(Kind.WINDOW_UPDATE, FIN, self.number, 0))
            self._yamux.forget_if_over(self)

    def finish(self) -> None:
        self.finishes = True
        self.push()

    def reset(self) -> None:
        if self.is_open:
            self._yamux.emit(header(Kind.WINDOW_UPDATE, RST, self.number, 0))
            self._yamux.forget(self)

    def consume(self, count: int) -> None:
        """The peer may send as much again; told once that is half a window."""
        self.consumed += count
        if self.consumed >= WINDOW // 2 and self.is_open:
            self._yamux.emit(header(Kind.WINDOW_UPDATE, 0, self.number, self.consumed))
            self.leave += self.consumed
            self.consumed = 0


class Yamux:
    """One side's streams. `opened` gives the peer's streams their handlers."""

    def __init__(self, initiator: bool, opened: Callable[[Stream], Handler]) -> None:
        self.streams: dict[int, Stream] = {}
        self.pongs = 0
        self.resets = 0
        self._parity = 1 if initiator else 0
        self._next = 1 if initiator else 2
        self._highest = 0  # the highest number of a stream of the peer
        self._opened = opened
        self._in = b""
        self._out = b""

    def emit(self, frame: bytes) -> None:
        self._out += frame

    def take(self) -> bytes:
        """All that is to be sent."""
        out, self._out = self._out, b""
        return out

    def open(self) -> Stream:
        stream = Stream(self, self._next)
        self._next += 2
        self.streams[stream.number] = stream
        self.emit(header(Kind.WINDOW_UPDATE, SYN, stream.number, 0))
        return stream

    def forget(self, stream: Stream) -> None:
        stream.is_open = False
        self.streams.pop(stream.number, None)

    def forget_if_over(self, stream: Stream) -> None:
        if stream.finished_here and stream.finished_there:
            self.forget(stream)

    @property
    def is_between_frames(self) -> bool:
        return not self._in

    def receive(self, body: bytes) -> None:
        """Raises `RecordError` at the first frame that breaks a rule of §7.1."""
        self._in += body
        while len(self._in) >= HEADER_SIZE:
            kind, flags, number, length = self._check(self._in[:HEADER_SIZE])
            size = HEADER_SIZE + (length if kind is Kind.DATA else 0)
            if kind is Kind.DATA:
                self._check_window(flags, number, length)
            if len(self._in) < size:
                return
            content, self._in = self._in[HEADER_SIZE:size], self._in[size:]
            if kind is Kind.PING:
                if flags & SYN:
                    self.emit(header(Kind.PING, ACK, 0, length))
                else:
                    self.pongs += 1
            elif kind is Kind.GO_AWAY:
                if length:
                    raise RecordError("GO_AWAY", str(length))
            else:
                self._stream_frame(kind, flags, number, length, content)

    def _check(self, head: bytes) -> tuple[Kind, int, int, int]:
        flags, number, length = (int.from_bytes(head[a:b], "big") for a, b in ((2, 4), (4, 8), (8, 12)))
        if head[0] != 0:
            raise RecordError("YAMUX_VERSION", str(head[0]))
        if head[1] > Kind.GO_AWAY:
            raise RecordError("YAMUX_TYPE", str(head[1]))
        if flags & ~15:
            raise RecordError("YAMUX_FLAGS", hex(flags))
        kind = Kind(head[1])
        if (number == 0) != (kind in (Kind.PING, Kind.GO_AWAY)):
            raise RecordError("YAMUX_STREAM", str(number))
        return kind, flags, number, length

    def _check_window(self, flags: int, number: int, length: int) -> None:
        """More than the window is refused as soon as it is announced."""
        stream = self.streams.get(number)
        if flags & SYN == 0 and stream is not None:
            if length > stream.leave:
                raise RecordError("YAMUX_WINDOW", f"{length} bytes on {number}")
            if length and stream.finished_there:
                raise RecordError("YAMUX_AFTER_FIN", str(number))
        elif length > WINDOW:
            raise RecordError("YAMUX_WINDOW", f"{length} bytes on {number}")

    def _stream_frame(self, kind: Kind, flags: int, number: int, length: int, content: bytes) -> None:
        if flags & SYN:
            self._begin(number)
        stream = self.streams.get(number)
        if stream is None:
            mine = number % 2 == self._parity
            if number > (self._next - 2 if mine else self._highest):
                raise RecordError("YAMUX_UNKNOWN", str(number))
            return  # it is gone
        assert stream.handler is not None
        if flags & RST:
            self.resets += 1
            self.forget(stream)
            stream.handler.was_reset()
            return
        if kind is Kind.WINDOW_UPDATE:
            stream.window += length
            if stream.window >= 1 << 32:
                raise RecordError("YAMUX_WINDOW", f"window of {number}")
            stream.push()
        elif content:
            stream.leave -= len(content)
            stream.handler.received(content)
        if flags & FIN and stream.is_open and not stream.finished_there:
            stream.finished_there = True
            stream.handler.finished()
            self.forget_if_over(stream)

    def _begin(self, number: int) -> None:
        if number % 2 == self._parity:
            raise RecordError("YAMUX_STREAM", f"{number} is this side's")
        if number in self.streams:
            raise RecordError("YAMUX_IN_USE", str(number))
        self._highest = max(self._highest, number)
        if sum(1 for taken in self.streams if taken % 2 != self._parity) >= MAX_STREAMS:
            return self.emit(header(Kind.WINDOW_UPDATE, RST, number, 0))
        stream = self.streams[number] = Stream(self, number)
        stream.handler = self._opened(stream)
        self.emit(header(Kind.WINDOW_UPDATE, ACK, number, 0))
