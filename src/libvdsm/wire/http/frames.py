"""Heads of answers as bytes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libvdsm.wire.http.events import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# No answer of ours may be guessed at by a browser, nor kept unless it says so itself.
_SNIFF = b"X-Content-Type-Options: nosniff\r\n"
_FIXED = b"Cache-Control: no-store\r\n" + _SNIFF
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_OK = 200
_JSON = b"application/json"
_OK_JSON = _STATUS_LINES[200] + _FIXED + b"Content-Type: application/json\r\nContent-Length: %d\r\n"
_USUAL = _OK_JSON + b"Date: %b\r\n\r\n%b"
_MOST_HEADS = 256
# RFC 9110, 8.6: no Content-Length in 1xx and 204; in 304 it would have to be that of the whole.
_WITHOUT_BODY = (101, 204, 304)
#: RFC 9112, 7.1: the last chunk, and no trailers.
LAST_CHUNK = b"0\r\n\r\n"
_CONNECTED = b"HTTP/1.1 200 Connected\r\n\r\n"


class UsualAnswers:
    """``200 OK`` with JSON, to clients of HTTP/1.1 that go on: within a second all of one length have one head."""

    __slots__ = ("_date", "_heads")

    def __init__(self) -> None:
        self._date = b""
        self._heads: dict[int, bytes] = {}

    def encode(self, body: bytes, date: bytes) -> bytes:
        """The answer; ``date`` is an IMF-fixdate."""
        if date is not self._date:
            self._date = date
            self._heads.clear()
        size = len(body)
        head = self._heads.get(size)
        if head is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            head = self._heads[size] = _USUAL % (size, date, b"")
        return head + body


def encode_response(response: Response, date: bytes, *, is_persistent: bool = True, is_head: bool = False, version: str = "1.1") -> bytes:
    """``response`` as sent; ``date`` is an IMF-fixdate. To HEAD the body is left out, its length is not."""
    body = response.body
    if response.status == _OK and response.content_type == _JSON and not response.headers:
        if is_persistent and not is_head and version == "1.1":
            return _USUAL % (len(body), date, body)
        head = _OK_JSON % len(body)
    else:
        head = _head(response)
    if not is_persistent:
        head += b"Connection: close\r\n"
    elif version == "1.0":
        head += b"Connection: keep-alive\r\n"
    head += b"Date: %b\r\n\r\n" % date
    return head if is_head else head + body


def encode_head(
    status: int,
    content_type: bytes,
    headers: tuple[tuple[bytes, bytes], ...],
    date: bytes,
    *,
    length: int | None,
    is_persistent: bool = True,
    version: str = "1.1",
) -> bytes:
    """The head of an answer whose body follows: of ``length`` octets, or in chunks, or (to HTTP/1.0) until the end."""
    head = _line(status, headers) + b"Content-Type: %b\r\n" % content_type
    if length is not None:
        head += b"Content-Length: %d\r\n" % length
    elif version != "1.0":
        head += b"Transfer-Encoding: chunked\r\n"
    head += b"".join(b"%b: %b\r\n" % header for header in headers)
    if not is_persistent:
        head += b"Connection: close\r\n"
    elif version == "1.0":
        head += b"Connection: keep-alive\r\n"
    return head + b"Date: %b\r\n\r\n" % date


def encode_chunk(data: bytes) -> bytes:
    """One chunk of a body; nothing for no octets, because that would end it."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def _head(response: Response) -> bytes:
    head = _line(response.status, response.headers)
    if response.status not in _WITHOUT_BODY:
        if response.body:
            head += b"Content-Type: %b\r\n" % response.content_type
        head += b"Content-Length: %d\r\n" % len(response.body)
    return head + b"".join(b"%b: %b\r\n" % header for header in response.headers)


def _line(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    says_how_long = any(name == b"Cache-Control" for name, _value in headers)
    return _STATUS_LINES[status] + (_SNIFF if says_how_long else _FIXED)


def encode_upgrade(protocol: bytes) -> bytes:
    """``101 Switching Protocols``: what follows is ``protocol``."""
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % protocol


def encode_connected() -> bytes:
    """The answer to CONNECT: what follows is the tunnel (RFC 9110, 9.3.6)."""
    return _CONNECTED
