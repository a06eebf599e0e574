"""Payloads by kind and the terms of a trade (negotiation.md §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from math import gcd
from typing import Protocol

from .errors import NegotiationError
from .packing import Fields, Packed, pack, unpack
from .statement import MAX_CONFIRM_PAYLOAD, MAX_PAYLOAD, NO_HASH, PAIR_DIALOGUE, Header, Kind, Statement
from .wire import sha256

MAX_LOTS = 10**12
MAX_PRICE = 10**15
MAX_TERMS = 6144
SECOND = 10**9


class Side(IntEnum):
    BUY = 1
    SELL = 2
    TWO_WAY = 3


class Mode(IntEnum):
    INDICATIVE = 0
    FIRM = 1
    LAST_LOOK = 2


class Payload(Protocol):
    """What every payload can do."""

    def fields(self) -> list[Packed]: ...


@dataclass(frozen=True)
class Leg:
    instrument: str
    spec_hash: bytes
    side: int = Side.BUY
    ratio: int = 1

    def fields(self, price: int | None) -> list[Packed]:
        return [self.instrument, self.spec_hash, int(self.side), self.ratio, price]

    @classmethod
    def parse(cls, value: object) -> Leg:
        fields = Fields(value, 5, "leg")
        leg = cls(fields.text(64, 1), fields.binary(32), fields.integer(1, 2), fields.integer(1, 10**6))
        fields.nil()
        return leg


@dataclass(frozen=True)
class Hedge:
    instrument: str
    spec_hash: bytes
    side: int
    lots: int

    def fields(self, price: int | None) -> list[Packed]:
        return [self.instrument, self.spec_hash, self.side, self.lots, price]

    @classmethod
    def parse(cls, value: object) -> Hedge:
        fields = Fields(value, 5, "hedge")
        hedge = cls(fields.text(64, 1), fields.binary(32), fields.integer(1, 2), fields.integer(1, MAX_LOTS))
        fields.nil()
        return hedge


@dataclass(frozen=True)
class QuoteRequest:
    nonce: bytes
    group: bytes
    legs: tuple[Leg, ...]
    lots_min: int
    lots_max: int
    side: int
    rounds: int = 0
    hedge: Hedge | None = None
    addressing: int = 0
    disclosed: bool = True
    blind_ns: int = 0
    witnesses: tuple[str, ...] = ()
    slot_key: bytes | None = None
    settlement: int = 0
    settle_by: int = 0

    def fields(self) -> list[Packed]:
        return [
            self.nonce,
            self.group,
            [leg.fields(None) for leg in self.legs],
            None if self.hedge is None else self.hedge.fields(None),
            self.lots_min,
            self.lots_max,
            int(self.side),
            self.rounds,
            self.addressing,
            self.disclosed,
            self.blind_ns,
            list(self.witnesses),
            self.slot_key,
            self.settlement,
            self.settle_by,
        ]

    @classmethod
    def parse(cls, fields: Fields) -> QuoteRequest:
        nonce, group = fields.binary(16), fields.binary(16)
        legs = tuple(Leg.parse(item) for item in fields.array(20, 1))
        hedge = fields.any()
        request = cls(
            nonce=nonce,
            group=group,
            legs=legs,
            hedge=None if hedge is None else Hedge.parse(hedge),
            lots_min=fields.integer(1, MAX_LOTS),
            lots_max=fields.integer(1, MAX_LOTS),
            side=fields.integer(1, 3),
            rounds=fields.integer(0, 8),
            addressing=fields.integer(0, 1),
            disclosed=fields.boolean(),
            blind_ns=fields.integer(0, 5 * SECOND),
            witnesses=tuple(Fields([item], 1, "witness").text(255, 1) for item in fields.array(3)),
            slot_key=fields.optional_binary(32),
            settlement=fields.integer(0, 255),
            settle_by=fields.integer(),
        )
        names = {leg.instrument for leg in legs}
        if request.lots_min > request.lots_max or gcd(*(leg.ratio for leg in legs)) != 1 or len(names) != len(legs):
            raise NegotiationError("MALFORMED", "lots or ratios")
        return request


@dataclass(frozen=True)
class Price:
    """One side of an offer."""

    prices: tuple[int, ...]
    lots_min: int
    lots_max: int
    hedge_price: int | None = None

    def fields(self) -> list[Packed]:
        return [list(self.prices), self.hedge_price, self.lots_min, self.lots_max]

    @classmethod
    def parse(cls, value: object) -> Price | None:
        if value is None:
            return None
        fields = Fields(value, 4, "price")
        prices = fields.array(20)
        legs = Fields(prices, len(prices), "prices")
        price = cls(
            prices=tuple(legs.integer(-MAX_PRICE, MAX_PRICE) for _ in prices),
            hedge_price=fields.optional_integer(-MAX_PRICE, MAX_PRICE),
            lots_min=fields.integer(1, MAX_LOTS),
            lots_max=fields.integer(1, MAX_LOTS),
        )
        if price.lots_min > price.lots_max:
            raise NegotiationError("MALFORMED", "lots")
        return price


@dataclass(frozen=True)
class Offer:
    """A Quote or a Counter; the header's expiry is its end."""

    round: int
    bid: Price | None = None
    ask: Price | None = None
    replaces: bytes = NO_HASH
    mode: int = Mode.FIRM
    look_ns: int = 0
    hold_until: int = 0
    all_or_none: bool = False
    witness: tuple[str, bytes] | None = None

    def fields(self) -> list[Packed]:
        return [
            self.round,
            self.replaces,
            int(self.mode),
            self.look_ns,
            self.hold_until,
            None if self.bid is None else self.bid.fields(),
            None if self.ask is None else self.ask.fields(),
            self.all_or_none,
            None if self.witness is None else list(self.witness),
        ]

    @classmethod
    def parse(cls, fields: Fields) -> Offer:
        offer = cls(
            round=fields.integer(0, 8),
            replaces=fields.binary(32),
            mode=fields.integer(0, 2),
            look_ns=fields.integer(0, 2 * SECOND),
            hold_until=fields.integer(),
            bid=Price.parse(fields.any()),
            ask=Price.parse(fields.any()),
            all_or_none=fields.boolean(),
            witness=_witness(fields.any()),
        )
        if offer.bid is None and offer.ask is None:
            raise NegotiationError("MALFORMED", "an offer without a price")
        if offer.look_ns and offer.mode != Mode.LAST_LOOK:
            raise NegotiationError("MALFORMED", "look_ns")
        return offer

    def price(self, acceptor_side: int) -> Price | None:
        """What an acceptor deals at: who buys takes the ask."""
        return self.ask if acceptor_side == Side.BUY else self.bid


