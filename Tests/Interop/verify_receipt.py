"""Checks receipts, checkpoints and proofs of Parley journals, by docs/protocol alone.

    verify_receipt.py RECEIPT.json                     everything in receipt.md "Checking"
    verify_receipt.py --issuer DID FILE                a signed checkpoint, a tlog-proof
    verify_receipt.py --issuer DID --since OLD FILE    that the journal only grew since the checkpoint OLD
    verify_receipt.py --changes FILE ...               changes each byte of FILE, and reports which change went unnoticed

Prints one JSON object; exit code 0 for a trade, or for a checkpoint or proof that holds. A DID is a did:key, or a did:peer:4
in its long form. Receipts of did:peer:4 are checked; of other methods this program says UNSUPPORTED.

It needs the packages of Tests/requirements.txt, and the folder `python` beside it, which was written from the same pages.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "python"))

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from parley_peer.errors import IdentityError, NegotiationError
from parley_peer.identity import Identity, resolve
from parley_peer.instruments import spec_hash
from parley_peer.multiformats import base64url_decode
from parley_peer.packages import package_text
from parley_peer.packing import Fields, unpack
from parley_peer.payload import Leg
from parley_peer.verdict import judge
from parley_peer.wire import Reader, sha256

MAX_FILE = 8 << 20
MAX_NOTE = 65_536
MAX_SIGNATURES = 100
MAX_PROOF = 62
MAX_GROWTH = 63
DASH = "\u2014"


class Refused(Exception):
    """Something does not hold; the text says what."""


def require(condition: object, what: str) -> None:
    if not condition:
        raise Refused(what)


def standard_base64(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(what) from error
    require(base64.b64encode(data).decode() == text, what)
    return data


# journal.md section 1 and 2: entries and their tree


@dataclass(frozen=True)
class Entry:
    sequence: int
    time: int
    kind: int
    peer: str
    group: bytes
    previous: bytes
    body: bytes
    hash: bytes


def entry(data: bytes) -> Entry:
    reader = Reader(data, NegotiationError)
    require(reader.u8() == 1, "the entry's version")
    sequence = reader.u64()
    time = int.from_bytes(reader.take(8), "big", signed=True)
    kind, peer, group, previous = reader.u8(), reader.lp(255), reader.lp(64), reader.take(32)
    size = reader.u32()
    require(size <= 131_072, "the entry's body is too long")
    body = reader.take(size)
    reader.finish()
    return Entry(sequence, time, kind, peer.decode(), group, previous, body, leaf_hash(data))


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: list[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2."""
    first, second = old[0], new[0]
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and old[1] == new[1]
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, old[1])
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == old[1] and sr == new[1]


# journal.md section 3: checkpoints


def checkpoint(note: bytes, issuer: Identity) -> tuple[int, bytes]:
    """Size and root of a checkpoint that the issuer signed for its own journal."""
    require(len(note) <= MAX_NOTE, "the checkpoint is too long")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("the checkpoint is not UTF-8") from error
    require(all(c >= " " or c == "\n" for c in text), "a control character in the checkpoint")
    require(text.endswith("\n") and "\n\n" in text, "the checkpoint has no signatures")
    split = text.rindex("\n\n")
    body, lines = text[: split + 1], text[split + 2 : -1].split("\n")
    require(1 <= len(lines) <= MAX_SIGNATURES, "the number of signatures")
    origin, size, root = _checkpoint_body(body)
    require(origin == issuer.did, "the checkpoint is about another journal")
    key_id = sha256(issuer.did.encode(), b"\n\x01", issuer.ed25519)[:4]
    own = [blob[4:] for name, blob in map(_signature_line, lines) if (name, blob[:4]) == (issuer.did, key_id)]
    require(own, "the issuer has not signed the checkpoint")
    for signature in own:
        try:
            Ed25519PublicKey.from_public_bytes(issuer.ed25519).verify(signature, body.encode())
        except InvalidSignature as error:
            raise Refused("the checkpoint's signature") from error
    return size, root


def _checkpoint_body(body: str) -> tuple[str, int, bytes]:
    lines = body.split("\n")
    require(len(lines) == 4, "the checkpoint has not three lines")
    origin, size, root, _ = lines
    require(0 < len(origin.encode()) <= 255 and _is_name(origin), "the checkpoint's origin")
    digits = size.isascii() and size.isdigit() and str(int(size)) == size and int(size) < 2**64
    require(digits, "the checkpoint's size")
    digest = standard_base64(root, "the checkpoint's root")
    require(len(digest) == 32, "the checkpoint's root")
    return origin, int(size), digest


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(c.isspace() for c in text)


def _signature_line(line: str) -> tuple[str, bytes]:
    parts = line.split(" ")
    require(len(parts) == 3 and parts[0] == DASH and _is_name(parts[1]), "a signature line")
    blob = standard_base64(parts[2], "a signature line")
    require(len(blob) > 4, "a signature line")
    return parts[1], blob


