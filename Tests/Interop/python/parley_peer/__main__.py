"""The command line; README.md in the folder above shows its uses."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from pathlib import Path

from . import differential, middle, misbehave, selftest, vectors
from .channel import MAX_BODY
from .dealing import SIDES, MakerPlan, TakerPlan
from .identity import Signer, resolve
from .instruments import spec_hash
from .jobs import InitiateJob, RespondJob, initiate, respond
from .packages import parse_package
from .report import Log, identity_report


def load_seeds(arguments: argparse.Namespace) -> tuple[bytes, bytes | None]:
    """Seed file: 64 hex digits a line, Ed25519 first, ML-DSA-65 second where suite 2 is wanted."""
    if arguments.seed_file is None:
        return secrets.token_bytes(32), secrets.token_bytes(32) if arguments.post_quantum else None
    seeds = [bytes.fromhex(line) for line in Path(arguments.seed_file).read_text().split()]
    return seeds[0], seeds[1] if len(seeds) > 1 else None


def make_signer(arguments: argparse.Namespace, endpoint: str | None) -> Signer:
    ed25519, mldsa65 = load_seeds(arguments)
    if arguments.did_key:
        return Signer.did_key(ed25519)
    return Signer.peer4(ed25519, mldsa65, endpoint)


def known_spec(instrument: str) -> bytes:
    found = spec_hash(instrument)
    if found is None:
        raise SystemExit(f"{instrument} has no definition: give its hash with --spec-hash")
    return found


def run_initiate(arguments: argparse.Namespace) -> int:
    plan = TakerPlan(
        legs=parse_package(arguments.rfq, lambda name: bytes.fromhex(arguments.spec_hash or known_spec(name).hex())),
        lots=arguments.lots,
        side=arguments.side,
        rounds=arguments.rounds,
        blind_ns=arguments.blind_ms * 1_000_000,
        topic=arguments.topic,
        counters=arguments.counter,
        counters_by=arguments.counter_by,
        accept=not arguments.no_accept,
        drop=arguments.drop,
        linger=arguments.linger,
        loses=arguments.lose,
    )
    document = Path(arguments.peer_document).read_bytes() if arguments.peer_document else b""
    job = InitiateJob(
        url=arguments.url,
        signer=make_signer(arguments, arguments.endpoint),
        responder=resolve(arguments.peer, document),
        plan=plan,
        headerless=arguments.headerless,
        timeout=arguments.timeout,
        chunk=arguments.chunk,
        renew_after=arguments.renew_after,
        misbehaviour=misbehave.find(arguments.misbehave, "I") if arguments.misbehave else None,
    )
    log = Log()
    outcome = asyncio.run(initiate(job, log))
    log("outcome", **outcome)
    if job.misbehaviour is not None:
        return 0 if not outcome["timeout"] else 1
    trade = outcome["trade"]
    return 0 if trade is not None or arguments.no_accept else 1


def run_respond(arguments: argparse.Namespace) -> int:
    def signer(port: int) -> Signer:
        return make_signer(arguments, arguments.endpoint or f"ws://{arguments.host}:{port}/")

    pairs = [item.split("=", 1) for item in arguments.spec_hash]
    plan = MakerPlan(
        arguments.quote_bid,
        arguments.quote_ask,
        arguments.on_counter,
        arguments.life_ms * 1_000_000,
        arguments.refuse,
        arguments.repair,
        arguments.look_ms * 1_000_000,
        arguments.on_look,
    )
    job = RespondJob(
        plan=plan,
        make_signer=signer,
        host=arguments.host,
        port=arguments.port,
        connections=arguments.connections,
        lifetime=arguments.lifetime,
        deadline=arguments.deadline,
        interests=arguments.interest,
        refuse_session=arguments.refuse_session,
        retries=arguments.retries,
        document_in_message2=arguments.document_in_m2,
        chunk=arguments.chunk,
        spec_hashes={name: bytes.fromhex(value) for name, value in pairs},
        misbehaviour=misbehave.find(arguments.misbehave, "R") if arguments.misbehave else None,
    )
    asyncio.run(respond(job, Log()))
    return 0


def run_identity(arguments: argparse.Namespace) -> int:
    identity = make_signer(arguments, arguments.endpoint).identity
    print(json.dumps(identity_report(identity) | {"document": identity.document_bytes.decode()}))
    return 0


def run_vectors(_: argparse.Namespace) -> int:
    counts = vectors.check_all()
    channel = vectors.check_channel()
    print(json.dumps({"vectors": "absent" if counts is None else counts, "channel": channel}))
    return 0


def run_misbehaviours(_: argparse.Namespace) -> int:
    for item in misbehave.ALL:
        about = {"roles": item.roles, "post_quantum": item.post_quantum, "expected": item.expected}
        print(json.dumps({"name": item.name} | about))
    return 0


def run_middle(arguments: argparse.Namespace) -> int:
    if arguments.target is not None:
        return middle.run(arguments.target, arguments.attack, arguments.lifetime)
    for item in middle.listed():
        print(json.dumps(item))
    return 0


def run_selftest(arguments: argparse.Namespace) -> int:
    return asyncio.run(selftest.run(arguments.only, arguments.verbose))


def add_identity_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed-file", help="hex seeds: Ed25519, then ML-DSA-65 for suite 2 (default: random)")
    parser.add_argument("--post-quantum", action="store_true", help="with random seeds: suite 2")
    parser.add_argument("--did-key", action="store_true", help="be a did:key instead of a did:peer:4")
    parser.add_argument("--chunk", type=int, default=MAX_BODY, help="most bytes in one record")
    parser.add_argument("--endpoint", help="service endpoint for the own document")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="parley_peer", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    taker = commands.add_parser("initiate", help="dial a node, ask for a quote, deal")
    add_identity_options(taker)
    taker.add_argument("--url", required=True)
    taker.add_argument("--peer", required=True, help="the responder's DID; a did:peer:4 in its long form")
    taker.add_argument("--peer-document", help="file with the input document, where --peer is a short form")
    taker.add_argument("--rfq", default="BTC-27NOV26-100000-C", metavar="PACKAGE")
    taker.add_argument("--spec-hash", metavar="HEX", help="instead of the one that follows from the name")
    taker.add_argument("--lots", type=int, default=1)
    taker.add_argument("--side", choices=list(SIDES), default="buy")
    taker.add_argument("--rounds", type=int, default=3)
    taker.add_argument("--topic", help="ask by this topic, not by name")
    taker.add_argument("--blind-ms", type=int, default=0, help="how long quotes stay hidden, at most 5,000")
    taker.add_argument("--counter", type=int, action="append", default=[], metavar="TICKS")
    taker.add_argument("--counter-by", type=int, action="append", default=[], metavar="TICKS")
    taker.add_argument("--no-accept", action="store_true")
    taker.add_argument("--headerless", action="store_true", help="message 1 as the first WebSocket message")
    taker.add_argument("--drop", choices=("unsent", "sent"), help="cut TCP around the Accept, dial again, SYNC")
    taker.add_argument("--lose", action="store_true", help="lose all since before the Accept, and repair the pair")
    taker.add_argument("--linger", type=float, default=0.0, help="seconds to stay after the trade")
    taker.add_argument("--renew-after", type=int, metavar="RECORDS", help="of either side in an epoch: then new keys")
    taker.add_argument("--timeout", type=float, default=20.0)
    taker.add_argument("--misbehave", choices=[m.name for m in misbehave.ALL if "I" in m.roles], metavar="NAME")
    taker.set_defaults(run=run_initiate)

    maker = commands.add_parser("respond", help="listen and quote")
    add_identity_options(maker)
    maker.add_argument("--host", default="127.0.0.1")
    maker.add_argument("--port", type=int, default=0)
    maker.add_argument("--quote-bid", type=int, required=True)
    maker.add_argument("--quote-ask", type=int, required=True)
    answers = ("meet", "accept", "hold", "reject", "pass", "cancel-all", "ignore")
    maker.add_argument("--interest", action="append", default=[], help="a topic that this side may be asked by")
    maker.add_argument("--on-counter", choices=answers, default="meet")
    maker.add_argument("--life-ms", type=int, default=2000)
    maker.add_argument("--repair", action="store_true", help="agree to the repair of whatever freezes")
    maker.add_argument("--look-ms", type=int, default=0, help="quote with last look, of so long")
    maker.add_argument("--on-look", choices=("confirm", "decline", "lapse"), default="confirm")
    maker.add_argument("--refuse", metavar="CODE", help="answer each request with this Reject")
    maker.add_argument("--refuse-session", type=int, metavar="CODE", help="REFUSE instead of ACCEPT")
    maker.add_argument("--retries", type=int, default=0, metavar="N", help="RETRYs before message 2")
    maker.add_argument("--document-in-m2", action="store_true", help="send the own document, though the peer has it")
    maker.add_argument("--spec-hash", action="append", default=[], metavar="INSTRUMENT=HEX")
    maker.add_argument("--connections", type=int, help="exit after so many have ended")
    maker.add_argument("--lifetime", type=float, default=60.0)
    maker.add_argument("--deadline", type=float, default=10.0, help="of the handshake")
    maker.add_argument("--misbehave", choices=[m.name for m in misbehave.ALL if "R" in m.roles], metavar="NAME")
    maker.set_defaults(run=run_respond)

    identity = commands.add_parser("identity", help="print the DID of a seed file")
    add_identity_options(identity)
    identity.set_defaults(run=run_identity)
    commands.add_parser("vectors", help="replay the shared handshake vectors").set_defaults(run=run_vectors)
    commands.add_parser("misbehaviours", help="list what can be broken").set_defaults(run=run_misbehaviours)
    between = commands.add_parser("middle", help="a proxy that attacks what passes; without a target: the attacks")
    between.add_argument("--target", type=int, metavar="PORT", help="where the node listens, on this machine")
    between.add_argument("--attack", action="append", default=[], metavar="NAME", help="on the next connection")
    between.add_argument("--lifetime", type=float, default=120.0)
    between.set_defaults(run=run_middle)
    replay = commands.add_parser("differential", help="replay cases from standard input, a verdict for each")
    replay.set_defaults(run=lambda _: differential.run())
    test = commands.add_parser("selftest", help="this implementation against itself, over loopback")
    test.add_argument("--only", help="cases whose name contains this")
    test.add_argument("--verbose", action="store_true")
    test.set_defaults(run=run_selftest)
    return parser.parse_args()


if __name__ == "__main__":
    parsed = parse_arguments()
    sys.exit(parsed.run(parsed))
