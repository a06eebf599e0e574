"""What the command line runs: one negotiation as initiator, or a maker that listens."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .channel import MAX_BODY
from .dealing import Dropped, MakerPlan, TakerPlan, Trader, dealing, make, settle, take
from .desk import Backup, Desk
from .errors import PeerError
from .identity import Identity, Signer
from .instruments import spec_hash
from .misbehave import Misbehaviour
from .peer import (
    HANDSHAKE_DEADLINE,
    Closed,
    DocumentInMessage2,
    HeaderlessHooks,
    Hooks,
    Listener,
    PeerConnection,
    connect,
)
from .report import Log, identity_report, trade_report
from .witness import Slots

QUIET = 0.25  # seconds a misbehaving taker stays, to see what else comes


@dataclass
class InitiateJob:
    url: str
    signer: Signer
    responder: Identity
    plan: TakerPlan
    headerless: bool = False
    timeout: float = 20.0
    chunk: int = MAX_BODY
    renew_after: int | None = None
    misbehaviour: Misbehaviour | None = None

    @property
    def hooks(self) -> Hooks:
        if self.misbehaviour is not None:
            return self.misbehaviour.hooks()
        return HeaderlessHooks() if self.headerless else Hooks()


@dataclass
class RespondJob:
    plan: MakerPlan
    make_signer: Callable[[int], Signer]
    host: str = "127.0.0.1"
    port: int = 0
    connections: int | None = None
    lifetime: float = 60.0
    deadline: float = HANDSHAKE_DEADLINE
    chunk: int = MAX_BODY
    spec_hashes: dict[str, bytes] = field(default_factory=dict)
    interests: list[str] = field(default_factory=list)
    refuse_session: int | None = None
    retries: int = 0
    document_in_message2: bool = False
    misbehaviour: Misbehaviour | None = None


async def initiate(job: InitiateJob, log: Log) -> dict[str, Any]:
    """Runs the plan; the result holds the trade, and what the other side did."""
    misbehaviour = job.misbehaviour
    trader = Trader(job.signer, job.responder, log, Desk if misbehaviour is None else misbehaviour.desk)
    if misbehaviour is not None and misbehaviour.late_by is not None:
        job.plan.accept_late_by = misbehaviour.late_by
    if misbehaviour is not None and misbehaviour.blind_ns:
        job.plan.blind_ns, job.plan.early = misbehaviour.blind_ns, True
    log("identity", **identity_report(job.signer.identity))
    try:
        async with asyncio.timeout(job.timeout):
            try:
                await _negotiate(job, trader)
            except Dropped:
                log("dropped")
                await _resume(job, trader)
            if job.plan.backup is not None:
                log("lost")
                await _repair(job, trader, job.plan.backup)
    except Closed as end:
        _log_end(log, end)
    except PeerError as error:
        log("local_error", code=error.code, detail=error.detail)
    except TimeoutError:
        log("timeout")
    return _outcome(log, "I", misbehaviour, trader)


async def _negotiate(job: InitiateJob, trader: Trader) -> None:
    act = None if job.misbehaviour is None else job.misbehaviour.act
    assert act is None or job.misbehaviour is not None
    async with connect(job.url, job.signer, job.responder, job.hooks) as connection:
        connection.chunk = job.chunk
        connection.renew_after = job.renew_after
        _log_open(trader.log, connection)
        async with dealing(trader, connection) as at:
            if act is not None:
                await trader.wait_for("sync")
                await act(connection)
                if not job.misbehaviour.is_tolerated:
                    await trader.wait_for("closed")
            await settle(at, await take(at, job.plan))
            await asyncio.sleep(QUIET if job.misbehaviour is not None else job.plan.linger)
        await connection.close()
        _log_streams(trader.log, connection)
        trader.log("epochs", sent=connection.channel.sending.epoch, received=connection.channel.receiving.epoch)


async def _resume(job: InitiateJob, trader: Trader) -> None:
    """After a cut right behind the Accept: a new channel, SYNC, and the verdict that is owed."""
    trader.events = asyncio.Queue()
    async with connect(job.url, job.signer, job.responder, job.hooks) as connection:
        connection.chunk = job.chunk
        _log_open(trader.log, connection)
        async with dealing(trader, connection) as at:
            await trader.wait_for("trade", "declined", "frozen", "freeze_received")
            await settle(at, next(iter(trader.desk.dialogues.values())))
        await connection.close()


async def _repair(job: InitiateJob, trader: Trader, backup: Backup) -> None:
    """Restored from a backup of before the Accept: the other side hands back what came after it."""
    trader.events = asyncio.Queue()
    trader.desk.restore(backup)
    trader.desk.session.repairs = True
    async with connect(job.url, job.signer, job.responder, job.hooks) as connection:
        _log_open(trader.log, connection)
        async with dealing(trader, connection) as at:
            await trader.wait_for("repaired")
            await trader.wait_for("sync")
            await settle(at, next(iter(trader.desk.dialogues.values())))
        await connection.close()


async def respond(job: RespondJob, log: Log, listening: asyncio.Future[int] | None = None) -> None:
    """Listens until the wanted number of connections has ended, or the lifetime has, or SIGTERM comes."""
    maker = _Maker(job, log)
    hooks = job.misbehaviour.hooks() if job.misbehaviour is not None else None
    if job.document_in_message2:
        hooks = DocumentInMessage2()
    retries = max(job.retries, 0 if job.misbehaviour is None else job.misbehaviour.retries)
    listener = Listener(maker.handle, maker.failed, hooks, job.deadline, job.refuse_session, retries)
    async with listener.listen(job.host, job.port, job.make_signer) as port:
        assert listener.signer is not None
        maker.signer = listener.signer
        identity = listener.signer.identity
        log("listening", port=port, endpoint=identity.endpoint, **identity_report(identity))
        with suppress(NotImplementedError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, maker.finished.set)
        if listening is not None:
            listening.set_result(port)
        try:
            async with asyncio.timeout(job.lifetime):
                await maker.finished.wait()
        except TimeoutError:
            log("lifetime_over")


class _Maker:
    """Remembers each peer's session, so that a peer that comes back goes on where it stopped."""

    def __init__(self, job: RespondJob, log: Log) -> None:
        self.finished = asyncio.Event()
        self.signer: Signer | None = None
        self._job = job
        self._log = log
        self._traders: dict[str, Trader] = {}
        self._open: dict[str, PeerConnection] = {}
        self._ended = 0
        self._slots: Slots | None = None

    def failed(self, error: Exception) -> None:
        if isinstance(error, Closed):
            self._log("closed", **error.as_json())
        else:
            assert isinstance(error, PeerError)
            self._log("handshake_failed", code=error.code, detail=error.detail)
        self._end(None)

    def _end(self, trader: Trader | None) -> None:
        self._log("outcome", **_outcome(self._log, "R", self._job.misbehaviour, trader))
        self._ended += 1
        if self._job.connections is not None and self._ended >= self._job.connections:
            self.finished.set()

    def _spec_hash(self, name: str) -> bytes | None:
        return self._job.spec_hashes.get(name) or spec_hash(name)

    async def handle(self, connection: PeerConnection) -> None:
        assert self.signer is not None
        did, misbehaviour = connection.peer.did, self._job.misbehaviour
        if did in self._open:
            # A new channel kills the old one first.
            self._open[did].socket.transport.abort()
            await self._open[did].socket.wait_closed()
        self._open[did] = connection
        connection.chunk = self._job.chunk
        # Who is called is a witness too, for whoever asks.
        slots = self._slots = self._slots or Slots(self.signer)
        connection.streams.serve_witness(lambda question: slots.answer(question, did, time.time_ns()))
        _log_open(self._log, connection)
        if did not in self._traders:
            desk = Desk if misbehaviour is None else misbehaviour.desk
            self._traders[did] = Trader(self.signer, connection.peer, self._log, desk)
            self._traders[did].desk.spec_hash = self._spec_hash
            self._traders[did].desk.session.repairs = self._job.plan.repairs
            self._traders[did].desk.interests = frozenset(self._job.interests)
        trader = self._traders[did]
        trader.events = asyncio.Queue()
        if self._job.interests:
            connection.streams.declare(self._job.interests)
        try:
            async with dealing(trader, connection) as at:
                if misbehaviour is not None and misbehaviour.act is not None:
                    await trader.wait_for("sync")
                    await misbehaviour.act(connection)
                await make(at, self._job.plan)
        except Closed:
            pass
        finally:
            if self._open.get(did) is connection:
                del self._open[did]
            _log_streams(self._log, connection)
            self._end(trader)


