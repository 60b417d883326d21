"""The words between the simulator's world and its clients: four bytes of length, then JSON. No I/O here.

A connection carries requests and their answers, in any order, told apart by ``id``; after ``listen`` also
events. After the answer to ``open_serial`` or ``open_graphics`` it carries that console's bytes and nothing else.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
from msgspec import Raw, Struct

_HEADER = struct.Struct(">I")
HEADER_SIZE = _HEADER.size
MAXIMUM_SIZE = 64 * 1024 * 1024


class FrameError(Exception):
    """The other side does not speak frames."""


class Request(Struct, frozen=True):
    """A call to the world."""

    id: int
    call: str
    params: dict[str, Any] = {}


class Failure(Struct, frozen=True):
    """An error of the schema by its name, with its parameters."""

    name: str
    params: dict[str, Any] = {}


class Event(Struct, frozen=True, omit_defaults=True):
    """Something happened to a domain."""

    id: str
    detail: str
    gone: bool = False


class Answer(Struct, frozen=True, omit_defaults=True):
    """What the world says: an answer (``id`` and ``result`` or ``error``), or an event."""

    id: int = 0
    result: Raw = Raw(b"null")
    error: Failure | None = None
    event: Event | None = None


_encoder = msgspec.json.Encoder()


def pack(message: Request | Answer) -> bytes:
    """A message as one frame."""
    body = _encoder.encode(message)
    return _HEADER.pack(len(body)) + body


def body_size(header: bytes) -> int:
    """How many bytes follow this header."""
    size: int = _HEADER.unpack(header)[0]
    if size > MAXIMUM_SIZE:
        reason = f"a frame of {size} bytes"
        raise FrameError(reason)
    return size
