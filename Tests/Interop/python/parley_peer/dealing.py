"""A desk on an open channel, and the two ways to trade on it: taker and maker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .desk import Backup, Desk
from .dialogue import Dialogue, OfferState, Phase
from .errors import NegotiationError, PeerError
from .identity import Identity, Signer
from .packages import net
from .packages import price as package_price
from .payload import SECOND, Leg, Mode, Price, Side
from .peer import Closed, PeerConnection
from .report import Log, trade_report
from .statement import Code

ENDS = ("rejected", "rejecting", "frozen", "freeze_received")
SIDES = {"buy": Side.BUY, "sell": Side.SELL, "two-way": Side.TWO_WAY}


class Trader:
    """A desk whose events go to the log and to whoever waits for them."""

    def __init__(self, signer: Signer, peer: Identity, log: Log, desk: type[Desk] = Desk) -> None:
        self.log = log
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.desk = desk(signer, peer, self._event)

    def _event(self, name: str, **fields: Any) -> None:
        self.log(name, **fields)
        self.events.put_nowait((name, fields))

    async def wait_for(self, *names: str, about: Dialogue | None = None) -> tuple[str, dict[str, Any]]:
        """The next event of these names; the channel's end raises `Closed`.

        With `about`, a Reject counts only if it names the dialogue's request, an offer or the Accept in it, and one
        of this side only if it refuses a Quote or a Confirm.
        """
        while True:
            name, fields = await self.events.get()
            foreign = about is not None and (
                (name == "rejected" and not _concerns(about, fields["target"]))
                or (name == "rejecting" and fields["kind"] not in ("QUOTE", "CONFIRM"))
            )
            if name in names and not foreign:
                return name, fields
            if name == "closed":
                raise Closed(**fields)


def _concerns(dialogue: Dialogue, target: str) -> bool:
    accept = [] if dialogue.pending is None else [dialogue.pending[0].id]
    return bytes.fromhex(target) in [dialogue.request_id, *dialogue.my_offers, *accept]


class Dealing:
    """A trader's desk while a channel is open: one task reads, everybody flushes."""

    def __init__(self, trader: Trader, connection: PeerConnection) -> None:
        self.trader = trader
        self.connection = connection
        self._lock = asyncio.Lock()

    @property
    def desk(self) -> Desk:
        return self.trader.desk

    async def flush(self) -> None:
        async with self._lock:
            while frames := self.desk.session.outbox:
                self.desk.session.outbox = []
                await self.connection.send(*frames)

    async def ping(self) -> None:
        """Asks the peer's time, each second."""
        while True:
            await asyncio.sleep(1)
            self.desk.lapse()
            self.desk.session.ping()
            with suppress(Closed):
                await self.flush()

    async def read(self) -> None:
        """Until the channel ends, which becomes the event `closed`."""
        self.desk.session.open_channel()
        try:
            self.connection.streams.ping()
            await self.flush()
            while True:
                self.desk.session.receive(await self.connection.receive())
                await self.flush()
        except Closed as end:
            self.trader._event("closed", **end.as_json())
        except (PeerError, NegotiationError) as error:
            self.trader.log("local_error", code=error.code, detail=error.detail)
            await self.connection.close()
            self.trader._event("closed", reason=error.code)
        except Exception as error:
            # A fault of this program: whoever waits for an event must not wait for ever.
            self.trader._event("closed", reason=type(error).__name__)
            raise


@asynccontextmanager
async def dealing(trader: Trader, connection: PeerConnection) -> AsyncIterator[Dealing]:
    """Reads in the background while the body runs."""
    dealing = Dealing(trader, connection)
    tasks = [asyncio.create_task(dealing.read()), asyncio.create_task(dealing.ping())]
    try:
        yield dealing
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@dataclass
class TakerPlan:
    """What a taker does: ask, counter with each price in turn, then accept what stands.

    `counters` are prices, `counters_by` differences from what was last quoted. `drop` cuts the connection around the
    Accept: "unsent" when it is signed, "sent" when it has left.
    """

    legs: tuple[Leg, ...]
    lots: int
    side: str = "buy"
    rounds: int = 3
    counters: list[int] = field(default_factory=list)
    counters_by: list[int] = field(default_factory=list)
    accept: bool = True
    request_life_ns: int = 60 * SECOND
    blind_ns: int = 0
    early: bool = False
    topic: str | None = None
    counter_life_ns: int = 2 * SECOND
    accept_late_by: float | None = None
    drop: str | None = None
    linger: float = 0.0
    # What the desk knew before the Accept, where the plan is to lose all since.
    loses: bool = False
    backup: Backup | None = None


class Dropped(Exception):
    """The plan was to cut the connection here."""


