"""What a receiver says of messages that it does not accept: how much of it is kept, and what that may cost."""

from __future__ import annotations

import pytest

from libvdsm.bindings.amqp import notes
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.amqp import decoding, encoding
from libvdsm.wire.amqp.outcomes import MODIFIED, Outcome
from libvdsm.wire.amqp.values import Symbol

MARK = b"\x00\x53\x72"
BODY = b"\x00\x53\x75\xa0\x02hi"
SAID: dict[object, object] = {Symbol("x-said"): "s"}


def annotated(octets: int) -> Message:
    """A message whose sender wrote annotations of about so many octets."""
    return Message(body=b"hi", amqp=MARK + encoding.encode({Symbol("x-mine"): b"m" * octets}) + BODY)


def said_of(message: Message) -> object:
    """The annotations that it has."""
    assert message.amqp is not None
    return decoding.decode(message.amqp, len(MARK))[0]


def test_what_is_said_goes_with_what_the_sender_said() -> None:
    note = notes.of(Outcome(MODIFIED, annotations=SAID))
    assert note is not None
    assert said_of(note(annotated(4_000), "/queue/a")) == {"x-mine": b"m" * 4_000, "x-said": "s"}
    assert said_of(note(Message(body=b"hi", amqp=BODY), "/queue/a")) == {"x-said": "s"}


@pytest.mark.parametrize("octets", (4_080, 1_000_000))
def test_what_would_be_too_long_altogether_is_not_kept(octets: int) -> None:
    note = notes.of(Outcome(MODIFIED, annotations=SAID))
    assert note is not None
    message = annotated(octets)
    assert note(message, "/queue/a") is message
    assert notes.of(Outcome(MODIFIED, annotations={Symbol("x"): "x" * octets, **SAID})) is None


def test_long_annotations_of_a_sender_are_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame may be about thousands of messages, and nothing else runs meanwhile."""
    note = notes.of(Outcome(MODIFIED, annotations=SAID))
    assert note is not None
    read: list[int] = []
    decode = decoding.decode

    def reading(data: bytes, position: int) -> tuple[object, int]:
        found, end = decode(data, position)
        read.append(end - position)
        return found, end

    monkeypatch.setattr(decoding, "decode", reading)
    assert note(annotated(1_000_000), "/queue/a").octets > 1_000_000
    assert not read
    note = notes.of(Outcome(MODIFIED, annotations=SAID))
    assert note is not None
    several = [annotated(4_000) for _each in range(1_000)]
    changed = [note(message, "/queue/a") is not message for message in several]
    assert changed == sorted(changed, reverse=True)
    assert 60 < sum(changed) < 70
    assert sum(read) <= 256 * 1_024
