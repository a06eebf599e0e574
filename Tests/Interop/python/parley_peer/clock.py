"""What this side knows of the other's clock (negotiation.md §8): the best of eight exchanges on this channel."""

from __future__ import annotations

from .errors import NegotiationError

SECOND = 1_000_000_000
WIDEST = 2 * SECOND
DRIFT = 5_000
SAMPLES = 8
AT_START = 5
UNANSWERED = 8


class PeerClock:
    """Times are this side's; the peer's are `offset` ahead of them, give or take the bound."""

    def __init__(self) -> None:
        self.open_channel()

    def open_channel(self) -> None:
        self._samples: list[tuple[int, int, int]] = []  # offset, bound, when
        self._sent: list[int] = []
        self._answers = 0
        self._last: int | None = None

    def ping(self, now: int) -> int | None:
        """t1 of the PING that is due."""
        if len(self._sent) >= UNANSWERED:
            return None
        at_once = self._last is None or (self._answers < AT_START and not self._sent)
        if not at_once and self._last is not None and now < self._last + SECOND:
            return None
        self._last = now
        self._sent.append(now)
        return now

    def pong(self, t1: int, t2: int, t3: int, now: int) -> None:
        if not self._sent or self._sent[0] != t1:
            raise NegotiationError("UNSOLICITED", "PONG")
        self._sent.pop(0)
        self._answers += 1
        round_trip = now - t1 - (t3 - t2)
        if round_trip < 0:
            return
        doubled = (t2 - t1) + (t3 - now)
        offset = doubled // 2 if doubled >= 0 else -(-doubled // 2)
        bound = (round_trip + 1) // 2
        known = self.measured(now)
        if known is not None and abs(offset - known[0]) > bound + known[1] + 1:
            self._samples = []
        self._samples = [*self._samples, (offset, bound, now)][-SAMPLES:]

    def measured(self, now: int) -> tuple[int, int, int] | None:
        """Offset, bound at `now`, and what a statement needs to arrive; nothing before the first answer."""
        if not self._samples:
            return None
        offset, bound, when = min(self._samples, key=lambda sample: sample[1] - sample[2] // DRIFT)
        return offset, bound + max(0, now - when) // DRIFT, max(bound, 5_000_000)

    def alive(self, deadline: int, now: int) -> bool:
        """Whether what leaves now surely arrives before the peer's deadline."""
        known = self.measured(now)
        return known is not None and now + sum(known) <= deadline

    def surely(self, now: int) -> int:
        """The peer's time that has surely come."""
        offset, bound, _ = self.measured(now) or (0, WIDEST, 0)
        return now + offset - bound

    def apart(self, now: int) -> bool:
        known = self.measured(now)
        return known is not None and abs(known[0]) + known[1] > WIDEST
