"""go-libp2p's daemon p2pd as a witness, driven through its control socket.

    p2pd_witness.py P2PD listen ADDRESS        prints {"event": "listening", "peer": hex, "addresses": [hex, ...]}
    p2pd_witness.py P2PD dial ADDRESS PEER     both in hex; prints {"event": "done", "peer": ..., "pings": ..., ...}
    p2pd_witness.py P2PD mistake ADDRESS PEER  the same, where PEER is not who is there; prints {"event": "done", "refused": ...}

Listening, it echoes under /echo/1.0.0. Dialling, it pings, has pieces echoed, counts what it can send on /held/1.0.0 in a
second, and asks for a protocol that nobody speaks.
Runs until standard input ends, or until it has done what it was asked. The messages of the control socket are those of
p2pd.proto (go-libp2p-daemon): each a varint length and a protobuf.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ECHO = "/echo/1.0.0"
HELD = "/held/1.0.0"
PING = "/ipfs/ping/1.0.0"
IDENTIFY, CONNECT, STREAM_OPEN, STREAM_HANDLER = 0, 1, 2, 3


def say(**fields):
    print(json.dumps(fields), flush=True)


def varint(value):
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(data):
    """The fields of a message, by number: numbers and bytes only."""
    found = {}
    position = 0

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = number()
        if key & 7 == 2:
            count = number()
            value = data[position : position + count]
            position += count
        else:
            value = number()
        found.setdefault(key >> 3, []).append(value)
    return found


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        piece = stream.recv(min(count - len(data), 1 << 16))
        if not piece:
            raise EOFError(f"{len(data)} of {count} bytes")
        data += piece
    return data


def read_message(stream):
    count = shift = 0
    while True:
        byte = read_exactly(stream, 1)[0]
        count |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return fields(read_exactly(stream, count))


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Refused(Exception):
    pass


class Daemon:
    def __init__(self, program, addresses):
        self.folder = tempfile.TemporaryDirectory(prefix="p2pd-")
        self.path = os.path.join(self.folder.name, "control")
        words = [program, "-q", f"-listen=/unix{self.path}", "-bootstrapPeers=", "-relay=false", "-natPortMap=false"]
        words += [f"-hostAddrs={addresses}"] if addresses else ["-noListenAddrs"]
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={"HOME": self.folder.name},
            preexec_fn=end_with_parent,
        )
        for _ in range(600):
            if os.path.exists(self.path) or self.process.poll() is not None:
                break
            time.sleep(0.05)

    def request(self, kind, number=None, body=b""):
        """Sends a request; the socket and the response, which becomes a stream after STREAM_OPEN."""
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(30)
        control.connect(self.path)
        message = field(1, kind) + (field(number, body) if number else b"")
        control.sendall(varint(len(message)) + message)
        response = read_message(control)
        if response[1][0] != 0:
            control.close()
            raise Refused(fields(response[2][0])[1][0].decode())
        return control, response

    def identify(self):
        return fields(self.request(IDENTIFY)[1][4][0])

    def connect(self, peer, address):
        self.request(CONNECT, 2, field(1, peer) + field(2, address))

    def open(self, peer, protocol):
        return self.request(STREAM_OPEN, 3, field(1, peer) + field(2, protocol.encode()))[0]

    def handle(self, protocol, handler):
        """Has streams of a protocol handed to `handler`, each on a thread of its own."""
        server = socket.create_server(("127.0.0.1", 0))
        address = bytes([4, 127, 0, 0, 1, 6]) + server.getsockname()[1].to_bytes(2, "big")
        self.request(STREAM_HANDLER, 4, field(1, address) + field(2, protocol.encode()) + field(3, 0))

        def accept():
            while True:
                stream = server.accept()[0]
                threading.Thread(target=handler, args=(stream,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def end(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def echo(stream):
    read_message(stream)  # Who opened it.
    while data := stream.recv(4096):
        stream.sendall(data)
    stream.close()


def echoed(daemon, peer, size):
    stream = daemon.open(peer, ECHO)
    data = os.urandom(size)
    writer = threading.Thread(target=stream.sendall, args=(data,), daemon=True)
    writer.start()
    answer = read_exactly(stream, size)
    writer.join()
    # This side has sent all: the other may end too.
    stream.shutdown(socket.SHUT_WR)
    ended = stream.recv(1) == b""
    stream.close()
    return {"size": size, "same": answer == data, "ended": ended}


def held_back(daemon, peer, size):
    """The other side reads nothing before it hears how much could be sent; whether all comes back in the end."""
    stream = daemon.open(peer, HELD)
    data = os.urandom(size)
    sent = 0

    def send():
        nonlocal sent
        while sent < size:
            sent += stream.send(data[sent : sent + 16384])

    writer = threading.Thread(target=send, daemon=True)
    writer.start()
    time.sleep(1)
    say(event="held", sent=sent)
    answer = read_exactly(stream, size)
    writer.join()
    stream.close()
    return {"size": size, "same": answer == data}


def attempt(function, *words):
    try:
        function(*words)
    except Refused as error:
        return str(error)
    return None


def dial(daemon, address, peer):
    daemon.connect(peer, address)
    stream = daemon.open(peer, PING)
    pings = 0
    for _ in range(3):
        data = os.urandom(32)
        stream.sendall(data)
        pings += read_exactly(stream, 32) == data
    stream.close()
    say(
        event="done",
        peer=daemon.identify()[1][0].hex(),
        pings=pings,
        echoed=[echoed(daemon, peer, size) for size in (1, 5000, 1 << 20)],
        held=held_back(daemon, peer, 4 << 20),
        refused=attempt(daemon.open, peer, "/nobody-speaks-this/1.0.0"),
    )


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    program, command, address, *rest = sys.argv[1:]
    daemon = Daemon(program, address if command == "listen" else None)
    try:
        if command == "listen":
            daemon.handle(ECHO, echo)
            own = daemon.identify()
            say(event="listening", peer=own[1][0].hex(), addresses=[found.hex() for found in own[2]])
            sys.stdin.buffer.read()
        elif command == "dial":
            dial(daemon, bytes.fromhex(address), bytes.fromhex(rest[0]))
        else:
            other = bytes.fromhex(rest[0])
            say(event="done", refused=attempt(daemon.connect, other, bytes.fromhex(address)))
    finally:
        daemon.end()


if __name__ == "__main__":
    main()
