"""Framing of JSON on a stream: the split of the bytes never matters."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.wire.jsonstream import MUCH, Broken, JsonStream


def read(*chunks: bytes, longest: int = 10_000, eof: bool = True) -> list[bytes | Broken]:
    """The events of a stream that comes in ``chunks``."""
    stream = JsonStream(longest=longest)
    events: list[bytes | Broken] = []
    for chunk in chunks:
        stream.receive_data(chunk)
        events += stream.events()
    rest = stream.receive_eof() if eof else None
    return events if rest is None else [*events, rest]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """``data`` in pieces."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("data", "messages"),
    (
        (b'{"a":1}\n', [b'{"a":1}']),
        (b'{"a":1}\r\n', [b'{"a":1}']),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{"a":1}{"b":2}[3]', [b'{"a":1}', b'{"b":2}', b"[3]"]),
        (b'\n\n  {"a":1}\n\n\t[2]\n', [b'{"a":1}', b"[2]"]),
        (b'{\n  "a": [\n 1,\n 2]\n}\n{}\n', [b'{\n  "a": [\n 1,\n 2]\n}', b"{}"]),
        (b'{"}{":"\\"}\\\\"}{}', [b'{"}{":"\\"}\\\\"}', b"{}"]),
        (b"1\nnull\n[]\n", [b"1", b"null", b"[]"]),
        (b"hello there\n{}\n", [b"hello there", b"{}"]),
        (b'{"a":1} x\n{}\n', [b'{"a":1}', b"x", b"{}"]),
        (b"\n \n", []),
    ),
)
def test_messages_are_found(data: bytes, messages: list[bytes]) -> None:
    """Newline-delimited, concatenated or spread over lines: each value is one message, byte by byte too."""
    assert read(data) == messages
    assert read(*(data[index : index + 1] for index in range(len(data)))) == messages


@pytest.mark.parametrize(
    ("line", "reason"),
    (
        (b'[{"a":1},{"method" ]', "expected"),
        (b'{"a', "line feed"),
        (b'{"a\\', "line feed"),
        (b'{"a" 1', "expected"),
        (b"[1 2", "expected"),
        (b"[" * 100_000, "levels"),
    ),
)
def test_a_broken_line_costs_itself_only(line: bytes, reason: str) -> None:
    """JR-001..013: broken JSON is said to be so at its line feed; the next line is read."""
    for chunks in ([line + b'\n{"next":1}\n'], split(line + b'\n{"next":1}\n', list(range(0, 200, 3)))):
        events = read(*chunks, longest=200_000)
        assert isinstance(events[0], Broken)
        assert reason in events[0].reason
        assert not events[0].is_fatal
        assert events[1:] == [b'{"next":1}']


def test_a_wrong_value_that_balances_is_left_to_the_strict_judge() -> None:
    """Framing does not judge what it can delimit."""
    broken = b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]'
    assert read(broken + b"\n{}\n") == [broken, b"{}"]
    assert read(b"{]\n{}\n") == [b"{]", b"{}"]
    assert read(b'{"a" 1}\n{}\n') == [b'{"a" 1}', b"{}"]
    assert read(b'["\\ud800"]\n{}\n') == [b'["\\ud800"]', b"{}"]