async def take(dealing: Dealing, plan: TakerPlan) -> Dialogue | None:
    """One negotiation from QuoteRequest to its end, whatever that is."""
    desk, trader = dealing.desk, dealing.trader
    if not desk.session.synced:
        name, _ = await trader.wait_for("sync", "frozen", "freeze_received")
        if name != "sync":
            return None
    dialogue = desk.request(
        plan.legs, (plan.lots, plan.lots), SIDES[plan.side], plan.rounds, plan.request_life_ns, plan.blind_ns, plan.topic
    )
    await dealing.flush()
    offer = await _next_offer(trader, dialogue)
    if not plan.early:
        # The prices are not looked at, and nothing is signed, before the blind time is over (§7.2).
        await asyncio.sleep(max(0, dialogue.blind_end - desk.now()) / SECOND)
    buys = plan.side != "sell"
    for price, by in [(price, 0) for price in plan.counters] + [(None, by) for by in plan.counters_by]:
        if offer is None or dialogue.phase is not Phase.OPEN:
            return dialogue
        quoted = offer.terms.ask if buys else offer.terms.bid
        assert quoted is not None
        wanted = net(plan.legs, quoted.prices) + by if price is None else price
        side = package_price(plan.legs, wanted, plan.lots, plan.lots, quoted.prices)
        desk.offer(dialogue, side if buys else None, None if buys else side, plan.counter_life_ns)
        await dealing.flush()
        offer = await _next_offer(trader, dialogue) or standing(desk, dialogue)
    if offer is None or not plan.accept or dialogue.phase is not Phase.OPEN:
        return dialogue
    if plan.accept_late_by is not None:
        await asyncio.sleep((offer.end - desk.now()) / SECOND + plan.accept_late_by)
    elif not desk.may_accept(offer):
        raise NegotiationError("LATE", "the quote ends too soon to accept it")
    if plan.loses:
        plan.backup = desk.back_up()
    side_taken = Side.SELL if plan.side == "sell" else Side.BUY
    desk.accept(dialogue, offer, side_taken, plan.lots)
    if plan.drop != "unsent":
        await dealing.flush()
    if plan.drop is not None:
        dealing.connection.socket.transport.abort()
        raise Dropped
    await trader.wait_for("trade", "declined", *ENDS, about=dialogue)
    return dialogue


async def _next_offer(trader: Trader, dialogue: Dialogue) -> OfferState | None:
    """The maker's next Quote, or nothing where it refused, passed or traded instead."""
    name, fields = await trader.wait_for("offer", "trade", "passed", *ENDS, about=dialogue)
    return fields["offer"] if name == "offer" else None


def standing(desk: Desk, dialogue: Dialogue) -> OfferState | None:
    """What is still on offer after a Counter was refused."""
    latest = dialogue.their_latest
    return latest if latest is not None and desk.may_accept(latest) else None


async def settle(dealing: Dealing, dialogue: Dialogue | None) -> None:
    """Waits until the peer holds all that was said, and has acknowledged a trade that this side confirmed."""
    session = dealing.desk.session
    trade = None if dialogue is None else dialogue.trade
    acknowledged = dealing.trader.log.values("trade_acknowledged", "dialogue")
    while session.frozen is None and (
        session.acked < session.sent.count
        or (trade is not None and not trade.acceptor_is_me and trade.dialogue.hex() not in acknowledged)
    ):
        await asyncio.sleep(0.002)
        acknowledged = dealing.trader.log.values("trade_acknowledged", "dialogue")
        if dealing.trader.log.values("closed", "ms"):
            return


@dataclass
class MakerPlan:
    """What a maker quotes, and what it does with a Counter: meet, accept, hold, reject, pass, cancel-all, ignore."""

    bid: int
    ask: int
    on_counter: str = "meet"
    life_ns: int = 2 * SECOND
    refuse: str | None = None
    repairs: bool = False
    look_ns: int = 0
    on_look: str = "confirm"


async def make(dealing: Dealing, plan: MakerPlan) -> None:
    """Answers requests and counters until the channel ends; the answers leave before the next event is looked at."""
    desk, trader = dealing.desk, dealing.trader
    while True:
        name, fields = await trader.wait_for("quote_request", "offer", "trade", "look")
        dialogue: Dialogue = fields["dialogue"]
        if name == "trade":
            trader.log("trade_report", trade=trade_report(desk, dialogue))
        elif name == "look":
            if plan.on_look != "lapse":
                desk.decide(dialogue, None if plan.on_look == "confirm" else Code.PRICE)
        elif name == "quote_request":
            if plan.refuse is not None:
                desk.reject(dialogue, dialogue.request_id, Code[plan.refuse], "refused by plan")
                dialogue.close()
            else:
                _quote(desk, dialogue, plan.bid, plan.ask, plan.life_ns, plan.look_ns)
        else:
            _answer_counter(desk, dialogue, fields["offer"], plan)
        await dealing.flush()


def _quote(desk: Desk, dialogue: Dialogue, bid: int, ask: int, life_ns: int, look_ns: int = 0) -> None:
    request = dialogue.request

    def side(price: int) -> Price:
        return package_price(request.legs, price, request.lots_min, request.lots_max)

    # It must live past the blind time, or nobody can take it.
    life_ns += max(0, dialogue.blind_end - desk.now())
    desk.offer(
        dialogue,
        side(bid) if request.side != Side.BUY else None,
        side(ask) if request.side != Side.SELL else None,
        life_ns,
        Mode.LAST_LOOK if look_ns else Mode.FIRM,
        look_ns=look_ns,
    )


def _answer_counter(desk: Desk, dialogue: Dialogue, counter: OfferState, plan: MakerPlan) -> None:
    bid, ask = counter.terms.bid, counter.terms.ask
    match plan.on_counter:
        case "meet":
            _quote(
                desk,
                dialogue,
                plan.bid if ask is None else net(dialogue.request.legs, ask.prices),
                plan.ask if bid is None else net(dialogue.request.legs, bid.prices),
                plan.life_ns,
            )
        case "accept":
            side = Side.SELL if bid is not None else Side.BUY
            price = bid or ask
            if price is not None and desk.may_accept(counter):
                desk.accept(dialogue, counter, side, price.lots_max)
        case "hold":
            _quote(desk, dialogue, plan.bid, plan.ask, plan.life_ns)
        case "reject":
            desk.reject(dialogue, counter.id, Code.PRICE)
            counter.rejected = True
        case "pass":
            desk.pass_(dialogue, Code.PRICE)
        case "cancel-all":
            desk.mass_cancel(Code.KILLED)
