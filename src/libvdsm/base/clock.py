"""Time as an argument: a real clock, and a manual one for simulators and tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a room may ask about time."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    def time(self) -> float:
        """Seconds since 1970 in UTC, as the host believes."""
        ...


class SystemClock:
    """The host's clocks."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start

    def monotonic(self) -> float:
        """See ``Clock``."""
        return self._now

    def time(self) -> float:
        """See ``Clock``."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds: ``2026-01-01T00:00:00.000Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_SECOND = slice(17, 19)


def seconds_of(text: str) -> float:
    """The inverse of ``timestamp``, for any offset; raises ``ValueError`` for a day that does not exist.

    A leap second (RFC 3339, 5.7: ``:60``) is the second that follows, as POSIX counts: there is no other number for it.
    """
    is_leap = text[_SECOND] == "60"
    if is_leap:
        text = f"{text[: _SECOND.start]}59{text[_SECOND.stop :]}"
    return datetime.fromisoformat(text).timestamp() + is_leap
