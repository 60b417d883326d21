"""The first protocol of every connection: it listens until it knows who speaks, then hands over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from libvdsm.wire.detect import Protocol, Undecided, detect

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from libvdsm.interfaces.caller import Caller
    from libvdsm.transports.connection import Connection
    from libvdsm.transports.tls import Reader


class Door(asyncio.Protocol):
    """A stranger, from the moment it was accepted: first a bare socket, then a task that takes it in, then a transport.

    ``welcome`` gives the reactor for a protocol, or ``None`` to close; ``leave`` is told once that it is a stranger no more.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        address: str,
        since: float,
        welcome: Callable[[Door, Protocol], Connection | None],
        leave: Callable[[Door], None],
    ) -> None:
        self.sock = sock
        self.address = address
        self.since = since
        self.queued_at = since  # to have its handshake begun: from then until it is, the time is ours
        self._welcome = welcome
        self._leave = leave
        self._prefix = b""
        self.forget: Callable[[], object] | None = None  # how to wait for its first octet no longer
        self.entering: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.has_entered = False
        self.reader: Reader | None = None  # over TLS
        self.last_word = b""  # said before it is closed
        self._is_refused = False
        self._is_aborted = False
        self.caller: Caller | None = None  # who it turned out to be ...
        self.expires_at = 0.0  # ... and until when, in seconds since 1970; 0: no such time

    @property
    def is_tls(self) -> bool:
        """Whether it comes over TLS."""
        return self.reader is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        if self._is_aborted:  # just before: it may not come in any more, or it would be left with a transport that nobody ends
            cast("asyncio.Transport", transport).abort()
            return
        self.transport = cast("asyncio.Transport", transport)
        self.has_entered = True

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        transport = self.transport
        if transport is None or self._is_refused:
            return
        data = self._prefix + data
        found = detect(data)
        if found is Undecided.NEED_MORE:
            self._prefix = data
            return
        reactor = self._welcome(self, found) if isinstance(found, Protocol) else None
        if reactor is None:
            self._refuse(transport)
            return
        self._leave(self)
        self.transport = None
        reactor.address, reactor.caller, reactor.expires_at = self.address, self.caller, self.expires_at
        if self.reader is None:
            transport.set_protocol(reactor)
        else:
            self.reader.protocol = reactor
        reactor.connection_made(transport)
        reactor.data_received(data)

    def _refuse(self, transport: asyncio.Transport) -> None:
        if self.last_word and transport.can_write_eof():
            # It stays a stranger until it has read that and goes, or its time is up: closing while it sends would lose the word.
            self._is_refused = True
            transport.write(self.last_word)
            transport.write_eof()
            return
        self._leave(self)
        self.transport = None
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """See asyncio."""
        self.transport = None
        self._leave(self)

    def abort(self) -> None:
        """Close at once, however far it has come."""
        if self.transport is not None:
            self.transport.abort()
        elif self.entering is not None:
            self._is_aborted = True
            self.entering.cancel()
        else:
            if self.forget is not None:
                self.forget()
                self.forget = None
            self.sock.close()
            self._leave(self)
