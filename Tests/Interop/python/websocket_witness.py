"""Python's `websockets` at either end of a connection, one JSON line an event.

    websocket_witness.py client URL [--ca FILE] [--offer JSON]...    against an echo server, one connection an offer
    websocket_witness.py server [--agree JSON] [--cert FILE --key FILE]   an echo server, for ever

JSON holds the arguments of permessage-deflate as `websockets` names them: server_no_context_takeover,
client_no_context_takeover, server_max_window_bits, client_max_window_bits. `null` is no compression. What a server does
depends on the path: `/` echoes, `/fragments` echoes in frames of 1000 bytes and pings between them, `/close/N` closes with N.
"""

import argparse
import asyncio
import json
import random
import ssl

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions import permessage_deflate

compressed = {"sent": 0, "received": 0}


def count_compressed():
    """Counts the frames that say they are compressed."""
    encode, decode = permessage_deflate.PerMessageDeflate.encode, permessage_deflate.PerMessageDeflate.decode

    def counting_encode(self, frame):
        frame = encode(self, frame)
        compressed["sent"] += frame.rsv1
        return frame

    def counting_decode(self, frame, **options):
        compressed["received"] += frame.rsv1
        return decode(self, frame, **options)

    permessage_deflate.PerMessageDeflate.encode = counting_encode
    permessage_deflate.PerMessageDeflate.decode = counting_decode


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def messages():
    chance = random.Random(7)
    prose = "".join(chance.choice(["to be ", "or ", "not ", "grüße ", "\U0001F600"]) for _ in range(30_000))
    yield from ["", "hello", "grüße \U0001F600", b"", b"\x00\xff"]
    for count in [1, 125, 126, 127, 65_535, 65_536, 65_537]:
        yield chance.randbytes(count)
        yield prose[:count]
    yield prose
    yield chance.randbytes(1 << 20)
    yield bytes(1 << 20)
    # Again, from what the window still holds.
    yield prose[:5_000]
    yield prose[:5_000]


def fragmented():
    """Each ends with an empty frame: `websockets` does not know which fragment is the last."""
    yield ["frag", "ment", "ed"]
    yield [b"", b"a", b"", b"b"]
    yield [""]
    yield ["grü\U0001F600" * 2_000] * 20
    yield [bytes([n]) * 4_096 for n in range(64)]


async def play(url, offer, context):
    extensions = [] if offer is None else [permessage_deflate.ClientPerMessageDeflateFactory(**offer)]
    compressed.update(sent=0, received=0)
    echoed, wrong, pongs = 0, [], 0
    async with connect(
        url, extensions=extensions, compression=None, max_size=None, ping_interval=None, ssl=context, proxy=None
    ) as socket:
        for index, message in enumerate(messages()):
            await socket.send(message)
            if await socket.recv() == message:
                echoed += 1
            else:
                wrong.append(index)
        for index, fragments in enumerate(fragmented()):
            await socket.send(fragments)
            if await socket.recv() == fragments[0][:0].join(fragments):
                echoed += 1
            else:
                wrong.append(-1 - index)
        for payload in [b"", b"x" * 125, b"beat"]:
            await asyncio.wait_for(await socket.ping(payload), 5)
            pongs += 1
        await socket.close(3_456, "that is all")
    say(
        "connection", echoed=echoed, wrong=wrong, pongs=pongs, compressed=dict(compressed), code=socket.close_code,
        reason=socket.close_reason, agreed=socket.response.headers.get("Sec-WebSocket-Extensions"),
        subprotocol=socket.subprotocol)


async def run_client(arguments):
    context = ssl.create_default_context(cafile=arguments.ca) if arguments.url.startswith("wss:") else None
    for offer in arguments.offer or ["null"]:
        await play(arguments.url, json.loads(offer), context)


async def answer(socket):
    path = socket.request.path
    count = 0
    try:
        if path.startswith("/close/"):
            await socket.close(int(path.removeprefix("/close/")), "the server says so")
        async for message in socket:
            count += 1
            if path != "/fragments":
                await socket.send(message)
                continue

            async def pieces():
                for start in range(0, len(message), 1_000):
                    yield message[start : start + 1_000]
                    await socket.ping()

            await socket.send(pieces()) if message else await socket.send(message)
    except ConnectionClosed:
        pass
    await socket.wait_closed()
    say(
        "connection", path=path, messages=count, compressed=dict(compressed), code=socket.close_code,
        reason=socket.close_reason, agreed=socket.response.headers.get("Sec-WebSocket-Extensions"),
        header=socket.request.headers.get("X-Witness"), subprotocol=socket.subprotocol)


async def run_server(arguments):
    agree = json.loads(arguments.agree)
    extensions = [] if agree is None else [permessage_deflate.ServerPerMessageDeflateFactory(**agree)]
    context = None
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
    async with serve(
        answer, "127.0.0.1", 0, extensions=extensions, compression=None, max_size=None, ping_interval=None, ssl=context,
        select_subprotocol=lambda _, offered: next((name for name in offered if name in ("second", "third")), None),
    ) as server:
        say("listening", port=server.sockets[0].getsockname()[1])
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    modes = parser.add_subparsers(required=True)
    client = modes.add_parser("client")
    client.add_argument("url")
    client.add_argument("--ca")
    client.add_argument("--offer", action="append")
    client.set_defaults(run=run_client)
    server = modes.add_parser("server")
    server.add_argument("--agree", default="null")
    server.add_argument("--cert")
    server.add_argument("--key")
    server.set_defaults(run=run_server)
    arguments = parser.parse_args()
    count_compressed()
    asyncio.run(arguments.run(arguments))


main()
