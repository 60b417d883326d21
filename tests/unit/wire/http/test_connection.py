"""The HTTP codec: requests out of bytes, limits, and what the parser would let pass."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libvdsm.wire.http.connection import HttpConnection, HttpLimits
from libvdsm.wire.http.events import Begun, Continue, Event, Finished, Part, Refused, Request, Response, Upgraded

DATE = b"Thu, 01 Jan 2026 00:00:00 GMT"
POST = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /rpc HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;ext=1\r\n}\r\n0\r\nX-Trailer: y\r\n\r\n"
OLD = POST.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n")
GET = b"GET /a?b HTTP/1.1\r\nHost: h\r\nX: 1\r\nX: 2\r\n\r\n"


def read(*chunks: bytes, limits: HttpLimits | None = None) -> list[Event]:
    """The events of a connection that comes in ``chunks``."""
    codec = HttpConnection(limits)
    events: list[Event] = []
    for chunk in chunks:
        body = codec.take_body(chunk)
        if body is not None:
            assert codec.usual is not None
            events.append(msgspec.structs.replace(codec.usual, body=body))
            continue
        codec.receive_data(chunk)
        events += codec.events()
    return events


def refused(*chunks: bytes, limits: HttpLimits | None = None) -> Refused:
    """The refusal with which a connection ends."""
    last = read(*chunks, limits=limits)[-1]
    assert isinstance(last, Refused)
    return last


def test_requests_come_out_in_order() -> None:
    """Pipelined requests of all kinds, each with its own body."""
    events = read(POST + CHUNKED + GET + POST)
    assert [event.body for event in events if isinstance(event, Request)] == [b"{}", b"{}", b"", b"{}"]
    third = events[2]
    assert isinstance(third, Request)
    assert (third.method, third.target) == (b"GET", b"/a?b")
    assert third.headers == {b"host": b"h", b"x": b"1, 2"}
    assert third.is_persistent


@given(
    st.lists(st.sampled_from([POST, CHUNKED, GET, POST.replace(b"{}", b"[]"), b"\r\n"]), max_size=5),
    st.lists(st.integers(0, 1000), max_size=9),
)
def test_any_split_gives_the_same_requests(requests: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut, and whether or not a head was seen before."""
    data = b"".join(requests)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    whole = read(data)
    assert read(*(data[start:stop] for start, stop in itertools.pairwise(places))) == whole
    assert read(*(data[index : index + 1] for index in range(len(data)))) == whole
    assert read(*(request for request in requests)) == whole


def test_a_head_that_was_seen_means_the_same_again() -> None:
    """The remembered head gives the very request that parsing gives; another length or head is parsed."""
    other = POST.replace(b"{}", b"[]")
    elsewhere = POST.replace(b"/rpc", b"/rcp")
    assert read(POST, POST, other, elsewhere, POST[:-1], b"}", POST) == [
        read(data)[0] for data in (POST, POST, other, elsewhere, POST, POST)
    ]
    codec = HttpConnection()
    assert codec.take_body(POST) is None
    codec.receive_data(POST)
    assert codec.take_body(POST) is None  # the first one is not taken yet
    (first,) = codec.events()
    assert codec.take_body(POST) == b"{}"
    assert codec.usual == first
    assert codec.take_body(elsewhere) is None
    assert codec.take_body(POST + b" ") is None
    codec.receive_data(POST[:5])
    assert codec.take_body(POST) is None
    assert codec.is_partial


@pytest.mark.parametrize(
    "data", (GET, CHUNKED, POST.replace(b"Host", b"Connection: close\r\nHost"), b"\r\n" + POST, POST.replace(b"1.1", b"1.0"), OLD)
)
def test_only_plain_heads_are_remembered(data: bytes) -> None:
    """What depends on more than its own octets is parsed each time."""
    codec = HttpConnection()
    codec.receive_data(data)
    assert list(codec.events())
    learned = codec.take_body(data)
    assert learned is None or data == b"\r\n" + POST


