"""The codec of one HTTP/1.1 connection, the server's side.

The engine is httptools' parser; what it lets pass and RFC 9112 or our limits do not is refused here.
Requests come out one at a time, in order; bytes behind an upgrade are kept until it is decided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools

from libvdsm.wire.http.events import Begun, Continue, Finished, Part, Refused, Request, Upgraded
from libvdsm.wire.http.frames import CONTINUE, encode_response

if TYPE_CHECKING:
    from libvdsm.wire.http.events import Event, Response

_BAD_REQUEST = 400
_TOO_LARGE = 413
_EXPECTATION_FAILED = 417
_NOT_IMPLEMENTED = 501
_VERSION_NOT_SUPPORTED = 505
_HEAD_TOO_LARGE = 431
_VERSIONS = ("1.1", "1.0")
_END_OF_HEAD = b"\r\n\r\n"
_MOST_PIECES = 64
_BLANKS = b" \t"
_ONE_HOST = "there must be exactly one Host"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one request may weigh."""

    headers: int = 100
    head_octets: int = 64 * 1024
    body_octets: int = 1024 * 1024
    stranger_octets: int = 64 * 1024  # of a body, if it is not known whose request it is


class _RefusalError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.refused = Refused(status, reason)


class _Learned:
    """A head that was parsed. Clients repeat themselves: the same octets again, between requests, mean the same."""

    __slots__ = ("head", "octets", "request", "size")

    def __init__(self, head: bytes, octets: int, request: Request) -> None:
        self.head = head
        self.size = len(head)
        self.octets = octets
        self.request = request


