"""Makes `docs/protocol/vectors/witness.json` again from its keys, and puts the witness through its table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import NegotiationError
from .identity import Signer
from .payload import Accept, parse
from .statement import NO_HASH, Code, Header, Statement
from .witness import HORIZON, RETENTION, Answer, Slot, Slots, Stamp, content, query, slot_key, write


def _expect(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r}, not {expected!r}")


def check() -> int:
    path = Path(__file__).resolve().parents[4] / "docs/protocol/vectors/witness.json"
    vector: dict[str, Any] = json.loads(path.read_text())
    taker, witness = (Signer.did_key(bytes.fromhex(vector[name]["ed25519_seed"])) for name in ("taker", "witness"))
    named, messages = vector["slot"], vector["messages"]
    slot = Slot(bytes.fromhex(vector["offer"]), bytes.fromhex(named["key"]), named["deadline"])
    key = slot_key(taker, bytes.fromhex(vector["dialogue"]))
    _expect("slot key", key.public_key().public_bytes_raw(), slot.key)
    _expect("slot", slot.id.hex(), named["id"])
    statement = Statement.decode(bytes.fromhex(vector["accept"]["bytes"]))
    accept = parse(Header.decode(statement.header_bytes), statement.payload)
    assert isinstance(accept, Accept) and accept.slot_write is not None
    written = content(statement, accept)
    _expect("content", written.hex(), vector["accept"]["content"])
    _expect("id", statement.id.hex(), vector["accept"]["id"])
    _expect("written bytes", slot.written_bytes(written).hex(), named["written_bytes"])
    signature = key.sign(slot.written_bytes(written))
    _expect("write", (signature.hex(), signature), (named["write"], accept.slot_write))
    _expect("WRITE", write(slot, written, signature).hex(), messages["write"])
    for name, where, what in (
        ("stamp", slot, written),
        ("empty", Slot(statement.id, slot.key, slot.deadline), NO_HASH),
    ):
        stamp = Stamp.sign(where, what, vector[name]["time"], witness)
        _expect(name, (stamp.encoded.hex(), stamp.id.hex()), (vector[name]["bytes"], vector[name]["id"]))
        _expect(f"{name}'s signature", stamp.is_signed_by(witness.identity), True)
        _expect(f"{name} by another", stamp.is_signed_by(taker.identity), False)
    empty = Slot(statement.id, slot.key, slot.deadline)
    _expect("QUERY", query(empty).hex(), messages["query"])
    _expect("STAMP", Answer.decode(bytes.fromhex(messages["stamp"])).stamp, Stamp.decode(bytes.fromhex(vector["stamp"]["bytes"])))
    _expect("OPEN", Answer.decode(bytes.fromhex(messages["open"])).slot, empty.id)
    _expect("REFUSED", Answer.decode(bytes.fromhex(messages["refused"])).code, Code.HORIZON)
    return 14 + _table(witness, slot, written, signature)


def _table(witness: Signer, slot: Slot, written: bytes, signature: bytes) -> int:
    """Section 4's table and section 5's refusals, at the limit and one past it."""
    question, asking, end = write(slot, written, signature), query(slot), slot.deadline
    cases: list[tuple[list[tuple[bytes, int]], bytes | int | None]] = [
        ([(question, end)], written),
        ([(question, end + 1)], NO_HASH),
        ([(asking, end)], None),
        ([(asking, end + 1)], NO_HASH),
        ([(question, end), (asking, end + 1)], written),
        ([(asking, end + 1), (question, end)], NO_HASH),
        ([(write(slot, bytes(31) + b"\1", signature), end)], Code.SIGNATURE),
        ([(write(Slot(slot.offer, slot.key, end + 1), written, signature), end)], Code.SIGNATURE),
        ([(write(Slot(slot.offer, bytes(32), end), written, signature), end)], Code.SIGNATURE),
        ([(asking, end - HORIZON)], None),
        ([(asking, end - HORIZON - 1)], Code.HORIZON),
        ([(asking, end + RETENTION)], NO_HASH),
        ([(asking, end + RETENTION + 1)], Code.FORGOTTEN),
        ([(asking, end)] * 51, Code.RATE),
    ]
    for number, (questions, expected) in enumerate(cases):
        slots = Slots(witness)
        for message, now in questions:
            answer = Answer.decode(slots.answer(message, "did:example:asker", now))
        got = answer.stamp.content if answer.stamp is not None else (answer.code or None)
        _expect(f"case {number}", got, expected)
    for bad in (b"", b"\x90", question[:-1], question + b"\0", b"\x92\x03\xc4\x00"):
        try:
            Slots(witness).answer(bad, "did:example:asker", end)
        except NegotiationError:
            continue
        raise AssertionError(f"{bad.hex()} was answered")
    return len(cases)
