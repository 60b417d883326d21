"""Frames: four octets of length (big end first), then that many octets of JSON."""

from __future__ import annotations

from collections.abc import Iterator

HEADER = 4
LIMIT = 64 * 1024 * 1024


class FrameError(Exception):
    """The peer's bytes are no frames; the connection is of no more use."""


def frame(body: bytes) -> bytes:
    """``body`` with its length before it; raises ``FrameError`` if it is larger than ``LIMIT``."""
    size = len(body)
    if size > LIMIT:
        raise FrameError(f"a frame of {size} octets; the limit is {LIMIT}")
    return size.to_bytes(HEADER, "big") + body


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
            if len(gathered) < HEADER or len(gathered) < HEADER + self._size(gathered, 0):
                return
            data = bytes(gathered)
            gathered.clear()
        start = 0
        total = len(data)
        while total - start >= HEADER:
            body = start + HEADER
            end = body + self._size(data, start)
            if end > total:
                break
            start = end
            yield data[body:end]
        if start < total:
            gathered += data[start:]

    @property
    def pending(self) -> int:
        """Octets of the frame that is not whole yet."""
        return len(self._gathered)

    @staticmethod
    def _size(data: bytes | bytearray, start: int) -> int:
        size = int.from_bytes(data[start : start + HEADER], "big")
        if size > LIMIT:
            raise FrameError(f"a frame of {size} octets; the limit is {LIMIT}")
        return size
