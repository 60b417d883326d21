"""A byte tunnel: what the client sends goes to a local stream, and back, until both have ended.

Neither side is read faster than the other takes it. An end of file on one side is handed to the
other, so that a half-closed stream still delivers what is under way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from libvdsm.transports.connection import Connection

if TYPE_CHECKING:
    import socket

    from libvdsm.transports.connection import Hub


class _Far(asyncio.Protocol):
    """The local stream's end."""

    def __init__(self, near: TunnelConnection) -> None:
        self._near = near
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=self._near.hub.limits.tunnel_octets)
        self._near.far_made(self)

    def data_received(self, data: bytes) -> None:
        self._near.write(data)

    def eof_received(self) -> bool:
        self._near.far_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.transport = None
        self._near.close()

    def pause_writing(self) -> None:
        self._near.far_filled()

    def resume_writing(self) -> None:
        self._near.far_drained()


class TunnelConnection(Connection):
    """The client's end. ``early`` are bytes that came with the request."""

    def __init__(self, hub: Hub, stream: socket.socket, early: bytes) -> None:
        super().__init__(hub)
        self.protocol = "tunnel"
        self._bound = hub.limits.tunnel_octets
        self._stream: socket.socket | None = stream
        self._early = [early] if early else []
        self._far: _Far | None = None
        self._joining: asyncio.Task[object] | None = None
        self._near_ended = False
        self._far_has_ended = False
        self._far_full_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)
        self.hub.counters.tunnels += 1
        self.pause_reading()
        self._joining = self._loop.create_task(self._join())

    async def _join(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            await self._loop.connect_accepted_socket(lambda: _Far(self), stream)
        except OSError:
            stream.close()
            self.close()

    def far_made(self, far: _Far) -> None:
        """The local stream is ours: let the bytes run."""
        if self.is_closing and far.transport is not None:
            far.transport.close()
            return
        self._far = far
        for data in self._early:
            if far.transport is not None:
                far.transport.write(data)
        self._early = []
        if self._near_ended:
            self._end_far()
        else:
            self.resume_reading()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self.received_octets += len(data)
        if self._far is None:
            self._early.append(data)
        elif self._far.transport is not None and not self._far.transport.is_closing():
            self._far.transport.write(data)

    def eof_received(self) -> bool:
        """See asyncio."""
        self._near_ended = True
        self._end_far()
        return self._half_closes

    def _end_far(self) -> None:
        far = self._far.transport if self._far is not None else None
        if far is None:
            return
        if self._far_has_ended:
            far.close()
        elif far.can_write_eof():
            far.write_eof()

    def write(self, data: bytes) -> None:
        """Send bytes of the local stream to the client."""
        if self._transport is not None and not (self.is_closing or self._transport.is_closing()):
            self.sent_octets += len(data)
            self._transport.write(data)

    def far_ended(self) -> None:
        """The local stream sends no more."""
        self._far_has_ended = True
        if self._near_ended or not self._half_closes:
            self.close()
        elif self._transport is not None and not self.is_closing:
            self._transport.write_eof()

    def far_filled(self) -> None:
        """The local stream takes too little."""
        self._far_full_since = self.hub.now()
        self.pause_reading()

    def far_drained(self) -> None:
        """The local stream takes again."""
        self._far_full_since = 0.0
        self.resume_reading()

    def pause_writing(self) -> None:
        """See asyncio: the client takes too little."""
        self._is_full = True
        self._full_since = self.hub.now()
        if self._far is not None and self._far.transport is not None:
            self._far.transport.pause_reading()

    def drained(self) -> None:
        """The client takes again."""
        if self._far is not None and self._far.transport is not None:
            self._far.transport.resume_reading()

    def held_octets(self) -> int:
        """What was read from either side and not yet taken by the other."""
        far = self._far.transport if self._far is not None else None
        return self.buffered_octets() + (far.get_write_buffer_size() if far is not None else 0)

    def gone(self) -> None:
        """Let go of the local stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._far is not None and self._far.transport is not None:
            self._far.transport.abort()

    def check_time(self, now: float) -> None:
        """A tunnel may be silent for as long as it likes, but its far end must take what it is sent."""
        if self._far_full_since and now - self._far_full_since >= self.hub.limits.full_s:
            self.hub.counters.slow_readers += 1
            self.abort()