@pytest.mark.parametrize(
    ("head", "status"),
    (
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 3\r\n\r\n", 417),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"POST / HTTP/0.9\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 505),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ),
)
def test_what_two_readers_could_read_differently_is_refused(head: bytes, status: int) -> None:
    """Request smuggling and its relatives; after the refusal nothing more is read."""
    assert refused(head).status == status
    codec = HttpConnection()
    codec.receive_data(head)
    assert list(codec.events())
    codec.receive_data(GET)
    assert not list(codec.events())


def test_the_head_is_bounded() -> None:
    """At most 100 headers and 64 KiB, complete or not, in one read or in many."""
    many = b"".join(b"X-%d: 1\r\n" % index for index in range(99))
    assert isinstance(read(b"GET / HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n")[0], Request)
    assert refused(b"GET / HTTP/1.1\r\nHost: a\r\nY: 1\r\n" + many + b"\r\n").status == 431
    assert refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 100 + b"\r\n").status == 431
    assert refused(b"GET /" + b"x" * 65_600 + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == 431
    assert refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 65_600 + b"\r\n\r\n").status == 431
    endless = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", *([b"x" * 1_000] * 70)]
    assert refused(*endless).status == 431


def test_the_body_is_bounded_while_it_comes() -> None:
    """A length that is too great is refused at once, a chunked body when it has become so."""
    limits = HttpLimits(body_octets=10)
    assert isinstance(read(POST.replace(b"2\r\n\r\n{}", b"10\r\n\r\n0123456789"), limits=limits)[0], Request)
    assert refused(POST.replace(b"2\r\n\r\n{}", b"11\r\n\r\n"), limits=limits).status == 413
    chunked = CHUNKED.split(b"1\r\n{", maxsplit=1)[0] + b"6\r\nabcdef\r\n"
    assert not read(chunked, limits=limits)
    assert refused(chunked + b"6\r\nabcdef\r\n", limits=limits).status == 413


def test_trailers_weigh_and_are_dropped() -> None:
    """A trailer is no header."""
    first = read(CHUNKED)[0]
    assert isinstance(first, Request)
    assert b"x-trailer" not in first.headers
    endless = CHUNKED.replace(b"X-Trailer: y", b"X: " + b"y" * 65_600)
    assert refused(endless).status == 431


@pytest.mark.parametrize("start", (b"2\r\n{}\r\n0\r\nX: ", b"2\r\n{}\r\n0\r\nX", b"2;", b"2;a=", b'2;a="', b"0"))
def test_what_stands_between_the_parts_of_a_body_is_bounded(start: bytes) -> None:
    """A trailer, a chunk's extension or a length of zeros that does not end is not kept for ever."""
    head = b"POST /rpc HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"0" * 1_000
    assert refused(head + start, *([piece] * 70)).status == 431
    assert not read(head + start, *([piece] * 60))
    drips = [b"1;x=%b\r\n{\r\n" % piece] * 100  # each of these brings something
    assert isinstance(read(head, *drips, b"0\r\n\r\n")[-1], Request)


@pytest.mark.parametrize("skew", (5, 900, 1_010))
def test_requests_as_long_as_what_is_read_at_once_are_no_endless_one(skew: int) -> None:
    """Each read ends at the same octet of another request, in its target, a header or its body: that looks like one that does not end."""
    request = b"POST /rpc HTTP/1.1\r\nHost: h\r\nX: %b\r\nContent-Length: 20\r\n\r\n" % (b"x" * 948) + b"y" * 20
    assert len(request) == 1_024
    stream = request * 100
    events = read(stream[:skew], *(stream[start : start + 1_024] for start in range(skew, len(stream), 1_024)))
    assert [event.body for event in events if isinstance(event, Request)] == [b"y" * 20] * 100


def test_a_length_may_begin_with_any_number_of_zeros() -> None:
    """RFC 9110, 8.6: it is one or more digits; more of them than Python turns into a number."""
    zeros = POST.replace(b"Length: 2", b"Length: " + b"0" * 5_000 + b"2")
    assert [event.body for event in read(zeros + GET) if isinstance(event, Request)] == [b"{}", b""]
    assert refused(POST.replace(b"Length: 2", b"Length: " + b"0" * 5_000 + b"9999999")).status == 413
    assert refused(POST.replace(b"Length: 2", b"Length: " + b"9" * 5_000)).status == 400


