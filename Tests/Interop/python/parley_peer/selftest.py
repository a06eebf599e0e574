"""This implementation against itself over loopback: vectors, whole negotiations, and every misbehaviour."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import did_peer_4

from . import bad_channel, misbehave, vectors, witness_vectors
from .channel import (
    CLOSE_SIZE,
    EPOCH_BYTES,
    EPOCH_RECORDS,
    MAX_BODY,
    MAX_RECORD,
    RECORDS_PER_KEY,
    RENEWAL_SIZE,
    Direction,
    RecordType,
)
from .dealing import MakerPlan, TakerPlan
from .errors import PeerError
from .identity import Signer, resolve
from .instruments import spec_hash
from .jobs import InitiateJob, RespondJob, initiate, respond
from .misbehave import Misbehaviour
from .packages import parse_package
from .payload import Leg
from .peer import HANDSHAKE_DEADLINE, Hooks
from .report import Log
from .resumption import Resumable, answer

INSTRUMENT = "BTC-27NOV26-100000-C"
SPEC = bytes.fromhex("dcf43dc152ef5bdaad356d4a32384568d2feb60097da7a064c4f9e7b961df0a7")
SHORT_DEADLINE = 1.0  # of a handshake whose message 3 is bad: it fails only then
AT_ONCE = 12
CASE_LIMIT = 30.0
Case = Callable[[], Awaitable[None]]


class Failure(Exception):
    """A case did not end as it must."""


def _signer(post_quantum: bool = False, endpoint: str | None = None) -> Signer:
    return Signer.peer4(secrets.token_bytes(32), secrets.token_bytes(32) if post_quantum else None, endpoint)


async def _run(
    taker: TakerPlan,
    maker: MakerPlan,
    suites: tuple[bool, bool] = (False, False),
    signer: Signer | None = None,
    **options: Any,
) -> tuple[dict[str, Any], dict[str, Any], Log, Log]:
    """One taker and one maker: the outcome of each, and their logs."""
    logs = Log(lambda _: None), Log(lambda _: None)
    listening = asyncio.get_running_loop().create_future()
    job = RespondJob(
        maker,
        lambda port: _signer(suites[1], f"ws://127.0.0.1:{port}/"),
        connections=1 if taker.drop is None and not taker.loses else 2,
        lifetime=20,
        deadline=options.pop("deadline", HANDSHAKE_DEADLINE),
        chunk=options.get("chunk", MAX_BODY),
        refuse_session=options.pop("refuse_session", None),
        retries=options.pop("retries", 0),
        document_in_message2=options.pop("document_in_message2", False),
        misbehaviour=options.pop("bad_maker", None),
    )
    server = asyncio.create_task(respond(job, logs[1], listening))
    port = await listening
    responder = resolve(logs[1].values("listening", "did")[0])
    dial = InitiateJob(f"ws://127.0.0.1:{port}/", signer or _signer(suites[0]), responder, taker, **options)
    outcome = await initiate(dial, logs[0])
    await server
    return outcome, next(e for e in reversed(logs[1].events) if e["event"] == "outcome"), *logs


def _expect(name: str, actual: dict[str, Any], **wanted: object) -> None:
    wrong = {key: actual.get(key) for key, value in wanted.items() if actual.get(key) != value}
    if wrong:
        raise Failure(f"{name}: {wrong} instead of { ({key: wanted[key] for key in wrong}) }")


def _check_trade(name: str, outcome: dict[str, Any], **wanted: object) -> dict[str, Any]:
    trade = outcome["trade"]
    if trade is None:
        raise Failure(f"{name}: no trade: {outcome}")
    valid = ("digest_matches", "terms_match", "accept_signature_valid", "confirm_signature_valid")
    _expect(name, trade, **dict.fromkeys(valid, True), **wanted)
    return trade


def _plan(**options: Any) -> TakerPlan:
    legs = options.pop("legs", (Leg(INSTRUMENT, SPEC),))
    return TakerPlan(legs, lots=options.pop("lots", 3), **options)


def _spread() -> tuple[Leg, ...]:
    def spec(name: str) -> bytes:
        return spec_hash(name) or b""

    return parse_package(f"{INSTRUMENT},-2*BTC-27NOV26-110000-C", spec)


async def _trades(taker: TakerPlan, maker: MakerPlan, price: int, **options: Any) -> None:
    mine, theirs, *_ = await _run(taker, maker, **options)
    a = _check_trade("taker", mine, net=price, lots=taker.lots)
    b = _check_trade("maker", theirs, net=price, lots=taker.lots)
    _expect("both", a, terms_digest=b["terms_digest"], confirm_statement=b["confirm_statement"], buyer=b["buyer"])
    _expect("both", mine, detected=[], timeout=False)
    _expect("both", theirs, detected=[], timeout=False)


async def _repairs(taker: TakerPlan, maker: MakerPlan) -> None:
    mine, theirs, log, other = await _run(taker, maker)
    a, b = _check_trade("taker", mine, net=110), _check_trade("maker", theirs, net=110)
    _expect("both", a, terms_digest=b["terms_digest"], confirm_statement=b["confirm_statement"])
    adopted = {"own": log.values("adopted", "own"), "theirs": log.values("adopted", "received")}
    _expect("taker", adopted | {"repaired": len(log.values("repaired", "ms"))}, own=[2], theirs=[1], repaired=1)
    _expect("maker", {"repaired": len(other.values("repaired", "ms"))}, repaired=1)


async def _refuses(taker: TakerPlan, maker: MakerPlan, refuse_session: int | None = None, **wanted: object) -> None:
    mine, theirs, *_ = await _run(taker, maker, refuse_session=refuse_session)
    _expect("taker", mine, traded=False, timeout=False, **wanted)
    _expect("maker", theirs, traded=False)


async def _misbehaves(item: Misbehaviour, role: str) -> None:
    suites = (item.post_quantum, item.post_quantum)
    options: dict[str, Any] = {"misbehaviour": item} if role == "I" else {"bad_maker": item}
    if item.hooks is not Hooks and role == "I":
        options["deadline"] = SHORT_DEADLINE
    life = 200_000_000 if item.late_by is not None else 2_000_000_000
    mine, theirs, *_ = await _run(_plan(linger=0.2), MakerPlan(100, 110, life_ns=life), suites, **options)
    outcome, other = (mine, theirs) if role == "I" else (theirs, mine)
    _expect(f"{item.name} {role}", outcome, **item.expected)
    if not item.expected.get("traded") and item.act not in (bad_channel.close_without_record, bad_channel.drop):
        _expect(f"{item.name} {role}: other side", {"noticed": bool(other["detected"])}, noticed=True)


async def _vectors() -> None:
    vectors.check_all()
    vectors.check_channel()


async def _instruments() -> None:
    """The example of instruments.md, and names that have no definition."""
    _expect("spec_hash", {"hash": spec_hash(INSTRUMENT)}, hash=SPEC)
    for name in (
        "BTC-02MAY26-1-C",
        "BTC-31JUN26-1-C",
        "BTC-1MAY26-0-C",
        "BTC-1MAY26-1d50-C",
        "SOL-1MAY26-1-C",
        "BTC-1MAY26",
    ):
        _expect("spec_hash", {name: spec_hash(name)}, **{name: None})


async def _peer4() -> None:
    """The published package makes the same DIDs of the same documents."""
    for post_quantum in (False, True):
        identity = _signer(post_quantum, "ws://127.0.0.1:1/").identity
        document = json.loads(identity.document_bytes)
        both = {"short": identity.did, "long": identity.long_form}
        _expect("did:peer:4", both, short=did_peer_4.encode_short(document), long=did_peer_4.encode(document))


async def _epoch() -> None:
    """The last record of an epoch is a CLOSE; nothing comes after it."""
    sender, receiver = Direction(bytes(32), b"I"), Direction(bytes(32), b"I")
    for _ in range(2 * RECORDS_PER_KEY + 1):
        receiver.open(sender.seal(RecordType.APP, b"x"))
    sender.sequence = receiver.sequence = EPOCH_RECORDS - 3
    receiver.open(sender.seal(RecordType.APP, b"x"))
    _expect("epoch", {"app": _fails(lambda: sender.seal(RecordType.APP, b""))}, app="EPOCH_FULL")
    receiver.open(sender.seal(RecordType.OFFER, b""))
    receiver.open(sender.seal(RecordType.CLOSE, b""))
    late = sender.seal_inner(bytes(64))
    _expect("epoch", {"late": _fails(lambda: receiver.open(late))}, late="EPOCH_FULL")
    sender.byte_count = EPOCH_BYTES - MAX_RECORD - RENEWAL_SIZE - CLOSE_SIZE + 1
    sender.sequence = 0
    _expect("bytes", {"app": _fails(lambda: sender.seal(RecordType.APP, bytes(MAX_BODY)))}, app="EPOCH_FULL")
    sender.byte_count -= 1
    sender.seal(RecordType.APP, bytes(MAX_BODY))


def _fails(call: Callable[[], object]) -> str | None:
    try:
        call()
    except PeerError as error:
        return error.code
    return None


def cases() -> dict[str, Case]:
    """By name. The order matters to nobody: all run at once."""
    firm = MakerPlan(100, 110)
    found: dict[str, Case] = {
        "vectors": _vectors,
        "did:peer:4": _peer4,
        "instruments": _instruments,
        "buy": lambda: _trades(_plan(), firm, 110),
        "sell": lambda: _trades(_plan(side="sell"), firm, 100),
        "two-way": lambda: _trades(_plan(side="two-way"), firm, 110),
        "suite 2": lambda: _trades(_plan(), firm, 110, suites=(True, True)),
        "suite 2 to 1": lambda: _trades(_plan(), firm, 110, suites=(True, False)),
        "suite 1 to 2": lambda: _trades(_plan(), firm, 110, suites=(False, True)),
        "did:key": lambda: _trades(_plan(), firm, 110, signer=Signer.did_key(secrets.token_bytes(32))),
        "headerless": lambda: _trades(_plan(), firm, 110, headerless=True),
        "document in M2": lambda: _trades(_plan(), firm, 110, suites=(True, True), document_in_message2=True),
        "session refused": lambda: _refuses(_plan(), firm, refuse_session=3, refused=3),
        "epoch": _epoch,
        "renewed keys": lambda: _renews((False, False)),
        "renewed keys, suite 2": lambda: _renews((True, True)),
        "renewed keys, suite 2 to 1": lambda: _renews((True, False)),
        "one RETRY": lambda: _trades(_plan(), firm, 110, retries=1),
        "two RETRYs, headerless": lambda: _trades(_plan(), firm, 110, retries=2, headerless=True),
        "resumption": _resumption,
        "chunks of 7": lambda: _trades(_plan(counters=[104]), firm, 104, chunk=7),
        "package": lambda: _trades(_plan(legs=_spread(), counters=[-15]), MakerPlan(-20, -10), -15),
        "counter met": lambda: _trades(_plan(counters=[104, 106]), firm, 106),
        "counter by": lambda: _trades(_plan(side="sell", counters_by=[3, 2]), firm, 105),
        "counter accepted": lambda: _trades(_plan(counters=[107]), MakerPlan(100, 110, "accept"), 107),
        "counter held": lambda: _trades(_plan(counters=[105]), MakerPlan(100, 110, "hold"), 110),
        "counter rejected": lambda: _trades_after_reject(),
        "counter passed": lambda: _refuses(_plan(counters=[105]), MakerPlan(100, 110, "pass")),
        "request refused": lambda: _refuses(_plan(), MakerPlan(100, 110, refuse="POLICY"), rejected=["POLICY"]),
        "no accept": lambda: _refuses(_plan(accept=False), firm),
        "lost since before the Accept, and repaired": lambda: _repairs(
            _plan(loses=True), MakerPlan(100, 110, repairs=True)
        ),
        "resumed, Accept sent": lambda: _trades(_plan(drop="sent"), firm, 110),
        "resumed, Accept not sent": lambda: _trades(_plan(drop="unsent"), firm, 110),
    }
    for item in misbehave.ALL:
        for role in item.roles:
            found[f"{item.name} {role}"] = lambda item=item, role=role: _misbehaves(item, role)
    return found


async def _resumption() -> None:
    """One session takes over from another, once, and only for the same DID within the hour."""
    old, table = Resumable(bytes(16), bytes(32), "a", {0: 5}), {}
    body = old.resume(bytes(32), {0: 3})
    for peer, age, good in (("a", 3599.0, True), ("b", 0.0, False), ("a", 3601.0, False)):
        table[old.resume_id] = Resumable(bytes(16), bytes(32), "a", {0: 5}, time.monotonic() - age)
        answered, streams = answer(table, peer, bytes(32), body)
        _expect("resumption", {"streams": streams, "left": len(table)}, streams={0: 3} if good else None, left=0)
        _expect("resumption", {"learned": old.check_resumed(answered, bytes(32))}, learned={0: 5} if good else None)
    table[old.resume_id] = old
    replayed = answer(table, "a", b"other" * 6 + b"xx", body)[1]
    _expect("replayed", {"streams": replayed, "left": len(table)}, streams=None, left=0)


async def _renews(suites: tuple[bool, bool]) -> None:
    """A whole negotiation in which the keys are renewed after every second record."""
    mine, theirs, log, _ = await _run(_plan(counters=[104]), MakerPlan(100, 110), suites=suites, renew_after=2)
    _check_trade("taker", mine, net=104)
    _check_trade("maker", theirs, net=104)
    if log.values("epochs", "sent")[0] < 3 or log.values("epochs", "received")[0] < 3:
        raise Failure(f"epochs: {log.values('epochs', 'sent')}")


async def _trades_after_reject() -> None:
    mine, theirs, *_ = await _run(_plan(counters=[105]), MakerPlan(100, 110, "reject"))
    _check_trade("taker", mine, net=110)
    _check_trade("maker", theirs, net=110)
    _expect("taker", mine, rejected=["PRICE"])


async def run(only: str | None = None, verbose: bool = False) -> int:
    """Prints a line for each failure and one summary; the exit code says whether all passed."""
    started = time.monotonic()
    gate = asyncio.Semaphore(AT_ONCE)
    chosen = {name: case for name, case in cases().items() if only is None or only in name}
    failures: list[str] = []

    async def run_one(name: str, case: Case) -> None:
        async with gate:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(CASE_LIMIT):
                    await case()
            except Exception as error:
                failures.append(name)
                print(json.dumps({"case": name, "failed": f"{type(error).__name__}: {error}"}))
            else:
                if verbose:
                    print(json.dumps({"case": name, "seconds": round(time.monotonic() - begun, 3)}))

    await asyncio.gather(*(run_one(name, case) for name, case in chosen.items()))
    present = vectors.vector_folder() is not None
    seconds = round(time.monotonic() - started, 2)
    summary = {"cases": len(chosen), "failed": len(failures), "vectors": present, "seconds": seconds}
    print(json.dumps(summary))
    return 1 if failures or not chosen else 0