def _log_open(log: Log, connection: PeerConnection) -> None:
    log(
        "connected",
        peer=connection.peer.did,
        suite=connection.peer.suite,
        transcript_hash=connection.channel.transcript_hash,
        exporter=connection.channel.exporter,
        limits=connection.accept.limits,
    )


def _log_streams(log: Log, connection: PeerConnection) -> None:
    streams = connection.streams
    log(
        "streams",
        pings=len(streams.round_trips),
        refused=streams.refusals,
        reset=streams.yamux.resets,
        pongs=streams.yamux.pongs,
    )


def _log_end(log: Log, end: Closed) -> None:
    if not log.values("closed", "ms"):
        log("closed", **end.as_json())


def _streams(log: Log) -> dict[str, int]:
    """What came back on the streams of the last connection: answers to pings, `na`, RST and pongs of yamux."""
    names = ("pings", "refused", "reset", "pongs")
    return {name: (log.values("streams", name) or [0])[-1] for name in names}


def _outcome(log: Log, role: str, misbehaviour: Misbehaviour | None, trader: Trader | None) -> dict[str, Any]:
    """What happened, in one object: how it ended, which refusals came, and the trade."""
    ends = [event for event in log.events if event["event"] == "closed"]
    end = {key: value for key, value in (ends[-1] if ends else {}).items() if key not in ("event", "ms")}
    dialogues = [] if trader is None else list(trader.desk.dialogues.values())
    traded = [dialogue for dialogue in dialogues if dialogue.trade is not None]
    freezes = log.values("freeze_received", "code")
    errors = log.values("local_error", "code") + log.values("handshake_failed", "code")
    return {
        "role": role,
        "misbehave": None if misbehaviour is None else misbehaviour.name,
        "ended": bool(ends),
        **end,
        "rejected": log.values("rejected", "code"),
        "declined": log.values("declined", "code"),
        "frozen": freezes[-1] if freezes else None,
        "detected": log.values("rejecting", "code")
        + log.values("declining", "code")
        + log.values("frozen", "code")
        + errors,
        "streams": _streams(log),
        "timeout": bool(log.values("timeout", "ms")),
        "traded": bool(traded),
        "trade": trade_report(trader.desk, traded[-1]) if trader is not None and traded else None,
    }
