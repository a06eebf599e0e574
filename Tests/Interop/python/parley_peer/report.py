"""JSON lines for the tests that drive this peer, and the independent account of a trade."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from .desk import Desk
from .dialogue import Dialogue, OfferState
from .identity import Identity
from .packages import package_text
from .packing import unpack
from .payload import Confirm, make_terms, parse, terms_digest
from .statement import Header


class Log:
    """Every event as one line, kept as well."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self.events: list[dict[str, Any]] = []
        self._write = write
        self._started = time.monotonic()

    def __call__(self, name: str, **fields: object) -> None:
        event = {"event": name, "ms": round((time.monotonic() - self._started) * 1000, 1)}
        event |= {key: _plain(value) for key, value in fields.items()}
        self.events.append(event)
        self._write(json.dumps(event) + "\n")
        sys.stdout.flush()

    def values(self, name: str, field: str) -> list[Any]:
        return [event[field] for event in self.events if event["event"] == name]


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case Dialogue():
            return value.id.hex()
        case OfferState():
            sides = {"bid": value.terms.bid, "ask": value.terms.ask}
            shown = {
                name: {"prices": list(price.prices), "lots": [price.lots_min, price.lots_max]}
                for name, price in sides.items()
                if price is not None
            }
            about = {"mode": int(value.terms.mode), "round": value.terms.round, "end": value.end}
            return {"id": value.id.hex(), **about, **shown}
        case _:
            return value


def trade_report(desk: Desk, dialogue: Dialogue) -> dict[str, Any]:
    """Starts again from the Confirm's bytes: both signatures, the digest, and the terms from offer and request."""
    trade = dialogue.trade
    assert trade is not None
    me, peer = desk.signer.identity, desk.peer
    acceptor, owner = (me, peer) if trade.acceptor_is_me else (peer, me)
    confirm = parse(Header.decode(trade.confirm.header_bytes), trade.confirm.payload)
    assert isinstance(confirm, Confirm)
    accept, _, content = confirm.accept()
    offers = dialogue.their_offers if trade.acceptor_is_me else dialogue.my_offers
    offer = offers[content.offer]
    requester = me.did if dialogue.i_am_requester else peer.did
    parties = requester, (peer if requester == me.did else me).did
    terms = make_terms(offer.id, offer.terms, dialogue.request, parties, owner.did, content.side, content.lots)
    decoded = unpack(content.terms)
    return {
        "dialogue": dialogue.id.hex(),
        "accept_id": accept.id.hex(),
        "confirm_id": trade.confirm.id.hex(),
        "confirm_statement": trade.confirm.encoded.hex(),
        "terms": content.terms.hex(),
        "terms_digest": terms_digest(content.terms).hex(),
        "digest_matches": terms_digest(content.terms) == confirm.terms_digest,
        "terms_match": terms == content.terms,
        "accept_signature_valid": accept.is_signed_by(acceptor),
        "confirm_signature_valid": trade.confirm.is_signed_by(owner),
        "acceptor": acceptor.did,
        "owner": owner.did,
        "buyer": parties[decoded[3] - 1],
        "instrument": package_text(dialogue.request.legs),
        "prices": [leg[4] for leg in decoded[4]],
        "lots": decoded[6],
        "net": decoded[7],
        "role": "taker" if dialogue.i_am_requester else "maker",
        "peer": peer.did,
    }


def identity_report(identity: Identity) -> dict[str, Any]:
    return {"did": identity.long_form or identity.did, "short": identity.did, "suite": identity.suite}
