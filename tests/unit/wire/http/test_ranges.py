"""Parts, validators and codings that clients ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.wire.http.ranges import Span, Unsatisfiable, accepts, find_span, has_it, wants_another

TAG = b'"abc"'


@pytest.mark.parametrize(
    ("asked", "span"),
    (
        (b"bytes=0-0", Span(0, 1)),
        (b"bytes=0-99", Span(0, 100)),
        (b"bytes=10-", Span(10, 100)),
        (b"bytes=10-1000", Span(10, 100)),
        (b"Bytes = 10 - 19", Span(10, 20)),
        (b"bytes=-5", Span(95, 100)),
        (b"bytes=-1000", Span(0, 100)),
        (b"bytes=20-10", None),
        (b"bytes=0-1,5-6", None),
        (b"bytes=", None),
        (b"bytes=-", None),
        (b"bytes=a-b", None),
        (b"lines=0-1", None),
        (b"bytes=0x1-2", None),
        (b"bytes=99999999999999999999-", None),
        (None, None),
    ),
)
def test_a_range_is_one_of_octets_or_none_at_all(asked: bytes | None, span: Span | None) -> None:
    """RFC 9110, 14.2: what cannot be read, and several at a time, are ignored."""
    assert find_span({} if asked is None else {b"range": asked}, 100, TAG) == span


@pytest.mark.parametrize(("asked", "length"), ((b"bytes=100-", 100), (b"bytes=100-200", 100), (b"bytes=-0", 100), (b"bytes=0-", 0)))
def test_a_range_beyond_the_end_is_unsatisfiable(asked: bytes, length: int) -> None:
    """RFC 9110, 15.5.17."""
    with pytest.raises(Unsatisfiable):
        find_span({b"range": asked}, length, TAG)


def test_a_range_of_something_else_is_ignored() -> None:
    """If-Range: only the very same representation; a weak tag or a date is not that."""
    ranged = {b"range": b"bytes=0-0"}
    assert find_span(ranged | {b"if-range": TAG}, 100, TAG) == Span(0, 1)
    for other in (b'"xyz"', b'W/"abc"', b"Thu, 01 Jan 2026 00:00:00 GMT"):
        assert find_span(ranged | {b"if-range": other}, 100, TAG) is None


@given(first=st.integers(0, 200), last=st.integers(0, 200), length=st.integers(1, 150))
def test_what_is_sent_is_within_what_there_is(first: int, last: int, length: int) -> None:
    """And within what was asked."""
    try:
        span = find_span({b"range": b"bytes=%d-%d" % (first, last)}, length, TAG)
    except Unsatisfiable:
        assert first >= length
        return
    if span is None:
        assert last < first
    else:
        assert (span.first, span.end) == (first, min(last + 1, length))
        assert span.content_range(length) == b"bytes %d-%d/%d" % (first, min(last, length - 1), length)


@pytest.mark.parametrize(
    ("given_tags", "is_there"),
    (
        (None, False),
        (b'"abc"', True),
        (b'W/"abc"', True),
        (b'"x", "abc"', True),
        (b'"x","y"', False),
        (b" * ", True),
        (b"abc", False),
        (b"", False),
    ),
)
def test_a_client_that_has_it_is_not_sent_it_again(given_tags: bytes | None, *, is_there: bool) -> None:
    """RFC 9110, 13.1.2."""
    headers = {} if given_tags is None else {b"if-none-match": given_tags}
    assert has_it(headers, TAG) is is_there
    assert has_it(headers, b"W/" + TAG) is is_there


@pytest.mark.parametrize(
    ("value", "is_taken"),
    (
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"gzip;q=0.001", True),
        (b"identity", False),
        (b"*", True),
        (b"*;q=0", False),
        (b"gzip;q=0, *", False),
        (b"gzipx", False),
    ),
)
def test_a_coding_is_used_only_if_it_is_taken(value: bytes | None, *, is_taken: bool) -> None:
    """RFC 9110, 12.5.3; nothing said is taken as plain, for clients that cannot."""
    assert accepts({} if value is None else {b"accept-encoding": value}, b"gzip") is is_taken


@pytest.mark.parametrize(
    ("given", "is_it"),
    ((b'"abc"', False), (b"*", False), (b'"x", "abc"', False), (b'"xyz"', True), (b'W/"abc"', True), (b"", True), (None, False)),
)
def test_who_wants_another_representation_is_told(given: bytes | None, *, is_it: bool) -> None:
    """If-Match: the very same octets, or any; what cannot be read is no tag of ours."""
    assert wants_another({} if given is None else {b"if-match": given}, TAG) is is_it
    assert wants_another({b"if-match": b'W/"abc"'}, b'W/"abc"')
