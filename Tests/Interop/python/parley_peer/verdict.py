"""What the statements of a dialogue prove to a stranger (negotiation.md §11)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import IdentityError, NegotiationError
from .identity import Identity
from .payload import (
    Accept,
    Confirm,
    Decline,
    MassCancel,
    Mode,
    Offer,
    Pass,
    Payload,
    QuoteCancel,
    QuoteRequest,
    Reject,
    make_terms,
    parse,
    terms_digest,
)
from .statement import NO_HASH, PAIR_DIALOGUE, Code, Header, Kind, Statement, code_name, dialogue_id, malformed_id
from .witness import Slot, Stamp, content

REFUSING = (Code.MALFORMED, Code.VERSION, Code.KIND, Code.CRITICAL, Code.SIGNATURE, Code.KEY, Code.CHAIN)
ACCEPT_SLACK = 2 * 10**9


class Stop(Exception):
    """The verification ends here."""

    def __init__(self, verdict: str, detail: str = "") -> None:
        super().__init__(verdict, detail)
        self.verdict = verdict
        self.detail = detail


@dataclass
class Item:
    """One statement of the set."""

    statement: Statement
    header: Header
    payload: Payload | None
    refused: bool = False
    void: bool = False
    misplaced: bool = False

    @property
    def id(self) -> bytes:
        return self.statement.id


@dataclass(frozen=True)
class Verdict:
    """The word, why, and for TRADED the Confirm and the terms that it makes a trade."""

    word: str
    detail: str = ""
    confirm: bytes = b""
    terms: bytes = b""
    request: QuoteRequest | None = None


def judge(
    statements: list[bytes],
    first: Identity,
    second: Identity,
    stamps: list[bytes] | None = None,
    witnesses: list[Identity] | None = None,
) -> Verdict:
    try:
        return _Dialogue(statements, first, second, stamps or [], witnesses or []).verdict()
    except Stop as stop:
        return Verdict(stop.verdict, stop.detail)


def _decode(data: bytes) -> tuple[Statement, Header] | None:
    try:
        statement = Statement.decode(data)
        return statement, Header.decode(statement.header_bytes)
    except NegotiationError:
        return None


def _payload(header: Header, statement: Statement) -> Payload | None:
    try:
        return parse(header, statement.payload)
    except NegotiationError:
        return None


class _Dialogue:
    def __init__(
        self, statements: list[bytes], first: Identity, second: Identity, stamps: list[bytes], witnesses: list[Identity]
    ) -> None:
        self.identities = {first.did: first, second.did: second}
        self.items: dict[bytes, Item] = {}
        self.strands: dict[str, list[Item]] = {first.did: [], second.did: []}
        self._read(list(dict.fromkeys(statements)))
        self._check_strands()
        self._check_confirms()
        self._read_stamps(stamps, witnesses)

    def other(self, did: str) -> str:
        return next(name for name in self.identities if name != did)

    # Steps 1 to 3

    def _read(self, statements: list[bytes]) -> None:
        refused = self._refusals(statements)
        found: list[Item] = []
        for data in statements:
            decoded = _decode(data)
            if decoded is None:
                try:
                    name = Statement.decode(data).id
                except NegotiationError:
                    name = malformed_id(data)
                if name in refused:
                    continue
                raise Stop("INVALID", "step 1")
            statement, header = decoded
            item = Item(statement, header, _payload(header, statement), statement.id in refused)
            found.append(item)
            if isinstance(item.payload, Confirm):
                inner, inner_header, accept = item.payload.accept()
                found.append(Item(inner, inner_header, accept))
        for step, passes in ((1, self._reads), (2, self._is_named), (3, self._is_signed)):
            for item in found:
                if item.void or passes(item):
                    continue
                if not item.refused:
                    raise Stop("INVALID", f"step {step}: {item.id.hex()}")
                item.void = True
        for item in found:
            self.items.setdefault(item.id, item)

    def _refusals(self, statements: list[bytes]) -> set[bytes]:
        """The ids that the other side refused for what they are, in statements that it signed."""
        owners: dict[bytes, str] = {}
        refused = set()
        for data in statements:
            decoded = _decode(data)
            if decoded is not None:
                owners[decoded[0].id] = decoded[1].sender
        for data in statements:
            decoded = _decode(data)
            if decoded is None or decoded[1].sender not in self.identities:
                continue
            statement, header = decoded
            payload = _payload(header, statement)
            target = {Reject: "target", Decline: "accept"}.get(type(payload))
            if target is None or payload.code not in REFUSING:  # type: ignore[union-attr]
                continue
            if not statement.is_signed_by(self.identities[header.sender]):
                continue
            name = getattr(payload, target)
            if owners.get(name) != header.sender:
                refused.add(name)
        return refused

    @staticmethod
    def _reads(item: Item) -> bool:
        critical = any(extension.critical for extension in item.header.ext)
        declined = item.refused and isinstance(item.payload, Accept)
        return item.payload is not None and (not critical or declined)

    def _is_named(self, item: Item) -> bool:
        header = item.header
        identity = self.identities.get(header.sender)
        return (
            identity is not None
            and header.receiver == self.other(header.sender)
            and header.key_fragment == identity.key_fragment
            and header.document_hash == identity.document_hash
            and item.statement.signature.suite == identity.suite
        )

    def _is_signed(self, item: Item) -> bool:
        try:
            return item.statement.is_signed_by(self.identities[item.header.sender])
        except IdentityError:
            return False

    # Step 4

    def _check_strands(self) -> None:
        requests = [i for i in self.items.values() if isinstance(i.payload, QuoteRequest) and not i.void]
        if len(requests) != 1:
            raise Stop("INVALID", "step 4: not one QuoteRequest")
        self.request = requests[0]
        header, payload = self.request.header, self.request.payload
        assert isinstance(payload, QuoteRequest)
        if header.dialogue != dialogue_id(header.sender, header.receiver, payload.nonce):
            raise Stop("INVALID", "step 4: dialogue")
        for item in self.items.values():
            if item.header.dialogue == PAIR_DIALOGUE and isinstance(item.payload, Reject | Decline | MassCancel):
                continue
            if item.header.dialogue != header.dialogue:
                if item.refused:
                    continue
                raise Stop("INVALID", f"step 4: {item.id.hex()} is of another dialogue")
            if item.header.sender in self.strands:
                self.strands[item.header.sender].append(item)
        self._check_equivocation()
        for did in self.strands:
            self.strands[did] = self._ordered(did)
        for did in self.strands:
            self._check_strand(did)

    def _check_equivocation(self) -> None:
        for did, items in self.strands.items():
            seen: dict[int, bytes] = {}
            for item in items:
                if not item.refused and seen.setdefault(item.header.seq, item.id) != item.id:
                    raise Stop("EQUIVOCATION", did)

    def _ordered(self, did: str) -> list[Item]:
        """A side's statements as they follow each other: by seq, or by what the next one names as its own."""
        rest = list(self.strands[did])
        ordered: list[Item] = []
        while rest:
            seq = len(ordered) + 1
            own = ordered[-1].id if ordered else NO_HASH
            following = {i.header.own for i in rest if i.header.seq == seq + 1}
            candidates = [i for i in rest if i.header.seq == seq and i.header.own == own]
            candidates += [i for i in rest if i.header.seq == seq and i not in candidates]
            named = [i for i in candidates if i.id in following]
            named += [i for i in rest if i.refused and i.id in following and i not in named]
            chosen = next(iter(named or candidates or [i for i in rest if i.refused]), None)
            if chosen is None:
                raise Stop("UNVERIFIABLE", f"statement {seq} of {did}")
            rest.remove(chosen)
            ordered.append(chosen)
        return ordered

    def _check_strand(self, did: str) -> None:
        places = {item.id: place for place, item in enumerate(self.strands[self.other(did)])}
        last_seen, last_created, own = -1, 0, NO_HASH
        for place, item in enumerate(self.strands[did]):
            header = item.header
            faults = header.seq != place + 1 or header.own != own or header.created < last_created
            if header.seen == NO_HASH:
                faults = faults or last_seen >= 0
            elif header.seen not in places:
                if not item.refused:
                    raise Stop("UNVERIFIABLE", f"statement {header.seen.hex()}")
                faults = True
            else:
                faults = faults or places[header.seen] < last_seen
                last_seen = max(last_seen, places[header.seen])
            if faults and not item.refused:
                raise Stop("INVALID", f"step 4: {item.id.hex()}")
            item.misplaced = faults
            last_created, own = max(last_created, header.created), item.id

    # Steps 5 and 6

    def _of(self, kind: type) -> list[Item]:
        return [i for i in self.items.values() if isinstance(i.payload, kind) and not i.void]

    def _offer(self, name: bytes, owner: str) -> Item | None:
        item = self.items.get(name)
        return item if item and isinstance(item.payload, Offer) and item.header.sender == owner else None

    def _terms(self, accept: Accept, offer: Item) -> bytes | None:
        request, terms = self.request.payload, offer.payload
        assert isinstance(request, QuoteRequest) and isinstance(terms, Offer)
        parties = (self.request.header.sender, self.request.header.receiver)
        try:
            return make_terms(offer.id, terms, request, parties, offer.header.sender, accept.side, accept.lots)
        except NegotiationError:
            return None

    def _check_confirms(self) -> None:
        self.trades: list[tuple[Item, Item, Item]] = []
        for item in self._of(Confirm):
            assert isinstance(item.payload, Confirm)
            inner, _, accept = item.payload.accept()
            offer = self._offer(accept.offer, item.header.sender)
            if offer is None:
                raise Stop("UNVERIFIABLE", f"offer {accept.offer.hex()}")
            assert isinstance(offer.payload, Offer)
            right = (
                offer.payload.mode != Mode.INDICATIVE
                and self._terms(accept, offer) == accept.terms
                and item.payload.terms_digest == terms_digest(accept.terms)
            )
            if not right or (self.trades and self.trades[0][1].id != inner.id):
                raise Stop("INVALID", f"step 5: {item.id.hex()}")
            self.trades.append((item, self.items[inner.id], offer))
        for item, accept_item, offer in self.trades:
            assert isinstance(item.payload, Confirm) and isinstance(offer.payload, Offer)
            if offer.payload.witness is not None:
                continue
            end = offer.header.expiry
            late = item.payload.received > end or item.payload.decided > end + offer.payload.look_ns
            if late or accept_item.header.created > end + ACCEPT_SLACK:
                raise Stop("INVALID", f"step 6: {item.id.hex()}")

    # Step 7: witness.md section 7

    def _read_stamps(self, stamps: list[bytes], witnesses: list[Identity]) -> None:
        self.stamps: dict[bytes, Stamp] = {}
        liar = None
        for data in stamps:
            try:
                stamp = Stamp.decode(data)
            except NegotiationError as error:
                raise Stop("INVALID", "step 7: a stamp") from error
            offer = self.items.get(stamp.slot.offer)
            if (
                offer is None
                or self._slot(offer) != (stamp.witness, stamp.slot)
                or not any(stamp.is_signed_by(witness) for witness in witnesses)
            ):
                raise Stop("INVALID", "step 7: a stamp")
            known = self.stamps.setdefault(stamp.slot.offer, stamp)
            if known.content != stamp.content:
                liar = liar or stamp.witness
        if liar is not None:
            raise Stop("EQUIVOCATION", liar)

    @staticmethod
    def _slot(offer: Item) -> tuple[str, Slot] | None:
        if not isinstance(offer.payload, Offer) or offer.payload.witness is None:
            return None
        witness, key = offer.payload.witness
        return witness, Slot(offer.id, key, offer.header.expiry)

    def _good_write(self, item: Item, offer: Item) -> bytes | None:
        """The content of an Accept whose write is right."""
        assert isinstance(item.payload, Accept)
        named, accept = self._slot(offer), item.payload
        if named is None or accept.slot_write is None:
            return None
        written = content(item.statement, accept)
        return written if named[1].is_written(written, accept.slot_write) else None

    def _is_stamped(self, item: Item) -> bool:
        """Whether a stamp bears an Accept that is in order, and that its signer had not made void before."""
        assert isinstance(item.payload, Accept)
        stamp, offer = self.stamps.get(item.payload.offer), self._offer(item.payload.offer, item.header.receiver)
        if stamp is None or offer is None or self._good_write(item, offer) != stamp.content:
            return False
        assert isinstance(offer.payload, Offer)
        critical = any(extension.critical for extension in item.header.ext)
        if item.misplaced or critical or offer.payload.mode != Mode.FIRM:
            return False
        if self._terms(item.payload, offer) != item.payload.terms:
            return False
        request = self.request
        assert isinstance(request.payload, QuoteRequest)
        blind_end = request.header.created + request.payload.blind_ns
        if item.header.sender == request.header.sender and item.header.created < blind_end:
            return False
        strand = self.strands[item.header.sender]
        before = strand[: strand.index(item)] if item in strand else strand
        return not any(
            isinstance(i.payload, Pass)
            or self._rejects_request(i)
            or (isinstance(i.payload, Reject) and i.payload.target == offer.id)
            for i in before
        )

    def _slot_says_no(self, item: Item) -> bool:
        """Whether the slot, or the want of a good write, bears out that an Accept made no trade."""
        assert isinstance(item.payload, Accept)
        offer = self._offer(item.payload.offer, item.header.receiver)
        if offer is None:
            return False
        if self._slot(offer) is None:
            return item.payload.slot_write is not None
        written, stamp = self._good_write(item, offer), self.stamps.get(offer.id)
        return written is None or (stamp is not None and stamp.content != written)

    def _stamped_trade(self) -> Verdict | None:
        stamped = [item for item in self._of(Accept) if self._is_stamped(item)]
        if not stamped:
            return None
        if len(stamped) > 1:
            raise Stop("INVALID", "step 5: two trades")
        item = stamped[0]
        assert isinstance(item.payload, Accept) and isinstance(self.request.payload, QuoteRequest)
        owner = item.header.receiver
        for decline in self._of(Decline):
            assert isinstance(decline.payload, Decline)
            if decline.payload.accept == item.id and decline.header.sender == owner:
                return Verdict("BREACH", f"{owner} with {code_name(decline.payload.code)}")
        return Verdict("TRADED", "", item.id, item.payload.terms, self.request.payload)

    # Verdict

    def verdict(self) -> Verdict:
        declines = self._of(Decline)
        for item in declines:
            assert isinstance(item.payload, Decline)
            if item.payload.accept not in self.items:
                raise Stop("UNVERIFIABLE", f"Accept {item.payload.accept.hex()}")
        if self.trades:
            confirm, accept_item, _ = self.trades[0]
            assert isinstance(accept_item.payload, Accept) and isinstance(self.request.payload, QuoteRequest)
            if any(d.payload.accept == accept_item.id for d in declines):  # type: ignore[union-attr]
                return Verdict("EQUIVOCATION", confirm.header.sender)
            stamp = self.stamps.get(accept_item.payload.offer)
            if stamp is not None and stamp.content != content(accept_item.statement, accept_item.payload):
                return Verdict("BREACH", f"{confirm.header.sender} with WITNESS")
            return Verdict("TRADED", "", confirm.id, accept_item.payload.terms, self.request.payload)
        if trade := self._stamped_trade():
            return trade
        doubt = None
        for item in self._of(Accept):
            assert isinstance(item.payload, Accept)
            owner = item.header.receiver
            mine = [d for d in declines if d.payload.accept == item.id and d.header.sender == owner]  # type: ignore[union-attr]
            if not mine:
                doubt = doubt or (item if item.payload.offer not in self.stamps else None)
                continue
            assert isinstance(mine[0].payload, Decline)
            if mine[0].payload.code == Code.WITNESS and not self._slot_says_no(item):
                raise Stop("UNVERIFIABLE", f"the stamp of offer {item.payload.offer.hex()}")
            if not self._is_borne_out(mine[0], item):
                return Verdict("BREACH", f"{owner} with {code_name(mine[0].payload.code)}")
        if doubt is not None:
            return Verdict("IN_DOUBT", doubt.id.hex())
        return Verdict("NOT_TRADED" if declines or self._of(Accept) else "NO_ACCEPT")

    def _is_borne_out(self, decline_item: Item, accept_item: Item) -> bool:
        """Whether the statements bear out why a firm offer was declined."""
        decline, accept = decline_item.payload, accept_item.payload
        assert isinstance(decline, Decline) and isinstance(accept, Accept)
        owner, acceptor = accept_item.header.receiver, accept_item.header.sender
        offer = self._offer(accept.offer, owner)
        if decline.code == Code.AMNESIA:
            return True
        if offer is None:
            return decline.code == Code.UNKNOWN
        terms = offer.payload
        assert isinstance(terms, Offer)
        if terms.mode != Mode.FIRM:
            return True
        strand, theirs = self.strands[owner], self.strands[acceptor]
        end, hold = offer.header.expiry, terms.hold_until
        before = strand[: strand.index(decline_item)] if decline_item in strand else strand
        after = before[before.index(offer) + 1 :] if offer in before else []
        later = [i for i in after if i.header.created >= hold]
        since = max(hold, offer.header.created)
        cancelled = (
            any(isinstance(i.payload, QuoteCancel) and i.payload.offer == offer.id for i in later)
            or any(isinstance(i.payload, Reject) and i.payload.target == offer.id for i in theirs)
            or any(
                i.header.sender == owner and since <= i.header.created <= decline.decided for i in self._of(MassCancel)
            )
        )
        superseded = any(isinstance(i.payload, Offer) for i in later)
        crossed = any(isinstance(i.payload, Accept) for i in later)
        late = decline.received > end
        match decline.code:
            case Code.LATE:
                # Of a witnessed offer the slot alone says so.
                return late and terms.witness is None
            case Code.WITNESS:
                return self._slot_says_no(accept_item)
            case Code.CANCELLED:
                return cancelled
            case Code.SUPERSEDED:
                return superseded
            case Code.CROSSED:
                return crossed
            case Code.TAKEN:
                return bool(self._of(Confirm))
            case Code.CLOSED:
                over = [i for i in [*before, *theirs] if isinstance(i.payload, Pass) or self._rejects_request(i)]
                dead = late or cancelled or superseded or crossed
                return bool(over) or (dead and self.request.header.expiry < decline.decided)
            case Code.TERMS:
                right = self._terms(accept, offer)
                return right is None or right != accept.terms
            case Code.LOTS:
                return not self._lots_fit(accept, terms)
            case Code.BLIND:
                request = self.request
                assert isinstance(request.payload, QuoteRequest)
                end = request.header.created + request.payload.blind_ns
                return acceptor == request.header.sender and accept_item.header.created < end
            case Code.CHAIN:
                return accept_item.refused and accept_item.misplaced
            case Code.CRITICAL:
                return any(extension.critical for extension in accept_item.header.ext)
        return False

    def _rejects_request(self, item: Item) -> bool:
        return isinstance(item.payload, Reject) and item.payload.target == self.request.id

    @staticmethod
    def _lots_fit(accept: Accept, offer: Offer) -> bool:
        price = offer.price(accept.side)
        if price is None:
            return True
        least = price.lots_max if offer.all_or_none else price.lots_min
        return least <= accept.lots <= price.lots_max
