"""py-libp2p as a witness: a host with /noise and yamux that echoes, or that dials and compares what comes back.

    libp2p_witness.py listen                        prints {"event": "listening", "peer": ..., "port": ...}
    libp2p_witness.py dial PORT PEER [--sizes N,N]  prints {"event": "done", "remote": ..., "echoed": [...], "refused": ...}

Runs until standard input ends, or until it has done what it was asked.
"""

import argparse
import json
import logging
import os
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair as ed25519_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as x25519_key_pair
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport

ECHO = "/echo/1.0.0"


def say(**fields):
    print(json.dumps(fields), flush=True)


def make_host(listen_address):
    # Noise alone: the library's own list also has plaintext.
    identity = ed25519_key_pair(os.urandom(32))
    noise = NoiseTransport(libp2p_keypair=identity, noise_privkey=x25519_key_pair().private_key)
    return new_host(
        key_pair=identity,
        muxer_preference="YAMUX",
        sec_opt={NOISE: noise},
        listen_addrs=[listen_address],
    )


async def echo(stream):
    """Sends back what comes until the other side ends, and says how much it was."""
    count = 0
    try:
        while True:
            data = await stream.read(4096)
            if not data:
                break
            count += len(data)
            await stream.write(data)
    except Exception as error:  # An exception here would stop the whole connection in this library.
        if type(error).__name__ != "StreamEOF":
            say(event="failed", error=repr(error))
    await stream.close()
    say(event="echoed", count=count, remote=str(stream.muxed_conn.peer_id))


async def until_input_ends():
    await trio.to_thread.run_sync(sys.stdin.buffer.read, abandon_on_cancel=True)


async def listen():
    address = multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")
    host = make_host(address)
    host.set_stream_handler(ECHO, echo)
    async with host.run(listen_addrs=[address]):
        port = next(a.value_for_protocol("tcp") for a in host.get_addrs())
        say(event="listening", peer=str(host.get_id()), port=int(port))
        await until_input_ends()


async def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        piece = await stream.read(count - len(data))
        if not piece:
            break
        data += piece
    return data


async def dial(port, peer, sizes):
    own = multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")
    host = make_host(own)
    async with host.run(listen_addrs=[own]):
        target = multiaddr.Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")
        await host.connect(PeerInfo(ID.from_base58(peer), [target]))
        echoed = []
        for size in sizes:
            stream = await host.new_stream(ID.from_base58(peer), [ECHO])
            data = os.urandom(size)
            answer = b""
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, data)
                answer = await read_exactly(stream, size)
            await stream.close()
            echoed.append({"size": size, "same": answer == data})
        refused = None
        try:
            await host.new_stream(ID.from_base58(peer), ["/nobody-speaks-this/1.0.0"])
        except Exception as error:
            refused = type(error).__name__
        say(event="done", peer=str(host.get_id()), remote=peer, echoed=echoed, refused=refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("listen")
    dialling = commands.add_parser("dial")
    dialling.add_argument("port", type=int)
    dialling.add_argument("peer")
    dialling.add_argument("--sizes", default="1,5000,400000")
    words = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if words.command == "listen":
        trio.run(listen)
    else:
        trio.run(dial, words.port, words.peer, [int(size) for size in words.sizes.split(",")])


if __name__ == "__main__":
    main()