class HttpConnection:
    """Bytes to requests, answers to bytes."""

    def __init__(
        self,
        limits: HttpLimits | None = None,
        most: Callable[[Request], int | None] | None = None,
        is_known: Callable[[Mapping[bytes, bytes]], bool] | None = None,
    ) -> None:
        """``most``: how long the body of a request with this head may be if it is to come in parts; ``None``: it comes whole.

        ``is_known``: whether a request with these headers is somebody's, and not a stranger's; asked of one whose body is long.
        """
        self._most = most
        self._is_known = is_known
        self._is_in_parts = False  # the body that is being received
        self._limits = limits or HttpLimits()
        self._head_bound = self._limits.head_octets
        self._events: deque[Event] = deque()
        self._learned: _Learned | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._is_dead = False
        self._is_upgraded = False
        self._has_begun = False  # a request has begun whose end is not seen
        self._in_head = False
        self._head_octets = 0  # received while a head was open at the end of a read
        self._again = b""  # the head whose upgrade is ignored
        self._mute_octets = 0  # received behind a head since anything was told of it: of one chunk's extensions, or of one trailer
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeated = 0
        self._weight = 0
        self._body: list[bytes] | bytearray = []
        self._body_octets = 0
        self._body_bound = (
            self._limits.body_octets if self._is_known is None else min(self._limits.stranger_octets, self._limits.body_octets)
        )
        self._is_in_parts = False

    @property
    def is_in_parts(self) -> bool:
        """Whether a body has begun that comes in parts, and its end is not seen."""
        return self._is_in_parts and self._has_begun and not self._is_dead

    @property
    def is_partial(self) -> bool:
        """Whether a request has begun that is not complete."""
        return self._has_begun and not self._is_dead

    @property
    def has_events(self) -> bool:
        """Whether something was received that was not yet taken."""
        return bool(self._events)

    @property
    def usual(self) -> Request | None:
        """The request whose head ``take_body`` knows again."""
        return self._learned.request if self._learned is not None else None

    def take_body(self, data: bytes) -> bytes | None:
        """The usual read at its cheapest: the body of a whole plain POST with the head of ``usual``, with nothing left from before it.

        ``None`` if it is not so; then nothing was taken, and ``receive_data`` is the way.
        """
        learned = self._learned
        if learned is None or len(data) != learned.octets or not data.startswith(learned.head):
            return None
        return None if self._has_begun or self._is_dead or self._events else data[learned.size :]

    def receive_data(self, data: bytes) -> None:
        """Take what was read; ``events`` gives what it means."""
        if self._is_dead:
            if self._is_upgraded:
                self._events.append(Upgraded(data))
            return
        is_fresh = not self._has_begun
        was_in_head = self._in_head
        headers, told = self._headers, self._weight + self._body_octets
        self._feed(data)
        if is_fresh and not self._has_begun and len(self._events) == 1:
            self._learn(data, self._events[0])
        is_same = headers is self._headers  # the request that was open when this was read
        self._weigh_open_head(len(data) if is_same and was_in_head else 0)
        if self._has_begun:
            is_mute = is_same and told == self._weight + self._body_octets and not (is_fresh or was_in_head)
            self._weigh_mute(len(data) if is_mute else 0)

    def _feed(self, data: bytes) -> None:
        rest = self._parse(data)
        while rest:
            rest = self._parse(rest)

    def _parse(self, data: bytes) -> bytes:
        """Give ``data`` to the parser; answers what another one is to be given, behind a head whose upgrade is ignored."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            self._fail(error)
            return b""
        except httptools.HttpParserError as error:
            self._refuse(Refused(_BAD_REQUEST, str(error) or "not HTTP/1.1"))
            return b""
        else:
            return b""
        again, self._again = self._again, b""
        if not again:
            self._hand_over(rest)
            return b""
        self._parser = httptools.HttpRequestParser(self)
        self._parse(again)
        return b"" if self._is_dead else rest

    def _weigh_open_head(self, octets: int) -> None:
        """A head that does not end is not told by the parser: count what has come since it was open."""
        if not self._in_head:
            self._head_octets = 0
            return
        self._head_octets = self._head_octets + octets if octets else 0
        if self._head_octets > self._head_bound:
            self._refuse(Refused(_HEAD_TOO_LARGE, f"the head is longer than {self._head_bound} octets"))

    def _weigh_mute(self, octets: int) -> None:
        """A trailer that does not end is kept by the parser, and told only when it has: count what has come of it, as of a chunk's extensions."""
        self._mute_octets = self._mute_octets + octets if octets else 0
        if self._mute_octets > self._head_bound:
            self._refuse(Refused(_HEAD_TOO_LARGE, f"a trailer or a chunk's extensions are longer than {self._head_bound} octets"))

    def _learn(self, data: bytes, event: Event) -> None:
        """Remember the head of ``data`` if this was the whole of one plain request."""
        if not isinstance(event, Request) or not event.is_persistent or event.is_upgrade or self._is_dead:
            return
        if event.method != b"POST" or event.version != "1.1":
            return
        size = len(data) - len(event.body)
        if data.find(_END_OF_HEAD) == size - len(_END_OF_HEAD) and b"transfer-encoding" not in event.headers:
            self._learned = _Learned(data[:size], len(data), event)

    def events(self) -> Iterator[Event]:
        """What was received, in order. May be left and called again: what was not taken stays."""
        while self._events:
            yield self._events.popleft()

    def next_event(self) -> Event | None:
        """The first of ``events``, if there is one."""
        return self._events.popleft() if self._events else None

    def send(self, event: Response | Continue, date: bytes, request: Request | None = None, is_persistent: bool = False) -> bytes:
        """``event`` as bytes; an answer follows its ``request`` in version and method. ``date`` is an IMF-fixdate."""
        if isinstance(event, Continue):
            return CONTINUE
        if request is None:
            return encode_response(event, date, is_persistent=False)
        if is_persistent and request.version == "1.1" and request.method == b"POST":
            return encode_response(event, date)
        return encode_response(event, date, is_persistent=is_persistent, is_head=request.method == b"HEAD", version=request.version)

    def _refuse(self, refused: Refused) -> None:
        if not self._is_dead:
            self._is_dead = True
            self._events.append(refused)

    def _fail(self, error: httptools.HttpParserCallbackError) -> None:
        cause = error.__context__
        if not isinstance(cause, _RefusalError):
            raise error
        self._refuse(cause.refused)

    def _hand_over(self, rest: bytes) -> None:
        """After an upgrade: the peer may already speak the next protocol."""
        if not self._is_dead:
            self._events.append(Upgraded(rest))
            self._is_dead = self._is_upgraded = True

    def restart(self, data: bytes) -> None:
        """The upgrade was not accepted (RFC 9110, 7.8: it may be ignored); ``data`` is what followed it."""
        self._is_dead = self._is_upgraded = False
        self._parser = httptools.HttpRequestParser(self)
        self.receive_data(data)

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        """See httptools."""
        self._begin()
        self._has_begun = self._in_head = True

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self._target += url
        self._weight += len(url)
        if self._weight > self._head_bound:
            self._refuse_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; also called for trailers, which weigh and are dropped (RFC 9110, 6.5.1)."""
        self._weight += len(name) + len(value) + 4
        if self._weight > self._head_bound:
            self._refuse_head()
        if not self._in_head:
            return
        name = name.lower()
        value = value.rstrip(_BLANKS)  # RFC 9110, 5.5: blanks around a value are none of it; those before it the parser has left out
        headers = self._headers
        if name not in headers:
            headers[name] = value
        elif name == b"host":
            raise _RefusalError(_BAD_REQUEST, _ONE_HOST)
        else:
            headers[name] += b", " + value
            self._repeated += 1

    def _refuse_head(self) -> None:
        raise _RefusalError(_HEAD_TOO_LARGE, f"the head is longer than {self._limits.head_octets} octets")

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        headers = self._headers
        version = self._parser.get_http_version()
        self._judge_head(version)
        if (b"transfer-encoding" in headers or headers.get(b"content-length", b"").strip(b"0")) and self._parser.should_upgrade():
            self._ignore_upgrade()
            return
        expects = b"expect" in headers and version != "1.0"
        if expects and headers[b"expect"].lower() != b"100-continue":
            raise _RefusalError(_EXPECTATION_FAILED, "the only expectation is 100-continue")
        head = self._head() if self._most is not None and (b"content-length" in headers or b"transfer-encoding" in headers) else None
        most = self._most(head) if self._most is not None and head is not None else None
        if most is not None:
            self._body_bound, self._is_in_parts = most, True
        if b"content-length" in headers:
            length = int(headers[b"content-length"].lstrip(b"0") or b"0")  # the parser has seen that it is a number below 2 ** 64
            if length > self._body_bound:
                self._raise_bound(length)
        if most is not None and head is not None:
            self._events.append(Begun(head))
        elif expects:
            self._events.append(Continue(self._head()))

    def _judge_head(self, version: str) -> None:
        headers = self._headers
        if len(headers) + self._repeated > self._limits.headers:
            raise _RefusalError(_HEAD_TOO_LARGE, f"more than {self._limits.headers} headers")
        if version not in _VERSIONS:  # RFC 9110, 15.6.6
            raise _RefusalError(_VERSION_NOT_SUPPORTED, "this is HTTP/1.1")
        # RFC 9112, 3.2: exactly one Host in HTTP/1.1; two are wrong in any version.
        if b"host" not in headers and version != "1.0":
            raise _RefusalError(_BAD_REQUEST, _ONE_HOST)
        if b"transfer-encoding" in headers and version == "1.0":
            raise _RefusalError(_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding")
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":  # RFC 9112, 6.1: what is in it we could not read
            raise _RefusalError(_NOT_IMPLEMENTED, "the only transfer coding is chunked")

    def _ignore_upgrade(self) -> None:
        """This is a request with a body that would also speak another protocol, which may be ignored (RFC 9110, 7.8).

        Some clients ask so for HTTP/2 whatever they send. The parser would leave off at the body: it is given the head again, without that.
        """
        parser = self._parser
        method = parser.get_method()
        if method == b"CONNECT":
            raise _RefusalError(_BAD_REQUEST, "CONNECT with a body")
        lines = [b"%b: %b" % each for each in self._headers.items() if each[0] != b"upgrade"]
        start = b"%b %b HTTP/%b" % (method, self._target, parser.get_http_version().encode())
        self._again = b"\r\n".join((start, *lines, b"", b""))

    def _head(self) -> Request:
        parser = self._parser
        return Request(parser.get_method(), self._target, self._headers, b"", parser.get_http_version(), parser.should_keep_alive())

    def _raise_bound(self, octets: int) -> None:
        """The body is longer than it may be, unless that was a stranger's bound and this is none."""
        most, why = self._limits.body_octets, ""
        if self._is_known is not None and not self._is_in_parts and self._body_bound < most:
            if self._is_known(self._headers):
                self._body_bound = most
            else:
                why = ", and nobody has logged in"
        if octets > self._body_bound:
            raise _RefusalError(_TOO_LARGE, f"the body is longer than {self._body_bound} octets{why}")

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body_octets += len(body)
        if self._body_octets > self._body_bound:
            self._raise_bound(self._body_octets)
        if self._is_in_parts:
            self._events.append(Part(body))
        elif isinstance(self._body, bytearray):
            self._body += body
        else:
            self._body.append(body)
            if len(self._body) >= _MOST_PIECES:  # a body of tiny chunks would weigh many times its octets
                self._body = bytearray(b"".join(self._body))

    def on_message_complete(self) -> None:
        """See httptools."""
        self._has_begun = False
        if self._again:
            return
        parser = self._parser
        headers = self._headers
        if self._is_in_parts:
            self._is_in_parts = False
            self._events.append(Finished())
            return
        method = parser.get_method()
        is_upgrade = (b"upgrade" in headers or method == b"CONNECT") and parser.should_upgrade()
        if is_upgrade and method != b"CONNECT" and parser.get_http_version() == "1.0":
            is_upgrade = False  # RFC 9110, 7.8
        # Only a head that says so, or a version that needs no Host, can be about HTTP/1.0 and persistent.
        is_plain = b"connection" not in headers and b"host" in headers
        chunks = self._body
        body = bytes(chunks) if isinstance(chunks, bytearray) else chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._events.append(
            Request(
                method,
                self._target,
                headers,
                body,
                "1.1" if is_plain else parser.get_http_version(),
                is_upgrade or parser.should_keep_alive(),
                is_upgrade,
            )
        )
