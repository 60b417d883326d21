"""What is said over a WebSocket, as frozen values."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Code(IntEnum):
    """Why a connection ends (RFC 6455, 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL = 1011
    TRY_AGAIN = 1013


class Message(msgspec.Struct, frozen=True, gc=False):
    """A whole message; a text is known to be UTF-8."""

    data: bytes
    is_text: bool


class Ping(msgspec.Struct, frozen=True, gc=False):
    """The peer asks whether we are there."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The peer is there."""

    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The last word of a side; without a code nothing was said but this."""

    code: int | None = None
    reason: str = ""


class Broken(msgspec.Struct, frozen=True, gc=False):
    """The peer broke the protocol or a limit: the code to close with. Nothing more is read after it."""

    code: Code
    reason: str


Event = Message | Ping | Pong | Close | Broken
