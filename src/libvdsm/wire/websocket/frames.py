"""Frames as the server sends them: whole, and not masked (RFC 6455, 5.1)."""

from __future__ import annotations

import struct
from typing import Final

from libvdsm.wire.websocket.events import Close, Message, Ping, Pong

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - built without its C part: slower, and the same
    from websockets.utils import apply_mask

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "apply_mask", "encode", "encode_binary", "encode_text"]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FIN: Final = 0x80
_SHORT: Final = 126  # lengths below it are written as they are
_MEDIUM: Final = 1 << 16
#: RFC 6455, 5.5: what a control frame carries is no longer.
_CONTROL_OCTETS: Final = 125
_pack_medium = struct.Struct("!BBH").pack
_pack_long = struct.Struct("!BBQ").pack
_TEXT_HEADS: Final = tuple(bytes((_FIN | TEXT, length)) for length in range(_SHORT))


def encode_text(data: bytes) -> bytes:
    """A text message; ``data`` is UTF-8."""
    length = len(data)
    if length < _SHORT:
        return _TEXT_HEADS[length] + data
    if length < _MEDIUM:
        return _pack_medium(_FIN | TEXT, 126, length) + data
    return _pack_long(_FIN | TEXT, 127, length) + data


def encode_binary(data: bytes) -> bytes:
    """A binary message."""
    return _frame(BINARY, data)


def encode(event: Message | Ping | Pong | Close) -> bytes:
    """``event`` as it is sent."""
    if isinstance(event, Message):
        return encode_text(event.data) if event.is_text else encode_binary(event.data)
    if isinstance(event, Ping):
        return _frame(PING, event.data[:_CONTROL_OCTETS])
    if isinstance(event, Pong):
        return _frame(PONG, event.data[:_CONTROL_OCTETS])
    if event.code is None:
        return _frame(CLOSE, b"")
    return _frame(CLOSE, event.code.to_bytes(2, "big") + _shorten(event.reason.encode()))


def _shorten(reason: bytes) -> bytes:
    """As much of a reason as a control frame has room for, whole characters alone."""
    return reason[: _CONTROL_OCTETS - 2].decode(errors="ignore").encode()


def _frame(opcode: int, data: bytes) -> bytes:
    length = len(data)
    if length < _SHORT:
        return bytes((_FIN | opcode, length)) + data
    if length < _MEDIUM:
        return _pack_medium(_FIN | opcode, 126, length) + data
    return _pack_long(_FIN | opcode, 127, length) + data
