"""Transfers that are like those before them are taken as if each were read field by field."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp import session as sessions
from libvdsm.wire.amqp.connection import AmqpConnection, State
from libvdsm.wire.amqp.errors import INVALID_FIELD, AmqpError, Scope
from libvdsm.wire.amqp.frames import AMQP_HEADER, encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.amqp.transfers import MOST_SHAPES, read_usual
from tests.fuzz.indifferent import Indifferent

_ACCEPTED = b"\x00\x53\x24\x45"
_LIMITS = AmqpLimits(message_octets=40, window=12, credit=8, links=8)


class Taker(Indifferent):
    """Remembers what arrived; refuses some, and makes some wait."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int, bytes, bool]] = []

    def arrived(self, link: Any, number: int, payload: bytes, *, is_settled: bool) -> bytes | None:
        self.taken.append((link.handle, number, payload, is_settled))
        if payload.startswith(b"refuse"):
            raise AmqpError(INVALID_FIELD, "refused", Scope.LINK)
        if payload.startswith(b"fail"):
            raise AmqpError(INVALID_FIELD, "failed")
        return None if payload.startswith(b"wait") else _ACCEPTED


class Place:
    """A connection with two sessions, each with two links that send."""

    def __init__(self, limits: AmqpLimits = _LIMITS, *, mode: int = 2) -> None:
        self.taker = Taker()
        self.out: list[bytes] = []
        self.connection = AmqpConnection(self.taker, self.out.append, limits)
        self.raw(AMQP_HEADER + encode_frame(0, p.Open("x")))
        for channel in (0, 1):
            self.raw(encode_frame(channel, p.Begin(None, 0, 1_000, 1_000)))
            for handle in (0, 5):
                name = f"link-{channel}-{handle}"
                attach = p.Attach(name, handle, role=False, snd_settle_mode=mode, initial_delivery_count=0)
                self.raw(encode_frame(channel, attach))
        self.out.clear()

    def raw(self, octets: bytes) -> None:
        self.connection.receive_data(octets)
        while self.connection.has_more and self.connection.work(100):
            pass

    @property
    def session(self) -> sessions.Session:
        return self.connection.sessions[0]


