"""JSON-RPC over a WebSocket (RFC 6455), the client's side: one message in a frame, the sub-protocol ``jsonrpc``.

Nothing is compressed; what the daemon says in fragments is put together.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import struct
from typing import TYPE_CHECKING, Any, Final

from libvdsm.client.runtime import http, wire
from libvdsm.client.runtime.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL: Final = 0x8
_SHORT: Final = 126
_LONG: Final = 127
_MOST_SHORT: Final = 125
_MOST_16: Final = 0xFFFF
#: Why a connection is closed (RFC 6455, 7.4.1).
_NORMAL: Final = 1000


class WebSocketWire:
    """See ``Wire``."""

    def __init__(self, authority: str, resource: str = "/ws", *, is_tls: bool = False, key: bytes | None = None) -> None:
        self._authority = authority
        self._resource = resource
        self._is_tls = is_tls
        self._key = base64.b64encode(secrets.token_bytes(16) if key is None else key)
        self._data = bytearray()
        self._outgoing = bytearray()
        self._fragments: list[bytes] = []
        self._kind = 0  # of the message of which these are fragments
        self._size = 0
        self._has_closed = False
        self.is_ready = False

    def hello(self) -> bytes:
        """See ``Wire``: the opening handshake (4.1)."""
        return (
            f"GET {self._resource} HTTP/1.1\r\nHost: {self._authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {self._key.decode()}\r\nSec-WebSocket-Protocol: jsonrpc\r\n\r\n"
        ).encode("ascii")

    def send(self, message: Mapping[str, Any]) -> bytes:
        """See ``Wire``."""
        return encode_frame(_TEXT, wire.encode(message))

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """See ``Wire``."""
        self._data += data
        if not self.is_ready and not self._shake_hands():
            return []
        found = []
        while (frame := self._next_frame()) is not None:
            message = self._frame(*frame)
            if message is not None:
                found.append(wire.decode(message))
        return found

    def outgoing(self) -> bytes:
        """See ``Wire``: pongs, and the answer to a close."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def beat(self) -> bytes:
        """See ``Wire``."""
        return b""

    def probe(self) -> bytes:
        """See ``Wire``."""
        return encode_frame(_PING, b"")

    def goodbye(self) -> bytes:
        """See ``Wire``."""
        if self._has_closed or not self.is_ready:
            return b""
        self._has_closed = True
        return encode_frame(_CLOSE, struct.pack("!H", _NORMAL))

    def _shake_hands(self) -> bool:
        end = self._data.find(http.END_OF_HEAD)
        if end < 0:
            if len(self._data) > http.MAX_HEAD:
                message = f"the head of the answer is longer than {http.MAX_HEAD} bytes"
                raise ProtocolError(message)
            return False
        head = http.parse_head(bytes(self._data[: end + len(http.END_OF_HEAD)]))
        if head.status != http.SWITCHING:
            raise http.refusal(head, bytes(self._data[end + len(http.END_OF_HEAD) :]))
        expected = base64.b64encode(hashlib.sha1(self._key + _GUID, usedforsecurity=False).digest()).decode()
        headers = head.headers
        if headers.get("sec-websocket-accept") != expected or headers.get("upgrade", "").lower() != "websocket":
            message = "the peer has not understood the handshake of WebSocket"
            raise ProtocolError(message)
        if headers.get("sec-websocket-protocol") != "jsonrpc" or "sec-websocket-extensions" in headers:
            message = "the peer has chosen what was not offered"
            raise ProtocolError(message)
        del self._data[: end + len(http.END_OF_HEAD)]
        self.is_ready = True
        return True

    def _next_frame(self) -> tuple[int, bool, bytes] | None:
        """Opcode, whether it is the last of its message, and payload (5.2)."""
        data = self._data
        if len(data) < 2:  # noqa: PLR2004 - the two octets that each frame has
            return None
        first, length, start = data[0], data[1], 2
        if first & _RESERVED or length & _MASKED:
            message = "a frame of the daemon is masked, or uses what was not agreed"
            raise ProtocolError(message)
        if length in (_SHORT, _LONG):
            form = "!H" if length == _SHORT else "!Q"
            start += struct.calcsize(form)
            if len(data) < start:
                return None
            (length,) = struct.unpack_from(form, data, 2)
        if self._size + length > wire.MAX_MESSAGE:
            message = f"a message is longer than {wire.MAX_MESSAGE} bytes"
            raise ProtocolError(message)
        if len(data) < start + length:
            return None
        payload = bytes(data[start : start + length])
        del data[: start + length]
        return first & 0x0F, bool(first & _FIN), payload

    def _frame(self, opcode: int, is_last: bool, payload: bytes) -> bytes | None:
        """The message that the frame ends, if it does."""
        if opcode & _CONTROL:
            self._control(opcode, payload, is_last=is_last)
            return None
        if (opcode == _CONTINUATION) is not bool(self._kind) or opcode not in (_CONTINUATION, _TEXT, _BINARY):
            message = f"a frame of kind {opcode} has no place here"
            raise ProtocolError(message)
        if is_last and not self._kind:
            return payload
        self._kind = self._kind or opcode
        self._fragments.append(payload)
        self._size += len(payload)
        if not is_last:
            return None
        whole = b"".join(self._fragments)
        self._fragments, self._kind, self._size = [], 0, 0
        return whole

    def _control(self, opcode: int, payload: bytes, *, is_last: bool) -> None:
        if not is_last or len(payload) > _MOST_SHORT or opcode not in (_CLOSE, _PING, _PONG):
            message = f"a control frame of kind {opcode} is malformed"
            raise ProtocolError(message)
        if opcode == _PING:
            self._outgoing += encode_frame(_PONG, payload)
        elif opcode == _CLOSE and not self._has_closed:
            self._has_closed = True
            self._outgoing += encode_frame(_CLOSE, payload[:2])


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """A whole frame, masked as a client's must be (5.3)."""
    size = len(payload)
    if size <= _MOST_SHORT:
        head = struct.pack("!BB", _FIN | opcode, _MASKED | size)
    elif size <= _MOST_16:
        head = struct.pack("!BBH", _FIN | opcode, _MASKED | _SHORT, size)
    else:
        head = struct.pack("!BBQ", _FIN | opcode, _MASKED | _LONG, size)
    mask = secrets.token_bytes(4)
    return head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Every octet combined with its octet of the mask; twice is not at all."""
    size = len(payload)
    if not size:
        return b""
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
