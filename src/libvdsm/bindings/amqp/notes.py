"""What a receiver says of a message that it did not accept, and what goes on with the message (1.0 part 3, 3.4.3 and 3.4.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from libvdsm.bindings.amqp.messages import ANNOTATIONS, OWN, write
from libvdsm.interfaces.messaging import DEAD_ERROR, Message
from libvdsm.wire.amqp import decoding, encoding
from libvdsm.wire.amqp.outcomes import Outcome
from libvdsm.wire.amqp.values import Described, Symbol, ULong

#: Octets that a message keeps: of an error's words, and of annotations, those of its sender included.
_MOST_ERROR: Final = 256
_MOST_ANNOTATIONS: Final = 4_096
#: Octets of their senders' annotations that are read for what is said of many messages at once: the others go on as they are.
_MOST_READ: Final = 256 * 1_024


def of(outcome: Outcome) -> Callable[[Message, str], Message] | None:
    """How messages with this outcome are noted; ``None`` if there is nothing to note."""
    if outcome.error is not None:
        error = _words(outcome.error)
        return partial(_with_error, error) if error else None
    if outcome.annotations:
        annotations = {key: value for key, value in outcome.annotations.items() if _may_be_said(key)}
        section = encoding.encode(annotations)
        return _Annotating(annotations, section) if annotations and len(section) <= _MOST_ANNOTATIONS else None
    return None


def _words(error: object) -> str:
    """The condition and the description of an error; nothing if it is none."""
    if not isinstance(error, Described) or not isinstance(error.value, list):
        return ""
    words = ": ".join(str(each) for each in error.value[:2] if isinstance(each, str))
    return words.encode("utf-8", "replace")[:_MOST_ERROR].decode(errors="ignore")


def _with_error(error: str, message: Message, _destination: str) -> Message:
    return replace(message, headers={**message.headers, DEAD_ERROR: error}, alike=None)


def _may_be_said(key: object) -> bool:
    """Annotations have symbols as keys, or numbers that are reserved (part 3, 3.2.10); ours are our own."""
    return type(key) is ULong or (type(key) is Symbol and not key.startswith(OWN))


class _Annotating:
    """Each annotation takes the place of the one of its name. What would be too long altogether is not kept, nor read beforehand."""

    __slots__ = ("_annotations", "_left", "_section")

    def __init__(self, annotations: Mapping[object, object], section: bytes) -> None:
        self._annotations = annotations
        self._section = section  # the same, encoded
        self._left = _MOST_READ

    def __call__(self, message: Message, destination: str) -> Message:
        octets = write(message, destination) if message.amqp is None else message.amqp
        section, start, end = self._section, len(ANNOTATIONS), 0
        if octets.startswith(ANNOTATIONS):
            end = decoding.skip(octets, start)
            self._left -= end - start
            if end - start > _MOST_ANNOTATIONS or self._left < 0:
                return message
            before, _end = decoding.decode(octets, start)
            section = encoding.encode({**before, **self._annotations}) if isinstance(before, dict) else section
            if len(section) > _MOST_ANNOTATIONS:
                return message
        return replace(message, amqp=ANNOTATIONS + section + octets[end:], alike=None)
