"""Carries a TCP stream into TLS, or out of it: tls_relay.py (in|out) HOST:PORT [--ca FILE] [--cert FILE --key FILE].

`in` accepts plain connections and makes TLS ones to HOST:PORT; `out` accepts TLS and makes plain ones. Prints the port on
which it listens.
"""

import argparse
import asyncio
import json
import ssl


async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass
    writer.close()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("direction", choices=["in", "out"])
    parser.add_argument("target")
    parser.add_argument("--ca")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    host, port = arguments.target.rsplit(":", 1)
    accepting = connecting = None
    if arguments.direction == "in":
        connecting = ssl.create_default_context(cafile=arguments.ca)
    else:
        accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        accepting.load_cert_chain(arguments.cert, arguments.key)

    async def carry(reader, writer):
        try:
            there = await asyncio.open_connection(host, int(port), ssl=connecting)
        except OSError:
            return writer.close()
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    server = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=accepting)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
