"""Peers that mean harm to a WebSocket server, and one that means well beside them.

    websocket_hostile.py ATTACK HOST:PORT [--count N] [--seconds S]

One process, raw sockets, only the standard library. A well-behaved client is connected first, echoes all the time, and
must still be served at the end; so must a new one. The last line is a JSON object: how each hostile connection ended, by
number (a close code, an HTTP status, `reset`, `end`, or `open`), and how many messages the well-behaved client got back.
"""

import argparse
import base64
import collections
import json
import os
import resource
import selectors
import socket
import struct
import sys
import threading
import time
import zlib

KEY = base64.b64encode(bytes(16)).decode()
PATIENCE = 60.0


def upgrade(deflate=False):
    lines = ["GET / HTTP/1.1", "Host: hostile", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + KEY]
    if deflate:
        lines.append("Sec-WebSocket-Extensions: permessage-deflate")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def header(first, length):
    """A frame's header, with a mask of zeros."""
    if length < 126:
        return struct.pack("!BB4x", first, 0x80 | length)
    if length < 65536:
        return struct.pack("!BBH4x", first, 0xFE, length)
    return struct.pack("!BBQ4x", first, 0xFF, length)


def frame(first, payload=b""):
    return header(first, len(payload)) + payload


class Answers:
    """What a server says: an HTTP status, then frames, of which only a Close is kept."""

    def __init__(self):
        self.status = None
        self.code = None
        self.extensions = False
        self.frames = 0
        self._bytes = bytearray()
        self._skip = 0

    def feed(self, data):
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        self._bytes += data[self._skip:]
        self._skip = 0
        if self.status is None:
            end = self._bytes.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self._bytes[:end])
            self.status = int(head.split(b" ")[1])
            self.extensions = b"permessage-deflate" in head
            del self._bytes[:end + 4]
        while self.status == 101 and self._next():
            pass

    def _next(self):
        if len(self._bytes) < 2:
            return False
        size, length = 2, self._bytes[1] & 0x7F
        if length >= 126:
            size = 4 if length == 126 else 10
            if len(self._bytes) < size:
                return False
            length = int.from_bytes(self._bytes[2:size], "big")
        if self._bytes[0] & 0x0F == 8:
            if len(self._bytes) < size + length:
                return False
            self.code = struct.unpack_from("!H", self._bytes, size)[0] if length >= 2 else 1005
        self.frames += 1
        have = min(size + length, len(self._bytes))
        self._skip = size + length - have
        del self._bytes[:have]
        return True


class Peer:
    """One hostile connection, and what came of it."""

    def __init__(self, crowd, number):
        self.crowd = crowd
        self.answers = Answers()
        self.unsent = b""
        self.ending = None
        self.reads = True
        self.is_broken = False
        self.events = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if crowd.receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, crowd.receive_buffer)
        # Loopback has sixteen million addresses: limits on one address alone must not be what saves the server.
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((f"127.0.{1 + number // 200 // 250}.{1 + number // 200 % 250}", 0))
        self.socket.connect_ex(crowd.address)
        self.watch()

    @property
    def outcome(self):
        if self.answers.code is not None:
            return str(self.answers.code)
        if self.answers.status not in (None, 101):
            return "http " + str(self.answers.status)
        return self.ending or "open"

    @property
    def is_upgraded(self):
        return self.answers.status == 101

    def watch(self):
        wanted = (selectors.EVENT_READ if self.reads else 0) | (selectors.EVENT_WRITE if self.unsent else 0)
        if self.ending is not None or wanted == self.events:
            return
        if self.events == 0:
            self.crowd.selector.register(self.socket, wanted, self)
        elif wanted == 0:
            self.crowd.selector.unregister(self.socket)
        else:
            self.crowd.selector.modify(self.socket, wanted, self)
        self.events = wanted

    def stop_reading(self):
        self.reads = False
        self.watch()

    def send(self, data):
        if self.ending is None:
            self.unsent += data
            self.write()
            self.watch()

    def write(self):
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent):]
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != 107:  # Still connecting.
                self.read_rest()

    def read(self):
        try:
            while True:
                data = self.socket.recv(1 << 18)
                if not data:
                    return self.end("end")
                self.answers.feed(data)
        except BlockingIOError:
            pass
        except OSError:
            self.end("reset")

    def read_rest(self):
        """Nothing can be sent any more; what the server said last may still be there."""
        self.is_broken = True
        self.read()
        self.end("reset")

    def end(self, how):
        if self.ending is None:
            # The system tells of a reset only once, here perhaps to whoever was sending.
            how = "reset" if self.is_broken else how
            if self.events:
                self.crowd.selector.unregister(self.socket)
            self.ending = how
            self.socket.close()


