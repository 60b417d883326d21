"""Signs of life of all sessions by one sweep: every session is looked at a few times in its interval, and no other at all.

A look sees whether anything was sent since the one before, so that sending costs no look at the clock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

#: Seconds; looks come on its multiples.
STEP_S: Final = 0.1
#: Looks in an interval, at the least.
_LOOKS: Final = 4
_MS: Final = 0.001
#: Of the peer's interval, how long silence may last: it is found within two beats and never before one and a half.
_PATIENCE: Final = 1.5


class Living(Protocol):
    """A session with heart-beats."""

    has_sent: bool  # since the last look
    heard_at: float  # as the sweep's clock counts

    def has_paged(self) -> bool:
        """Whether pages went out since this was asked before."""
        ...

    def beat(self) -> None:
        """Send a sign of life."""
        ...

    def is_listening(self) -> bool:
        """Whether the peer would be heard: nothing that it sent waits for us."""
        ...

    def silent(self) -> None:
        """The peer has been silent for too long."""
        ...


class _Look:
    """One session's looks."""

    __slots__ = ("excused_at", "is_over", "living", "looked_at", "ours_s", "patience", "period", "sent_at")

    def __init__(self, living: Living, ours_s: float, theirs_s: float, now: float) -> None:
        self.living = living
        self.period = max(min(each for each in (ours_s, theirs_s) if each) / _LOOKS - STEP_S, STEP_S)
        self.ours_s = ours_s
        self.patience = theirs_s * _PATIENCE
        self.excused_at = self.sent_at = self.looked_at = now
        self.is_over = False


class Sweep:
    """The looks of all sessions on one loop."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """``now`` counts seconds, ``later`` is the loop's ``call_later``; by default that of the loop that runs at the first need."""
        self._now = now
        self._later = later
        self._due: dict[int, list[_Look]] = {}
        self._is_running = False

    def watch(self, living: Living, *, ours_ms: int, theirs_ms: int) -> Callable[[], None]:
        """Begin to look after a session; answers how to end that."""
        if not ours_ms and not theirs_ms:
            return lambda: None
        look = _Look(living, ours_ms * _MS, theirs_ms * _MS, self._now())
        self._schedule(look, look.looked_at)
        if not self._is_running:
            self._is_running = True
            self._call_later(STEP_S, self.tick)

        def end() -> None:
            look.is_over = True

        return end

    def tick(self) -> None:
        """Look at whoever is due."""
        now = self._now()
        step = int(now / STEP_S)
        for due in sorted(each for each in self._due if each <= step):
            for look in self._due.pop(due):
                if not look.is_over:
                    self._look(look, now)
        if self._due:
            self._call_later(STEP_S, self.tick)
        else:
            self._is_running = False

    @property
    def watched(self) -> int:
        """How many sessions are looked after, those that ended and were not yet forgotten included."""
        return sum(map(len, self._due.values()))

    def _look(self, look: _Look, now: float) -> None:
        living = look.living
        was_late = now - look.looked_at > look.period + 1.0  # we were held up ourselves: what came meanwhile is not read yet
        if was_late or not living.is_listening():
            look.excused_at = now
        if living.has_paged() or living.has_sent:
            look.sent_at = look.looked_at  # at the earliest
        living.has_sent = False
        look.looked_at = now
        if look.patience and now - max(living.heard_at, look.excused_at) >= look.patience:
            look.is_over = True
            living.silent()
            return
        if look.ours_s and now + look.period + 2 * STEP_S - look.sent_at >= look.ours_s:  # the next look would be too late
            living.beat()
            look.sent_at = now
        self._schedule(look, now)

    def _schedule(self, look: _Look, now: float) -> None:
        self._due.setdefault(int((now + look.period) / STEP_S) + 1, []).append(look)

    def _call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later
        self._later(delay_s, call)
