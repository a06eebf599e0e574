#!/usr/bin/env python3
"""A quoting strategy for `parley maker --strategy external`, with nothing but the standard library.

It quotes the node's fair price a few ticks either way, lower the more delta it holds, and meets counters half way.
docs/strategy.md has the messages. Run it beside the node:

    parley maker --home maker --chain chain.json --strategy external &
    python3 examples/strategy.py --home maker --ticks 5
"""

import argparse
import json
import os
import socket
import sys
from decimal import Decimal


class Node:
    """The control socket of a node: JSON-RPC 2.0, one object a line."""

    def __init__(self, home):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.path.join(home, "control.sock"))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.count = 0

    def send(self, method, **params):
        """Sends a request without waiting: answers and events come by `read`."""
        self.count += 1
        request = {"jsonrpc": "2.0", "id": self.count, "method": method, "params": params}
        self.socket.sendall((json.dumps(request) + "\n").encode())

    def read(self):
        """The next answer or event; None when the node is gone."""
        line = self.lines.readline()
        return json.loads(line) if line else None


class Strategy:
    """Decides what to say. Replace this by your own."""

    def __init__(self, ticks, ticks_per_delta):
        self.ticks = ticks
        self.ticks_per_delta = ticks_per_delta

    def middle(self, event):
        """The fair price, lower the more is held, so that it sells rather than buys; on a tick."""
        tick = Decimal(event["tick"])
        held = Decimal(str(round((event["inventory"] or {}).get("delta", 0), 6)))
        return round(Decimal(event["fair"]) / tick - held * self.ticks_per_delta) * tick

    def decide(self, event):
        """What to answer to a request or a counter: the parameters of `decide`."""
        if event["fair"] is None:
            return {"action": "pass", "reason": "no mark"}
        middle, tick = self.middle(event), Decimal(event["tick"])
        bid, ask = middle - self.ticks * tick, middle + self.ticks * tick
        if event["event"] == "request":
            quote = {"action": "quote", "ask": str(ask), "life_ms": 20000}
            return quote | ({"bid": str(bid)} if bid > 0 else {})
        # A counter that leaves something is good; one that does not is met half way.
        price = Decimal(event["price"])
        if event["their_side"] == "buy":
            good, name, mine = price >= middle, "ask", ask
        else:
            good, name, mine = price <= middle, "bid", bid
        if good:
            return {"action": "accept"}
        half = round((price + mine) / 2 / tick) * tick
        return {"action": "quote", name: str(max(half, middle) if name == "ask" else min(half, middle))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--ticks", type=int, default=5, help="half the width of a quote")
    parser.add_argument("--ticks-per-delta", type=Decimal, default=Decimal(1), help="what a unit of delta held moves")
    parser.add_argument("--answers", type=int, help="answer so many questions, then fall silent: to see what follows")
    words = parser.parse_args()
    node = Node(words.home)
    strategy = Strategy(words.ticks, words.ticks_per_delta)
    left = words.answers
    node.send("strategy")
    while (message := node.read()) is not None:
        print(json.dumps(message), flush=True)
        if "error" in message and message["id"] == 1:
            return 1
        event = message.get("params", {})
        if event.get("event") not in ("request", "counter") or left == 0:
            continue
        node.send("decide", question=event["question"], **strategy.decide(event))
        left = None if left is None else left - 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
