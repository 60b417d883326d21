"""How an HTTP connection becomes a WebSocket: what is offered, what is chosen, and who may.

``/ws`` serves the sub-protocols of ``Sockets.served``; with none offered it is ``jsonrpc`` (docs/guide/websocket.md). A
stream is ``binary``, by its ticket: ``/stream/<ticket>`` or ``/ws?ticket=<ticket>``. A page can send no header of its
own, so it may offer its token beside the sub-protocols, as ``bearer.<token>``: never in the URL, which is kept and shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from libvdsm.base.errors import ApiError
from libvdsm.transports.site import path_of
from libvdsm.transports.websocket_json import JsonWebSocket
from libvdsm.transports.websocket_line import LineWebSocket
from libvdsm.transports.websocket_tunnel import WebSocketTunnel
from libvdsm.wire.http.events import Response
from libvdsm.wire.websocket import handshake

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from libvdsm.interfaces.caller import Caller, Sink
    from libvdsm.interfaces.endpoint import Endpoints, LineEndpoint, StreamEndpoint, StreamSession
    from libvdsm.transports.config import ListenerPolicy
    from libvdsm.transports.connection import Connection, Hub
    from libvdsm.wire.http.events import Request

PATH: Final = b"/ws"
_STREAM: Final = b"/stream/"
_JSON: Final = b"jsonrpc"
_AMQP: Final = b"amqp"
_BINARY: Final = b"binary"
_STOMP: Final = {b"v12.stomp": "1.2", b"v11.stomp": "1.1", b"v10.stomp": "1.0"}
_BEARER: Final = b"bearer."
_TICKET: Final = re.compile(rb"(?:^|&)ticket=([A-Za-z0-9_.~-]+)(?:&|$)")

_SWITCHED_OFF: Final = Response(404, b'{"error":"WebSockets are switched off here"}\n')
_NO_ORIGIN: Final = Response(403, b'{"error":"a browser must say from which page it calls"}\n')
_NO_STREAM: Final = Response(404, b'{"error":"there is no such stream"}\n')


@dataclass(frozen=True, slots=True)
class Opened:
    """The connection's next life, and the answer that says so."""

    connection: Connection
    head: bytes


def is_meant(request: Request, path: bytes) -> bool:
    """Whether a request is for us."""
    return path == PATH or (path.startswith(_STREAM) and handshake.asks(request))


def bearer(request: Request) -> bytes | None:
    """What stands for the header ``Authorization``, if a page offers its token beside the sub-protocols."""
    offered = handshake.tokens(request.headers.get(b"sec-websocket-protocol"))
    token = next((each[len(_BEARER) :] for each in offered if each.startswith(_BEARER)), None)
    return None if token is None else b"Bearer " + token


class Sockets:
    """The WebSockets of a listener."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        policy: ListenerPolicy,
        redeem: Callable[[Caller, str], socket.socket],
        release: Callable[[Sink], None],
        is_secure: bool,
    ) -> None:
        """``redeem``: the stream for a ticket. ``release``: a sink is gone. ``is_secure``: whether they come over TLS."""
        self._redeem = redeem
        self._release = release
        self._is_secure = is_secure
        self._is_on = "websocket" in policy.protocols
        self._is_strict = policy.strict_stomp
        self._stream = endpoints.stream if "json" in policy.protocols else None
        self._stomp = endpoints.stomp if "stomp" in policy.protocols else None
        self._amqp = endpoints.amqp if "amqp" in policy.protocols else None
        served = [_JSON] if self._stream is not None else []
        served += _STOMP if self._stomp is not None else ()
        served += [_AMQP] if self._amqp is not None else ()
        self.served: tuple[bytes, ...] = (*served, _BINARY)
        names = b", ".join(self.served)
        self._none_common = Response(400, b'{"error":"none of the sub-protocols is served here; these are: %b"}\n' % names)

    def open(self, hub: Hub, request: Request, caller: Caller) -> Response | Opened:
        """What a request for a WebSocket leads to; ``caller`` is for whom it speaks."""
        if not self._is_on:
            return _SWITCHED_OFF
        refusal = handshake.find_refusal(request)
        if refusal is not None:
            return refusal
        headers = request.headers
        offered = handshake.tokens(headers.get(b"sec-websocket-protocol"))
        if b"origin" not in headers and b"cookie" in headers:
            return _NO_ORIGIN  # what a browser sends by itself counts only with the page that made it do so
        path, query = path_of(request.target), request.target.partition(b"?")[2]
        if path != PATH:
            return self._open_stream(hub, request, caller, path[len(_STREAM) :], offered)
        ticket = _TICKET.search(query)
        if ticket is not None:
            return self._open_stream(hub, request, caller, ticket.group(1), offered)
        chosen = self._choose(offered)
        if chosen is None:
            return self._none_common
        connection = self._make(hub, caller, chosen)
        if connection is None:
            return _NO_STREAM
        return Opened(connection, handshake.encode_accept(request, chosen if offered else None))

    def _choose(self, offered: list[bytes]) -> bytes | None:
        """The first of the client's that is served; our own first, if it offers none at all."""
        names = [each for each in offered if not each.startswith(_BEARER)]
        if not names:
            return self.served[0]
        return next((each for each in names if each in self.served), None)

    def _make(self, hub: Hub, caller: Caller, chosen: bytes) -> Connection | None:
        if chosen == _JSON and self._stream is not None:
            return JsonWebSocket(hub, partial(_open_session, self._stream, caller), self._release)
        if chosen in _STOMP and self._stomp is not None:
            return self._make_line(hub, self._stomp, caller, chosen, (_STOMP[chosen],))
        if chosen == _AMQP and self._amqp is not None:
            return self._make_line(hub, self._amqp, caller, chosen, ())
        return None

    def _make_line(self, hub: Hub, endpoint: LineEndpoint, caller: Caller, chosen: bytes, versions: tuple[str, ...]) -> LineWebSocket:
        is_strict = self._is_strict and chosen in _STOMP
        open_line = partial(endpoint.open, caller, is_strict=is_strict, versions=versions)
        return LineWebSocket(hub, open_line, protocol=chosen.decode(), is_text=chosen in _STOMP, is_secure=self._is_secure)

    def _open_stream(self, hub: Hub, request: Request, caller: Caller, ticket: bytes, offered: list[bytes]) -> Response | Opened:
        if offered and _BINARY not in offered:
            return self._none_common
        try:
            stream = self._redeem(caller, ticket.decode("ascii", "replace"))
        except ApiError:
            return _NO_STREAM
        return Opened(WebSocketTunnel(hub, stream, b""), handshake.encode_accept(request, _BINARY if offered else None))


def _open_session(endpoint: StreamEndpoint, caller: Caller, sink: Sink) -> StreamSession:
    """From here on there is a connection on which the caller can be sent events."""
    caller.sink = sink
    return endpoint.open(caller)
