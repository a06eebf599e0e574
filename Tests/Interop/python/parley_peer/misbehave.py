"""One broken rule each: what `--misbehave NAME` does, in which role, and what a correct peer must answer.

`expected` is a part of the outcome that the protocol pages prescribe; the self test holds this implementation's own
good behaviour to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import bad_channel, bad_desk, bad_records, bad_resume, bad_streams
from .desk import Desk
from .peer import Hooks, PeerConnection


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
    blind_ns: int = 0  # the blind time of its request, within which it accepts
    post_quantum: bool = False
    retries: int = 0
    is_tolerated: bool = False  # the deal goes on beside it


_CLOSED: dict[str, object] = {"code": 1008, "traded": False}
_FATAL: dict[str, object] = {"ended": True, "traded": False}


def _rejected(code: str, traded: bool = False) -> dict[str, object]:
    return {"rejected": [code], "traded": traded}


def _declined(code: str, traded: bool = False) -> dict[str, object]:
    return {"declined": [code], "traded": traded}


def _tolerated(**streams: int) -> dict[str, object]:
    """The negotiation goes on; `streams` is what came back beside its stream."""
    return {"traded": True, "streams": {"pings": 1, "refused": 0, "reset": 0, "pongs": 0} | streams}


def _frozen(code: str) -> dict[str, object]:
    return {"frozen": code}


ALL = [
    Misbehaviour("garbage-m1", "I", _FATAL, bad_channel.GarbageMessage1),
    Misbehaviour("garbage-m1-message", "I", _CLOSED, bad_channel.GarbageFirstMessage),
    Misbehaviour("short-m1-header", "I", _FATAL, bad_channel.ShortMessage1),
    Misbehaviour("padded-m1-header", "I", _FATAL, bad_channel.PaddedMessage1),
    Misbehaviour("wrong-mac1", "I", _FATAL, bad_channel.WrongMac1),
    Misbehaviour("no-m1", "I", _CLOSED, bad_channel.NoMessage1),
    Misbehaviour("m1-twice", "I", _CLOSED, bad_channel.Message1Twice),
    Misbehaviour("garbage-m2", "R", _CLOSED, bad_channel.GarbageMessage2),
    Misbehaviour("garbage-m3", "I", _CLOSED, bad_channel.GarbageMessage3),
    Misbehaviour("garbage-accept", "R", _FATAL, bad_channel.GarbageAccept),
    Misbehaviour("accept-other-dids", "R", _FATAL, bad_channel.AcceptForOthers),
    Misbehaviour("accept-with-limits", "R", _FATAL, bad_channel.AcceptWithLimits),
    Misbehaviour("long-accept", "R", _FATAL, bad_channel.LongAccept),
    Misbehaviour("app-before-accept", "R", _FATAL, bad_channel.ApplicationBeforeAccept),
    Misbehaviour("wrong-signing-key", "IR", _CLOSED, bad_channel.OtherSigner),
    Misbehaviour("wrong-pq-key", "IR", _CLOSED, bad_channel.OtherPostQuantumKey, post_quantum=True),
    Misbehaviour("stripped-suite", "I", _CLOSED, bad_channel.StrippedSuite, post_quantum=True),
    Misbehaviour("wrong-did", "IR", _CLOSED, bad_channel.OtherDID),
    Misbehaviour("truncated-record", "IR", _FATAL, act=bad_channel.truncated_record),
    Misbehaviour("oversized-frame", "IR", _FATAL, act=bad_channel.oversized_frame),
    Misbehaviour("text-frame", "IR", _FATAL, act=bad_channel.text_frame),
    Misbehaviour("replayed-record", "IR", _FATAL, act=bad_channel.replayed_record),
    Misbehaviour("flipped-byte", "IR", _FATAL, act=bad_channel.flipped_byte),
    Misbehaviour("nonzero-padding", "IR", _FATAL, act=bad_channel.nonzero_padding),
    Misbehaviour("large-bucket", "IR", _FATAL, act=bad_channel.large_bucket),
    Misbehaviour("unknown-record-type", "IR", _FATAL, act=bad_channel.unknown_record_type),
    Misbehaviour("reserved-record-type", "IR", _FATAL, act=bad_channel.reserved_record_type),
    Misbehaviour("record-after-close", "IR", _FATAL, act=bad_channel.record_after_close),
    Misbehaviour("close-with-body", "IR", _FATAL, act=bad_channel.close_with_body),
    Misbehaviour("close-inside-message", "IR", _FATAL | {"close_record": False}, act=bad_channel.close_inside_message),
    Misbehaviour("second-accept", "R", _FATAL, act=bad_channel.second_accept),
    Misbehaviour("wrong-epoch", "IR", _FATAL, act=bad_channel.wrong_epoch),
    Misbehaviour("long-message", "IR", _FATAL, act=bad_channel.long_message),
    Misbehaviour("close-without-record", "IR", _FATAL, act=bad_channel.close_without_record),
    Misbehaviour("drop", "IR", _FATAL, act=bad_channel.drop),
    Misbehaviour("retry-too-hard", "R", _CLOSED, bad_channel.RetryTooHard, retries=1),
    Misbehaviour("retry-too-slow", "R", _CLOSED, bad_channel.RetryTooSlow, retries=1),
    Misbehaviour("retry-without-end", "R", _CLOSED, bad_channel.RetryWithoutEnd, retries=9),
    Misbehaviour("resume-unknown", "I", {"traded": True}, bad_resume.ResumeUnknown),
    Misbehaviour("resume-self", "I", {"traded": True}, bad_resume.ResumeSelf),
    Misbehaviour("resume-other-transcript", "I", {"traded": True}, bad_resume.ResumeOtherTranscript),
    Misbehaviour("resume-twice", "I", _FATAL, bad_resume.ResumeTwice),
    Misbehaviour("resume-cut", "I", _FATAL, bad_resume.ResumeCut),
    Misbehaviour("resume-extended", "I", _FATAL, bad_resume.ResumeExtended),
    Misbehaviour("resume-empty", "I", _FATAL, bad_resume.ResumeEmpty),
    Misbehaviour("resume-many-streams", "I", _FATAL, bad_resume.ResumeManyStreams),
    Misbehaviour("resume-unordered", "I", _FATAL, bad_resume.ResumeUnordered),
    Misbehaviour("resume-late", "I", _FATAL, act=bad_records.resume_late),
    Misbehaviour("resume-from-responder", "R", _FATAL, act=bad_records.resume_from_responder),
    Misbehaviour("resumed-unasked", "IR", _FATAL, act=bad_records.resumed_unasked),
    Misbehaviour("accept-removed", "R", _FATAL, bad_records.AcceptRemoved),
    Misbehaviour("dropped-record", "IR", _FATAL, act=bad_records.dropped_record),
    Misbehaviour("reordered-records", "IR", _FATAL, act=bad_records.reordered_records),
    Misbehaviour("reflected-record", "IR", _FATAL, act=bad_records.reflected_record),
    Misbehaviour("swapped-direction", "IR", _FATAL, act=bad_records.swapped_direction),
    Misbehaviour("swapped-keys", "IR", _FATAL, act=bad_records.swapped_keys),
    Misbehaviour("skipped-sequence", "IR", _FATAL, act=bad_records.skipped_sequence),
    Misbehaviour("late-key-update", "IR", _FATAL, act=bad_records.late_key_update),
    Misbehaviour("early-key-update", "IR", _FATAL, act=bad_records.early_key_update),
    Misbehaviour("far-epoch", "IR", _FATAL, act=bad_records.far_epoch),
    Misbehaviour("next-epoch-unasked", "IR", _FATAL, act=bad_records.next_epoch_unasked),
    Misbehaviour("old-epoch", "I", _FATAL, act=bad_records.old_epoch),
    Misbehaviour("length-beyond-record", "IR", _FATAL, act=bad_records.length_beyond_record),
    Misbehaviour("huge-length", "IR", _FATAL, act=bad_records.huge_length),
    Misbehaviour("odd-bucket", "IR", _FATAL, act=bad_records.odd_bucket),
    Misbehaviour("small-record", "IR", _FATAL, act=bad_records.small_record),
    Misbehaviour("first-padding-byte", "IR", _FATAL, act=bad_records.first_padding_byte),
    Misbehaviour("reply-unasked", "IR", _FATAL, act=bad_records.reply_unasked),
    Misbehaviour("done-unasked", "IR", _FATAL, act=bad_records.done_unasked),
    Misbehaviour("offer-from-responder", "R", _FATAL, act=bad_records.offer_from_responder),
    Misbehaviour("offer-twice", "I", _FATAL, act=bad_records.offer_twice),
    Misbehaviour("offer-replayed", "I", _FATAL, act=bad_records.offer_replayed),
    Misbehaviour("offer-cut", "I", _FATAL, act=bad_records.offer_cut),
    Misbehaviour("offer-extended", "I", _FATAL, act=bad_records.offer_extended),
    Misbehaviour("offer-wrong-signature", "I", _FATAL, act=bad_records.offer_wrong_signature),
    Misbehaviour("offer-far-epoch", "I", _FATAL, act=bad_records.offer_far_epoch),
    Misbehaviour("offer-same-epoch", "I", _FATAL, act=bad_records.offer_same_epoch),
    Misbehaviour("offer-small-order", "I", _FATAL, act=bad_records.offer_small_order),
    Misbehaviour("offer-unreduced-key", "I", _FATAL, act=bad_records.offer_unreduced_key),
    Misbehaviour("offer-as-reply", "I", _FATAL, act=bad_records.offer_as_reply),
    Misbehaviour("offer-half-suite", "I", _FATAL, act=bad_records.offer_half_suite, post_quantum=True),
    Misbehaviour("done-missing", "I", _FATAL, act=bad_records.done_missing),
    Misbehaviour("done-wrong-epoch", "I", _FATAL, act=bad_records.done_wrong_epoch),
    Misbehaviour("done-extended", "I", _FATAL, act=bad_records.done_extended),
    Misbehaviour("yamux-version", "IR", _CLOSED, act=bad_streams.version),
    Misbehaviour("yamux-type", "IR", _CLOSED, act=bad_streams.kind),
    Misbehaviour("yamux-flags", "IR", _CLOSED, act=bad_streams.flags),
    Misbehaviour("data-on-session", "IR", _CLOSED, act=bad_streams.data_on_session),
    Misbehaviour("ping-on-stream", "IR", _CLOSED, act=bad_streams.ping_on_stream),
    Misbehaviour("unknown-stream", "IR", _CLOSED, act=bad_streams.unknown_stream),
    Misbehaviour("wrong-parity", "IR", _CLOSED, act=bad_streams.wrong_parity),
    Misbehaviour("stream-in-use", "IR", _CLOSED, act=bad_streams.stream_in_use),
    Misbehaviour("huge-frame", "IR", _CLOSED, act=bad_streams.huge_frame),
    Misbehaviour("window-overrun", "IR", _CLOSED, act=bad_streams.window_overrun),
    Misbehaviour("window-overflow", "IR", _CLOSED, act=bad_streams.window_overflow),
    Misbehaviour("data-after-finish", "IR", _CLOSED, act=bad_streams.data_after_finish),
    Misbehaviour("negotiation-finished", "IR", _CLOSED, act=bad_streams.negotiation_finished),
    Misbehaviour("negotiation-reset", "IR", _CLOSED, act=bad_streams.negotiation_reset),
    Misbehaviour("go-away-with-error", "IR", _CLOSED, act=bad_streams.go_away_with_error),
    Misbehaviour("close-inside-frame", "IR", _FATAL | {"close_record": False}, act=bad_streams.close_inside_frame),
    Misbehaviour("unknown-protocol", "IR", _tolerated(refused=1), act=bad_streams.unknown_protocol, is_tolerated=True),
    Misbehaviour("long-agreement", "IR", _tolerated(reset=1), act=bad_streams.long_agreement, is_tolerated=True),
    Misbehaviour("second-negotiation", "I", _tolerated(refused=1), act=bad_streams.negotiation, is_tolerated=True),
    Misbehaviour("second-negotiation", "R", _tolerated(reset=1), act=bad_streams.negotiation, is_tolerated=True),
    Misbehaviour("second-ping-stream", "IR", _tolerated(reset=1), act=bad_streams.second_ping, is_tolerated=True),
    Misbehaviour("cut-ping", "IR", _tolerated(reset=1), act=bad_streams.cut_ping, is_tolerated=True),
    Misbehaviour("go-away", "IR", _tolerated(), act=bad_streams.go_away, is_tolerated=True),
    Misbehaviour("late-frame", "IR", _tolerated(reset=1), act=bad_streams.late_frame, is_tolerated=True),
    Misbehaviour("too-many-streams", "I", _tolerated(reset=9), act=bad_streams.too_many_streams, is_tolerated=True),
    Misbehaviour("too-many-streams", "R", _tolerated(reset=10), act=bad_streams.too_many_streams, is_tolerated=True),
    Misbehaviour("never-read", "IR", _tolerated(), act=bad_streams.never_read, is_tolerated=True),
    Misbehaviour("pings-without-end", "IR", _tolerated(), act=bad_streams.pings_without_end, is_tolerated=True),
    Misbehaviour("yamux-pings", "IR", _tolerated(pongs=100), act=bad_streams.yamux_pings, is_tolerated=True),
    Misbehaviour("malformed-frame", "IR", _FATAL, desk=bad_desk.MalformedFrame),
    Misbehaviour("data-gap", "IR", _FATAL, desk=bad_desk.Gap),
    Misbehaviour("second-sync", "IR", _FATAL, desk=bad_desk.SecondSync),
    Misbehaviour("data-before-sync", "IR", _FATAL, desk=bad_desk.DataBeforeSync),
    Misbehaviour("sync-claims-more", "IR", _frozen("LOST_SELF"), desk=bad_desk.SyncClaimsMore),
    Misbehaviour("fork", "IR", _frozen("FORK"), desk=bad_desk.Fork),
    Misbehaviour("equivocation", "IR", _frozen("EQUIVOCATION"), desk=bad_desk.Equivocation),
    Misbehaviour("duplicate", "IR", {"traded": True, "rejected": [], "declined": []}, desk=bad_desk.Duplicate),
    Misbehaviour("malformed-statement", "IR", _rejected("MALFORMED", True), desk=bad_desk.MalformedStatement),
    Misbehaviour("long-payload", "IR", _rejected("MALFORMED", True), desk=bad_desk.LongPayload),
    Misbehaviour("unknown-kind", "IR", _rejected("KIND", True), desk=bad_desk.UnknownKind),
    Misbehaviour("wrong-role", "IR", _rejected("ROLE", True), desk=bad_desk.WrongRole),
    Misbehaviour("bad-signature", "IR", _rejected("SIGNATURE"), desk=bad_desk.BadSignature),
    Misbehaviour("wrong-seq", "I", _declined("CHAIN"), desk=bad_desk.WrongSequence),
    Misbehaviour("wrong-seq", "R", _rejected("CHAIN"), desk=bad_desk.WrongSequence),
    Misbehaviour("wrong-own", "I", _declined("CHAIN"), desk=bad_desk.WrongOwn),
    Misbehaviour("wrong-own", "R", _rejected("CHAIN"), desk=bad_desk.WrongOwn),
    Misbehaviour("wrong-seen", "I", _declined("CHAIN"), desk=bad_desk.WrongSeen),
    Misbehaviour("wrong-seen", "R", _rejected("CHAIN"), desk=bad_desk.WrongSeen),
    Misbehaviour("wrong-key", "IR", _rejected("KEY"), desk=bad_desk.OtherKey),
    Misbehaviour("wrong-dialogue", "I", _rejected("CHAIN"), desk=bad_desk.WrongDialogue),
    Misbehaviour("leg-twice", "I", _rejected("MALFORMED"), desk=bad_desk.LegTwice),
    Misbehaviour("wrong-spec", "I", _rejected("SPEC"), desk=bad_desk.WrongSpec),
    Misbehaviour("changed-price", "I", _declined("TERMS"), desk=bad_desk.ChangedPrice),
    Misbehaviour("too-many-lots", "I", _declined("LOTS"), desk=bad_desk.TooManyLots),
    Misbehaviour("expired-accept", "I", _declined("LATE"), late_by=0.05),
    Misbehaviour("early-accept", "I", _declined("BLIND"), blind_ns=2_000_000_000),
    Misbehaviour("accept-twice", "I", _declined("TAKEN", True), desk=bad_desk.AcceptTwice),
    Misbehaviour("wrong-digest", "R", {"rejected": ["TERMS"]}, desk=bad_desk.WrongDigest),
    Misbehaviour("altered-accept", "R", _frozen("FORGED"), desk=bad_desk.AlteredAccept),
    Misbehaviour("confirm-and-decline", "R", _frozen("EQUIVOCATION"), desk=bad_desk.ConfirmAndDecline),
    Misbehaviour("forged-confirm", "R", _frozen("FORGED"), desk=bad_desk.ForgedConfirm),
]


def find(name: str, role: str) -> Misbehaviour:
    for candidate in ALL:
        if candidate.name == name and role in candidate.roles:
            return candidate
    raise KeyError(name)