class Crowd:
    """All hostile connections."""

    def __init__(self, address, receive_buffer=None):
        self.address = address
        self.receive_buffer = receive_buffer
        self.selector = selectors.DefaultSelector()
        self.peers = []
        self.most = 0

    def open(self, count, pending=200, **how):
        """Opens connections and upgrades them, only so many at a time that the server's limits let them all in."""
        while count > 0:
            batch = [self.add() for _ in range(min(count, pending))]
            for peer in batch:
                peer.send(upgrade(**how))
            self.until(lambda: all(peer.is_upgraded or peer.ending for peer in batch))
            count -= len(batch)
        self.most = sum(peer.is_upgraded and not peer.ending for peer in self.peers)

    def add(self):
        peer = Peer(self, len(self.peers))
        self.peers.append(peer)
        return peer

    @property
    def open_peers(self):
        return [peer for peer in self.peers if peer.ending is None]

    def turn(self, seconds=0.05):
        if not self.selector.get_map():
            time.sleep(seconds)
        for key, events in self.selector.select(seconds):
            peer = key.data
            if events & selectors.EVENT_WRITE and peer.ending is None:
                peer.write()
            if events & selectors.EVENT_READ and peer.ending is None and peer.reads:
                peer.read()
            peer.watch()

    def pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(min(0.05, max(0.0, end - time.monotonic())))

    def until(self, condition, patience=PATIENCE):
        end = time.monotonic() + patience
        while not condition() and time.monotonic() < end:
            self.turn()
        return condition()

    def until_ended(self):
        return self.until(lambda: all(peer.ending for peer in self.peers))


# The attacks. Each returns when the server has had time to do what its limits say.


def slow_heads(crowd, options):
    """The request comes one byte a second; thousands of connections try."""
    request = upgrade()
    for index in range(options.count):
        crowd.add()
        if index % 100 == 99:
            crowd.turn(0)
    for offset in range(len(request)):
        for peer in crowd.open_peers:
            peer.send(request[offset:offset + 1])
        crowd.most = max(crowd.most, len(crowd.open_peers))
        crowd.pause(1)
        if not crowd.open_peers:
            return


def slow_frames(crowd, options):
    """After the upgrade one byte a second: of a header in one half of the connections, of a payload in the other."""
    crowd.open(options.count)
    for index, peer in enumerate(crowd.peers):
        peer.stream = header(0x82, 1 << 20) + b"x" * 1000
        if index % 2:
            peer.send(peer.stream[:14])
            peer.stream = peer.stream[14:]
    for offset in range(int(options.seconds)):
        for peer in crowd.open_peers:
            peer.send(peer.stream[offset:offset + 1])
        crowd.pause(1)
        if not crowd.open_peers:
            return


