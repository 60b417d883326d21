"""The codec of WebSocket: any split of the octets means the same, hostile ones end in one failure, and costs are bounded."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from libvdsm.wire.websocket.connection import MUCH, WebSocketConnection, may_be_sent
from libvdsm.wire.websocket.events import Broken, Close, Code, Event, Message, Ping, Pong
from libvdsm.wire.websocket.frames import encode, encode_binary, encode_text
from tests.fakes.websocket_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, closing, frame

opcodes = st.sampled_from((CONTINUATION, TEXT, BINARY, PING, PONG))
payloads = st.one_of(
    st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.integers(min_value=65_530, max_value=65_540).map(bytes)
)
frames = st.builds(frame, opcodes, payloads, fin=st.booleans())
streams = st.lists(frames, max_size=8).map(b"".join)


def read(stream: bytes, cuts: list[int] | None = None, longest: int = 1 << 20) -> list[Event]:
    """What a stream means, cut at these places."""
    codec = WebSocketConnection(longest)
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts or ()), len(stream)]
    events: list[Event] = []
    for begin, end in itertools.pairwise(places):
        codec.receive_data(stream[begin:end])
        events += codec.events()
        assert not codec.has_more
    return events


@settings(deadline=None)
@given(streams, st.lists(st.integers(min_value=0, max_value=200_000), max_size=10))
def test_any_split_means_the_same(stream: bytes, cuts: list[int]) -> None:
    """Events do not depend on where reads end."""
    assert read(stream, cuts) == read(stream)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_whatever_comes_ends_in_events_and_at_most_one_failure(stream: bytes) -> None:
    """No exception, and nothing after the last word."""
    events = read(stream)
    assert read(stream, list(range(len(stream)))) == events
    assert not any(isinstance(event, Broken | Close) for event in events[:-1])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.builds(frame, opcodes, st.text(max_size=50).map(str.encode), fin=st.booleans()), max_size=6).map(b"".join))
def test_another_implementation_understands_the_same(stream: bytes) -> None:
    """The messages and the failure of the library ``websockets``, which has a grammar of its own."""
    other = ServerProtocol(state=OPEN, max_size=1 << 20)
    other.receive_data(stream)
    got = read(stream)
    assert (other.parser_exc is not None) == any(isinstance(event, Broken) for event in got)
    if other.parser_exc is not None:
        assert isinstance(other.parser_exc, ProtocolError | UnicodeDecodeError)
        return
    theirs = [(each.opcode, bytes(each.data), each.fin) for each in other.events_received() if isinstance(each, Frame)]
    assert _joined(theirs) == [(event.is_text, event.data) for event in got if isinstance(event, Message)]


def _joined(parts: list[tuple[Opcode, bytes, bool]]) -> list[tuple[bool, bytes]]:
    messages: list[tuple[bool, bytes]] = []
    is_text, data = False, b""
    for opcode, octets, fin in parts:
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            is_text, data = opcode is Opcode.TEXT, b""
        elif opcode is not Opcode.CONT:
            continue
        data += octets
        if fin:
            messages.append((is_text, data))
    return messages


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=300), st.integers(min_value=65_530, max_value=65_540).map(bytes)), st.booleans())
def test_what_is_taken_at_its_cheapest_is_what_is_read(data: bytes, is_final: bool) -> None:
    """``take`` answers exactly what ``next_event`` would, or nothing at all, and then takes nothing."""
    stream = frame(TEXT, data, fin=is_final)
    codec = WebSocketConnection()
    taken = codec.take(stream)
    if taken is None:
        assert not (is_final and data.isascii() and len(data) < 1 << 16)
        codec.receive_data(stream)
        assert list(codec.events()) == read(stream)
    else:
        assert [Message(taken, is_text=True)] == read(stream)
        assert not codec.is_partial


@pytest.mark.parametrize("before", (frame(TEXT, b"a", fin=False), frame(TEXT, b"abc")[:3], frame(TEXT, b"abc")[:8], closing(1000)))
def test_nothing_is_taken_out_of_its_turn(before: bytes) -> None:
    """While a message or a frame is open, or after the last word."""
    codec = WebSocketConnection()
    codec.receive_data(before)
    list(codec.events())
    assert codec.take(frame(TEXT, b"{}")) is None


def test_a_message_that_is_too_long_is_not_taken_either() -> None:
    """The bound holds on every road."""
    codec = WebSocketConnection(200)
    stream = frame(TEXT, b"x" * 201)
    assert codec.take(stream) is None
    codec.receive_data(stream)
    assert list(codec.events()) == [Broken(Code.TOO_BIG, "the message is longer than 200 octets, or in too many pieces")]


@pytest.mark.parametrize("length", (0, 1, 125, 126, 127, 65_535, 65_536, 70_000))
def test_frames_of_ours_are_read_by_others(length: int) -> None:
    """Whole, not masked, the length as short as can be."""
    from websockets.client import ClientProtocol
    from websockets.uri import parse_uri

    other = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=1 << 20)
    data = b"x" * length
    for octets in (encode_text(data), encode_binary(data), encode(Message(data, is_text=True)), encode(Message(data, is_text=False))):
        other.receive_data(octets)
    got = [each for each in other.events_received() if isinstance(each, Frame)]
    assert [bytes(each.data) for each in got] == [data] * 4
    assert [each.opcode for each in got] == [Opcode.TEXT, Opcode.BINARY, Opcode.TEXT, Opcode.BINARY]


def test_control_frames_of_ours_are_never_too_long() -> None:
    """A reason is cut between characters."""
    assert encode(Ping(b"x" * 200)) == b"\x89\x7d" + b"x" * 125
    assert encode(Pong(b"")) == b"\x8a\x00"
    assert encode(Close()) == b"\x88\x00"
    cut = encode(Close(1008, "é" * 100))
    assert cut[:4] == b"\x88\x7c\x03\xf0"
    assert cut[4:].decode() == "é" * 61


def test_f26_what_was_received_costs_no_more_than_it_weighs() -> None:
    """A long message that comes octet by octet, and one of empty fragments."""
    codec = WebSocketConnection()
    stream = frame(BINARY, bytes(300_000), declared=1_000_000)
    tracemalloc.start()
    for at in range(0, len(stream), 3):
        codec.receive_data(stream[at : at + 3])
        assert codec.next_event() is None
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 2 * 300_000 + 64 * 1024


def test_much_is_said_to_be_much() -> None:
    """What is not asked for stays as it came, and the reader can tell."""
    codec = WebSocketConnection()
    codec.receive_data(frame(PING) * (MUCH // 6))
    assert codec.next_event() == Ping(b"")
    codec.receive_data(frame(PING) * 100)
    assert codec.has_much
    assert len(list(codec.events())) == MUCH // 6 + 99
    assert not codec.has_much


def test_nothing_is_read_after_the_last_word() -> None:
    """Nor kept."""
    codec = WebSocketConnection()
    codec.receive_data(closing(1000, b"bye") + frame(TEXT, b"x"))
    assert list(codec.events()) == [Close(1000, "bye")]
    codec.receive_data(b"x" * 1_000)
    assert not codec.has_more
    assert not codec.is_partial


def test_codes() -> None:
    """Those of the table, and two ranges for libraries and applications."""
    assert [code for code in range(5_100) if may_be_sent(code)] == [
        *(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011),
        *range(3000, 5000),
    ]


def test_a_reserved_length_fails_before_the_payload() -> None:
    """The head alone is enough."""
    codec = WebSocketConnection()
    codec.receive_data(frame(CLOSE, b"", declared=126)[:2])
    assert [event.code for event in codec.events() if isinstance(event, Broken)] == [Code.PROTOCOL_ERROR]