# receipt.md


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require(len({name for name, _ in pairs}) == len(pairs), "a name twice")
    return dict(pairs)


def _read_json(data: bytes) -> Any:
    require(len(data) <= MAX_FILE, "the file is too long")
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique)
        require(json.dumps(value, indent=2, ensure_ascii=False) + "\n" == text, "not the one form of a receipt")
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    return value


def _fields(value: Any, names: list[str]) -> list[Any]:
    require(isinstance(value, dict) and list(value) == names, f"not exactly {', '.join(names)}")
    return [value[name] for name in names]


def _text(value: Any) -> str:
    require(isinstance(value, str), "a text is wanted")
    return value


def _bytes(value: Any, limit: int) -> bytes:
    data = base64url_decode(_text(value))
    require(data is not None and len(data) <= limit, "base64url, or too long")
    assert data is not None
    return data


def _party(value: Any) -> Identity:
    did, key, document = _fields(value, ["did", "key", "document"])
    did, data = _text(did), _bytes(document, 65_536)
    if not did.startswith("did:peer:4"):
        raise Refused("UNSUPPORTED: the DID's method")
    identity = resolve(did, data, _text(key))
    require(did == identity.did, "a DID that is not in its short form")
    return identity


def _row_statement(body: bytes) -> tuple[str, bytes]:
    """Direction and statement of a journal row of type 3 or 4 (negotiation.md section 12)."""
    value = unpack(body)
    require(isinstance(value, list) and len(value) >= 3, "the row")
    kind = value[1]
    require(type(kind) is int and kind in (3, 4), "the row holds no statement")
    fields = Fields(value, 6 if kind == 3 else 7, "row")
    fields.integer(1, 1)
    fields.integer()
    fields.integer(-(2**63))
    fields.integer(1)
    statement = fields.bytes(32_768)
    if kind == 3:
        order = fields.any()
        if order is not None:
            inner = Fields(order, 2, "order")
            inner.text(64, 1)
            inner.binary(32)
    else:
        fields.integer(0, 65_535)
        fields.integer(0, 2)
    return ("sent" if kind == 3 else "received"), statement


def verify_receipt(data: bytes) -> dict[str, Any]:
    """The verdict of receipt.md "Checking": its word, and for a trade what was agreed."""
    value = _read_json(data)
    witnessed = isinstance(value, dict) and "stamps" in value
    names = ["parley_receipt", "issuer", "counterparty", "statements", "checkpoint"]
    names[4:4] = ["witnesses", "stamps"] if witnessed else []
    version, issuer, counterparty, statements, *rest, note = _fields(value, names)
    require(type(version) is int and version == 1, "the version")
    require(isinstance(statements, list) and 1 <= len(statements) <= 256, "the number of statements")
    items = [_item(item) for item in statements]
    documents, stamps = rest or ([], [])
    require(isinstance(documents, list) and isinstance(stamps, list), "the stamps")
    if witnessed:
        require(1 <= len(documents) <= 3 and 1 <= len(stamps) <= 256, "the number of stamps")
    stamps = [_bytes(stamp, 4_413) for stamp in stamps]
    ours, theirs = _party(issuer), _party(counterparty)
    require(ours.did != theirs.did, "both sides are the same")
    witnesses = [_party(document) for document in documents]
    size, root = checkpoint(_text(note).encode(), ours)
    before: Entry | None = None
    for direction, statement, held, proof in items:
        require(is_included(held.hash, held.sequence, size, proof, root), "an entry is not in the journal")
        # What was signed about the pair, such as a MassCancel, is in the group of dialogue 0.
        require(held.peer == theirs.did, "an entry is about somebody else")
        require(held.group in (items[0][2].group, bytes(16)), "an entry is about something else")
        if before is not None:
            require(before.sequence < held.sequence and before.time <= held.time, "the order of the entries")
            linked = held.sequence - before.sequence > 1 or held.previous == before.hash
            require(linked, "an entry is not linked to the one before it")
        before = held
        require(_row_statement(held.body) == (direction, statement), "an entry holds another statement")
    verdict = judge([statement for _, statement, _, _ in items], ours, theirs, stamps, witnesses)
    report: dict[str, Any] = {"verdict": verdict.word, "issuer": ours.did, "checkpoint_size": size}
    if verdict.word != "TRADED":
        return report | {"detail": verdict.detail}
    return _trade(report, verdict.confirm, verdict.terms)


def _item(value: Any) -> tuple[str, bytes, Entry, list[bytes]]:
    direction, statement, held, proof = _fields(value, ["direction", "statement", "entry", "proof"])
    require(direction in ("sent", "received"), "the direction")
    require(isinstance(proof, list) and len(proof) <= MAX_PROOF, "the proof")
    hashes = [_bytes(item, 32) for item in proof]
    require(all(len(item) == 32 for item in hashes), "a hash of the proof")
    return direction, _bytes(statement, 32_768), entry(_bytes(held, 131_449)), hashes