def bombs(crowd, options):
    """A message that inflates a thousand to one: held when it has inflated to 60 KiB, then sent on."""
    crowd.open(options.count, deflate=True)
    assert all(peer.answers.extensions for peer in crowd.peers if peer.is_upgraded)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = squeeze.compress(bytes(60 << 10)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    rest = squeeze.compress(bytes(64 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    assert (64 << 20) > 1000 * len(rest), len(rest)
    for peer in crowd.peers:
        peer.send(frame(0x42, start))
    crowd.pause(2)
    for peer in crowd.open_peers:
        peer.send(frame(0x80, rest[:-4]))
    crowd.until_ended()


def endless(crowd, options, first, piece):
    """The same frame for ever, after a first one."""
    crowd.open(options.count)
    for peer in crowd.peers:
        peer.send(first)
    flood = piece * (16384 // len(piece) + 1)

    def is_over():
        for peer in crowd.open_peers:
            if not peer.unsent:
                peer.send(flood)
        return not crowd.open_peers

    crowd.until(is_over)


def tiny_fragments(crowd, options):
    endless(crowd, options, frame(0x02, b"x"), frame(0x00, b"x"))


def empty_fragments(crowd, options):
    endless(crowd, options, frame(0x01), frame(0x00))


def pings(crowd, options):
    endless(crowd, options, frame(0x89), frame(0x89, b"p" * 125))


def deaf(crowd, options):
    """Sends 64 KiB messages to be echoed, and reads nothing."""
    crowd.open(options.count)
    for peer in crowd.peers:
        peer.stop_reading()
    message = frame(0x82, b"d" * 65536)

    def is_over():
        for peer in crowd.open_peers:
            if not peer.unsent:
                peer.send(message)
        return not crowd.open_peers

    # A server that stops reading from those that do not read lets them hang in their own sending: then it gives them up.
    crowd.until(is_over, options.seconds)
    for peer in crowd.open_peers:
        peer.reads = True
        peer.unsent = b""
        peer.watch()
    crowd.until_ended()


def deaf_subscribers(crowd, options):
    """Subscribers of a broadcast that read nothing, until all are behind; then half of them read on."""
    crowd.open(options.count)
    for peer in crowd.peers:
        peer.stop_reading()
    publisher = polite_connection(crowd.address)
    message = frame(0x82, b"P" + b"s" * 65535)
    for _ in range(int(options.seconds)):
        publisher.sendall(message)
        receive_exactly(publisher, 10 + 65536)
    for peer in crowd.peers[::2]:
        peer.reads = True
        peer.watch()
    crowd.pause(6)
    for peer in crowd.open_peers:
        peer.reads = True
        peer.watch()
    crowd.until_ended()
    publisher.close()


def never_upgrade(crowd, options):
    """Connections without end that say nothing, or half a request."""
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200
    pieces = [b"", b"G", upgrade()[:-2]]
    for index in range(options.count):
        crowd.add().send(pieces[index % 3])
        if index % 64 == 63:
            crowd.turn(0.001)
        if index % 1000 == 999:
            crowd.pause(0.25)
            crowd.most = max(crowd.most, len(crowd.open_peers))
            crowd.until(lambda: len(crowd.open_peers) < room)
    crowd.until_ended()


# The client that means well.


def receive_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError("the server ended the connection")
        data += piece
    return bytes(data)


def polite_connection(address):
    connection = socket.create_connection(address, timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(upgrade())
    head = b""
    while b"\r\n\r\n" not in head:
        head += receive_exactly(connection, 1)
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(head.decode())
    return connection


def echo(connection, payload, reads_others=False):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    connection.sendall(bytes([0x82, 0x80 | len(payload)]) + mask + masked)
    wanted = bytes([0x82, len(payload)])
    while (start := receive_exactly(connection, 2)) != wanted:
        # What somebody sends to all comes between, 64 KiB at a time.
        if not reads_others or start != b"\x82\x7f":
            raise ConnectionError("another message")
        receive_exactly(connection, int.from_bytes(receive_exactly(connection, 8), "big"))
    if receive_exactly(connection, len(payload)) != payload:
        raise ConnectionError("not what was sent")


class Polite(threading.Thread):
    """Echoes all the time, until it is told to stop."""

    def __init__(self, address, reads_others):
        super().__init__(daemon=True)
        self.reads_others = reads_others
        self.connection = polite_connection(address)
        self.must_stop = threading.Event()
        self.count = 0
        self.error = None

    def run(self):
        try:
            while not self.must_stop.is_set():
                echo(self.connection, b"e" + os.urandom(31), self.reads_others)
                self.count += 1
                time.sleep(0.02)
            self.connection.sendall(frame(0x88, b"\x03\xe8"))
            if receive_exactly(self.connection, 4) != b"\x88\x02\x03\xe8":
                raise ConnectionError("not the answer to a Close")
            self.connection.close()
        except OSError as error:
            self.error = repr(error)


def late_client(address):
    """A new client, let in as soon as the attackers' places are free."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection = polite_connection(address)
            echo(connection, b"still there?")
            connection.close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


ATTACKS = {
    function.__name__.replace("_", "-"): function
    for function in (slow_heads, slow_frames, bombs, tiny_fragments, empty_fragments, pings, deaf, deaf_subscribers,
                     never_upgrade)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attack", choices=ATTACKS)
    parser.add_argument("address")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    host, port = options.address.rsplit(":", 1)
    address = (host, int(port))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    polite = Polite(address, reads_others=options.attack == "deaf-subscribers")
    polite.start()
    crowd = Crowd(address, receive_buffer=4096 if options.attack.startswith("deaf") else None)
    ATTACKS[options.attack](crowd, options)
    outcomes = collections.Counter(peer.outcome for peer in crowd.peers)
    for peer in crowd.open_peers:
        peer.end("gone")
    late_client(address)
    polite.must_stop.set()
    polite.join(PATIENCE)
    error = polite.error or ("stuck" if polite.is_alive() else None)
    print(json.dumps({"event": "outcome", "outcomes": outcomes, "most": crowd.most,
                      "politeCount": polite.count, "politeError": error}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