def _witness(value: object) -> tuple[str, bytes] | None:
    if value is None:
        return None
    fields = Fields(value, 2, "witness")
    return fields.text(255, 1), fields.binary(32)


@dataclass(frozen=True)
class Accept:
    offer: bytes
    side: int
    lots: int
    terms: bytes
    slot_write: bytes | None = None

    def fields(self) -> list[Packed]:
        return [self.offer, int(self.side), self.lots, self.terms, None, self.slot_write]

    def bare(self) -> Accept:
        """Without the write."""
        return replace(self, slot_write=None)

    @classmethod
    def parse(cls, fields: Fields) -> Accept:
        accept = cls(fields.binary(32), fields.integer(1, 2), fields.integer(1, MAX_LOTS), fields.bytes(MAX_TERMS))
        fields.nil()
        return replace(accept, slot_write=fields.optional_binary(64))


@dataclass(frozen=True)
class Confirm:
    accept_statement: bytes
    terms_digest: bytes
    received: int
    decided: int

    def fields(self) -> list[Packed]:
        return [self.accept_statement, self.terms_digest, self.received, self.decided]

    @classmethod
    def parse(cls, fields: Fields) -> Confirm:
        confirm = cls(fields.bytes(MAX_CONFIRM_PAYLOAD), fields.binary(32), fields.integer(), fields.integer())
        if confirm.received > confirm.decided:
            raise NegotiationError("MALFORMED", "decided before received")
        confirm.accept()
        return confirm

    def accept(self) -> tuple[Statement, Header, Accept]:
        """The Accept inside, decoded but not verified."""
        statement = Statement.decode(self.accept_statement)
        header = Header.decode(statement.header_bytes)
        payload = parse(header, statement.payload)
        if not isinstance(payload, Accept):
            raise NegotiationError("MALFORMED", "not an Accept")
        return statement, header, payload


@dataclass(frozen=True)
class Decline:
    accept: bytes
    code: int
    received: int
    decided: int
    limit: int = 0

    def fields(self) -> list[Packed]:
        return [self.accept, int(self.code), self.limit, self.received, self.decided]

    @classmethod
    def parse(cls, fields: Fields) -> Decline:
        accept, code, limit = fields.binary(32), fields.integer(0, 65535), fields.integer(0, 65535)
        decline = cls(accept, code, fields.integer(), fields.integer(), limit)
        if decline.received > decline.decided:
            raise NegotiationError("MALFORMED", "decided before received")
        return decline


@dataclass(frozen=True)
class QuoteCancel:
    offer: bytes
    code: int = 0

    def fields(self) -> list[Packed]:
        return [self.offer, int(self.code)]

    @classmethod
    def parse(cls, fields: Fields) -> QuoteCancel:
        return cls(fields.binary(32), fields.integer(0, 65535))


@dataclass(frozen=True)
class Withdraw:
    accept: bytes
    code: int = 0

    def fields(self) -> list[Packed]:
        return [self.accept, int(self.code)]

    @classmethod
    def parse(cls, fields: Fields) -> Withdraw:
        return cls(fields.binary(32), fields.integer(0, 65535))


@dataclass(frozen=True)
class Pass:
    code: int = 0

    def fields(self) -> list[Packed]:
        return [int(self.code)]

    @classmethod
    def parse(cls, fields: Fields) -> Pass:
        return cls(fields.integer(0, 65535))


