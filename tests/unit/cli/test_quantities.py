"""Quantities are read and written with their units."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.cli import quantities


@pytest.mark.parametrize(
    ("text", "size"),
    (
        ("2GiB", 2 * 1024**3),
        ("512MiB", 512 * 1024**2),
        ("1GB", 10**9),
        ("1.5KiB", 1536),
        ("4096", 4096),
        ("4096B", 4096),
        ("2gib", 2 * 1024**3),
        ("1 TiB", 1024**4),
        ("0.5kB", 500),
    ),
)
def test_bytes_are_read(text: str, size: int) -> None:
    assert quantities.parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "complaint"),
    (
        ("2G", "did you mean 2GiB?"),
        ("2 parsecs", "unknown unit 'parsecs'"),
        ("big", "is not a size such as 2GiB"),
        ("", "is not a size such as 2GiB"),
        ("1.3", "not a whole number of bytes"),
        ("nan", "is not a size"),
        ("1e9", "is not a size"),
        ("9" * 5000, "is not a size"),
    ),
)
def test_wrong_bytes_are_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        quantities.parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    (("90", 90), ("1.5m", 90), ("2h", 7200), ("250ms", 0.25), ("1h30m", 5400), ("1d", 86400), ("0.1", 0.1), ("3s", 3)),
)
def test_seconds_are_read(text: str, seconds: float) -> None:
    assert quantities.parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ("", "soon", "1y", "1h30", "--", "1..5"))
def test_wrong_seconds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|unknown unit"):
        quantities.parse_seconds(text)


@given(st.integers(min_value=0, max_value=2**53))
def test_plain_bytes_are_themselves(size: int) -> None:
    """A number without a unit is that many bytes, whatever its size."""
    assert quantities.parse_bytes(str(size)) == size


@given(st.integers(min_value=0, max_value=1023), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_what_is_written_can_be_read(amount: int, unit: str) -> None:
    """A size that is a whole number of a unit survives writing and reading."""
    size = quantities.parse_bytes(f"{amount}{unit}")
    assert quantities.parse_bytes(quantities.format_bytes(size)) == size


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    (
        (2 * 1024**3, "bytes", "2 GiB"),
        (1536, "bytes", "1.5 KiB"),
        (17, "bytes", "17 B"),
        (1.5, "seconds", "1.5 s"),
        (200, "seconds", "3m 20s"),
        (7500, "seconds", "2h 5m"),
        (360000, "seconds", "4d 4h"),
        (3600, "seconds", "1h"),
        (12.34, "percent", "12.3 %"),
        (3, "percent", "3 %"),
        (3, "count", None),
        (True, "bytes", None),
        ("x", "bytes", None),
    ),
)
def test_quantities_are_written_for_people(value: object, unit: str, text: str | None) -> None:
    assert quantities.format_quantity(value, unit) == text
