"""A client that cuts a KeyUpdate in two records: tls_split_key_update.py PORT CA.

After the upgrade it sends the first four bytes of the message and prints "half". At the next line of its standard input
it sends the rest, and prints the payload of the first WebSocket message that comes, in hexadecimal.

No TLS library sends such records, so they are made here from the secrets that Python's `ssl` logs (RFC 8446 section 5.2).
"""

import os
import ssl
import socket
import struct
import sys
import tempfile

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HANDSHAKE = 22
KEY_UPDATE = bytes([24, 0, 0, 1, 0])


def expand(secret: bytes, label: bytes, length: int) -> bytes:
    full = b"tls13 " + label
    info = struct.pack(">HB", length, len(full)) + full + b"\0"
    return HKDFExpand(hashes.SHA384(), length, info).derive(secret)


def seal(secret: bytes, sequence: int, kind: int, body: bytes) -> bytes:
    inner = body + bytes([kind])
    head = struct.pack(">BHH", 23, 0x0303, len(inner) + 16)
    iv = int.from_bytes(expand(secret, b"iv", 12)) ^ sequence
    return head + AESGCM(expand(secret, b"key", 32)).encrypt(iv.to_bytes(12), inner, head)


def main() -> None:
    port, authority = int(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = os.path.join(folder, "keys")
        raw = socket.create_connection(("127.0.0.1", port))
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            assert tls.cipher()[0] == "TLS_AES_256_GCM_SHA384", tls.cipher()
            with open(context.keylog_filename) as log:
                secret = next(line.split()[2] for line in log if line.startswith("CLIENT_TRAFFIC_SECRET_0 "))
            # The session's first record, so the next ones are 1 and 2.
            tls.sendall(UPGRADE)
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += tls.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            key = bytes.fromhex(secret)
            os.write(tls.fileno(), seal(key, 1, HANDSHAKE, KEY_UPDATE[:4]))
            print("half", flush=True)
            sys.stdin.readline()
            os.write(tls.fileno(), seal(key, 2, HANDSHAKE, KEY_UPDATE[4:]))
            header = tls.recv(2)
            assert header[0] == 0x82, header
            print(tls.recv(header[1]).hex(), flush=True)


main()
