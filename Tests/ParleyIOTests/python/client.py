"""Talks to an echo server with `websockets`: client.py URL [CA-FILE].

Sends messages of several sizes, fragmented and not, text and binary, pings, and closes; prints OK.
"""

import asyncio
import ssl
import sys

from websockets.asyncio.client import connect


async def main(url, authority):
    context = None
    if authority:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Our server agrees to no extension, whatever is offered.
    async with connect(url, subprotocols=["other", "parley.v1"], ssl=context, compression="deflate") as socket:
        assert socket.subprotocol == "parley.v1", socket.subprotocol
        assert not socket.protocol.extensions, socket.protocol.extensions
        assert await socket.recv() == b"first", "no greeting"
        for size in (0, 1, 125, 126, 127, 4096, 16404):
            payload = bytes(i * 7 & 0xFF for i in range(size))
            await socket.send(payload)
            assert await socket.recv() == payload, size
        await socket.send("Grüße, Ω")
        assert await socket.recv() == "Grüße, Ω"
        await socket.send([b"one ", b"two ", b"three"])
        assert await socket.recv() == b"one two three"
        await asyncio.wait_for(await socket.ping(b"hello"), 5)
        many = [bytes([i]) * 100 for i in range(100)]
        for payload in many:
            await socket.send(payload)
        for payload in many:
            assert await socket.recv() == payload
        await socket.close(4000, "done")
        assert socket.close_code == 4000, socket.close_code
    print("OK")


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
