"""The request that asks for a WebSocket, judged; and the answer to it (RFC 6455, 4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final

from libvdsm.wire.http.events import Response

if TYPE_CHECKING:
    from libvdsm.wire.http.events import Request

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_OCTETS: Final = 16
_VERSION: Final = b"13"
_WHAT_IS_NEEDED: Final = ((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Version", _VERSION))


def tokens(value: bytes | None) -> list[bytes]:
    """The members of a list header, in their order (RFC 9110, 5.6.1)."""
    return [] if value is None else [token for part in value.split(b",") if (token := part.strip(b" \t"))]


def asks(request: Request) -> bool:
    """Whether a WebSocket is meant, well or badly."""
    return any(token.lower() == b"websocket" for token in tokens(request.headers.get(b"upgrade")))


def find_refusal(request: Request) -> Response | None:
    """Why the handshake is not accepted, if so: 426 for what could be said better, 400 for what is wrong."""
    headers = request.headers
    if request.method != b"GET" or request.version != "1.1":
        return _refuse(400, b"a WebSocket is opened by GET and HTTP/1.1")
    if not asks(request) or not request.is_upgrade or b"upgrade" not in (each.lower() for each in tokens(headers.get(b"connection"))):
        return _refuse(426, b"this path needs Upgrade: websocket and Connection: Upgrade", _WHAT_IS_NEEDED)
    if headers.get(b"sec-websocket-version") != _VERSION:
        return _refuse(426, b"the version must be 13", _WHAT_IS_NEEDED)
    if not _is_key(headers.get(b"sec-websocket-key", b"")):
        return _refuse(400, b"the key must be 16 octets in base64")
    return None


def _refuse(status: int, reason: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    return Response(status, b'{"error":"%b"}\n' % reason, headers=headers)


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_OCTETS
    except binascii.Error:
        return False


def accept_key(key: bytes) -> bytes:
    """What proves that the request was understood (RFC 6455, 4.2.2, 5.4)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def encode_accept(request: Request, protocol: bytes | None) -> bytes:
    """``101 Switching Protocols``, with the sub-protocol if one was chosen from those that were offered."""
    accept = accept_key(request.headers[b"sec-websocket-key"])
    chosen = b"" if protocol is None else b"Sec-WebSocket-Protocol: %b\r\n" % protocol
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n%b\r\n"
    return head % (accept, chosen)
