"""Connects with Python's `ssl` and says how that went, in a line of JSON: tls_probe.py PORT CA-FILE [JSON].

The JSON may name `host`, `alpn`, `certificate` and `key`, the `newest` version, `ciphers`, `options` (bits of
SSL_OP_...), `renegotiates`, and a `count` of connections, each of which tries to resume the one before. Each upgrades
to WebSocket and waits for the answer, since a TLS 1.3 server judges the client's certificate after the client is done.
"""

import hashlib
import json
import socket
import ssl
import sys

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def make_context(authority, wanted):
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    if "alpn" in wanted:
        context.set_alpn_protocols(wanted["alpn"])
    if "certificate" in wanted:
        context.load_cert_chain(wanted["certificate"], wanted["key"])
    if "newest" in wanted:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion[wanted["newest"]]
    if "ciphers" in wanted:
        context.set_ciphers(wanted["ciphers"])
    context.options |= wanted.get("options", 0)
    return context


def probe(context, port, wanted, session):
    plain = socket.create_connection(("127.0.0.1", port))
    plain.settimeout(10)
    with context.wrap_socket(plain, server_hostname=wanted.get("host", "localhost"), session=session) as stream:
        stream.sendall(REQUEST)
        answer = stream.recv(65536)
        if not answer:
            raise ConnectionError
        said = {
            "status": answer.split(b" ")[1].decode(),
            "version": stream.version(),
            "cipher": stream.cipher()[0],
            "alpn": stream.selected_alpn_protocol(),
            "resumed": stream.session_reused,
            "tickets": stream.session.has_ticket if stream.session else False,
            "certificate": hashlib.sha256(stream.getpeercert(True)).hexdigest(),
        }
        return said, stream.session


def main(port, authority, wanted):
    context = make_context(authority, wanted)
    session = None
    for _ in range(wanted.get("count", 1)):
        try:
            said, session = probe(context, port, wanted, session)
        except ssl.SSLError as error:
            said = {"error": error.reason or str(error)}
        except OSError as error:
            said = {"error": type(error).__name__}
        print(json.dumps(said))


main(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
