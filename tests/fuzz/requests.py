"""Targets of what stands inside requests: headers, queries, names, patterns and tokens. See ``targets``."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import Final, cast

import msgspec

from libvdsm.bindings.sse.query import read_query
from libvdsm.bindings.stomp.messages import read_members, write_lines
from libvdsm.bridge.event_wish import read_event_wish
from libvdsm.broker.destinations import Kind, check_topic, parse
from libvdsm.broker.reading import Claim, claimed_place
from libvdsm.broker.topics import matcher
from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.journal import Journal
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.http import ranges
from libvdsm.wire.http.events import Request
from libvdsm.wire.websocket import handshake

_TAG: Final = b'"tag"'
_FIRST, _LAST = 17, 40


class _Journal:
    """As much of one as a token is held against."""

    epoch, first, last = "5f0c2a9e", _FIRST, _LAST


def http_ranges(data: bytes) -> None:
    """A part lies in what there is; conditions and codings have an answer."""
    length, value = (data[0] * 3 if data else 0), data[1:]
    with contextlib.suppress(ranges.Unsatisfiable):
        span = ranges.find_span({b"range": value}, length, _TAG)
        assert span is None or 0 <= span.first < span.end <= length
        assert ranges.find_span({b"range": value, b"if-range": b'"other"'}, length, _TAG) is None
    ranges.has_it({b"if-none-match": value}, _TAG)
    ranges.wants_another({b"if-match": value}, _TAG)
    assert not ranges.accepts({b"accept-encoding": value}, b"gzip") or b"gzip" in value.lower() or b"*" in value


def websocket_handshake(data: bytes) -> None:
    """Whatever the headers say: a refusal, or an answer that has one line for each of its headers."""
    values = data.split(b"\n")
    names = (b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol")
    headers = {name: value for name, value in zip(names, values, strict=False) if value}
    request = Request(b"GET", b"/ws", headers, is_upgrade=True)
    assert all(each and b"," not in each for each in handshake.tokens(headers.get(b"sec-websocket-protocol")))
    if handshake.find_refusal(request) is None:
        assert handshake.asks(request)
        assert handshake.encode_accept(request, None).count(b"\r\n") == len((*names[:2], "status", "accept", "end"))


def queries(data: bytes) -> None:
    """The query of ``/events``, and the headers ``filter`` and ``coalesce`` of STOMP: parameters, or ``InvalidParams``."""
    target, _, last = data.partition(b"\n")
    with contextlib.suppress(InvalidParams):
        wanted = read_query(Request(b"GET", b"/events?" + target, {b"last-event-id": last} if last else {}))
        assert wanted.snapshot or not last or wanted.after == last.decode()
    text = target.decode("latin-1")
    for filter, coalesce in ((text, None), (None, text)):
        with contextlib.suppress(InvalidParams):
            assert 0 <= read_event_wish(filter, coalesce)[1] <= 60


def names(data: bytes) -> None:
    """Destinations, patterns of topics (against a model) and resume tokens."""
    first, _, second = data.decode("utf-8", "replace").partition("\n")
    with contextlib.suppress(InvalidParams):
        found = parse(first)
        assert found.kind is Kind.REQUESTS or found.name in first or first.startswith("jms.")
    with contextlib.suppress(InvalidParams):
        check_topic(second)
        assert matcher((first,))(second) == _fits(tuple(first.split(".")), tuple(second.split(".")))
    with contextlib.suppress(InvalidParams):
        cursor, gap = claimed_place(cast("Journal", _Journal()), first)
        assert _FIRST - 1 <= cursor <= _LAST
        assert gap is None or isinstance(gap, Claim) or gap.encode()


@lru_cache(4_096)
def _fits(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """The definition, without any haste."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return _fits(pattern[1:], words) or (bool(words) and _fits(pattern, words[1:]))
    return bool(words) and pattern[0] in ("*", words[0]) and _fits(pattern[1:], words[1:])


def stomp_headers(data: bytes) -> None:
    """Headers of a SEND become a message; those that it leaves with can be read again, and say the same of it."""
    pairs = (line.partition(":") for line in data.decode("utf-8", "replace").split("\n"))
    headers = {name: value for name, _, value in pairs if name}
    with contextlib.suppress(InvalidParams):
        message = msgspec.convert({"body": b"", **read_members(headers)}, Message)
        lines = write_lines(message, "/topic/news", "1.2")
        assert lines.endswith(b"\n")
        assert b"\n\n" not in lines
        assert b"\0" not in lines or b"\0" in data
