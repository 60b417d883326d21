"""Frames on a byte stream, whatever comes: the peer's error or frames, the same in any split, and no octet is looked at too often."""

from __future__ import annotations

import itertools
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import CLIENT_COMMANDS, Frame, StompError, StompLimits
from libvdsm.wire.stomp.frames import encode

SMALL = StompLimits(command_octets=32, line_octets=64, headers=8, head_octets=256, body_octets=128)
PIECES = st.sampled_from(
    [
        b"SEND",
        b"CONNECT",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b":",
        b"a:b",
        b"content-length:",
        b"3",
        b"-1",
        b"\\",
        b"\\n",
        b"\xff",
        b"\xc3\xa4",
        b"body",
        b"x" * 70,
    ]
)


def read(pieces: list[bytes], *, is_strict: bool, version: str) -> list[tuple[str, tuple[tuple[str, str], ...], bytes] | str]:
    """What comes of these pieces: frames as values, and at the end the error, if there is one."""
    stream = StompStream(limits=SMALL, is_strict=is_strict)
    stream.set_rules(version=version, is_strict=is_strict)
    found: list[tuple[str, tuple[tuple[str, str], ...], bytes] | str] = []
    try:
        for piece in pieces:
            stream.receive_data(piece)
            found += [(frame.command, tuple(frame.headers.items()), frame.body) for frame in stream.events()]
    except StompError as failure:
        found.append("error" if str(failure) else "an error without words")
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40), st.lists(st.integers(0, 400), max_size=6), st.booleans(), st.sampled_from(("1.0", "1.1", "1.2")))
def test_whatever_comes_is_frames_or_an_error_in_any_split(pieces: list[bytes], cuts: list[int], is_strict: bool, version: str) -> None:
    data = b"".join(pieces) + b"x" * 400 + b"\0"  # so that whatever is wrong comes to light: it may, or may not, before its frame is whole
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    split = [data[start:end] for start, end in itertools.pairwise(edges)]
    whole = read([data], is_strict=is_strict, version=version)
    assert read(split, is_strict=is_strict, version=version) == whole
    assert read([data[at : at + 1] for at in range(len(data))], is_strict=is_strict, version=version) == whole


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_octets_by_chance_break_nothing(data: bytes) -> None:
    for frame in read([data], is_strict=False, version="1.2"):
        assert frame == "error" or frame[0] in CLIENT_COMMANDS


def test_frames_with_the_same_head_share_their_headers_until_the_rules_change() -> None:
    stream = StompStream()
    frame = encode("SEND", [("a", "b\\c")])
    stream.set_rules(version="1.2", is_strict=False)
    stream.receive_data(frame * 2)
    first, second = stream.events()
    assert first.headers is second.headers
    stream.set_rules(version="1.0", is_strict=False)
    stream.receive_data(frame)
    (third,) = stream.events()
    assert (first.headers, third.headers) == ({"a": "b\\c"}, {"a": "b\\\\c"})


def test_a_large_body_in_small_pieces_costs_linear_time() -> None:
    def spent(octets: int) -> float:
        best = 1e9
        for _ in range(3):
            stream = StompStream(limits=StompLimits(body_octets=10**8))
            began = time.process_time()
            stream.receive_data(b"SEND\ncontent-length:%d\n\n" % octets)
            piece = b"x" * 1_448
            for _ in range(octets // 1_448):
                stream.receive_data(piece)
                assert stream.next_frame() is None
            stream.receive_data(b"x" * (octets % 1_448) + b"\0")
            (frame,) = stream.events()
            assert len(frame.body) == octets
            best = min(best, time.process_time() - began)
        return best

    assert spent(8_000_000) < 12 * max(spent(1_000_000), 1e-3) * 2


def test_a_frame_shows_no_values() -> None:
    assert repr(Frame("CONNECT", {"passcode": "secret"}, b"secret")) == "Frame(CONNECT, passcode, 6 octets)"


def test_limits_are_positive() -> None:
    try:
        StompLimits(headers=0)
    except ValueError:
        return
    raise AssertionError
