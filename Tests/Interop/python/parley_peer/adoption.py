"""What a desk makes of statements that come back to it (negotiation.md §5.1): nothing is decided again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dialogue import Dialogue, OfferState, Phase, Strand, Trade
from .errors import NegotiationError
from .payload import (
    Accept,
    Confirm,
    Decline,
    MassCancel,
    Offer,
    Pass,
    Payload,
    QuoteCancel,
    QuoteRequest,
    Reject,
    parse,
    terms_digest,
)
from .statement import NO_HASH, PAIR_DIALOGUE, Code, Header, Kind, Statement

if TYPE_CHECKING:
    from .desk import Desk

NOT_REPLACING = (Code.ROLE, Code.CLOSED, Code.HELD, Code.DUPLICATE, Code.CHAIN, Code.UNKNOWN, Code.LIMIT)


class Adoption:
    def __init__(self, desk: Desk, answers: dict[bytes, tuple[int | None, bytes]]) -> None:
        self.desk = desk
        self.answers = answers
        self.owed: list[tuple[bytes, bytes, bool]] = []

    def take_mine(self, data: bytes) -> None:
        desk = self.desk
        statement = Statement.decode(data)
        header = Header.decode(statement.header_bytes)
        content = parse(header, statement.payload)
        if (header.sender, header.receiver) != (desk.me, desk.peer.did):
            raise NegotiationError("MALFORMED", "not mine")
        if not statement.is_signed_by(desk.signer.identity):
            raise NegotiationError("SIGNATURE", "not mine")
        if isinstance(content, QuoteRequest):
            dialogue = Dialogue(header.dialogue, content, statement.id, header.expiry, True)
            desk.dialogues[header.dialogue] = dialogue
        found = desk.dialogues.get(header.dialogue)
        if found is None and header.dialogue != PAIR_DIALOGUE:
            raise NegotiationError("MALFORMED", "of no dialogue")
        strand: Strand = desk._pair_strand if found is None else found.mine
        if (header.seq, header.own) != (len(strand.ids) + 1, strand.last):
            raise NegotiationError("CHAIN", "it does not follow what is here")
        strand.record(header, statement.id)
        if isinstance(content, MassCancel):
            for each in desk.dialogues.values():
                offer = each.my_latest
                if offer is not None and offer.fate is None and header.created >= offer.terms.hold_until:
                    offer.fate = Code.CANCELLED
        elif found is not None:
            self._mine(found, header, statement, content)

    def _mine(self, dialogue: Dialogue, header: Header, statement: Statement, content: Payload) -> None:
        latest = dialogue.my_latest
        match content:
            case Offer():
                if latest is not None and latest.fate is None:
                    latest.fate = Code.SUPERSEDED
                dialogue.my_offers[statement.id] = OfferState(statement.id, header, content)
                if header.kind == Kind.COUNTER:
                    dialogue.my_round = content.round
            case Accept():
                if latest is not None and latest.lives(header.created):
                    latest.fate = Code.CROSSED
                dialogue.pending = statement, content
                dialogue.phase = Phase.PENDING
            case Confirm():
                inner, _, accept = content.accept()
                dialogue.my_offers[accept.offer].fate = Code.TAKEN
                self.desk._trade(dialogue, inner, accept, statement, acceptor_is_me=False)
            case Decline():
                dialogue.declined.add(content.accept)
            case QuoteCancel():
                dialogue.my_offers[content.offer].fate = Code.CANCELLED
            case Pass():
                dialogue.close()
            case Reject():
                if content.target == dialogue.request_id:
                    dialogue.close()
                elif content.target in dialogue.their_offers:
                    dialogue.their_offers[content.target].rejected = True

    def take_theirs(self, data: bytes) -> None:
        desk = self.desk
        try:
            statement = Statement.decode(data)
            header = Header.decode(statement.header_bytes)
        except NegotiationError:
            return
        if (header.sender, header.receiver) != (desk.peer.did, desk.me):
            return
        _, content, authentic = desk._inspect(statement, header)
        answer = self.answers.get(statement.id)
        refused = None if answer is None else answer[0]
        if isinstance(content, QuoteRequest) and not (answer is not None and answer[1] == PAIR_DIALOGUE):
            if header.dialogue not in desk.dialogues:
                dialogue = Dialogue(header.dialogue, content, statement.id, header.expiry, False)
                desk.dialogues[header.dialogue] = dialogue
        found = desk.dialogues.get(header.dialogue)
        if found is not None:
            found.theirs.record(header, statement.id)
            if authentic:
                found.theirs.by_seq.setdefault(header.seq, statement.id)
            if header.seen != NO_HASH and header.seen in found.mine.ids:
                found.theirs.seen_index = max(found.theirs.seen_index, found.mine.ids.index(header.seen) + 1)
        if content is None or not authentic:
            return
        match content:
            case Decline() | Reject() | MassCancel() if refused is None:
                self._about_pair(header, content)
            case _ if found is not None:
                self._theirs(found, header, statement, content, answer is not None, refused)

    def _about_pair(self, header: Header, content: Payload) -> None:
        match content:
            case Decline():
                self.desk._on_decline(content)
            case Reject():
                self.desk._on_reject(header, content)
            case MassCancel():
                self.desk._on_mass_cancel(header)

    def _theirs(
        self,
        dialogue: Dialogue,
        header: Header,
        statement: Statement,
        content: Payload,
        is_answered: bool,
        refused: int | None,
    ) -> None:
        match content:
            case Offer():
                if refused is not None and refused in NOT_REPLACING:
                    return
                dialogue.kill_theirs(Code.SUPERSEDED)
                dialogue.their_round = content.round
                state = OfferState(statement.id, header, content, rejected=refused is not None)
                dialogue.their_offers[statement.id] = state
            case Accept():
                dialogue.kill_theirs(Code.CROSSED)
                if not is_answered:
                    self.owed.append((statement.id, dialogue.id, False))
            case Confirm():
                inner, _, accept = content.accept()
                pending = dialogue.pending
                if refused is not None or pending is None or pending[0].id != inner.id:
                    return
                if not inner.is_signed_by(self.desk.signer.identity):
                    return
                if content.terms_digest != terms_digest(accept.terms):
                    return
                dialogue.pending = None
                self.desk._trade(dialogue, inner, accept, statement, acceptor_is_me=True)
                if not is_answered:
                    self.owed.append((statement.id, dialogue.id, True))
            case QuoteCancel() if refused is None:
                dialogue.kill_theirs(Code.CANCELLED)
            case Pass() if refused is None:
                dialogue.close()