@given(
    st.lists(
        st.sampled_from(['{"a":1}', "[]", "{", "}", "[", "]", '"', "\\", "\n", " ", "x", '"\\"', ":", ",", "1", "\\u12", "é"]), max_size=20
    ),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_any_split_gives_the_same_events(pieces: list[str], cuts: list[int]) -> None:
    """JR-070: garbage or not, however it is cut."""
    data = "".join(pieces).encode()
    whole = read(data)
    assert read(*split(data, cuts)) == whole
    assert read(*(data[index : index + 1] for index in range(len(data)))) == whole


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(
    st.lists(st.tuples(OBJECTS, st.sampled_from([None, 1]), st.sampled_from(["", "\n", " ", "\r\n\n"]))),
    st.lists(st.integers(0, 2000), max_size=10),
)
def test_what_is_sent_is_received(sent: list[tuple[dict[str, object], int | None, str]], cuts: list[int]) -> None:
    """JR-070: messages joined and split arbitrarily arrive as they were."""
    data = "".join(json.dumps(value, indent=indent, ensure_ascii=False) + end for value, indent, end in sent).encode()
    events = read(*split(data, cuts), longest=100_000)
    assert [json.loads(event) for event in events if isinstance(event, bytes)] == [value for value, _, _ in sent]


@pytest.mark.parametrize("size", (50, 51))
@pytest.mark.parametrize("cuts", ([], [10], list(range(60))))
def test_the_length_is_bounded(size: int, cuts: list[int]) -> None:
    """JR-070: at the bound it passes, beyond it nothing more is read; the same in any split."""
    message = b'["' + b"x" * (size - 4) + b'"]'
    events = read(*split(message + b"\n{}\n", cuts), longest=50)
    if size <= 50:
        assert events == [message, b"{}"]
    else:
        assert events == [Broken("the message is longer than 50 octets", is_fatal=True)]


def test_too_much_is_refused_before_it_is_there() -> None:
    """JR-070: the bound holds for a message that has not ended, and for a line that is no JSON."""
    for start in (b'{"a":"', b"junk"):
        stream = JsonStream(longest=1_000)
        events: list[bytes | Broken] = []
        for _ in range(3):
            stream.receive_data(start + b"x" * 600)
            events += stream.events()
        assert events == [Broken("the message is longer than 1000 octets", is_fatal=True)]
        assert not stream.receive_eof()


def test_the_end_of_the_stream_cuts_off() -> None:
    """What is incomplete at the end is broken."""
    assert read(b"{} [1,") == [b"{}", Broken("the rest of the message did not come", is_fatal=True)]
    assert read(b"{}", eof=True) == [b"{}"]


def test_what_was_not_taken_stays() -> None:
    """Events may be left and called again, with more data in between."""
    stream = JsonStream()
    stream.receive_data(b"[1]\n[2]\n[3")
    for event in stream.events():
        assert event == b"[1]"
        break
    stream.receive_data(b"]\n")
    assert (stream.has_more, stream.has_much) == (True, False)
    assert list(stream.events()) == [b"[2]", b"[3]"]
    assert (stream.has_more, stream.has_much) == (False, False)
    stream.receive_data(b" " * MUCH)
    assert (stream.has_more, stream.has_much) == (True, True)


def test_lines_are_given_before_they_are_looked_at() -> None:
    """A line that is passed is gone; one that is not comes again as an event; none is given within a message."""
    stream = JsonStream(longest=8)
    stream.receive_data(b"[1]\n[2]\n[3,\n4]\n")
    assert stream.next_line() == b"[1]"
    stream.pass_line()
    assert stream.next_line() == b"[2]"
    assert next(stream.events()) == b"[2]"
    assert stream.next_line() == b"[3,"
    assert next(stream.events()) == b"[3,\n4]"
    assert stream.next_line() is None
    stream.receive_data(b"[5")
    assert stream.next_line() is None
    assert not list(stream.events())
    stream.receive_data(b"]\n")
    assert stream.next_line() is None
    assert list(stream.events()) == [b"[5]"]
    stream.receive_data(b"[123456789]\n")
    assert stream.next_line() is None


@pytest.mark.parametrize("split", range(1, 16))
def test_lines_are_given_again_behind_a_value_that_came_in_parts(split: int) -> None:
    """Wherever a read ends: what it cut is an event, and all lines behind that are lines."""
    stream = JsonStream()
    sent = b"[1]\n[2]\n[3]\n[4]\n"
    told: list[tuple[bytes | Broken, bool]] = []
    for data in (sent[:split], sent[split:] + b"[5]\n[6]\n"):
        stream.receive_data(data)
        while True:
            line = stream.next_line()
            if line:
                stream.pass_line()
                told.append((line, True))
            elif (event := next(stream.events(), None)) is not None:
                told.append((event, False))
            else:
                break
    assert [value for value, _is_line in told] == [b"[%d]" % number for number in range(1, 7)]
    assert sum(not is_line for _value, is_line in told) <= 1


def test_work_is_linear_in_the_length() -> None:
    """A long message over many lines is not parsed again at each of them."""
    stream = JsonStream(longest=1 << 30)
    line = b'{"key": "value with \\" in it", "n": [1, 2, 3]},\n'
    stream.receive_data(b"[\n")
    assert not list(stream.events())
    checked = 0

    for _ in range(2_000):
        before = stream._next_check
        stream.receive_data(line)
        assert not list(stream.events())
        checked += stream._next_check != before
    assert checked < 30
    stream.receive_data(b"{}]\n")
    assert len(list(stream.events())) == 1
