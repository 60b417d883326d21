"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.cli.times import parse_timestamp

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    (
        ("now", "2026-01-31T12:00:00.000Z"),
        ("1h", "2026-01-31T11:00:00.000Z"),
        ("-1h", "2026-01-31T11:00:00.000Z"),
        ("1h30m", "2026-01-31T10:30:00.000Z"),
        ("1.5d", "2026-01-30T00:00:00.000Z"),
        ("+10m", "2026-01-31T12:10:00.000Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456789Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z"),
        (" now ", "2026-01-31T12:00:00.000Z"),
    ),
)
def test_times(text: str, time: str) -> None:
    assert parse_timestamp(text, NOW) == time


def test_a_time_without_a_zone_is_of_the_terminals_own() -> None:
    here = datetime(2026, 1, 1, 10, 0).astimezone()
    assert parse_timestamp("2026-01-01T10:00", NOW) == here.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize(
    "text", ("", "yesterday", "1", "1x", "2026-02-30", "1h ago", "99999999999d", "9999-12-31T23:59:59-14:00", "+" * 99)
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time such as|unknown unit"):
        parse_timestamp(text, NOW)


@given(minutes=st.integers(0, 100_000))
def test_ago_and_from_now_are_opposites(minutes: int) -> None:
    assert parse_timestamp(f"{minutes}m", NOW) == parse_timestamp(f"+{minutes}m", NOW - timedelta(minutes=2 * minutes))
