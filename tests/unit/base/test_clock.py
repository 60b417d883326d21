"""Timestamps: there and back, and what people and certificates write that no clock shows."""

from __future__ import annotations

import pytest

from libvdsm.base.clock import seconds_of, timestamp

NEW_YEAR = 1_767_225_600.0


@pytest.mark.parametrize("seconds", (0.0, 0.25, NEW_YEAR, NEW_YEAR + 59.999, 253_402_300_799.0))
def test_a_timestamp_is_read_as_it_was_written(seconds: float) -> None:
    assert seconds_of(timestamp(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    (
        ("2025-12-31T23:59:60Z", NEW_YEAR),
        ("2025-12-31T23:59:60.500Z", NEW_YEAR + 0.5),
        ("2026-01-01T00:59:60+01:00", NEW_YEAR),
        ("2026-01-01T00:00:00.123456789Z", NEW_YEAR + 0.123456),
    ),
)
def test_a_leap_second_is_the_one_that_follows(text: str, seconds: float) -> None:
    """As POSIX counts: it is no reason to refuse a time, and never one to fail."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ("2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:60:00Z", ":60", "")
)
def test_what_is_no_time_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        seconds_of(text)
