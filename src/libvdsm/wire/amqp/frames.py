"""Frames in a stream (1.0 part 2, 2.3), in any split of the octets; and the headers before them (2.2)."""

from __future__ import annotations

import struct
from typing import Final

from libvdsm.wire.amqp import performatives
from libvdsm.wire.amqp.errors import FRAMING, AmqpError
from libvdsm.wire.amqp.performatives import Performative

AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"
SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
HEADER_OCTETS: Final = 8
#: Every peer takes frames of so many octets, and before login nobody takes more (2.3.1; part 5, 5.3.1).
LEAST_FRAME: Final = 512
AMQP_FRAME: Final = 0
SASL_FRAME: Final = 1
EMPTY_FRAME: Final = b"\x00\x00\x00\x08\x02\x00\x00\x00"

_HEAD: Final = struct.Struct(">IBBH")
_SIZE: Final = struct.Struct(">I")
#: Octets received and not yet looked at that are much.
MUCH: Final = 64 * 1024


class FrameStream:
    """The receiving side of a connection: octets in, the borders of frames out.

    A frame is ``data[body:end]``; both count until the next call. Octets of a frame that is not complete are gathered once,
    however small the pieces are.
    """

    __slots__ = ("_gathered", "_wanted", "body", "channel", "data", "end", "kind", "largest", "position")

    def __init__(self) -> None:
        self.data = b""
        self.position = 0
        self.largest = LEAST_FRAME
        self.kind = self.channel = self.body = self.end = 0  # of the last frame
        self._gathered = bytearray()  # of what is not complete
        self._wanted = 0

    @property
    def has_more(self) -> bool:
        """Whether octets were received that nobody has looked at."""
        return self.position < len(self.data)

    @property
    def has_much(self) -> bool:
        """Whether those are many."""
        return len(self.data) - self.position >= MUCH

    @property
    def is_partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._gathered)

    def receive(self, data: bytes) -> None:
        """Keep what the peer sent."""
        gathered = self._gathered
        if self.position < len(self.data):
            self.data = self.data[self.position :] + data
        elif gathered:
            gathered += data
            if len(gathered) < self._wanted:
                return
            self.data = bytes(gathered)
            gathered.clear()
        else:
            self.data = data
        self.position = 0

    def take_header(self) -> bytes | None:
        """The eight octets of a header, or ``None`` if they are not there; fewer if they are none already."""
        data = self.data[self.position : self.position + HEADER_OCTETS]
        if len(data) < HEADER_OCTETS and b"AMQP".startswith(data[:4]):
            self._gather(HEADER_OCTETS)
            return None
        self.position += len(data)
        return data

    def next(self) -> bool:
        """Whether there is another frame; if so it is the one that the members tell of. Raises ``AmqpError``."""
        data, start = self.data, self.position
        left = len(data) - start
        if left < HEADER_OCTETS:
            if left >= _SIZE.size:
                self._judge(_SIZE.unpack_from(data, start)[0])
            if left:
                self._gather(HEADER_OCTETS)
            return False
        size, offset, self.kind, self.channel = _HEAD.unpack_from(data, start)
        if size > self.largest or size < HEADER_OCTETS:
            self._judge(size)
        body = offset << 2
        if not HEADER_OCTETS <= body <= size:
            raise AmqpError(FRAMING, "the body of a frame begins outside of it")
        if left < size:
            self._gather(size)
            return False
        self.body, self.end = start + body, start + size
        self.position = self.end
        return True

    def _judge(self, size: int) -> None:
        if size < HEADER_OCTETS:
            raise AmqpError(FRAMING, "a frame is shorter than its head")
        if size > self.largest:
            raise AmqpError(FRAMING, f"a frame is longer than {self.largest} octets")

    def _gather(self, wanted: int) -> None:
        self._gathered += self.data[self.position :]
        self._wanted = wanted
        self.data, self.position = b"", 0


def encode_frame(channel: int, performative: Performative, payload: bytes = b"", kind: int = AMQP_FRAME) -> bytes:
    """One frame."""
    body = performatives.encode(performative)
    return b"%b%b%b" % (_HEAD.pack(HEADER_OCTETS + len(body) + len(payload), 2, kind, channel), body, payload)
