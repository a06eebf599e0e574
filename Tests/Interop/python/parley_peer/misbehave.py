"""One broken rule each: what `--misbehave NAME` does, in which role, and what a correct peer must answer.

`expected` is a set of fragments of the outcome that the peer's page prescribes; the self test holds this
implementation's own well-behaved side to it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from .channel import MAX_RECORD, Channel, RecordType, pad_inner
from .desk import Desk, Event
from .dialogue import Strand
from .handshake import MESSAGE1_SIZE, Accept, IdentityPayload, Initiator, Responder
from .identity import SUITE_ED25519, Identity, Signer
from .multiformats import base64url_encode
from .packing import pack, unpack
from .payload import Accept as AcceptPayload
from .payload import Confirm, Decline, Offer, Pass, Payload, QuoteRequest, encode, terms_digest
from .peer import Hooks, PeerConnection
from .session import FrameType, Session, Sync, data_frame
from .statement import Code, Header, Kind, Statement, malformed_id
from .stream import split
from .wire import u32

BYE = pack([FrameType.BYE.value])

# The handshake


class GarbageMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(secrets.token_bytes(MESSAGE1_SIZE))


class GarbageFirstMessage(Hooks):
    def header(self, message1: bytes) -> str | None:
        return None

    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return [secrets.token_bytes(MESSAGE1_SIZE)]


class ShortMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1[:-1])


class PaddedMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1) + "=="


class WrongMac1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return base64url_encode(message1[:-1] + bytes([message1[-1] ^ 1]))


class NoMessage1(Hooks):
    def header(self, message1: bytes) -> str | None:
        return None

    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return []


class Message1Twice(Hooks):
    def messages1(self, message1: bytes, in_header: bool) -> list[bytes]:
        return [message1]


class GarbageMessage2(Hooks):
    def message2(self, message: bytes) -> bytes:
        return secrets.token_bytes(len(message))


class GarbageMessage3(Hooks):
    def message3(self, message: bytes) -> bytes:
        return secrets.token_bytes(len(message))


class GarbageAccept(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return u32(0) + secrets.token_bytes(272)


class AcceptForOthers(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        swapped = replace(accept, did_initiator=accept.did_responder, did_responder=accept.did_initiator)
        return channel.seal(RecordType.ACCEPT, swapped.encode())


class ApplicationBeforeAccept(Hooks):
    def accept(self, accept: Accept, channel: Channel) -> bytes:
        return channel.seal(RecordType.APP, split(BYE)[0])


class OtherSigner(Hooks):
    """Signs the identity payload with keys other than the document's, or as somebody else."""

    def other(self, signer: Signer) -> Signer:
        return replace(signer, ed25519=Ed25519PrivateKey.generate())

    def initiator(self, signer: Signer, responder: Identity) -> Initiator:
        return Initiator(self.other(signer), responder)

    def responder(self, signer: Signer) -> Responder:
        # Message 1 is checked against the true DID; only message 2 speaks as somebody else.
        responder, other = Responder(signer), Responder(self.other(signer))
        other._noise = responder._noise
        responder.make_identity_payload = other.make_identity_payload  # type: ignore[method-assign]
        return responder


class OtherPostQuantumKey(OtherSigner):
    def other(self, signer: Signer) -> Signer:
        return replace(signer, mldsa65=None if signer.mldsa65 is None else MLDSA65PrivateKey.generate())


class OtherDID(OtherSigner):
    def other(self, signer: Signer) -> Signer:
        victim = Signer.peer4(secrets.token_bytes(32)).identity
        return Signer(victim, signer.ed25519)


class _Stripped(Initiator):
    def make_identity_payload(self, handshake_hash: bytes) -> IdentityPayload:
        payload = super().make_identity_payload(handshake_hash)
        return replace(payload, signature=replace(payload.signature, suite=SUITE_ED25519, mldsa65=b""))


class StrippedSuite(Hooks):
    def initiator(self, signer: Signer, responder: Identity) -> Initiator:
        return _Stripped(signer, responder)


# Records


def _harmless(connection: PeerConnection) -> bytes:
    return connection.channel.seal(RecordType.APP, split(BYE)[0])


async def truncated_record(connection: PeerConnection) -> None:
    await connection.send_raw(_harmless(connection)[:-1])


