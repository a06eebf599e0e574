"""Several instruments at one net price (instruments.md §5): their text, and prices of the legs that make a net."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .payload import Leg, Price, Side

_LEG = re.compile(r"(?P<sold>-)?(?:(?P<ratio>[1-9]\d{0,6})\*)?(?P<name>[^,*]+)")


def parse_package(text: str, spec_hash: Callable[[str], bytes]) -> tuple[Leg, ...]:
    """The legs of a text such as `BTC-27NOV26-100000-C,-2*BTC-27NOV26-110000-C`."""
    return tuple(_parse_leg(part, spec_hash) for part in text.split(","))


def _parse_leg(text: str, spec_hash: Callable[[str], bytes]) -> Leg:
    match = _LEG.fullmatch(text)
    if match is None:
        raise SystemExit(f"{text} is no leg")
    side = Side.SELL if match["sold"] else Side.BUY
    return Leg(match["name"], spec_hash(match["name"]), side, int(match["ratio"] or 1))


def package_text(legs: Sequence[Leg]) -> str:
    return ",".join(
        ("-" if leg.side == Side.SELL else "") + (f"{leg.ratio}*" if leg.ratio != 1 else "") + leg.instrument
        for leg in legs
    )


def net(legs: Sequence[Leg], prices: Sequence[int]) -> int:
    """Ticks for one of the package."""
    return sum(_weight(leg) * ticks for leg, ticks in zip(legs, prices, strict=True))


def price(legs: Sequence[Leg], wanted: int, lots_min: int, lots_max: int, near: Sequence[int] | None = None) -> Price:
    """Prices that make the net `wanted`: those of `near`, and the first leg of ratio 1 takes the difference."""
    prices = [0] * len(legs) if near is None else list(near)
    index = next((index for index, leg in enumerate(legs) if leg.ratio == 1), None)
    if index is None:
        raise SystemExit("a package without a leg of ratio 1: no prices for it here")
    prices[index] += _weight(legs[index]) * (wanted - net(legs, prices))
    return Price(tuple(prices), lots_min, lots_max)


def _weight(leg: Leg) -> int:
    return leg.ratio if leg.side == Side.BUY else -leg.ratio