def test_blanks_around_a_value_are_none_of_it() -> None:
    """RFC 9110, 5.5."""
    data = b"POST /rpc HTTP/1.1\r\nHost:\t localhost \r\nTransfer-Encoding: chunked \r\nExpect: 100-continue \r\n\r\n0\r\n\r\n"
    invited, request = read(data)
    assert isinstance(invited, Continue)
    assert isinstance(request, Request)
    assert request.headers == {b"host": b"localhost", b"transfer-encoding": b"chunked", b"expect": b"100-continue"}


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    "data",
    (
        POST.replace(b"Host", H2C + b"Host"),
        CHUNKED.replace(b"Host", H2C + b"Host"),
        b"PUT /x HTTP/1.1\r\nHost: h\r\n" + H2C + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    ),
)
def test_an_upgrade_with_a_body_is_ignored(data: bytes) -> None:
    """Clients that would rather speak HTTP/2 ask so with every request; the body is a body, and never the next request."""
    whole = read(data + POST + data)
    bodies = [event for event in whole if not isinstance(event, Continue)]
    assert [event.body for event in bodies if isinstance(event, Request) and not event.is_upgrade] == [b"{}"] * 3
    assert read(*(data[index : index + 1] for index in range(len(data)))) == read(data)
    assert read(data * 1_000) == read(data) * 1_000


def test_a_body_in_parts_is_one_also_with_an_upgrade() -> None:
    """None of it is read as a request."""
    inner = b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
    data = b"PUT /x HTTP/1.1\r\nHost: h\r\n%bContent-Length: %d\r\n\r\n%b" % (H2C, len(inner), inner)
    begun, part, end, after = read_parts(data + GET)
    assert isinstance(begun, Begun)
    assert (part, end) == (Part(inner), Finished())
    assert [after] == read(GET)


def test_an_upgrade_of_http_1_0_is_ignored() -> None:
    """RFC 9110, 7.8."""
    data = b"GET /s HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    first = read(data)[0]
    assert isinstance(first, Request)
    assert not first.is_upgrade
    assert not first.is_persistent


def test_continue_is_asked_for_only_when_the_body_would_be_taken() -> None:
    """Expect: 100-continue."""
    expecting = POST.replace(b"Host:", b"Expect: 100-Continue\r\nHost:")
    events = read(expecting[:-2], expecting[-2:])
    assert isinstance(events[0], Continue)
    assert isinstance(events[1], Request)
    assert events[0].head == replace(events[1], body=b"")
    assert read(expecting.replace(b"2\r\n\r\n{}", b"99999999\r\n\r\n")) == [Refused(413, "the body is longer than 1048576 octets")]


@pytest.mark.parametrize(
    ("request_line", "headers", "is_persistent"),
    (
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: close\r\n", False),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", True),
    ),
)
def test_persistence_follows_version_and_header(request_line: bytes, headers: bytes, *, is_persistent: bool) -> None:
    """RFC 9112, 9.3."""
    first = read(b"GET / " + request_line + b"\r\nHost: a\r\n" + headers + b"\r\n")[0]
    assert isinstance(first, Request)
    assert first.is_persistent is is_persistent


def test_http_1_0_needs_no_host() -> None:
    """Only HTTP/1.1 requires it."""
    first = read(b"GET / HTTP/1.0\r\n\r\n")[0]
    assert isinstance(first, Request)
    assert first.version == "1.0"


def test_bytes_behind_an_upgrade_are_kept() -> None:
    """The next protocol's first bytes may come with the request; a declined upgrade goes on with HTTP."""
    upgrade = b"GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    codec = HttpConnection()
    codec.receive_data(upgrade + GET)
    first, rest = codec.events()
    assert isinstance(first, Request)
    assert first.is_upgrade
    assert rest == Upgraded(GET)
    codec.receive_data(b"later")
    assert list(codec.events()) == [Upgraded(b"later")]
    codec.restart(GET)
    assert [event for event in codec.events() if isinstance(event, Request)] == read(GET)


@given(st.binary(max_size=200), st.integers(0, 150))
def test_garbage_never_raises(garbage: bytes, place: int) -> None:
    """Whatever is put into a request, the end is events or a refusal."""
    for data in (garbage, POST[:place] + garbage + POST[place:]):
        events = read(data, POST)
        assert all(isinstance(event, Request | Refused | Continue | Upgraded) for event in events)