def _trade(report: dict[str, Any], confirm: bytes, terms: bytes) -> dict[str, Any]:
    _, requester, responder, buyer, legs, _, lots, net, *_ = unpack(terms)
    package = [Leg(*leg[:4]) for leg in legs]
    markets = {leg.instrument.split("-")[0] for leg in package}
    if len(markets) != 1 or any(spec_hash(leg.instrument) != leg.spec_hash for leg in package):
        return report | {"verdict": "UNVERIFIABLE", "detail": "the instrument is not one that this program knows"}
    sides = (requester, responder) if buyer == 1 else (responder, requester)
    return report | {
        "trade": confirm.hex(),
        "terms_digest": sha256(b"parley/neg1 terms\0", terms).hex(),
        "instrument": package_text(package),
        "lots": lots,
        "net": net,
        "buyer": sides[0],
        "seller": sides[1],
    }


# journal.md section 8: proofs as files


def verify_proof(data: bytes, issuer: Identity, since: bytes | None) -> dict[str, Any]:
    """A tlog-proof, a proof of growth, or a bare checkpoint."""
    if data.startswith(b"c2sp.org/tlog-proof@v1\n"):
        return _entry_proof(data, issuer)
    if data.startswith(b"old "):
        require(since is not None, "give the older checkpoint with --since")
        assert since is not None
        return _growth_proof(data, issuer, since)
    size, root = checkpoint(data, issuer)
    return {"verdict": "SIGNED", "size": size, "root": root.hex()}


def _split(data: bytes, limit: int) -> tuple[list[str], bytes]:
    require(len(data) <= limit and b"\n\n" in data, "no proof")
    head, note = data.split(b"\n\n", 1)
    return head.decode("ascii").split("\n"), note


def _hashes(lines: list[str], limit: int) -> list[bytes]:
    require(len(lines) <= limit, "too many hashes")
    hashes = [standard_base64(line, "a hash") for line in lines]
    require(all(len(item) == 32 for item in hashes), "a hash")
    return hashes


def _entry_proof(data: bytes, issuer: Identity) -> dict[str, Any]:
    lines, note = _split(data, 512 << 10)
    require(len(lines) >= 3 and lines[1].startswith("extra ") and lines[2].startswith("index "), "the first lines")
    held = entry(standard_base64(lines[1].removeprefix("extra "), "the entry"))
    require(lines[2] == f"index {held.sequence}", "the index")
    hashes = _hashes(lines[3:], MAX_PROOF)
    size, root = checkpoint(note, issuer)
    require(is_included(held.hash, held.sequence, size, hashes, root), "the entry is not in the journal")
    return {"verdict": "INCLUDED", "entry": held.sequence, "size": size, "root": root.hex()}


def _growth_proof(data: bytes, issuer: Identity, since: bytes) -> dict[str, Any]:
    lines, note = _split(data, 128 << 10)
    old, new = checkpoint(since, issuer), checkpoint(note, issuer)
    require(lines[0] == f"old {old[0]}", "the older size")
    require(is_consistent(old, new, _hashes(lines[1:], MAX_GROWTH)), "the journal was changed since")
    return {"verdict": "CONSISTENT", "old": old[0], "size": new[0], "root": new[1].hex()}


# The command line


def attempt(check: Callable[[bytes], dict[str, Any]], data: bytes) -> dict[str, Any]:
    try:
        return check(data)
    except (Refused, IdentityError, NegotiationError, UnicodeDecodeError) as error:
        return {"verdict": "INVALID", "detail": str(error)}


def changes(check: Callable[[bytes], dict[str, Any]], data: bytes) -> dict[str, Any]:
    """Changes each byte in turn, each in another bit, and says where the verdict stayed what it was."""
    word = attempt(check, data)["verdict"]
    unnoticed = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        if attempt(check, bytes(changed))["verdict"] != "INVALID":
            unnoticed.append(place)
    return {"verdict": word, "bytes": len(data), "unnoticed": unnoticed}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--issuer", metavar="DID", help="whose journal it is: a checkpoint or a proof is checked")
    parser.add_argument("--since", type=Path, metavar="FILE", help="the older checkpoint")
    parser.add_argument("--changes", action="store_true", help="change each byte, one after another")
    arguments = parser.parse_args()
    check: Callable[[bytes], dict[str, Any]] = verify_receipt
    if arguments.issuer is not None:
        issuer = resolve(arguments.issuer)
        since = arguments.since.read_bytes() if arguments.since else None

        def check(data: bytes) -> dict[str, Any]:
            return verify_proof(data, issuer, since)

    data = arguments.file.read_bytes()
    report = changes(check, data) if arguments.changes else attempt(check, data)
    print(json.dumps(report))
    return 0 if report["verdict"] in ("TRADED", "SIGNED", "INCLUDED", "CONSISTENT") else 1


if __name__ == "__main__":
    sys.exit(main())
