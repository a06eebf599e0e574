"""Desks that break one rule of the negotiation: in the session, or in a statement."""

from __future__ import annotations

import secrets
from dataclasses import replace

from .desk import Desk, Event
from .dialogue import Strand
from .identity import Identity, Signer
from .packing import pack, unpack
from .payload import Accept as AcceptPayload
from .payload import Confirm, Decline, Offer, Pass, Payload, QuoteRequest, encode, terms_digest
from .session import Session, Sync, data_frame
from .statement import Code, Header, Kind, Statement, malformed_id


class _Bad(Desk):
    """Breaks the first statement of this side that the other must answer: a taker's Accept, a maker's Quote."""

    kinds: tuple[int, ...] = (Kind.ACCEPT, Kind.QUOTE)
    done = False

    def submit(self, header: Header, content: Payload, strand: Strand) -> Statement:
        if self.done or header.kind not in self.kinds:
            return super().submit(header, content, strand)
        self.done = True
        return self.bad(header, content, strand)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        raise NotImplementedError


class BadSignature(_Bad):
    kinds = (Kind.QUOTE_REQUEST, Kind.QUOTE)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        good = Statement.sign(self.signer, header.encode(), encode(content))
        data = bytearray(good.encoded)
        data[-1] ^= 1
        statement = Statement.decode(bytes(data))
        self.record(statement, header, strand)
        self.session.append(statement.encoded, statement.id)
        return statement


class WrongSequence(_Bad):
    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        return super().submit(replace(header, seq=header.seq + 5), content, strand)


class WrongOwn(_Bad):
    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        return super().submit(replace(header, own=secrets.token_bytes(32)), content, strand)


class WrongSeen(_Bad):
    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        return super().submit(replace(header, seen=secrets.token_bytes(32)), content, strand)


class UnknownKind(_Bad):
    """Before the statement that is due, one of kind 99."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        super().submit(replace(header, kind=99, expiry=0), Pass(), strand)
        return super().submit(_next(header, strand), content, strand)


class Duplicate(_Bad):
    """Each frame of the first statement twice: must be tolerated."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        statement = super().submit(header, content, strand)
        self.session.outbox.append(data_frame(self.session.sent.count, statement.encoded))
        return statement


class Fork(_Bad):
    """The same number again, with another statement."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        statement = super().submit(header, content, strand)
        other = Statement.sign(self.signer, replace(header, created=header.created + 1).encode(), encode(content))
        self.session.outbox.append(data_frame(self.session.sent.count, other.encoded))
        return statement


class Equivocation(_Bad):
    """Two statements with one place in the dialogue, each with its own number."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        first = super().submit(header, content, strand)
        other = Statement.sign(self.signer, replace(header, created=header.created + 1).encode(), encode(content))
        self.session.append(other.encoded, other.id)
        return first


class Gap(_Bad):
    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        statement = super().submit(header, content, strand)
        self.session.outbox[-1] = data_frame(self.session.sent.count + 5, statement.encoded)
        return statement


class MalformedStatement(_Bad):
    """Before the statement that is due, bytes that are none."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        garbage = secrets.token_bytes(200)
        self.session.append(b"\x02" + garbage, malformed_id(b"\x02" + garbage))
        return super().submit(header, content, strand)


class LongPayload(_Bad):
    """First one whose payload only a Confirm may have: both sides must count it under the same id."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        long = replace(header, kind=Kind.PASS, expiry=0)
        statement = Statement.sign(self.signer, long.encode(), pack(bytes(9000)))
        self.record(statement, long, strand)
        self.session.append(statement.encoded, statement.id)
        return super().submit(_next(header, strand), content, strand)


class MalformedFrame(_Bad):
    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        statement = super().submit(header, content, strand)
        self.session.outbox[-1] = b"\xc1" + secrets.token_bytes(20)
        return statement


