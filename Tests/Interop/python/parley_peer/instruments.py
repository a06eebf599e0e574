"""What an option's name means, and the hash of it (instruments.md §1 to §3): options of the markets BTC and ETH."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .packing import Packed, pack
from .wire import sha256

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
EXPIRY_HOUR = 8
# Mantissa and scale of tick, lot and multiplier.
DEFINITIONS: dict[str, list[Packed]] = {"BTC": [1, 4, 1, 1, 1, 0], "ETH": [1, 4, 1, 0, 1, 0]}

_OPTION = re.compile(
    r"(?P<market>[A-Z0-9]{1,8})-(?P<day>[1-9]\d?)(?P<month>[A-Z]{3})(?P<year>\d\d)"
    r"-(?P<whole>0|[1-9]\d*)(?:d(?P<part>\d*[1-9]))?-[CP]"
)


def definition(name: str) -> bytes | None:
    """The bytes under `spec_hash`; `None` for a name that has no definition."""
    match = _OPTION.fullmatch(name)
    if match is None or len(name) > 64 or match["market"] not in DEFINITIONS or match["month"] not in MONTHS:
        return None
    digits = match["whole"] + (match["part"] or "")
    if len(digits) > 18 or not digits.strip("0"):
        return None
    month = MONTHS.index(match["month"]) + 1
    try:
        expiry = datetime(2000 + int(match["year"]), month, int(match["day"]), EXPIRY_HOUR, tzinfo=UTC)
    except ValueError:
        return None
    seconds = int(expiry.timestamp())
    return pack(["parley/instrument/1", name, *DEFINITIONS[match["market"]], seconds * 10**9])


def spec_hash(name: str) -> bytes | None:
    data = definition(name)
    return None if data is None else sha256(data)
