"""The first protocol of every connection: it listens until it knows who speaks, then hands over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from libvdsm.wire.detect import Protocol, Undecided, detect

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.transports.connection import Connection


class Door(asyncio.Protocol):
    """A stranger. ``welcome`` gives the reactor for a protocol, or ``None`` to close."""

    def __init__(
        self,
        *,
        welcome: Callable[[Door, Protocol], Connection | None],
        admit: Callable[[Door], bool],
        leave: Callable[[Door], None],
    ) -> None:
        self._welcome = welcome
        self._admit = admit
        self._leave = leave
        self._prefix = b""
        self.transport: asyncio.Transport | None = None
        self.since = 0.0
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)
        if not self._admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        transport = self.transport
        if transport is None:
            return
        data = self._prefix + data
        found = detect(data)
        if found is Undecided.NEED_MORE:
            self._prefix = data
            return
        reactor = self._welcome(self, found) if isinstance(found, Protocol) else None
        self._leave(self)
        if reactor is None:
            self.transport = None
            transport.close()
            return
        self.transport = None
        reactor.address = self.address
        transport.set_protocol(reactor)
        reactor.connection_made(transport)
        reactor.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio."""
        self.transport = None
        self._leave(self)

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()