class OtherKey(_Bad):
    """Names a key that the document does not have."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        return super().submit(replace(header, key_fragment="key-9"), content, strand)


class ChangedPrice(Desk):
    def accept_terms(self, terms: bytes) -> bytes:
        value = unpack(terms)
        value[4][0][4] -= 1
        value[7] -= 1
        return pack(value)


class AcceptTwice(_Bad):
    kinds = (Kind.ACCEPT,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        first = super().submit(header, content, strand)
        super().submit(_next(header, strand), content, strand)
        return first


class TooManyLots(_Bad):
    kinds = (Kind.ACCEPT,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, AcceptPayload)
        return super().submit(header, replace(content, lots=content.lots + 1), strand)


class WrongRole(_Bad):
    """A Quote from the requester, a Counter from the responder, before the statement that is due."""

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        dialogue = self.dialogues[header.dialogue]
        pattern = next(reversed({**dialogue.their_offers, **dialogue.my_offers}.values()), None)
        offer = content if isinstance(content, Offer) else pattern.terms if pattern is not None else None
        assert offer is not None
        kind = Kind.QUOTE if dialogue.i_am_requester else Kind.COUNTER
        super().submit(replace(header, kind=kind, expiry=header.created + 10**9), offer, strand)
        return super().submit(_next(header, strand), content, strand)


class WrongDialogue(_Bad):
    """A request whose dialogue id does not follow from its nonce."""

    kinds = (Kind.QUOTE_REQUEST,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        return super().submit(replace(header, dialogue=secrets.token_bytes(16)), content, strand)


class LegTwice(_Bad):
    kinds = (Kind.QUOTE_REQUEST,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, QuoteRequest)
        return super().submit(header, replace(content, legs=content.legs * 2), strand)


class WrongSpec(_Bad):
    kinds = (Kind.QUOTE_REQUEST,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, QuoteRequest)
        legs = (replace(content.legs[0], spec_hash=secrets.token_bytes(32)),)
        return super().submit(header, replace(content, legs=legs), strand)


class WrongDigest(_Bad):
    kinds = (Kind.CONFIRM,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, Confirm)
        return super().submit(header, replace(content, terms_digest=secrets.token_bytes(32)), strand)


class AlteredAccept(_Bad):
    """Confirms a copy of the Accept whose signature no longer holds; its id is the same."""

    kinds = (Kind.CONFIRM,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, Confirm)
        altered = bytearray(content.accept_statement)
        altered[-1] ^= 1
        return super().submit(header, replace(content, accept_statement=bytes(altered)), strand)


class ConfirmAndDecline(_Bad):
    kinds = (Kind.CONFIRM,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        assert isinstance(content, Confirm)
        confirm = super().submit(header, content, strand)
        accept, _, _ = content.accept()
        decline = Decline(accept.id, Code.LATE, content.received, content.decided)
        super().submit(replace(_next(header, strand), kind=Kind.DECLINE), decline, strand)
        return confirm


class ForgedConfirm(_Bad):
    """Instead of a Quote, a Confirm of an Accept that the taker never signed."""

    kinds = (Kind.QUOTE,)

    def bad(self, header: Header, content: Payload, strand: Strand) -> Statement:
        theirs = replace(
            header,
            kind=Kind.ACCEPT,
            sender=self.peer.did,
            key_fragment=self.peer.key_fragment,
            receiver=self.me,
            expiry=0,
            document_hash=self.peer.document_hash,
        )
        accept = AcceptPayload(secrets.token_bytes(32), 1, 1, b"terms")
        forged = Statement.sign(self.signer, theirs.encode(), encode(accept))
        confirm = Confirm(forged.encoded, terms_digest(accept.terms), header.created, header.created)
        return super().submit(replace(header, kind=Kind.CONFIRM, expiry=0), confirm, strand)


class _ClaimingSession(Session):
    """Waits for the peer's SYNC and claims in its own to hold more than the peer has sent."""

    def open_channel(self) -> None:
        super().open_channel()
        self.outbox.clear()

    def _check(self, sync: Sync) -> None:
        super()._check(sync)
        claim = replace(self.make_sync(), recv=sync.sent + 3, recv_link=secrets.token_bytes(32))
        self.outbox.insert(0, claim.encode())


class SyncClaimsMore(Desk):
    def __init__(self, signer: Signer, peer: Identity, event: Event) -> None:
        super().__init__(signer, peer, event)
        self.session = _ClaimingSession(self.me, peer.did, self.process, event)


class _TwiceSession(Session):
    def open_channel(self) -> None:
        super().open_channel()
        self.outbox *= 2


class SecondSync(Desk):
    def __init__(self, signer: Signer, peer: Identity, event: Event) -> None:
        super().__init__(signer, peer, event)
        self.session = _TwiceSession(self.me, peer.did, self.process, event)


class _EagerSession(Session):
    def open_channel(self) -> None:
        super().open_channel()
        self.outbox = [data_frame(1, bytes(100))]


class DataBeforeSync(Desk):
    def __init__(self, signer: Signer, peer: Identity, event: Event) -> None:
        super().__init__(signer, peer, event)
        self.session = _EagerSession(self.me, peer.did, self.process, event)


def _next(header: Header, strand: Strand) -> Header:
    """The same header one place later in its strand."""
    return replace(header, seq=len(strand.ids) + 1, own=strand.last)
