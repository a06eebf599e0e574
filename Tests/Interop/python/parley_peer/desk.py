"""One trader's side of a pair: signs statements and answers those that arrive (negotiation.md §6 and §7).

Verdicts and answers that the page prescribes happen by themselves; prices are the caller's decision, taken on events.
Not here, as no test needs them of this side: rate limits, credits, the cap of a group.
"""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import payload as forms
from .adoption import Adoption
from .dialogue import Dialogue, Look, OfferState, Phase, Strand, Trade
from .errors import NegotiationError
from .identity import Identity, Signer
from .instruments import spec_hash
from .packages import net, package_text
from .payload import (
    SECOND,
    Accept,
    Confirm,
    Decline,
    Incarnation,
    Leg,
    MassCancel,
    Mode,
    Offer,
    Pass,
    Payload,
    Price,
    QuoteCancel,
    QuoteRequest,
    Reject,
    TradeAck,
    Withdraw,
    make_terms,
    terms_digest,
)
from .session import Session
from .topics import extension, topic_of
from .statement import NO_HASH, PAIR_DIALOGUE, Code, Header, Kind, Statement, code_name, dialogue_id, malformed_id

Event = Callable[..., None]


@dataclass
class Backup:
    """What a desk's journal held at one moment."""

    dialogues: dict[bytes, Dialogue]
    pair_strand: Strand
    session: dict[str, Any]