async def oversized_frame(connection: PeerConnection) -> None:
    await connection.send_raw(u32(0) + bytes(MAX_RECORD + 1 - 4))


async def text_frame(connection: PeerConnection) -> None:
    await connection.send_raw("a text frame")


async def replayed_record(connection: PeerConnection) -> None:
    record = _harmless(connection)
    await connection.send_raw(record)
    await connection.send_raw(record)


async def flipped_byte(connection: PeerConnection) -> None:
    record = bytearray(_harmless(connection))
    record[len(record) // 2] ^= 1
    await connection.send_raw(bytes(record))


async def nonzero_padding(connection: PeerConnection) -> None:
    inner = bytearray(pad_inner(RecordType.APP, split(BYE)[0]))
    inner[-1] = 1
    await connection.send_raw(connection.channel.sending.seal_inner(bytes(inner)))


async def large_bucket(connection: PeerConnection) -> None:
    inner = pad_inner(RecordType.APP, split(BYE)[0]).ljust(256, b"\0")
    await connection.send_raw(connection.channel.sending.seal_inner(inner))


async def unknown_record_type(connection: PeerConnection) -> None:
    await connection.send_record(9, b"")


async def second_accept(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.ACCEPT, connection.accept.encode())


async def wrong_epoch(connection: PeerConnection) -> None:
    await connection.send_raw(u32(1) + _harmless(connection)[4:])


async def long_message(connection: PeerConnection) -> None:
    await connection.send_record(RecordType.APP, u32(64 * 1024 + 1) + bytes(100))


async def close_without_record(connection: PeerConnection) -> None:
    await connection.socket.close(1000)


async def drop(connection: PeerConnection) -> None:
    connection.socket.transport.abort()


# The negotiation


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


class TwoLegs(_Bad):
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


@dataclass(frozen=True)
class Misbehaviour:
    """One broken rule. `roles`: I(nitiator, always the taker here) and R(esponder, the maker)."""

    name: str
    roles: str
    expected: dict[str, object]
    hooks: type[Hooks] = Hooks
    desk: type[Desk] = Desk
    act: Callable[[PeerConnection], Awaitable[None]] | None = None
    late_by: float | None = None
    post_quantum: bool = False


_CLOSED: dict[str, object] = {"code": 1008, "traded": False}
_NO_HTTP: dict[str, object] = {"http_status": 400}
_FATAL: dict[str, object] = {"ended": True, "traded": False}


def _rejected(code: str, traded: bool = False) -> dict[str, object]:
    return {"rejected": [code], "traded": traded}


def _declined(code: str, traded: bool = False) -> dict[str, object]:
    return {"declined": [code], "traded": traded}


def _frozen(code: str) -> dict[str, object]:
    return {"frozen": code}


ALL = [
    Misbehaviour("garbage-m1", "I", _FATAL, GarbageMessage1),
    Misbehaviour("garbage-m1-message", "I", _CLOSED, GarbageFirstMessage),
    Misbehaviour("short-m1-header", "I", _NO_HTTP, ShortMessage1),
    Misbehaviour("padded-m1-header", "I", _NO_HTTP, PaddedMessage1),
    Misbehaviour("wrong-mac1", "I", _FATAL, WrongMac1),
    Misbehaviour("no-m1", "I", _CLOSED, NoMessage1),
    Misbehaviour("m1-twice", "I", _CLOSED, Message1Twice),
    Misbehaviour("garbage-m2", "R", _CLOSED, GarbageMessage2),
    Misbehaviour("garbage-m3", "I", _CLOSED, GarbageMessage3),
    Misbehaviour("garbage-accept", "R", _FATAL, GarbageAccept),
    Misbehaviour("accept-other-dids", "R", _FATAL, AcceptForOthers),
    Misbehaviour("app-before-accept", "R", _FATAL, ApplicationBeforeAccept),
    Misbehaviour("wrong-signing-key", "IR", _CLOSED, OtherSigner),
    Misbehaviour("wrong-pq-key", "IR", _CLOSED, OtherPostQuantumKey, post_quantum=True),
    Misbehaviour("stripped-suite", "I", _CLOSED, StrippedSuite, post_quantum=True),
    Misbehaviour("wrong-did", "IR", _CLOSED, OtherDID),
    Misbehaviour("truncated-record", "IR", _FATAL, act=truncated_record),
    Misbehaviour("oversized-frame", "IR", _FATAL, act=oversized_frame),
    Misbehaviour("text-frame", "IR", _FATAL, act=text_frame),
    Misbehaviour("replayed-record", "IR", _FATAL, act=replayed_record),
    Misbehaviour("flipped-byte", "IR", _FATAL, act=flipped_byte),
    Misbehaviour("nonzero-padding", "IR", _FATAL, act=nonzero_padding),
    Misbehaviour("large-bucket", "IR", _FATAL, act=large_bucket),
    Misbehaviour("unknown-record-type", "IR", _FATAL, act=unknown_record_type),
    Misbehaviour("second-accept", "R", _FATAL, act=second_accept),
    Misbehaviour("wrong-epoch", "IR", _FATAL, act=wrong_epoch),
    Misbehaviour("long-message", "IR", _FATAL, act=long_message),
    Misbehaviour("close-without-record", "IR", _FATAL, act=close_without_record),
    Misbehaviour("drop", "IR", _FATAL, act=drop),
    Misbehaviour("malformed-frame", "IR", _FATAL, desk=MalformedFrame),
    Misbehaviour("data-gap", "IR", _FATAL, desk=Gap),
    Misbehaviour("second-sync", "IR", _FATAL, desk=SecondSync),
    Misbehaviour("data-before-sync", "IR", _FATAL, desk=DataBeforeSync),
    Misbehaviour("sync-claims-more", "IR", _frozen("LOST_SELF"), desk=SyncClaimsMore),
    Misbehaviour("fork", "IR", _frozen("FORK"), desk=Fork),
    Misbehaviour("equivocation", "IR", _frozen("EQUIVOCATION"), desk=Equivocation),
    Misbehaviour("duplicate", "IR", {"traded": True, "rejected": [], "declined": []}, desk=Duplicate),
    Misbehaviour("malformed-statement", "IR", _rejected("MALFORMED", True), desk=MalformedStatement),
    Misbehaviour("unknown-kind", "IR", _rejected("KIND", True), desk=UnknownKind),
    Misbehaviour("wrong-role", "IR", _rejected("ROLE", True), desk=WrongRole),
    Misbehaviour("bad-signature", "IR", _rejected("SIGNATURE"), desk=BadSignature),
    Misbehaviour("wrong-seq", "I", _declined("CHAIN"), desk=WrongSequence),
    Misbehaviour("wrong-seq", "R", _rejected("CHAIN"), desk=WrongSequence),
    Misbehaviour("wrong-own", "I", _declined("CHAIN"), desk=WrongOwn),
    Misbehaviour("wrong-own", "R", _rejected("CHAIN"), desk=WrongOwn),
    Misbehaviour("wrong-seen", "I", _declined("CHAIN"), desk=WrongSeen),
    Misbehaviour("wrong-seen", "R", _rejected("CHAIN"), desk=WrongSeen),
    Misbehaviour("wrong-key", "IR", _rejected("KEY"), desk=OtherKey),
    Misbehaviour("wrong-dialogue", "I", _rejected("CHAIN"), desk=WrongDialogue),
    Misbehaviour("two-legs", "I", _rejected("LIMIT"), desk=TwoLegs),
    Misbehaviour("wrong-spec", "I", _rejected("SPEC"), desk=WrongSpec),
    Misbehaviour("changed-price", "I", _declined("TERMS"), desk=ChangedPrice),
    Misbehaviour("too-many-lots", "I", _declined("LOTS"), desk=TooManyLots),
    Misbehaviour("expired-accept", "I", _declined("LATE"), late_by=0.05),
    Misbehaviour("accept-twice", "I", _declined("TAKEN", True), desk=AcceptTwice),
    Misbehaviour("wrong-digest", "R", {"rejected": ["TERMS"]}, desk=WrongDigest),
    Misbehaviour("altered-accept", "R", {"rejected": ["TERMS"]}, desk=AlteredAccept),
    Misbehaviour("confirm-and-decline", "R", _frozen("EQUIVOCATION"), desk=ConfirmAndDecline),
    Misbehaviour("forged-confirm", "R", _frozen("FORGED"), desk=ForgedConfirm),
]


def find(name: str, role: str) -> Misbehaviour:
    for candidate in ALL:
        if candidate.name == name and role in candidate.roles:
            return candidate
    raise KeyError(name)