def test_answers_follow_their_requests() -> None:
    """HEAD has no body but its length, HTTP/1.0 is told when the connection stays, 204 has no length at all."""
    codec = HttpConnection()
    head = Request(b"HEAD", b"/", {})
    usual = codec.send(Response(200, b"{}\n"), DATE, Request(b"POST", b"/", {}), is_persistent=True)
    assert usual.startswith(b"HTTP/1.1 200 OK\r\n")
    assert usual.endswith(b"Content-Length: 3\r\nDate: " + DATE + b"\r\n\r\n{}\n")
    assert codec.send(Response(200, b"{}\n"), DATE, head, is_persistent=True).endswith(b"\r\n\r\n")
    assert b"Content-Length: 3\r\n" in codec.send(Response(200, b"{}\n"), DATE, head, is_persistent=True)
    old = Request(b"POST", b"/", {}, version="1.0")
    assert b"Connection: keep-alive\r\n" in codec.send(Response(200, b"x"), DATE, old, is_persistent=True)
    assert b"Connection: close\r\n" in codec.send(Response(200, b"x"), DATE, old, is_persistent=False)
    assert b"Content-Length" not in codec.send(Response(204), DATE, Request(b"POST", b"/", {}), is_persistent=True)
    assert b"Allow: POST\r\n" in codec.send(Response(405, b"x", headers=((b"Allow", b"POST"),)), DATE, head, is_persistent=True)
    assert codec.send(Continue(head), DATE) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for data in (usual, codec.send(Response(404, b"x"), DATE)):
        assert b"X-Content-Type-Options: nosniff\r\n" in data
        assert b"Cache-Control: no-store\r\n" in data


def read_parts(*chunks: bytes, most: int | None = 1_000_000) -> list[Event]:
    """The events of a connection on which bodies of PUT come in parts; parts that follow one another are joined."""
    codec = HttpConnection(most=lambda head: most if head.method == b"PUT" else None)
    events: list[Event] = []
    for chunk in chunks:
        codec.receive_data(chunk)
        for event in codec.events():
            if isinstance(event, Part) and events and isinstance(events[-1], Part):
                events[-1] = Part(events[-1].data + event.data)
            else:
                events.append(event)
    return events


PUT = b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde"
PUT_CHUNKED = b"PUT /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"


@given(cuts=st.lists(st.integers(0, len(PUT + PUT_CHUNKED + POST)), max_size=8))
def test_bodies_in_parts_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    """Head, parts, end; then the next request, whole again."""
    data = PUT + PUT_CHUNKED + POST
    places = sorted({0, len(data), *cuts})
    events = read_parts(*(data[start:end] for start, end in itertools.pairwise(places)))
    first, part, end, second, other, last, whole = events
    assert isinstance(first, Begun)
    assert isinstance(second, Begun)
    assert (first.head.target, second.head.target) == (b"/x", b"/y")
    assert part == other == Part(b"abcde")
    assert end == last == Finished()
    assert isinstance(whole, Request)
    assert whole.body == b"{}"


def test_a_body_in_parts_has_the_bound_that_it_is_given() -> None:
    """It may be more than that of others, and less; what is said beforehand is refused beforehand."""
    big = b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n"
    assert read_parts(big, most=2_999_999) == [Refused(413, "the body is longer than 2999999 octets")]
    assert isinstance(read_parts(big, most=3_000_000)[0], Begun)
    assert read_parts(PUT_CHUNKED, most=4)[-1] == Refused(413, "the body is longer than 4 octets")
    assert read(big) == [Refused(413, "the body is longer than 1048576 octets")]


def test_a_body_in_parts_says_whether_it_waits() -> None:
    """Expect: 100-continue is told with the head; in HTTP/1.0 it means nothing."""
    waiting = PUT.replace(b"Content", b"Expect: 100-continue\r\nContent")
    begun = read_parts(waiting)[0]
    assert isinstance(begun, Begun)
    assert begun.expects
    old = read_parts(waiting.replace(b"HTTP/1.1", b"HTTP/1.0"))[0]
    assert isinstance(old, Begun)
    assert not old.expects
