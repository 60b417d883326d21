"""Frames: whole whatever the cuts, bounded, hostile lengths refused."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.ipc.frames import HEADER, LIMIT, SHARED, FrameError, FrameReader, frame, frames

bodies = st.lists(st.binary(max_size=40), max_size=6)


@given(bodies, st.lists(st.integers(0, 300), max_size=12))
def test_any_cut_of_the_bytes_gives_the_same_bodies(sent: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(map(frame, sent))
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    reader = FrameReader()
    found = [body for start, end in pairwise(edges) for body in reader.receive(octets[start:end])]
    assert found == sent
    assert reader.pending == 0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.integers(0, 20))
def test_what_is_said_at_once_keeps_its_order_however_it_is_framed(numbers: list[int], thousands: int) -> None:
    """One body as it is, small ones as a list in one frame, and large ones each in its own, so that none waits for the end of all."""
    blanks = b" " * (thousands * 1_000)
    sent = [b"%d" % number + blanks for number in numbers]
    found = list(FrameReader().receive(frames(sent)))
    if len(sent) == 1:
        assert found == sent
    elif sum(map(len, sent)) <= SHARED:
        assert [json.loads(body) for body in found] == [numbers]
    else:
        assert found == sent


def test_a_length_beyond_the_limit_is_refused_at_its_header() -> None:
    with pytest.raises(FrameError, match="the limit is"):
        list(FrameReader().receive((LIMIT + 1).to_bytes(HEADER, "big")))


def test_a_hostile_length_is_refused_although_it_comes_in_pieces() -> None:
    reader = FrameReader()
    assert list(reader.receive(b"\xff\xff")) == []
    with pytest.raises(FrameError):
        list(reader.receive(b"\xff\xff"))


def test_good_frames_before_a_bad_one_still_count() -> None:
    bodies_found = FrameReader().receive(frame(b"1") + b"\xff\xff\xff\xff")
    assert next(bodies_found) == b"1"
    with pytest.raises(FrameError):
        next(bodies_found)


def test_a_body_beyond_the_limit_is_not_framed() -> None:
    with pytest.raises(FrameError):
        frame(bytes(LIMIT + 1))
