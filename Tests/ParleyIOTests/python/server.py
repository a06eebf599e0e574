"""An echo server with `websockets`: server.py [CERTIFICATE KEY]. Prints its port; ends with its standard input.

The message "close" has it close with 4001, "ping" has it ping and say how that went, "text" has it answer in text.
"""

import asyncio
import ssl
import sys

from websockets.asyncio.server import serve


async def handle(socket):
    await socket.send(b"first")
    async for message in socket:
        if message == b"close":
            await socket.close(4001, "as asked")
        elif message == b"ping":
            await asyncio.wait_for(await socket.ping(b"payload"), 5)
            await socket.send(b"ponged")
        elif message == b"text":
            await socket.send("Grüße")
        elif message == b"fragments":
            await socket.send([b"a", b"b", b"c"])
        else:
            await socket.send(message)


async def main(files):
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
    async with serve(handle, "127.0.0.1", 0, subprotocols=["parley.v1"], ssl=context, compression="deflate") as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1:]))
