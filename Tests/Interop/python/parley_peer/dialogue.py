"""What one side remembers of a dialogue: two strands, the offers, an Accept in doubt, a trade (negotiation.md §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .payload import Accept, Offer, QuoteRequest
from .statement import NO_HASH, Code, Header, Statement


class Phase(Enum):
    OPEN = "O"
    PENDING = "P"
    TRADED = "T"
    CLOSED = "C"


@dataclass
class Strand:
    """One side's statements in one dialogue, as they were signed or as they arrived."""

    ids: list[bytes] = field(default_factory=list)
    by_seq: dict[int, bytes] = field(default_factory=dict)
    created: int = 0
    seen_index: int = 0

    @property
    def last(self) -> bytes:
        return self.ids[-1] if self.ids else NO_HASH

    def record(self, header: Header, identifier: bytes) -> None:
        self.ids.append(identifier)
        self.created = header.created

    def chain_fault(self, header: Header, identifier: bytes, other: Strand) -> Code | None:
        """§3.1 for a statement of this strand that has not been recorded yet."""
        used = self.by_seq.get(header.seq)
        if used is not None:
            return Code.DUPLICATE if used == identifier else Code.EQUIVOCATION
        if (header.seq, header.own) != (len(self.ids) + 1, self.last) or header.created < self.created:
            return Code.CHAIN
        if header.seen == NO_HASH:
            return Code.CHAIN if self.seen_index else None
        if header.seen not in other.ids:
            return Code.CHAIN
        index = other.ids.index(header.seen) + 1
        if index < self.seen_index:
            return Code.CHAIN
        self.seen_index = index
        return None


@dataclass
class OfferState:
    """One offer and what became of it. `fate` is the code for an Accept that comes after that."""

    id: bytes
    header: Header
    terms: Offer
    fate: Code | None = None
    rejected: bool = False

    @property
    def end(self) -> int:
        return self.header.expiry

    @property
    def is_dead(self) -> bool:
        """Not counting its end by the clock."""
        return self.fate is not None or self.rejected

    def lives(self, now: int) -> bool:
        """`now` is its owner's."""
        return not self.is_dead and now <= self.end

    def replacements(self, created: int) -> set[bytes]:
        """What the next offer of the same owner may name in `replaces` (§7), on the owner's clock."""
        if self.fate in (Code.CANCELLED, Code.CROSSED):
            return {NO_HASH}
        by_clock = {NO_HASH} if self.end < created else {self.id}
        return by_clock | {NO_HASH} if self.rejected else by_clock


@dataclass(frozen=True)
class Look:
    """An Accept of my last-look offer that I have not decided."""

    statement: Statement
    accept: Accept
    received: int
    until: int


@dataclass(frozen=True)
class Trade:
    """An Accept and the Confirm that holds it."""

    dialogue: bytes
    accept: Statement
    accept_payload: Accept
    confirm: Statement
    acceptor_is_me: bool


@dataclass
class Dialogue:
    id: bytes
    request: QuoteRequest
    request_id: bytes
    expiry: int
    i_am_requester: bool
    phase: Phase = Phase.OPEN
    mine: Strand = field(default_factory=Strand)
    theirs: Strand = field(default_factory=Strand)
    my_offers: dict[bytes, OfferState] = field(default_factory=dict)
    their_offers: dict[bytes, OfferState] = field(default_factory=dict)
    my_round: int = 0
    their_round: int = -1
    pending: tuple[Statement, Accept] | None = None
    look: Look | None = None
    declined: set[bytes] = field(default_factory=set)
    over: bool = False
    created: int = 0
    trade: Trade | None = None

    @property
    def blind_end(self) -> int:
        """B of §7.2, on the requester's clock."""
        return self.created + self.request.blind_ns

    @property
    def my_latest(self) -> OfferState | None:
        return next(reversed(self.my_offers.values()), None)

    @property
    def their_latest(self) -> OfferState | None:
        return next(reversed(self.their_offers.values()), None)

    def kill_theirs(self, code: Code) -> None:
        """Ends the peer's latest offer, unless it has ended already."""
        if self.their_latest is not None and self.their_latest.fate is None:
            self.their_latest.fate = code

    def expire(self, now: int, theirs: int) -> None:
        """→C once the request is over and neither slot is live; `theirs` is the peer's time that has surely come."""
        offers = ((self.my_latest, now), (self.their_latest, theirs))
        over = (now if self.i_am_requester else theirs) > self.expiry
        if over and self.look is None and not any(offer is not None and offer.lives(time) for offer, time in offers):
            self.phase = Phase.CLOSED if self.phase is Phase.OPEN else self.phase

    def close(self) -> None:
        """→C, after the verdict if an Accept of mine or one that I look at is undecided."""
        if self.phase is Phase.PENDING or self.look is not None:
            self.over = True
        elif self.phase is Phase.OPEN:
            self.phase = Phase.CLOSED
