"""A server with `websockets` that says of each client what TLS agreed on, as a line of JSON.

tls_server.py CERTIFICATE KEY [JSON]: prints its port first; ends with its standard input. The JSON may name `alpn`, the
`newest` version and an `authority` that clients must prove themselves to.
"""

import asyncio
import json
import ssl
import sys

from websockets.asyncio.server import serve


async def handle(socket):
    stream = socket.transport.get_extra_info("ssl_object")
    peer = stream.getpeercert()
    said = {
        "version": stream.version(),
        "alpn": stream.selected_alpn_protocol(),
        "resumed": stream.session_reused,
        "client": dict(part[0] for part in peer["subject"]).get("commonName") if peer else None,
    }
    print(json.dumps(said), flush=True)
    await socket.send(b"first")
    await socket.wait_closed()


async def main(certificate, key, wanted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if "alpn" in wanted:
        context.set_alpn_protocols(wanted["alpn"])
    if "newest" in wanted:
        context.maximum_version = ssl.TLSVersion[wanted["newest"]]
    if "authority" in wanted:
        context.load_verify_locations(wanted["authority"])
        context.verify_mode = ssl.CERT_REQUIRED
    async with serve(handle, "127.0.0.1", 0, ssl=context) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}))