class Desk:
    def __init__(self, signer: Signer, peer: Identity, event: Event) -> None:
        self.signer = signer
        self.me = signer.identity.did
        self.peer = peer
        self.session = Session(self.me, peer.did, self.process, event, self.now)
        self.session.signer, self.session.identity = signer, peer
        self.session.adopt, self.session.after_sync = self.adopt, self.pay
        self._owed: list[tuple[bytes, bytes, bool]] = []
        self.dialogues: dict[bytes, Dialogue] = {}
        self.spec_hash: Callable[[str], bytes | None] = spec_hash
        self.interests: frozenset[str] = frozenset()
        self._pair_strand = Strand()
        self._event = event
        self._now = 0

    def now(self) -> int:
        """Journal time: it never goes back."""
        self._now = max(self._now, time.time_ns())
        return self._now

    # Signing

    def sign(
        self, kind: int, content: Payload, dialogue: Dialogue | None, expiry: int = 0, topic: str | None = None
    ) -> Statement:
        """Signs the next statement of a dialogue, or of dialogue 0, and puts it out."""
        strand = self._pair_strand if dialogue is None else dialogue.mine
        header = Header(
            kind=kind,
            dialogue=PAIR_DIALOGUE if dialogue is None else dialogue.id,
            sender=self.me,
            key_fragment=self.signer.identity.key_fragment,
            receiver=self.peer.did,
            seq=len(strand.ids) + 1,
            own=strand.last,
            seen=NO_HASH if dialogue is None else dialogue.theirs.last,
            created=self.now(),
            expiry=expiry,
            document_hash=self.signer.identity.document_hash,
            ext=extension(topic),
        )
        return self.submit(header, content, strand)

    def submit(self, header: Header, content: Payload, strand: Strand) -> Statement:
        """Misbehaving desks override this to change what is signed and how often it is sent."""
        statement = Statement.sign(self.signer, header.encode(), forms.encode(content))
        self.record(statement, header, strand)
        self.session.append(statement.encoded, statement.id)
        return statement

    def record(self, statement: Statement, header: Header, strand: Strand) -> None:
        strand.record(header, statement.id)
        self._event("sent", kind=_kind_name(header.kind), id=statement.id.hex(), seq=header.seq)

    def request(
        self, legs: tuple[Leg, ...], lots: tuple[int, int], side: int, rounds: int, life_ns: int, blind_ns: int = 0,
        topic: str | None = None,
    ) -> Dialogue:
        nonce = secrets.token_bytes(16)
        content = QuoteRequest(
            nonce, nonce, legs, lots[0], lots[1], side, rounds, addressing=int(topic is not None), blind_ns=blind_ns
        )
        expiry = self.now() + life_ns
        dialogue = Dialogue(dialogue_id(self.me, self.peer.did, nonce), content, NO_HASH, expiry, True)
        self.dialogues[dialogue.id] = dialogue
        statement = self.sign(Kind.QUOTE_REQUEST, content, dialogue, expiry, topic)
        dialogue.request_id = statement.id
        dialogue.created = Header.decode(statement.header_bytes).created
        return dialogue

    def offer(
        self,
        dialogue: Dialogue,
        bid: Price | None,
        ask: Price | None,
        life_ns: int = 2 * SECOND,
        mode: int = Mode.FIRM,
        hold_ns: int = 0,
        look_ns: int = 0,
    ) -> OfferState:
        """A Quote or, from the requester, a Counter; it replaces what is live of mine."""
        kind = Kind.COUNTER if dialogue.i_am_requester else Kind.QUOTE
        if dialogue.i_am_requester:
            dialogue.my_round += 1
            number = dialogue.my_round
        else:
            number = max(dialogue.their_round, 0)
        now, latest = self.now(), dialogue.my_latest
        replaces = NO_HASH if latest is None else max(latest.replacements(now))
        hold_until = now + hold_ns if hold_ns else 0
        content = Offer(number, bid, ask, replaces, mode, look_ns=look_ns, hold_until=hold_until)
        statement = self.sign(kind, content, dialogue, now + life_ns)
        if latest is not None and latest.fate is None:
            latest.fate = Code.SUPERSEDED
        header = Header.decode(statement.header_bytes)
        state = dialogue.my_offers[statement.id] = OfferState(statement.id, header, content)
        return state

    def accept(self, dialogue: Dialogue, offer: OfferState, side: int, lots: int) -> Statement:
        owner = self.peer.did
        terms = make_terms(offer.id, offer.terms, dialogue.request, self._parties(dialogue), owner, side, lots)
        content = Accept(offer.id, side, lots, self.accept_terms(terms))
        if dialogue.my_latest is not None and dialogue.my_latest.lives(self.now()):
            dialogue.my_latest.fate = Code.CROSSED
        statement = self.sign(Kind.ACCEPT, content, dialogue)
        dialogue.pending = statement, content
        dialogue.phase = Phase.PENDING
        return statement

    def accept_terms(self, terms: bytes) -> bytes:
        """Misbehaving desks override this."""
        return terms

    def may_accept(self, offer: OfferState) -> bool:
        """Alive on the owner's clock for sure (§8)."""
        return not offer.is_dead and self.session.clock.alive(offer.end, self.now())

    def cancel(self, dialogue: Dialogue, offer: OfferState) -> Statement:
        offer.fate = Code.CANCELLED
        return self.sign(Kind.QUOTE_CANCEL, QuoteCancel(offer.id), dialogue)

    def mass_cancel(self, code: int = 0) -> Statement:
        statement = self.sign(Kind.MASS_CANCEL, MassCancel(code), None)
        created = Header.decode(statement.header_bytes).created
        for dialogue in self.dialogues.values():
            offer = dialogue.my_latest
            if offer is not None and offer.fate is None and not (created < offer.terms.hold_until):
                offer.fate = Code.CANCELLED if created <= offer.end else Code.LATE
        return statement

    def pass_(self, dialogue: Dialogue, code: int = 0) -> Statement:
        statement = self.sign(Kind.PASS, Pass(code), dialogue)
        dialogue.close()
        return statement

    def reject(self, dialogue: Dialogue | None, target: bytes, code: int, text: str = "", kind: int = 0) -> None:
        """`kind`: of what is refused, for the log."""
        self._event("rejecting", target=target.hex(), code=code_name(code), kind=_kind_name(kind))
        self.sign(Kind.REJECT, Reject(target, code, 0, text[:128]), dialogue)

    def _decline(self, dialogue: Dialogue | None, accept: bytes, code: int, received: int) -> None:
        self._event("declining", accept=accept.hex(), code=code_name(code))
        if dialogue is not None:
            dialogue.declined.add(accept)
        self.sign(Kind.DECLINE, Decline(accept, code, received, self.now()), dialogue)

    def _parties(self, dialogue: Dialogue) -> tuple[str, str]:
        return (self.me, self.peer.did) if dialogue.i_am_requester else (self.peer.did, self.me)

    # Repair (§5.1)

    def back_up(self) -> Backup:
        return Backup(copy.deepcopy(self.dialogues), copy.deepcopy(self._pair_strand), self.session.back_up())

    def restore(self, backup: Backup) -> None:
        self.dialogues, self._pair_strand = backup.dialogues, backup.pair_strand
        self.session.restore(backup.session)

    def adopt(self, ordered: list[tuple[bool, bytes]], answers: dict[bytes, tuple[int | None, bytes]]) -> None:
        adoption = Adoption(self, answers)
        for is_mine, data in ordered:
            adoption.take_mine(data) if is_mine else adoption.take_theirs(data)
        self._owed += adoption.owed

    def pay(self) -> None:
        """Answers what was adopted without the answer that it had."""
        owed, self._owed = self._owed, []
        for identifier, name, is_trade in owed:
            dialogue = self.dialogues.get(name)
            if is_trade:
                self.sign(Kind.TRADE_ACK, TradeAck(identifier), dialogue)
            else:
                self._decline(dialogue, identifier, Code.AMNESIA, self.now())

    # Processing (§6)

    def process(self, data: bytes) -> None:
        self.lapse()
        received = self.now()
        try:
            statement = Statement.decode(data)
        except NegotiationError as error:
            return self.reject(None, malformed_id(data), Code.MALFORMED, error.detail)
        try:
            header = Header.decode(statement.header_bytes)
        except NegotiationError as error:
            return self.reject(None, statement.id, Code[error.code], error.detail)
        self._event("received", kind=_kind_name(header.kind), id=statement.id.hex(), seq=header.seq)
        dialogue = self.dialogues.get(header.dialogue)
        if dialogue is not None:
            dialogue.expire(received, self.session.clock.surely(received))
        ours = (header.sender, header.receiver) == (self.peer.did, self.me)
        fault, content, authentic = self._inspect(statement, header)
        chain: Code | None = None
        if dialogue is not None and ours:
            if authentic:
                chain = dialogue.theirs.chain_fault(header, statement.id, dialogue.mine)
                dialogue.theirs.by_seq.setdefault(header.seq, statement.id)
            dialogue.theirs.record(header, statement.id)
            if header.kind == Kind.ACCEPT and authentic:
                dialogue.kill_theirs(Code.CROSSED)
        if fault is not None or content is None:
            return self._answer(dialogue, header, statement.id, fault or Code.MALFORMED, authentic, received)
        if chain is Code.EQUIVOCATION:
            return self.session.freeze(Code.EQUIVOCATION, data)
        if chain is not None:
            if isinstance(content, Confirm | Decline) and chain is Code.CHAIN:
                self._apply(dialogue, header, statement, content, received)
            if self.session.frozen is None:
                self._answer(dialogue, header, statement.id, chain, authentic, received)
            return None
        return self._apply(dialogue, header, statement, content, received)

    def _inspect(self, statement: Statement, header: Header) -> tuple[Code | None, Payload | None, bool]:
        """Steps 3 to 7: (fault, payload, authentic)."""
        claims = (header.sender, header.key_fragment, header.receiver, header.document_hash)
        if claims != (self.peer.did, self.peer.key_fragment, self.me, self.peer.document_hash):
            return Code.KEY, None, False
        if not statement.is_signed_by(self.peer):
            return Code.SIGNATURE, None, False
        if any(extension.critical for extension in header.ext):
            return Code.CRITICAL, None, True
        try:
            return None, forms.parse(header, statement.payload), True
        except NegotiationError as error:
            self._event("fault", code=error.code, detail=error.detail)
            return Code[error.code], None, True

    def _answer(
        self, dialogue: Dialogue | None, header: Header, target: bytes, code: Code, authentic: bool, received: int
    ) -> None:
        """A fault's answer: a Decline for an authentic Accept, nothing for a Reject, else a Reject."""
        if header.kind == Kind.ACCEPT and authentic and code is not Code.DUPLICATE:
            self._decline(dialogue, target, code, received)
        elif header.kind != Kind.REJECT:
            self.reject(dialogue, target, code, kind=header.kind)

    def _apply(
        self, dialogue: Dialogue | None, header: Header, statement: Statement, content: Payload, received: int
    ) -> None:
        """Step 9."""
        code: Code | None
        match content:
            case QuoteRequest():
                code = self._on_request(dialogue, header, statement, content)
            case Reject():
                return self._on_reject(header, content)
            case Incarnation():
                code = Code.UNSOLICITED
            case Decline():
                code = self._on_decline(content)
            case Confirm():
                code = self._on_confirm(dialogue, statement, content)
            case MassCancel():
                return self._on_mass_cancel(header)
            case Accept():
                return self._on_accept(dialogue, statement, content, received)
            case _ if dialogue is None:
                code = Code.UNKNOWN
            case TradeAck():
                code = self._on_trade_ack(dialogue, content)
            case Withdraw():
                code = self._on_withdraw(dialogue, content)
            case _ if dialogue.phase in (Phase.TRADED, Phase.CLOSED):
                code = Code.CLOSED
            case Offer():
                code = self._on_offer(dialogue, header, statement, content)
            case QuoteCancel():
                code = self._on_cancel(dialogue, header, content)
            case Pass():
                code = self._on_pass(dialogue, header)
            case _:
                code = Code.KIND
        if code is not None:
            self.reject(self.dialogues.get(header.dialogue), statement.id, code, kind=header.kind)

    # The table of §7: each returns the code of a Reject, or nothing

    def _on_request(
        self, dialogue: Dialogue | None, header: Header, statement: Statement, request: QuoteRequest
    ) -> Code | None:
        if dialogue is not None:
            return Code.DUPLICATE
        derived = dialogue_id(self.peer.did, self.me, request.nonce)
        if (header.dialogue, header.seq, header.own, header.seen) != (derived, 1, NO_HASH, NO_HASH):
            return Code.CHAIN
        if code := self._refuse_request(header, request):
            return code
        dialogue = Dialogue(header.dialogue, request, statement.id, header.expiry, False, created=header.created)
        dialogue.theirs.record(header, statement.id)
        dialogue.theirs.by_seq[1] = statement.id
        self.dialogues[dialogue.id] = dialogue
        self._event("quote_request", dialogue=dialogue, instrument=package_text(request.legs))
        return None

    def _refuse_request(self, header: Header, request: QuoteRequest) -> Code | None:
        now = self.now()
        if sum(d.phase in (Phase.OPEN, Phase.PENDING) for d in self.dialogues.values()) >= 64:
            return Code.LIMIT
        if header.expiry - header.created > 3600 * SECOND:
            return Code.LIMIT
        if (request.hedge, request.disclosed, request.settlement) != (None, True, 0):
            return Code.POLICY
        if request.witnesses or request.slot_key is not None:
            return Code.WITNESS
        if request.addressing:
            topic = topic_of(header)
            if topic not in self.interests:
                return Code.MALFORMED if topic is None else Code.POLICY
        if fault := self._clock_fault(header, now):
            return fault
        known = all(self.spec_hash(leg.instrument) == leg.spec_hash for leg in request.legs)
        return None if known else Code.SPEC

    def _on_offer(self, dialogue: Dialogue, header: Header, statement: Statement, offer: Offer) -> Code | None:
        if (header.kind == Kind.QUOTE) != dialogue.i_am_requester:
            return Code.ROLE
        if dialogue.over:
            return Code.CLOSED
        code = self._place_fault(dialogue, header, offer)
        if code is Code.HELD:
            return code
        # Whatever else is wrong with it, its owner has replaced the one before.
        code = code or self._judge_offer(dialogue, header, offer)
        dialogue.kill_theirs(Code.SUPERSEDED)
        state = OfferState(statement.id, header, offer, rejected=code is not None)
        dialogue.their_offers[statement.id] = state
        if code is None:
            self._event("offer", dialogue=dialogue, offer=state)
        return code

    def _place_fault(self, dialogue: Dialogue, header: Header, offer: Offer) -> Code | None:
        """Rounds, and what the offer replaces."""
        if not self._round_is_right(dialogue, offer):
            return Code.ROUNDS
        dialogue.their_round = offer.round
        if header.kind == Kind.COUNTER and all(mine.rejected for mine in dialogue.my_offers.values()):
            return Code.NO_OFFER
        latest = dialogue.their_latest
        allowed = {NO_HASH} if latest is None else latest.replacements(header.created)
        if offer.replaces not in allowed:
            return Code.REPLACES
        if latest is not None and latest.lives(header.created) and header.created < latest.terms.hold_until:
            return Code.HELD
        if self._looked_at(dialogue, header):
            return Code.HELD
        return None

    def _round_is_right(self, dialogue: Dialogue, offer: Offer) -> bool:
        if dialogue.i_am_requester:
            return max(dialogue.their_round, 0) <= offer.round <= dialogue.my_round
        first = dialogue.their_round < 0
        return (offer.round == 1 if first else offer.round > dialogue.their_round) and (
            offer.round <= dialogue.request.rounds
        )

    def _judge_offer(self, dialogue: Dialogue, header: Header, offer: Offer) -> Code | None:
        request, now = dialogue.request, self.now()
        if not dialogue.i_am_requester and header.created < dialogue.blind_end:
            return Code.BLIND
        if offer.mode == Mode.LAST_LOOK and offer.look_ns == 0:
            return Code.TERMS
        if offer.witness is not None:
            return Code.WITNESS
        wanted = request.side if dialogue.i_am_requester else {1: 2, 2: 1, 3: 3}[request.side]
        given = (1 if offer.ask is not None else 0) | (2 if offer.bid is not None else 0)
        life = header.expiry - header.created
        if given & ~wanted or life > (3600 if offer.mode == Mode.INDICATIVE else 60) * SECOND:
            return Code.TERMS
        for price in (offer.bid, offer.ask):
            if price is not None and (
                len(price.prices) != len(request.legs)
                or (price.hedge_price is None) != (request.hedge is None)
                or not request.lots_min <= price.lots_max <= request.lots_max
            ):
                return Code.TERMS
            if price is not None and not -(2**63) <= net(request.legs, price.prices) < 2**63:
                return Code.TERMS
        latest_hold = min(header.created + 5 * SECOND, header.expiry)
        if offer.hold_until and not (header.created <= offer.hold_until <= latest_hold and offer.mode == Mode.FIRM):
            return Code.TERMS
        return self._clock_fault(header, now)

    def _clock_fault(self, header: Header, now: int) -> Code | None:
        """A request or an offer that is over, or from too far ahead (§8)."""
        if self.session.clock.surely(now) > header.expiry:
            return Code.DEAD
        return Code.CLOCK if self.session.clock.apart(now) or header.created > now + 2 * SECOND else None

    def _on_accept(self, dialogue: Dialogue | None, statement: Statement, accept: Accept, received: int) -> None:
        code = Code.UNKNOWN if dialogue is None else self._accept_fault(dialogue, statement, accept, received)
        if code is not None or dialogue is None:
            return self._decline(dialogue, statement.id, code or Code.UNKNOWN, received)
        offer = dialogue.my_offers[accept.offer]
        offer.fate = Code.TAKEN
        if offer.terms.mode == Mode.LAST_LOOK:
            dialogue.look = Look(statement, accept, received, received + offer.terms.look_ns)
            self._event("look", dialogue=dialogue)
            return None
        self._confirm(dialogue, statement, accept, received)
        return None

    def _confirm(self, dialogue: Dialogue, statement: Statement, accept: Accept, received: int) -> None:
        content = Confirm(statement.encoded, terms_digest(accept.terms), received, self.now())
        confirm = self.sign(Kind.CONFIRM, content, dialogue)
        self._trade(dialogue, statement, accept, confirm, acceptor_is_me=False)

    def decide(self, dialogue: Dialogue, code: int | None) -> None:
        """The verdict on the Accept that is looked at: a Decline with the code, or a Confirm."""
        look = dialogue.look
        assert look is not None
        dialogue.look = None
        if code is None and self.now() <= look.until:
            self._confirm(dialogue, look.statement, look.accept, look.received)
            return
        self._decline(dialogue, look.statement.id, Code.LAPSED if code is None else code, look.received)
        if dialogue.over:
            dialogue.phase = Phase.CLOSED

    def lapse(self) -> None:
        """Declines what was looked at for too long."""
        for dialogue in self.dialogues.values():
            if dialogue.look is not None and self.now() > dialogue.look.until:
                self.decide(dialogue, Code.LAPSED)

    def _on_withdraw(self, dialogue: Dialogue, withdraw: Withdraw) -> Code | None:
        if dialogue.look is None or dialogue.look.statement.id != withdraw.accept:
            return Code.DECIDED
        self.decide(dialogue, Code.WITHDRAWN)
        return None

    def withdraw(self, dialogue: Dialogue) -> Statement:
        assert dialogue.pending is not None
        return self.sign(Kind.WITHDRAW, Withdraw(dialogue.pending[0].id), dialogue)

    def _looked_at(self, dialogue: Dialogue, header: Header) -> bool:
        """Whether the peer had my Accept of its last-look offer when it signed this."""
        if dialogue.pending is None or header.seen == NO_HASH or header.seen not in dialogue.mine.ids:
            return False
        statement, accept = dialogue.pending
        ids = dialogue.mine.ids
        last_look = dialogue.their_offers[accept.offer].terms.mode == Mode.LAST_LOOK
        return last_look and ids.index(header.seen) >= ids.index(statement.id)

    def _accept_fault(self, dialogue: Dialogue, statement: Statement, accept: Accept, now: int) -> Code | None:
        by_phase = {Phase.PENDING: Code.CROSSED, Phase.TRADED: Code.TAKEN, Phase.CLOSED: Code.CLOSED}
        if dialogue.phase in by_phase:
            return by_phase[dialogue.phase]
        offer = dialogue.my_offers.get(accept.offer)
        if offer is None:
            return Code.UNKNOWN
        if offer.fate is not None:
            return offer.fate
        if offer.rejected:
            return Code.CANCELLED
        if now > offer.end:
            return Code.LATE
        if not dialogue.i_am_requester and Header.decode(statement.header_bytes).created < dialogue.blind_end:
            return Code.BLIND
        if offer.terms.mode == Mode.INDICATIVE:
            return Code.INDICATIVE
        price = offer.terms.price(accept.side)
        if price is None:
            return Code.TERMS
        if not price.lots_min <= accept.lots <= price.lots_max:
            return Code.LOTS
        if offer.terms.all_or_none and accept.lots != price.lots_max:
            return Code.LOTS
        parties = self._parties(dialogue)
        terms = make_terms(offer.id, offer.terms, dialogue.request, parties, self.me, accept.side, accept.lots)
        if terms != accept.terms:
            return Code.TERMS
        return None if accept.slot_write is None else Code.WITNESS

    def _on_confirm(self, dialogue: Dialogue | None, statement: Statement, confirm: Confirm) -> Code | None:
        inner, _, accept = confirm.accept()
        if dialogue is not None and dialogue.trade is not None and dialogue.trade.accept.id == inner.id:
            return Code.DUPLICATE
        known = inner.is_signed_by(self.signer.identity)
        pending = None if dialogue is None else dialogue.pending
        # The id does not cover the signatures, and a trade needs mine: a copy without it is forged.
        if dialogue is not None and pending is not None and pending[0].id == inner.id and known:
            if confirm.terms_digest != terms_digest(pending[1].terms):
                return Code.TERMS
            offer = dialogue.their_offers[pending[1].offer]
            if confirm.decided > offer.end + offer.terms.look_ns:
                return Code.LATE
            dialogue.pending = None
            self._trade(dialogue, inner, accept, statement, acceptor_is_me=True)
            self.sign(Kind.TRADE_ACK, TradeAck(statement.id), dialogue)
            return None
        if dialogue is not None and inner.id in dialogue.declined:
            self.session.freeze(Code.EQUIVOCATION, statement.encoded)
        else:
            self.session.freeze(Code.LOST_SELF if known else Code.FORGED, statement.encoded)
        return None

    def _trade(
        self, dialogue: Dialogue, accept: Statement, content: Accept, confirm: Statement, acceptor_is_me: bool
    ) -> None:
        dialogue.phase = Phase.TRADED
        dialogue.trade = Trade(dialogue.id, accept, content, confirm, acceptor_is_me)
        self._event("trade", dialogue=dialogue)

    def _on_decline(self, decline: Decline) -> Code | None:
        self._event("declined", accept=decline.accept.hex(), code=code_name(decline.code))
        for dialogue in self.dialogues.values():
            if dialogue.pending is not None and dialogue.pending[0].id == decline.accept:
                offer = dialogue.their_offers[dialogue.pending[1].offer]
                offer.rejected = offer.rejected or offer.terms.mode == Mode.LAST_LOOK
                dialogue.pending = None
                dialogue.declined.add(decline.accept)
                dialogue.phase = Phase.CLOSED if dialogue.over else Phase.OPEN
                return None
            trade = dialogue.trade
            if trade is not None and trade.acceptor_is_me and trade.accept.id == decline.accept:
                self.session.freeze(Code.EQUIVOCATION, decline.accept)
                return None
        known = any(decline.accept in dialogue.mine.ids for dialogue in self.dialogues.values())
        return Code.UNSOLICITED if known else Code.UNKNOWN

    def _on_cancel(self, dialogue: Dialogue, header: Header, cancel: QuoteCancel) -> Code | None:
        latest = dialogue.their_latest
        if dialogue.over:
            return Code.CLOSED
        if latest is None or latest.id != cancel.offer or latest.fate is not None:
            return Code.NO_OFFER
        if latest.lives(header.created) and header.created < latest.terms.hold_until:
            return Code.HELD
        if self._looked_at(dialogue, header):
            return Code.HELD
        latest.fate = Code.CANCELLED
        self._event("cancelled", dialogue=dialogue, offer=latest)
        return None

    def _on_mass_cancel(self, header: Header) -> None:
        for dialogue in self.dialogues.values():
            latest = dialogue.their_latest
            if dialogue.phase not in (Phase.OPEN, Phase.PENDING) or latest is None or latest.fate is not None:
                continue
            if latest.lives(header.created) and header.created < latest.terms.hold_until:
                continue
            latest.fate = Code.CANCELLED
            self._event("cancelled", dialogue=dialogue, offer=latest)

    def _on_pass(self, dialogue: Dialogue, header: Header) -> Code | None:
        latest = dialogue.their_latest
        if dialogue.over:
            return Code.CLOSED
        if latest is not None and latest.lives(header.created) and header.created < latest.terms.hold_until:
            return Code.HELD
        if dialogue.look is not None or self._looked_at(dialogue, header):
            return Code.HELD
        dialogue.close()
        self._event("passed", dialogue=dialogue)
        return None

    def _on_reject(self, header: Header, reject: Reject) -> None:
        self._event("rejected", target=reject.target.hex(), code=code_name(reject.code), text=reject.text)
        for dialogue in self.dialogues.values():
            if reject.target == dialogue.request_id and dialogue.i_am_requester:
                dialogue.close()
            elif reject.target in dialogue.my_offers:
                dialogue.my_offers[reject.target].rejected = True

    def _on_trade_ack(self, dialogue: Dialogue, ack: TradeAck) -> Code | None:
        trade = dialogue.trade
        if trade is None or trade.acceptor_is_me or trade.confirm.id != ack.confirm:
            return Code.UNSOLICITED
        self._event("trade_acknowledged", dialogue=dialogue)
        return None


def _kind_name(kind: int) -> str:
    return Kind(kind).name if kind in Kind._value2member_map_ else str(kind)
