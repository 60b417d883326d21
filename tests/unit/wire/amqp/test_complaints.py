"""What is said of an error: its name and its remedy, and never more than the frames of the peer can hold."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.wire.amqp import decoding, errors, outcomes
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.complaints import to_error
from libvdsm.wire.amqp.errors import AmqpError, DecodeError
from libvdsm.wire.amqp.frames import LEAST_FRAME, encode_frame
from libvdsm.wire.amqp.values import Symbol
from tests.unit.wire.amqp.test_transfers import Place

_ALL = sorted(value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str))


def test_the_name_and_the_remedy_go_along() -> None:
    """With symbols as keys, as the standard wants them."""
    said = to_error(AmqpError(errors.NOT_FOUND, "there is none", name="ObjectNotFound", remedy="List them."), 65_536)
    assert said == p.Error("amqp:not-found", "there is none", {"error": "ObjectNotFound", "remedy": "List them."})
    read, _end = p.decode(octets := p.encode(p.Close(said)), 0, len(octets))
    assert isinstance(read, p.Close)
    assert read.error == said
    assert read.error is not None
    assert {type(key) for key in read.error.info or ()} == {Symbol}


@pytest.mark.parametrize("condition", _ALL)
def test_what_is_only_of_amqp_has_a_remedy_too(condition: str) -> None:
    """Short, and no name but its condition."""
    info = to_error(AmqpError(condition, "it is so"), 65_536).info
    assert info is not None
    assert set(info) == {"remedy"}
    assert 0 < len(info["remedy"]) < 100


@pytest.mark.parametrize("octets", (0, 100, 330, 370, 390, 420, 1_000, 70_000))
@pytest.mark.parametrize("letter", ("x", "ü", "\U0001f600", "\udc80"))
def test_it_fits_into_the_frames_of_the_peer(octets: int, letter: str) -> None:
    """First the remedy is left out, then the end of the description."""
    text = letter * (octets // len(letter.encode("utf-8", "replace")))
    error = AmqpError(errors.INVALID_FIELD, text, name="InvalidParams", remedy="Correct it.")
    said = to_error(error, LEAST_FRAME)
    for performative in (p.Detach(255, closed=True, error=said), p.End(said), p.Close(said)):
        assert len(encode_frame(0xFFFF, performative)) <= LEAST_FRAME
    outcome, _end = decoding.decode(outcomes.rejected(error, LEAST_FRAME), 0)
    disposition = p.Disposition(role=True, first=2**32 - 2, last=2**32 - 1, settled=True, state=outcome)
    assert len(encode_frame(0xFFFF, disposition)) <= LEAST_FRAME
    assert said.condition == errors.INVALID_FIELD
    if octets <= 330:
        assert said.info is not None
    if octets >= 420:
        assert said.info is None
        assert said.description is not None
        assert len(said.description.encode()) > LEAST_FRAME - 150
        assert text.encode("utf-8", "replace").startswith(said.description.encode())


def test_sessions_and_connections_end_with_a_remedy() -> None:
    """Whatever the peer did wrong."""
    place = Place()
    place.raw(encode_frame(0, p.Detach(7)))
    place.raw(encode_frame(9, p.Detach(7)))
    said: list[Any] = [p.decode(each, 8, len(each))[0] for each in place.out]
    assert [type(each) for each in said] == [p.End, p.Close]
    assert [each.error.condition for each in said] == ["amqp:session:unattached-handle", "amqp:illegal-state"]
    assert all(each.error.info["remedy"] for each in said)


def test_what_could_not_be_decoded_is_said_with_a_remedy() -> None:
    """It is an error as all others are."""
    info = to_error(DecodeError("no value"), 512).info
    assert info is not None
    assert "AMQP 1.0" in info["remedy"]
