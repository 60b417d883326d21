"""Transfers as octets (1.0 part 2, 2.7.5): those that come, read in the shape that senders repeat; those that need several frames.

A sender's transfers differ from each other in their number and tag alone. So the first one is read field by field, and what it was
like is kept as a ``Shape``: whatever begins like it is compared with it, and only number and tag are taken out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from libvdsm.wire.amqp import performatives
from libvdsm.wire.amqp.decoding import FAULTS
from libvdsm.wire.amqp.frames import encode_frame
from libvdsm.wire.amqp.performatives import Transfer

if TYPE_CHECKING:
    from libvdsm.wire.amqp.links import Receiver, Sender

#: How a frame with a transfer begins: its size, 0x0200 (where its body is, and that it is one of AMQP), its channel, the descriptor, and
#: the octets by which shapes are found: the list's constructor, its size and count, and the handle.
HEAD: Final = struct.Struct(">IHH3s6s")
DESCRIPTOR: Final = b"\x00\x53\x14"
USUAL_FRAME: Final = 0x0200
#: Where the list begins, counted from the frame's beginning, and the octets of it by which a shape is found.
_LIST_AT: Final = 11
_KEY_OCTETS: Final = 6
#: Shapes that a session knows at a time.
MOST_SHAPES: Final = 32
_LIST8: Final = 0xC0
_UINT0: Final = 0x43
_SMALL_UINT: Final = 0x52
_UINT: Final = 0x70
_BINARY8: Final = 0xA0
#: The last fields of a usual transfer, as octets: settled and more, and those behind that say nothing.
_RESTS: Final[dict[bytes, list[object]]] = {
    rest: [settled, more, None, None, None, None, None]
    for settled, first in ((None, b"\x40"), (True, b"\x41"), (False, b"\x42"))
    for more, second in ((None, b"\x40"), (True, b"\x41"), (False, b"\x42"))
    for rest in (first + second, *((first,) if more is None else ()), *((b"",) if settled is more is None else ()))
}
_uint = struct.Struct(">I").unpack_from

#: How number and tag are read, and where from the frame's beginning; what stands between them and behind; where the payload begins; whose
#: it is, and whether it is settled.
Shape: TypeAlias = "tuple[Callable[[bytes, int], tuple[int, bytes, bytes, bytes]], int, bytes, bytes, int, Receiver, bool]"


def read_usual(data: bytes, body: int, end: int) -> list[object] | None:
    """The fields of a transfer that begins a message in the usual way; ``None`` if it is not such a one, or not right."""
    try:
        if data[body] != _LIST8:
            return None
        stop, count = body + 2 + data[body + 1], data[body + 2]
        position = body + 3
        code = data[position]
        if code == _UINT0:
            handle, position = 0, position + 1
        elif code == _SMALL_UINT:
            handle, position = data[position + 1], position + 2
        else:
            return None
        code = data[position]
        if code == _SMALL_UINT:
            number, position = data[position + 1], position + 2
        elif code == _UINT:
            number, position = _uint(data, position + 1)[0], position + 5
        elif code == _UINT0:
            number, position = 0, position + 1
        else:
            return None
        if data[position] != _BINARY8:
            return None
        tag_end = position + 2 + data[position + 1]
        rest = data[tag_end + 1 : stop]
        last = _RESTS.get(rest)
        if last is None or count != 4 + len(rest) or stop > end or data[tag_end] != _UINT0:  # the format of the message
            return None
        return [handle, number, data[position + 2 : tag_end], 0, *last]
    except FAULTS:
        return None


def shape_of(data: bytes, body: int, link: Receiver, *, is_settled: bool) -> tuple[bytes, Shape] | None:
    """What ``read_usual`` has read, for those that come after it, and how it is found; ``None`` if its number is a short one."""
    number_at = body + (5 if data[body + 3] == _UINT0 else 6)
    if data[number_at - 1] != _UINT:
        return None
    tag_octets = data[number_at + 5]
    stop = body + 2 + data[body + 1]
    rest = data[number_at + 6 + tag_octets : stop]
    read = struct.Struct(f">I2s{tag_octets}s{len(rest)}s").unpack_from
    offset = _LIST_AT - body
    shape = read, number_at + offset, data[number_at + 4 : number_at + 6], rest, stop + offset, link, is_settled
    return data[body : body + _KEY_OCTETS], shape


class Long:
    """A message on its way in several frames."""

    __slots__ = ("_number", "_offset", "_payload", "is_done", "sender")

    def __init__(self, sender: Sender, number: int, payload: bytes) -> None:
        self.sender = sender
        self.is_done = False
        self._number = number
        self._payload = payload
        self._offset = 0

    def next_frame(self, channel: int, largest: int) -> bytes:
        """Its next frame."""
        sender, left = self.sender, len(self._payload) - self._offset
        if self._offset:
            transfer = Transfer(sender.handle, more=True)
        else:
            tag = self._number.to_bytes(4, "big")
            transfer = Transfer(sender.handle, self._number, tag, 0, settled=sender.is_settling, more=True)
        room = largest - 8 - len(performatives.encode(transfer))
        if left <= room:
            self.is_done = True
            transfer = Transfer(
                sender.handle, transfer.delivery_id, transfer.delivery_tag, transfer.message_format, settled=transfer.settled
            )
        part = self._payload[self._offset : self._offset + room]
        self._offset += room
        return encode_frame(channel, transfer, part)
