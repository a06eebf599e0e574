"""Peers that break one rule of the streams (secure-channel.md §7) on an open channel, or strain one."""

from __future__ import annotations

import asyncio

from .channel import RecordType
from .peer import PeerConnection
from .stream import NEGOTIATE, PING, PING_SIZE, Negotiation, Silent, agreement
from .yamux import ACK, FIN, RST, SYN, WINDOW, Kind, Stream, data, header

NEGOTIATION = 2
COUNT = 40  # more streams than a side may open
BLOCK = bytes(range(PING_SIZE))


async def _send(connection: PeerConnection, *frames: bytes) -> None:
    for frame in frames:
        connection.streams.yamux.emit(frame)
    await connection.flush_streams()


class _Nothing:
    """On a stream that names no protocol."""

    def received(self, content: bytes) -> None:
        pass

    def finished(self) -> None:
        pass

    def was_reset(self) -> None:
        pass


def _bare(connection: PeerConnection) -> Stream:
    stream = connection.streams.yamux.open()
    stream.handler = _Nothing()
    return stream


# What ends the channel


async def version(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.PING, SYN, 0, 7, version=1))


async def kind(connection: PeerConnection) -> None:
    await _send(connection, header(4, 0, NEGOTIATION, 0))


async def flags(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.WINDOW_UPDATE, 16, NEGOTIATION, 0))


async def data_on_session(connection: PeerConnection) -> None:
    await _send(connection, data(0, b"x"))


async def ping_on_stream(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.PING, SYN, NEGOTIATION, 7))


async def unknown_stream(connection: PeerConnection) -> None:
    await _send(connection, data(77 if connection.channel.initiator else 78, b"x"))


async def wrong_parity(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.WINDOW_UPDATE, SYN, 78 if connection.channel.initiator else 77, 0))


async def stream_in_use(connection: PeerConnection) -> None:
    number = 77 if connection.channel.initiator else 78
    await _send(connection, *[header(Kind.WINDOW_UPDATE, SYN, number, 0)] * 2)


async def huge_frame(connection: PeerConnection) -> None:
    """An announcement of 4 GiB, and nothing behind it."""
    await _send(connection, header(Kind.DATA, 0, NEGOTIATION, 0xFFFFFFFF))


async def window_overrun(connection: PeerConnection) -> None:
    """Pings whose answers nobody reads, until there is no leave to send more; and then a byte."""
    stream = await _unread_pings(connection, 4 * WINDOW)
    await _send(connection, data(stream.number, b"x"))


async def window_overflow(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.WINDOW_UPDATE, 0, NEGOTIATION, 0xFFFFFFFF))


async def data_after_finish(connection: PeerConnection) -> None:
    """On a stream that the other side cannot finish yet, because its answers are not read."""
    stream = await _unread_pings(connection, WINDOW + 100 * PING_SIZE)
    await _send(connection, header(Kind.WINDOW_UPDATE, FIN, stream.number, 0), data(stream.number, BLOCK))


async def negotiation_finished(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.WINDOW_UPDATE, FIN, NEGOTIATION, 0))


async def negotiation_reset(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.WINDOW_UPDATE, RST, NEGOTIATION, 0))


async def go_away_with_error(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.GO_AWAY, 0, 0, 1))


async def close_inside_frame(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.PING, SYN, 0, 7)[:-1])
    await connection.send_record(RecordType.CLOSE, b"")


# What ends one stream, or nothing


async def unknown_protocol(connection: PeerConnection) -> None:
    connection.streams.open("/parley/nothing/1", Silent)
    await connection.flush_streams()


async def long_agreement(connection: PeerConnection) -> None:
    await _send(connection, data(_bare(connection).number, agreement("x" * 1024)))


async def negotiation(connection: PeerConnection) -> None:
    """One more: of the responder it is reset, of the initiator nobody knows it."""
    connection.streams.open(NEGOTIATE, Negotiation)
    await connection.flush_streams()


async def second_ping(connection: PeerConnection) -> None:
    connection.streams.open(PING, Silent)
    await connection.flush_streams()


async def cut_ping(connection: PeerConnection) -> None:
    """The stream that this side pings on ends inside a block."""
    pinger = await _ping_stream(connection)
    pinger.write(BLOCK[:5])
    pinger.finish()
    await connection.flush_streams()


async def go_away(connection: PeerConnection) -> None:
    await _send(connection, header(Kind.GO_AWAY, 0, 0, 0))


async def late_frame(connection: PeerConnection) -> None:
    """Data and a window for a stream that was reset."""
    stream = connection.streams.open(PING, Silent)
    number = stream.number
    await _send(connection, data(number, bytes(1000)), header(Kind.WINDOW_UPDATE, ACK, number, 5))


async def too_many_streams(connection: PeerConnection) -> None:
    for _ in range(COUNT):
        _bare(connection)
    await connection.flush_streams()


async def never_read(connection: PeerConnection) -> None:
    """Pings for a window and more, and no leave to answer them all."""
    await _unread_pings(connection, WINDOW + 100 * PING_SIZE)


async def pings_without_end(connection: PeerConnection) -> None:
    """Ten thousand in a row, as the other side gives leave, all answers read."""
    stream = await _ping_stream(connection)
    connection.streams.drain(stream)
    assert await _send_pings(connection, stream, 10_000 * len(BLOCK)) == 0


async def yamux_pings(connection: PeerConnection) -> None:
    await _send(connection, *[header(Kind.PING, SYN, 0, number) for number in range(100)])


async def _ping_stream(connection: PeerConnection) -> Stream:
    """This side's ping stream, once its first ping was answered."""
    while not connection.streams.round_trips:
        await asyncio.sleep(0.005)
    stream = connection.streams.pinger
    assert stream is not None
    return stream


async def _unread_pings(connection: PeerConnection, size: int) -> Stream:
    """Sends up to so many bytes of pings, as far as there is leave; and never gives leave to answer more than a window."""
    stream = await _ping_stream(connection)
    connection.streams.mute(stream)
    await _send_pings(connection, stream, size)
    return stream


async def _send_pings(connection: PeerConnection, stream: Stream, size: int) -> int:
    """Sends so many bytes of pings, as far as there is leave; how many it had to leave out."""
    sent = 0
    while sent < size and await _has_leave(stream):
        start = sent % len(BLOCK)
        part = min(size - sent, stream.window, len(BLOCK) * 500 - start)
        stream.window -= part
        sent += part
        await _send(connection, data(stream.number, (BLOCK * 500)[start : start + part]))
    return size - sent


async def _has_leave(stream: Stream) -> bool:
    for _ in range(100):
        if stream.window > 0:
            return True
        await asyncio.sleep(0.005)
    return False