def transfer(
    number: int,
    payload: bytes = b"x",
    channel: int = 0,
    *,
    handle: int = 0,
    tag: bytes | None = None,
    settled: bool | None = None,
    more: bool = False,
) -> bytes:
    tag = number.to_bytes(4, "big") if tag is None else tag
    return encode_frame(channel, p.Transfer(handle, number, tag, 0, settled=settled, more=more), payload)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of deliveries that were read field by field."""
    found: list[int] = []

    def read(data: bytes, body: int, end: int) -> list[object] | None:
        fields = read_usual(data, body, end)
        found.append(-1 if fields is None else int(str(fields[1])))
        return fields

    monkeypatch.setattr(sessions, "read_usual", read)
    return found


def test_only_the_first_of_many_is_read_field_by_field(counted: list[int]) -> None:
    """Those behind it are taken by its shape, also in later reads, and settled in one range."""
    place = Place(AmqpLimits())
    place.raw(b"".join(transfer(number) for number in range(1_000, 1_020)))
    place.raw(transfer(1_020))
    place.raw(transfer(1_021))
    assert [number for _handle, number, _payload, _settled in place.taker.taken] == list(range(1_000, 1_022))
    assert counted == [1_000]
    done, _after = p.decode(place.out[0], 8, len(place.out[0]))
    assert isinstance(done, p.Disposition)
    assert (done.first, done.last) == (1_000, 1_019)


def test_links_that_take_turns_have_a_shape_each(counted: list[int]) -> None:
    """Two senders of one session do not disturb each other."""
    place = Place(AmqpLimits())
    place.raw(b"".join(transfer(number, handle=5 * (number & 1)) for number in range(1_000, 1_020)))
    assert [handle for handle, _number, _payload, _settled in place.taker.taken] == [0, 5] * 10
    assert counted == [1_000, 1_001]


def test_a_handle_that_is_another_link_now_has_no_shape_any_more(counted: list[int]) -> None:
    """What was known of a link is forgotten when it is detached."""
    place = Place(AmqpLimits())
    place.raw(transfer(1_000) + transfer(1_001))
    place.raw(encode_frame(0, p.Detach(0, closed=True)))
    place.raw(encode_frame(0, p.Attach("again", 0, role=False, initial_delivery_count=0)))
    place.raw(transfer(1_002) + transfer(1_003))
    assert len(place.taker.taken) == 4
    assert counted == [1_000, 1_002]
    assert place.session.links[0].delivery_count == 2


def test_shapes_are_bounded() -> None:
    """A peer that varies all it can is no burden."""
    place = Place(AmqpLimits(window=10_000, credit=10_000))
    for number in range(3 * MOST_SHAPES):
        place.raw(transfer(number << 24 | 1, tag=b"t" * (number % 32)))
    assert len(place.taker.taken) == 3 * MOST_SHAPES
    assert len(place.session._shapes) <= MOST_SHAPES


def test_a_list_that_is_longer_than_its_frame_is_refused() -> None:
    """Also if it begins like a usual one, and the next frame has what is missing."""
    place = Place(AmqpLimits())
    short = bytearray(transfer(1_001, b""))
    short[3] -= 1
    place.raw(transfer(1_000) + short + transfer(1_002))
    assert [number for _handle, number, _payload, _settled in place.taker.taken] == [1_000]
    assert place.connection.state is State.OVER


#: What transfers may be like, by how odd that is: its step of numbers, payload, channel, handle, tag, whether it is settled, and goes on.
_USUAL: dict[str, list[Any]] = {
    "step": [1],
    "payload": [b"x", b"y" * 30],
    "channel": [0],
    "handle": [0],
    "tag": [None],
    "settled": [None],
    "more": [False],
}
_ODD: dict[str, list[Any]] = {
    "step": [1, 2, 0, 1 << 24],
    "payload": [b"", b"y" * 40, b"y" * 41, b"y" * 500, b"wait", b"refuse", b"fail"],
    "channel": [0, 1, 2],
    "handle": [0, 5, 6],
    "tag": [None, b"", b"same", b"t" * 32, b"t" * 33],
    "settled": [None, False, True],
    "more": [False, True],
}


@pytest.mark.parametrize("name", ("nothing", *_ODD, "head", "octets", "all"))
def test_whatever_comes_is_taken_as_if_each_were_read_field_by_field(name: str) -> None:
    """The same messages, the same words, the same credit and windows; also of what is wrong, and in any split."""
    for seed in range(60):
        chance = random.Random(f"{name} {seed}")
        octets, mode = _transfers(name, chance), chance.choice([0, 1, 2, 2])
        borders = [0, *sorted(chance.randrange(len(octets)) for _each in range(chance.randrange(3))), len(octets)]
        pieces = [octets[first:last] for first, last in pairwise(borders)]
        limits = chance.choice([_LIMITS, AmqpLimits(frame_octets=512)])
        usual, plain = Place(limits, mode=mode), Place(limits, mode=mode)
        for piece in pieces:
            usual.raw(piece)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sessions, "shape_of", lambda *_arguments, **_more: None)
            for piece in pieces:
                plain.raw(piece)
        assert usual.taker.taken == plain.taker.taken
        assert usual.out == plain.out
        assert usual.connection.state is plain.connection.state
        assert _standing(usual) == _standing(plain)


def _transfers(name: str, chance: random.Random) -> bytes:
    """Usual ones, but that one thing of some is odd; ``all`` may be, or any octet."""
    number, octets, settled = chance.choice([0, 250, 70_000, 2**32 - 5]), bytearray(), chance.choice([None, False, True])
    for _each in range(chance.choice([6, 12, 24])):
        is_odd = chance.random() < 0.3
        found = {each: chance.choice((_ODD if is_odd and name in (each, "all") else _USUAL)[each]) for each in _USUAL}
        if name not in ("settled", "all"):
            found["settled"] = settled
        step, payload, channel = found.pop("step"), found.pop("payload"), found.pop("channel")
        frame = bytearray(transfer(number, payload, channel, **found))
        if is_odd and name == "head":
            frame[chance.randrange(len(frame) - len(payload))] = chance.choice([0, 1, 2, 3, 255])
        octets += frame
        number = (number + step) & 0xFFFFFFFF
    for _each in range(chance.randrange(3) if name in ("octets", "all") else 0):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    return bytes(octets)


def _standing(place: Place) -> list[object]:
    found: list[object] = [place.connection.partial_octets]
    for session in place.connection.sessions.values():
        found += [session.incoming_window, session.next_incoming_id, session.is_ending]
        for handle, link in session.links.items():
            found += [handle, link.credit, link.delivery_count, link.is_ending, getattr(link, "pending", None)]
    return found
