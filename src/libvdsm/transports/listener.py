"""One listening socket: accepts, detects, hands over, and sweeps.

For the composition root::

    endpoint = JsonRpcEndpoint(bridge)
    listener = Listener(
        sock,  # bound and listening, TCP or unix; the listener owns it from here on
        bridge=bridge,
        authenticator=authenticator,
        endpoints=Endpoints(stream=endpoint, http={"/rpc": JsonRpcHttpEndpoint(endpoint)}),
        policy=ListenerPolicy(anonymous=True),  # TCP only, and on loopback only
        limits=Limits(),
    )
    await listener.start()
    ...
    await listener.stop(grace_s=5)  # no new connections; answers that are due are sent

``connections`` and ``counters`` tell what is going on. A unix peer is whom the kernel says it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import TYPE_CHECKING

from libvdsm.base.errors import ApiError
from libvdsm.transports.config import Counters, Limits, ListenerPolicy
from libvdsm.transports.detector import Door
from libvdsm.transports.http import HttpReactor, Site
from libvdsm.transports.rawjson import JsonConnection
from libvdsm.wire.detect import Protocol

if TYPE_CHECKING:
    from libvdsm.interfaces.bridge import Bridge
    from libvdsm.interfaces.caller import Caller, Sink
    from libvdsm.interfaces.endpoint import Authenticator, Endpoints, StreamSession
    from libvdsm.transports.connection import Connection

_log = logging.getLogger(__name__)
_CREDENTIALS = struct.Struct("3i")


class Listener:
    """A listening socket and its connections."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        bridge: Bridge,
        authenticator: Authenticator,
        endpoints: Endpoints,
        policy: ListenerPolicy,
        limits: Limits | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self.now: Callable[[], float] = now or time.monotonic
        self.date = b""
        self.policy = policy
        self.is_unix = sock.family == socket.AF_UNIX
        self._sock = sock
        self._bridge = bridge
        self._authenticator = authenticator
        self._endpoints = endpoints
        self._site = Site(endpoints.http, policy=policy, checks_host=not self.is_unix, redeem=bridge.redeem)
        self._connections: set[Connection] = set()
        self._strangers: set[Door] = set()
        self._per_address: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._emptied: asyncio.Event | None = None  # once it is stopping
        self._timer: asyncio.TimerHandle | None = None
        if not self.is_unix:
            self._refuse_exposure()

    def _refuse_exposure(self) -> None:
        host = self._sock.getsockname()[0]
        if not self.policy.anonymous:
            msg = "a TCP socket without TLS knows nobody: the policy must allow anonymous callers"
            raise ValueError(msg)
        if not is_loopback(host):
            msg = f"anonymous callers are allowed on loopback only, not on {host}"
            raise ValueError(msg)

    @property
    def connections(self) -> int:
        """How many connections there are, strangers included."""
        return len(self._connections) + len(self._strangers)

    async def start(self) -> None:
        """Begin to accept."""
        self.loop = asyncio.get_running_loop()
        self._sock.setblocking(False)
        if self.is_unix:
            self._server = await self.loop.create_unix_server(self._make_door, sock=self._sock, backlog=1024)
        else:
            self._server = await self.loop.create_server(self._make_door, sock=self._sock, backlog=1024)
        self._tick()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept no more, let answers that are due go out for ``grace_s`` at most, then close everything."""
        if self._server is not None:
            self._server.close()
        for door in tuple(self._strangers):
            door.abort()
        for connection in tuple(self._connections):
            connection.shut_down()
        if self._connections:
            self._emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), grace_s)
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()

    # The sweep.

    def _tick(self) -> None:
        self._timer = self.loop.call_later(self.limits.sweep_s, self._tick)
        self.sweep(self.now())

    def sweep(self, now: float) -> None:
        """Close what has taken too long."""
        self.date = formatdate(usegmt=True).encode()
        for door in tuple(self._strangers):
            if now - door.since >= self.limits.detect_s:
                self.counters.detect_timeouts += 1
                door.abort()
        for connection in tuple(self._connections):
            connection.sweep(now)

    # What connections call.

    def add(self, connection: Connection) -> None:
        """The connection exists."""
        self._connections.add(connection)

    def discard(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        if self._emptied is not None and not self._connections:
            self._emptied.set()

    # Strangers.

    def _make_door(self) -> Door:
        return Door(welcome=self._welcome, admit=self._admit, leave=self._leave)

    def _admit(self, door: Door) -> bool:
        self.counters.accepted += 1
        door.since = self.now()
        peer = door.transport.get_extra_info("peername") if door.transport is not None else None
        door.address = peer[0] if isinstance(peer, tuple) else "unix"
        limits = self.limits
        if self.connections >= limits.connections or self._per_address[door.address] >= limits.strangers_per_address:
            self.counters.refused_limit += 1
            return False
        self._strangers.add(door)
        self._per_address[door.address] += 1
        return True

    def _leave(self, door: Door) -> None:
        if door in self._strangers:
            self._strangers.remove(door)
            self._per_address[door.address] -= 1
            if not self._per_address[door.address]:
                del self._per_address[door.address]

    def _welcome(self, door: Door, protocol: Protocol) -> Connection | None:
        by_protocol = self.counters.by_protocol
        by_protocol[protocol.value] = by_protocol.get(protocol.value, 0) + 1
        try:
            reactor = self._make_reactor(door, protocol) if protocol.value in self.policy.protocols else None
        except (ApiError, OSError) as refusal:
            self.counters.refused_identity += 1
            _log.info("%s: refused %s: %s", self.policy.name, door.address, refusal)
            return None
        if reactor is None:
            self.counters.refused_protocol += 1
            _log.info("%s: %s from %s is not enabled", self.policy.name, protocol.value, door.address)
        return reactor

    def _make_reactor(self, door: Door, protocol: Protocol) -> Connection | None:
        if protocol is Protocol.HTTP:
            return HttpReactor(self, self._site, self._identify(door, None))
        stream = self._endpoints.stream
        if protocol is not Protocol.JSON or stream is None:
            return None

        def open_session(sink: Sink) -> StreamSession:
            return stream.open(self._identify(door, sink))

        return JsonConnection(self, open_session, self._bridge.release)

    def _identify(self, door: Door, sink: Sink | None) -> Caller:
        if not self.is_unix:
            return self._authenticator.anonymous(address=door.address, sink=sink)
        peer = door.transport.get_extra_info("socket") if door.transport is not None else None
        if peer is None:
            msg = "the peer is gone"
            raise OSError(msg)
        pid, uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return self._authenticator.unix(uid=uid, gid=gid, pid=pid, address=door.address, sink=sink)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this host's own."""
    return address == "::1" or address.startswith(("127.", "::ffff:127."))
