"""A relay between two libp2p peers that notes what both say before anything else.

    libp2p_relay.py PORT    prints {"port": ...}; then, for an empty line on standard input, {"dialer": [...], "listener": [...]}

The lists have the names of multistream-select up to /noise, and then the lengths of the Noise messages that followed.
"""

import json
import socket
import sys
import threading


def pump(source, sink, noted):
    while data := source.recv(1 << 16):
        noted += data
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def read(data):
    """What one side said."""
    said = []
    while data and (not said or said[-1] != "/noise"):
        count = data[0]
        said.append(data[1:count].decode())
        data = data[1 + count :]
    while len(data) >= 2:
        count = int.from_bytes(data[:2], "big")
        said.append(count)
        data = data[2 + count :]
    return said


def main():
    server = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"port": server.getsockname()[1]}), flush=True)
    dialer = server.accept()[0]
    listener = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    noted = bytearray(), bytearray()
    for words in ((dialer, listener, noted[0]), (listener, dialer, noted[1])):
        threading.Thread(target=pump, args=words, daemon=True).start()
    sys.stdin.readline()
    print(json.dumps({"dialer": read(bytes(noted[0])), "listener": read(bytes(noted[1]))}), flush=True)
    sys.stdin.read()


main()
