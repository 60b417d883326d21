"""Timestamps as people write them: how long ago, how soon, or a time of the day where the terminal stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from libvdsm.cli.quantities import parse_seconds

#: The words of the help.
HINT: Final = "a time such as 1h (ago), +10m (from now), 2026-01-31, 2026-01-31T12:00 (here) or 2026-01-31T12:00:00Z"
_SPAN: Final = re.compile(r"([+-]?)((?:\d+(?:\.\d+)?[A-Za-z]+)+)")
_EXACT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z")
_MOST_SHOWN: Final = 60


def parse_timestamp(text: str, now: datetime | None = None) -> str:
    """Read a time as RFC 3339 in UTC; ValueError tells what was expected. ``now`` is aware of its zone."""
    word = text.strip()
    if _EXACT.fullmatch(word):
        return word
    moment = _relative(word, now or datetime.now(UTC)) or _absolute(word)
    if moment is None:
        raise ValueError(f"{text[:_MOST_SHOWN]!r} is not {HINT}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _relative(word: str, now: datetime) -> datetime | None:
    if word == "now":
        return now
    span = _SPAN.fullmatch(word)
    if span is None:
        return None
    try:
        seconds = timedelta(seconds=parse_seconds(span[2]))
        return now + seconds if span[1] == "+" else now - seconds
    except OverflowError:
        return None


def _absolute(word: str) -> datetime | None:
    try:
        return datetime.fromisoformat(word).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
