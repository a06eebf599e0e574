"""A TLS client on the OpenSSL inside `cryptography`: tls_client.py PORT CA-FILE [GROUPS].

Upgrades to WebSocket, reads the first flight, and prints the version, the group and the RFC 9266 exporter in hex.
"""

import socket
import sys

from cryptography.hazmat.bindings.openssl.binding import Binding

lib, ffi = Binding.lib, Binding.ffi


def main(port, authority, groups):
    context = lib.SSL_CTX_new(lib.TLS_method())
    lib.SSL_CTX_set_verify(context, lib.SSL_VERIFY_PEER, ffi.NULL)
    assert lib.SSL_CTX_load_verify_locations(context, authority.encode(), ffi.NULL) == 1
    if groups:
        assert lib.SSL_CTX_set1_curves_list(context, groups.encode()) == 1
    connection = lib.SSL_new(context)
    stream = socket.create_connection(("127.0.0.1", port))
    stream.settimeout(None)
    assert lib.SSL_set_fd(connection, stream.fileno()) == 1
    lib.SSL_set_connect_state(connection)
    assert lib.SSL_do_handshake(connection) == 1, "handshake failed"
    request = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    assert lib.SSL_write(connection, request, len(request)) == len(request)
    buffer = ffi.new("char[]", 65536)
    count = lib.SSL_read(connection, buffer, 65536)
    exporter = ffi.new("unsigned char[]", 32)
    label = b"EXPORTER-Channel-Binding"
    assert lib.SSL_export_keying_material(connection, exporter, 32, label, len(label), b"", 0, 1) == 1
    print(ffi.string(lib.SSL_get_version(connection)).decode())
    print(ffi.string(lib.SSL_get0_group_name(connection)).decode())
    print(bytes(exporter).hex())
    print(bytes(ffi.buffer(buffer, count)).hex())


main(int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