@dataclass(frozen=True)
class Incarnation:
    inc: bytes
    peer_inc: bytes
    new_inc: bytes
    peer_new_inc: bytes
    sent: int
    sent_history: bytes
    recv: int
    recv_history: bytes

    def fields(self) -> list[Packed]:
        incs: list[Packed] = [self.inc, self.peer_inc, self.new_inc, self.peer_new_inc]
        return [*incs, self.sent, self.sent_history, self.recv, self.recv_history]

    @classmethod
    def parse(cls, fields: Fields) -> Incarnation:
        incs = [fields.binary(16) for _ in range(4)]
        if bytes(16) in incs[2:]:
            raise NegotiationError("MALFORMED", "a new incarnation of zeros")
        return cls(*incs, fields.integer(), fields.binary(32), fields.integer(), fields.binary(32))


@dataclass(frozen=True)
class MassCancel:
    code: int = 0

    def fields(self) -> list[Packed]:
        return [self.code]

    @classmethod
    def parse(cls, fields: Fields) -> MassCancel:
        return cls(fields.integer(0, 65535))


@dataclass(frozen=True)
class Reject:
    target: bytes
    code: int
    field: int = 0
    text: str = ""

    def fields(self) -> list[Packed]:
        return [self.target, int(self.code), self.field, self.text]

    @classmethod
    def parse(cls, fields: Fields) -> Reject:
        return cls(fields.binary(32), fields.integer(0, 65535), fields.integer(0, 255), fields.text(128))


@dataclass(frozen=True)
class TradeAck:
    confirm: bytes

    def fields(self) -> list[Packed]:
        return [self.confirm]

    @classmethod
    def parse(cls, fields: Fields) -> TradeAck:
        return cls(fields.binary(32))


_FORMS = {
    Kind.QUOTE_REQUEST: (QuoteRequest, 15),
    Kind.QUOTE: (Offer, 9),
    Kind.COUNTER: (Offer, 9),
    Kind.ACCEPT: (Accept, 6),
    Kind.CONFIRM: (Confirm, 4),
    Kind.DECLINE: (Decline, 5),
    Kind.QUOTE_CANCEL: (QuoteCancel, 2),
    Kind.WITHDRAW: (Withdraw, 2),
    Kind.PASS: (Pass, 1),
    Kind.REJECT: (Reject, 4),
    Kind.TRADE_ACK: (TradeAck, 1),
    Kind.INCARNATION: (Incarnation, 8),
    Kind.MASS_CANCEL: (MassCancel, 1),
}
_EXPIRING = (Kind.QUOTE_REQUEST, Kind.QUOTE, Kind.COUNTER)


def parse(header: Header, data: bytes) -> Payload:
    """Steps 6 and 7 of §6: the payload of the header's kind, with every rule that needs no other statement."""
    if header.kind not in _FORMS:
        raise NegotiationError("KIND", str(header.kind))
    if header.kind != Kind.CONFIRM and len(data) > MAX_PAYLOAD:
        raise NegotiationError("MALFORMED", "payload too long")
    if header.expiry <= header.created if header.kind in _EXPIRING else header.expiry != 0:
        raise NegotiationError("MALFORMED", "expiry")
    if header.kind in (Kind.INCARNATION, Kind.MASS_CANCEL) and header.dialogue != PAIR_DIALOGUE:
        raise NegotiationError("MALFORMED", "about the pair, in a dialogue")
    form, count = _FORMS[Kind(header.kind)]
    payload = form.parse(Fields(unpack(data), count, form.__name__))
    if isinstance(payload, Confirm):
        _, inner, _ = payload.accept()
        if (inner.dialogue, inner.sender, inner.receiver) != (header.dialogue, header.receiver, header.sender):
            raise NegotiationError("MALFORMED", "an Accept of another dialogue")
    return payload


def encode(payload: Payload) -> bytes:
    return pack(payload.fields())


def make_terms(
    offer_id: bytes, offer: Offer, request: QuoteRequest, parties: tuple[str, str], owner: str, side: int, lots: int
) -> bytes:
    """§4.1. `parties`: requester and responder; `side`: the acceptor's."""
    price = offer.price(side)
    if price is None or len(price.prices) != len(request.legs):
        raise NegotiationError("TERMS", "no such side, or a price missing")
    requester, responder = parties
    acceptor = responder if owner == requester else requester
    buyer = acceptor if side == Side.BUY else owner
    pairs = list(zip(request.legs, price.prices, strict=True))
    return pack(
        [
            offer_id,
            requester,
            responder,
            1 if buyer == requester else 2,
            [leg.fields(ticks) for leg, ticks in pairs],
            None if request.hedge is None else request.hedge.fields(price.hedge_price),
            lots,
            sum((1 if leg.side == Side.BUY else -1) * leg.ratio * ticks for leg, ticks in pairs),
            request.settlement,
            request.settle_by,
        ]
    )


def terms_digest(terms: bytes) -> bytes:
    return sha256(b"parley/neg1 terms\0", terms)
