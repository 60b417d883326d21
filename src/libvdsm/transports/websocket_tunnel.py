"""A byte tunnel in a WebSocket: what binary messages carry goes to a local stream, and back (a console in a web page)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.transports.connection import Connection
from libvdsm.transports.tunnel import TunnelConnection
from libvdsm.wire.websocket.connection import WebSocketConnection
from libvdsm.wire.websocket.events import Broken, Close, Code, Message, Ping, Pong
from libvdsm.wire.websocket.frames import encode, encode_binary

if TYPE_CHECKING:
    import socket

    from libvdsm.transports.connection import Hub
    from libvdsm.transports.tunnel import _Far

_PING = encode(Ping(b""))


class WebSocketTunnel(TunnelConnection):
    """The client's end. ``early`` are octets that came with the request."""

    def __init__(self, hub: Hub, stream: socket.socket, early: bytes) -> None:
        super().__init__(hub, stream, early)
        self.protocol = "websocket/binary"
        self.heart_beat_s = hub.limits.beat_s
        self._codec = WebSocketConnection(hub.limits.tunnel_octets)
        self._heard_at = hub.now()
        self._was_asked = False
        self._has_closed = False

    def far_made(self, far: _Far) -> None:
        """The local stream is ours: what came before is frames, too."""
        early, self._early = self._early, []
        has_ended, self._near_ended = self._near_ended, False
        super().far_made(far)
        for data in early:
            self.data_received(data)
        if has_ended:
            self._near_ended = True
            self._end_far()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._far is None:
            super().data_received(data)
            return
        self._heard_at = 0.0
        if self._has_closed:
            return
        self._codec.receive_data(data)
        while (event := self._codec.next_event()) is not None:
            if isinstance(event, Message):
                if event.data:
                    super().data_received(event.data)
            elif isinstance(event, Ping):
                Connection.put(self, encode(Pong(event.data)))
            elif isinstance(event, Close | Broken):
                self._conclude(event.code)

    def write(self, data: bytes) -> None:
        """Send octets of the local stream to the client; what is put meanwhile keeps its place."""
        if self._has_closed:
            return
        self.flush()
        super().write(encode_binary(data))

    def far_ended(self) -> None:
        """The local stream sends no more: a WebSocket has no half that could end."""
        self._far_has_ended = True
        self._conclude(Code.NORMAL)

    def close(self) -> None:
        """See ``Connection``."""
        if not self._has_closed and self._transport is not None and not self.is_closing:
            self._has_closed = True
            Connection.put(self, encode(Close(Code.GOING_AWAY)))
        super().close()

    def _conclude(self, code: int | None) -> None:
        if self._has_closed or self.is_closing:
            return
        self._has_closed = True
        Connection.put(self, encode(Close(code)))
        self._near_ended = True
        if not self._far_has_ended:
            self._end_far()
        self.linger()

    def check_time(self, now: float) -> None:
        """See ``Connection``; a peer that is silent for two beats, though it was asked after one, is gone."""
        super().check_time(now)
        if self.is_closing:
            return
        silent_s = now - self._heard_at if self._heard_at else 0.0
        if not self._heard_at or self._far_full_since:
            self._heard_at, self._was_asked = now, False
        elif silent_s >= 2 * self.hub.limits.beat_s:
            self.hub.counters.idle_closed += 1
            self.abort()
        elif not self._was_asked and silent_s >= self.hub.limits.beat_s:
            self._was_asked = True
            Connection.put(self, _PING)
