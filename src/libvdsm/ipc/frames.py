"""Frames: four octets of length (big end first), then that many octets of JSON: one message, or a list of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

HEADER = 4
LIMIT = 64 * 1024 * 1024

#: Bodies that have no more octets than this together share a frame; others would keep the receiver waiting for its end.
SHARED = 64 * 1024


class FrameError(Exception):
    """The peer's bytes are no frames; the connection is of no more use."""


_head = struct.Struct(">I")


def check(body: bytes) -> None:
    """Raise ``FrameError`` if ``body`` is larger than ``LIMIT``."""
    if len(body) > LIMIT:
        raise FrameError(f"a frame of {len(body)} octets; the limit is {LIMIT}")


def frame(body: bytes) -> bytes:
    """``body`` with its header before it; raises ``FrameError`` if it is larger than ``LIMIT``."""
    check(body)
    return _head.pack(len(body)) + body


def frames(bodies: Sequence[bytes]) -> bytes:
    """What is said at once, in its order: small bodies as a list in one frame, which is read as cheaply as one of them.

    None of the bodies may be larger than ``LIMIT``; see ``check``.
    """
    if len(bodies) == 1:
        body = bodies[0]
    elif sum(map(len, bodies)) <= SHARED:
        body = b"[%b]" % b",".join(bodies)
    else:
        return b"".join(map(frame, bodies))
    return _head.pack(len(body)) + body


class FrameReader:
    """Gathers bytes until they are whole frames."""

    __slots__ = ("_gathered",)

    def __init__(self) -> None:
        self._gathered = bytearray()

    def receive(self, data: bytes) -> Iterator[bytes]:
        """The bodies that ``data`` completes, in order; raises ``FrameError`` at a length beyond ``LIMIT``."""
        gathered = self._gathered
        if gathered:
            gathered += data
            if len(gathered) < HEADER or len(gathered) < HEADER + _size(gathered, 0):
                return
            data = bytes(gathered)
            gathered.clear()
        start = 0
        last = len(data) - HEADER
        size_at = _head.unpack_from
        while start <= last:
            body = start + HEADER
            end = body + size_at(data, start)[0]
            if end - HEADER > last:
                _size(data, start)  # which may be more than we wait for
                break
            start = end
            yield data[body:end]
        if start < len(data):
            gathered += data[start:]

    @property
    def pending(self) -> int:
        """Octets of the frame that is not whole yet."""
        return len(self._gathered)


def _size(data: bytes | bytearray, start: int) -> int:
    size: int = _head.unpack_from(data, start)[0]
    if size > LIMIT:
        raise FrameError(f"a frame of {size} octets; the limit is {LIMIT}")
    return size
