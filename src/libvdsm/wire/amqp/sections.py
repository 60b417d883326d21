"""What a message is made of (1.0 part 3, 3.2): sections in their order, told apart without decoding what is in them."""

from __future__ import annotations

from typing import Final

import msgspec

from libvdsm.wire.amqp import decoding
from libvdsm.wire.amqp.errors import DecodeError, Scope
from libvdsm.wire.amqp.performatives import descriptor_code

HEADER: Final = 0x70
DELIVERY_ANNOTATIONS: Final = 0x71
MESSAGE_ANNOTATIONS: Final = 0x72
PROPERTIES: Final = 0x73
APPLICATION_PROPERTIES: Final = 0x74
DATA: Final = 0x75
SEQUENCE: Final = 0x76
VALUE: Final = 0x77
FOOTER: Final = 0x78
_BODIES: Final = frozenset({DATA, SEQUENCE})

_WORDS: Final = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}
_LISTS: Final = frozenset({0x45, 0xC0, 0xD0})
_MAPS: Final = frozenset({0xC1, 0xD1})
_BINARIES: Final = frozenset({0xA0, 0xB0})
#: Constructors with a length of one octet, as most sections have them.
_SHORT: Final = frozenset({0xA0, 0xC0, 0xC1})
#: How the last section of a usual message begins: data, or a value that is a binary or a text; with a length of one octet, or of four.
_SHORT_BODIES: Final = frozenset({b"\x00\x53\x75\xa0", b"\x00\x53\x77\xa0", b"\x00\x53\x77\xa1"})
_LONG_BODIES: Final = frozenset({b"\x00\x53\x75\xb0", b"\x00\x53\x77\xb0", b"\x00\x53\x77\xb1"})
#: Constructors of a section's value; of a value any.
_SHAPES: Final = {
    HEADER: _LISTS,
    DELIVERY_ANNOTATIONS: _MAPS,
    MESSAGE_ANNOTATIONS: _MAPS,
    PROPERTIES: _LISTS,
    APPLICATION_PROPERTIES: _MAPS,
    DATA: _BINARIES,
    SEQUENCE: _LISTS,
    FOOTER: _MAPS,
}


class Parts(msgspec.Struct, gc=False):
    """Where the sections of a message are: each from its value's constructor to its end; the bare message from its descriptor."""

    header: int = -1
    annotations: tuple[int, int] | None = None  # of the message, its descriptor included
    properties: int = -1
    application_properties: int = -1
    body: int = 0  # what kind of section it is
    bodies: list[tuple[int, int]] = []
    bare: int = 0


def split(message: bytes) -> Parts:
    """The sections of a message. Raises ``DecodeError`` for what is not one: missing, twice, or out of order."""
    parts, position, last, end = Parts(), 0, 0, len(message)
    bare = -1
    while position < end:
        start = position
        if message[position : position + 2] == b"\x00\x53" and position + 2 < end:
            code, position = message[position + 2], position + 3
        else:
            code, position = _descriptor(message, position)
        if not HEADER <= code <= FOOTER or not _may_follow(last, code):
            raise DecodeError("a section is unknown, out of order, or there twice", Scope.LINK)
        _check_shape(code, message, position, end)
        if message[position] in _SHORT and position + 1 < end:
            after = position + 2 + message[position + 1]
            if after > end:
                raise DecodeError("a section is not complete", Scope.LINK)
        else:
            after = decoding.skip(message, position)
        last = code
        if bare < 0 and code >= PROPERTIES:
            bare = start
        _note(parts, code, start, position, after)
        position = after
    if not parts.bodies:
        raise DecodeError("a message without a body", Scope.LINK)
    parts.bare = bare
    return parts


def find_usual(message: bytes) -> tuple[int, int, int, int, int, int, bool] | None:
    """Where the sections of a usual message are; ``None`` for any other one, whatever it is: ``split`` finds out.

    A usual message has sections of a short length, and at its end one of data, or a value that is a text or a binary. Told are the places of
    the values of header, annotations, properties and application properties (-1 if there is none), of what is kept of it (all but its
    header), and of the octets of its body; and whether these are a text.
    """
    header = annotations = properties = application = -1
    kept = position = 0
    try:
        begin = message[:4]
        if begin == b"\x00\x53\x70\xc0":
            header, kept = 3, 5 + message[4]
            position, begin = kept, message[kept : kept + 4]
        if begin == b"\x00\x53\x72\xc1":
            annotations, position = position + 3, position + 5 + message[position + 4]
            begin = message[position : position + 4]
        if begin == b"\x00\x53\x73\xc0":
            properties, position = position + 3, position + 5 + message[position + 4]
            begin = message[position : position + 4]
        if begin == b"\x00\x53\x74\xc1":
            application, position = position + 3, position + 5 + message[position + 4]
            begin = message[position : position + 4]
        if begin in _SHORT_BODIES:
            octets, position = message[position + 4], position + 5
        elif begin in _LONG_BODIES:
            octets, position = int.from_bytes(message[position + 4 : position + 8], "big"), position + 8
        else:
            return None
    except IndexError:
        return None
    if position + octets != len(message):
        return None
    return header, annotations, properties, application, kept, position, begin[3] & 1 == 1


def _descriptor(message: bytes, position: int) -> tuple[int, int]:
    if message[position] != 0:
        raise DecodeError("a section without a descriptor", Scope.LINK)
    descriptor, position = decoding.decode(message, position + 1)
    return _WORDS.get(descriptor, -1) if isinstance(descriptor, str) else descriptor_code(descriptor), position


def _may_follow(last: int, code: int) -> bool:
    """Whether a section may stand behind another: in order, one kind of body, of some kinds several."""
    if code == last:
        return code in _BODIES
    return code > last and not (DATA <= last <= VALUE and DATA <= code <= VALUE)


def _check_shape(code: int, message: bytes, position: int, end: int) -> None:
    shapes = _SHAPES.get(code)
    if position >= end or (shapes is not None and message[position] not in shapes):
        raise DecodeError("a section holds what it may not", Scope.LINK)


def _note(parts: Parts, code: int, start: int, position: int, after: int) -> None:
    if DATA <= code <= VALUE:
        parts.body = code
        parts.bodies.append((position, after))
    elif code == HEADER:
        parts.header = position
    elif code == PROPERTIES:
        parts.properties = position
    elif code == APPLICATION_PROPERTIES:
        parts.application_properties = position
    elif code == MESSAGE_ANNOTATIONS:
        parts.annotations = (start, after)
