"""py-libp2p as a witness: a host with /noise and yamux that echoes, or that dials and compares what comes back.

    libp2p_witness.py listen ADDRESS     prints {"event": "listening", "address": ...}
    libp2p_witness.py dial ADDRESS       prints {"event": "done", "peer": ..., "pings": ..., "echoed": [...], ...}
    libp2p_witness.py mistake ADDRESS    prints {"event": "done", "refused": ...}: dials what another than the one named
                                         listens on

Addresses are multiaddrs, with the peer at the end where there is one. Runs until standard input ends, or until it has done what it was asked.
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
from libp2p.host.ping import ID as PING
from libp2p.host.ping import handle_ping
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport

ECHO = "/echo/1.0.0"
HELD = "/held/1.0.0"


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
        enable_websocket=True,
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


async def listen(address):
    address = multiaddr.Multiaddr(address)
    host = make_host(address)
    host.set_stream_handler(ECHO, echo)
    host.set_stream_handler(PING, handle_ping)
    async with host.run(listen_addrs=[address]):
        own = str(host.get_addrs()[0])
        say(event="listening", address=own if "/p2p/" in own else f"{own}/p2p/{host.get_id()}")
        await until_input_ends()


async def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        piece = await stream.read(count - len(data))
        if not piece:
            break
        data += piece
    return data


async def ping(host, peer):
    """Three questions on one stream, as the protocol has it."""
    stream = await host.new_stream(peer, [PING])
    count = 0
    for _ in range(3):
        data = os.urandom(32)
        await stream.write(data)
        count += await read_exactly(stream, 32) == data
    await stream.close()
    return count


async def echoed(host, peer, size):
    stream = await host.new_stream(peer, [ECHO])
    data = os.urandom(size)
    answer = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.write, data)
        answer = await read_exactly(stream, size)
    await stream.close()
    return {"size": size, "same": answer == data}


async def held_back(host, peer, size):
    """The other side reads nothing before it hears how much could be sent; whether all comes back in the end."""
    stream = await host.new_stream(peer, [HELD])
    data = os.urandom(size)
    sent = 0

    async def send():
        nonlocal sent
        while sent < size:
            piece = data[sent : sent + 16384]
            await stream.write(piece)
            sent += len(piece)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await trio.sleep(1)
        say(event="held", sent=sent)
        answer = await read_exactly(stream, size)
    await stream.close()
    return {"size": size, "same": answer == data}


async def dial(address):
    target = info_from_p2p_addr(multiaddr.Multiaddr(address))
    own = multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0" + ("/ws" if "/ws" in address else ""))
    host = make_host(own)
    async with host.run(listen_addrs=[own]):
        await host.connect(target)
        peer = target.peer_id
        outcome = {
            "peer": str(host.get_id()),
            "pings": await ping(host, peer),
            "echoed": [await echoed(host, peer, size) for size in (1, 5000, 1 << 20)],
            "held": await held_back(host, peer, 1 << 20),
        }
        try:
            await host.new_stream(peer, ["/nobody-speaks-this/1.0.0"])
        except Exception as error:
            outcome["refused"] = type(error).__name__
        say(event="done", **outcome)


async def mistake(address):
    own = multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0" + ("/ws" if "/ws" in address else ""))
    host = make_host(own)
    async with host.run(listen_addrs=[own]):
        refused = None
        try:
            await host.connect(info_from_p2p_addr(multiaddr.Multiaddr(address)))
        except Exception as error:
            refused = type(error).__name__
        say(event="done", refused=refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["listen", "dial", "mistake"])
    parser.add_argument("address")
    words = parser.parse_args()
    logging.disable(logging.CRITICAL)
    trio.run({"listen": listen, "dial": dial, "mistake": mistake}[words.command], words.address)


if __name__ == "__main__":
    main()
