"""One listening socket: accepts, tells TLS from plain, detects, hands over, and sweeps.

For the composition root::

    endpoint = JsonRpcEndpoint(bridge)
    listener = Listener(
        sock,  # bound and listening, TCP or unix; the listener owns it from here on
        bridge=bridge,
        authenticator=authenticator,
        endpoints=Endpoints(stream=endpoint, http={"/rpc": JsonRpcHttpEndpoint(endpoint)}),
        policy=ListenerPolicy(),
        limits=Limits(),
        tls=context,  # for TCP; ``renew`` takes a newer one. Plain TCP needs ``ListenerPolicy(anonymous=True)``, and loopback
    )
    await listener.start()
    ...
    await listener.stop(grace_s=5)  # no new connections; answers that are due are sent

``connections`` and ``counters`` tell what is going on. A unix peer is whom the kernel says it is, a TLS peer whom its
certificate says it is. Nothing that a stranger does or leaves undone keeps others from being accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

from libvdsm.base.errors import ApiError
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.transports.acceptor import Acceptor
from libvdsm.transports.amqp import AmqpConnection
from libvdsm.transports.config import Counters, Limits, ListenerPolicy
from libvdsm.transports.detector import Door
from libvdsm.transports.http import HttpReactor
from libvdsm.transports.rawjson import JsonConnection
from libvdsm.transports.registry import Registry
from libvdsm.transports.site import Site
from libvdsm.transports.stomp import StompConnection
from libvdsm.transports.tls import PLAIN_HTTP, First, Reader, peek, peer_certificate, why
from libvdsm.transports.turns import Turns
from libvdsm.transports.websocket_upgrade import Sockets
from libvdsm.wire.detect import Protocol
from libvdsm.wire.http.frames import encode_response

if TYPE_CHECKING:
    from libvdsm.interfaces.bridge import Bridge
    from libvdsm.interfaces.caller import Caller, Sink
    from libvdsm.interfaces.endpoint import Authenticator, Endpoints, StreamSession
    from libvdsm.transports.connection import Connection

_log = logging.getLogger(__name__)
#: The most that is read at once over TLS.
_READ_OCTETS = 64 * 1024
#: Handshakes that begin in one turn of the loop; each costs about a millisecond.
_HANDSHAKES = 4
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
        tls: ssl.SSLContext | None = None,
        wall: Callable[[], float] = time.time,
        turns: Turns | None = None,
        accounts: Accounts | None = None,
        registry: Registry | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.counters = Counters()
        self.now: Callable[[], float] = now or time.monotonic
        self.date = b""
        self.turns = turns or Turns()
        self.accounts = accounts or Accounts(IdentityLimits(requests_per_s=0), self.now)
        self.policy = policy
        self.registry = Registry() if registry is None else registry
        self.is_unix = sock.family == socket.AF_UNIX
        self._sock = sock
        self._bridge = bridge
        self._authenticator = authenticator
        self._endpoints = endpoints
        self._wall = wall
        self._tls = None if self.is_unix else tls
        self._site = self._make_site(checks_host=not self.is_unix)
        # A page under another name that leads here by a trick of DNS meets a certificate that is not for that name.
        self._tls_site = self._make_site(checks_host=False, is_secure=True)
        self._buffer = memoryview(bytearray(_READ_OCTETS))
        self._connections: set[Connection] = set()
        self._unflushed: list[Connection] = []
        self._strangers: set[Door] = set()
        self._queue: deque[Door] = deque()  # strangers whose handshake is to begin
        self._per_address: Counter[str] = Counter()
        self._acceptor = Acceptor(sock, self._arrive, name=policy.name, keeps_free=not self.is_unix)
        self._emptied: asyncio.Event | None = None  # once it is stopping
        self._timer: asyncio.TimerHandle | None = None
        if not self.is_unix:
            self._refuse_exposure()
            find_dead_peers(sock, self.limits.dead_peer_s)

    def _make_site(self, *, checks_host: bool, is_secure: bool = False) -> Site:
        policy, endpoints, redeem = self.policy, self._endpoints, self._bridge.redeem
        sockets = Sockets(endpoints, policy=policy, redeem=redeem, release=self._bridge.release, is_secure=is_secure)
        return Site(endpoints.http, policy=policy, checks_host=checks_host, redeem=redeem, bearer=self._bearer, sockets=sockets)

    def _refuse_exposure(self) -> None:
        host = self._sock.getsockname()[0]
        if not self.policy.anonymous:
            if self._tls is None and not self.policy.tls:
                msg = "a TCP socket without TLS knows nobody: the policy must allow anonymous callers"
                raise ValueError(msg)
        elif not is_loopback(host):
            msg = f"anonymous callers are allowed on loopback only, not on {host}"
            raise ValueError(msg)

    def renew(self, context: ssl.SSLContext) -> None:
        """Serve new TLS connections with ``context``; those that are open go on as they are."""
        if not self.is_unix:
            self._tls = context

    @property
    def connections(self) -> int:
        """How many connections there are, strangers included."""
        return len(self._connections) + len(self._strangers)

    @property
    def waiting(self) -> int:
        """How many strangers wait until their handshake begins."""
        return len(self._queue)

    async def start(self) -> None:
        """Begin to accept."""
        self.loop = asyncio.get_running_loop()
        self._acceptor.start(self.loop)
        self._tick()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept no more, let answers that are due go out for ``grace_s`` at most, then close everything."""
        self._acceptor.close()
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
        queued = set(self._queue)
        for door in tuple(self._strangers):
            if now - door.since >= self.limits.detect_s and door not in queued:
                self.counters.detect_timeouts += 1
                door.abort()
        wall = self._wall()
        unsent = 0
        for connection in tuple(self._connections):
            unsent += connection.unsent_octets()
            if connection.expires_at and wall >= connection.expires_at and not connection.is_closing:
                self._evict(connection, "its certificate has expired")
            connection.sweep(now)

        if unsent > self.limits.all_write_octets:
            self._make_room(unsent)

    def _make_room(self, unsent: int) -> None:
        """Readers that do not read have each less than they may, and all of them more: who has the most goes first."""
        for connection in sorted(self._connections, key=lambda each: each.unsent_octets(), reverse=True):
            if unsent <= self.limits.all_write_octets:
                return
            unsent -= connection.unsent_octets()
            self.counters.crowded_out += 1
            _log.warning("%s: ends a connection from %s: too much waits to be taken by all", self.policy.name, connection.address)
            connection.abort()

    # What connections call.

    def flush_soon(self, connection: Connection) -> None:
        """See ``Hub``: one call of the loop for all that have something to write, since each costs as much as the writing does."""
        self._unflushed.append(connection)
        if len(self._unflushed) == 1:
            self.loop.call_soon(self.flush_all)

    def flush_all(self) -> None:
        """See ``Hub``."""
        unflushed, self._unflushed = self._unflushed, []
        for connection in unflushed:
            try:
                connection.flush_late()
            except Exception as failure:  # noqa: BLE001 - as the loop does with what it calls: the others are written all the same
                self.loop.call_exception_handler({"message": "a connection cannot be written", "exception": failure})

    def add(self, connection: Connection) -> None:
        """The connection exists."""
        if not connection.number:
            connection.listener, connection.connected_at = self.policy.name, self._wall()
        self._connections.add(connection)
        self.registry.add(connection)

    def discard(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        self.registry.discard(connection)
        if self._emptied is not None and not self._connections:
            self._emptied.set()

    # Strangers.

    def _arrive(self, sock: socket.socket, peer: object) -> None:
        """A connection was accepted; from here on it has ``detect_s`` to say who it is."""
        self.counters.accepted += 1
        address = peer[0] if isinstance(peer, tuple) else "unix"
        limits = self.limits
        if self.connections >= limits.connections or self._per_address[address] >= limits.strangers_per_address:
            self.counters.refused_limit += 1
            sock.close()
            return
        door = Door(sock, address=address, since=self.now(), welcome=self._welcome, leave=self._leave)
        self._strangers.add(door)
        self._per_address[address] += 1
        if self._tls is None:
            self._take_in(door, None)
        else:
            self._look(door)

    def _look(self, door: Door) -> None:
        """TLS or plain: its first octet tells, as soon as it is there."""
        first = peek(door.sock)
        if first is First.NOTHING_YET:
            if door.forget is None:
                door.forget = partial(self.loop.remove_reader, door.sock.fileno())
                self.loop.add_reader(door.sock.fileno(), self._look, door)
            return
        if door.forget is not None:
            door.forget()
            door.forget = None
        if first is First.GONE:
            door.abort()
        else:
            self._take_in(door, self._tls if first is First.TLS else None)

    def _take_in(self, door: Door, context: ssl.SSLContext | None) -> None:
        if context is None:
            self._let_in(door, None)
            return
        door.reader = Reader(door, self._buffer)
        door.queued_at = self.now()
        self._queue.append(door)
        if len(self._queue) == 1:
            self.loop.call_soon(self._begin_handshakes)

    def _begin_handshakes(self) -> None:
        """A few in each turn of the loop, in the order of their coming: thousands at once would let everybody else wait for seconds.

        It is the beginning that is counted out, so nobody who dawdles takes another's place; the time until then is ours, not theirs.
        """
        for _ in range(min(_HANDSHAKES, len(self._queue))):
            door = self._queue.popleft()
            if door not in self._strangers:
                continue
            if self._tls is None:
                door.abort()
                continue
            door.since += self.now() - door.queued_at
            self._let_in(door, self._tls)
        if self._queue:
            self.loop.call_soon(self._begin_handshakes)

    def _let_in(self, door: Door, context: ssl.SSLContext | None) -> None:
        door.entering = self.loop.create_task(self._enter(door, context))
        door.entering.add_done_callback(partial(self._has_come, door))

    def _has_come(self, door: Door, _entering: asyncio.Task[None]) -> None:
        """It is in, or will never be: even if it was sent away before its task had begun."""
        door.entering = None
        if not door.has_entered:  # else the transport closes the socket
            door.sock.close()
            self._leave(door)

    async def _enter(self, door: Door, context: ssl.SSLContext | None) -> None:
        """Give the socket to a transport; over TLS that is done when the handshake is."""
        try:
            if context is None:
                await self.loop.connect_accepted_socket(lambda: door, door.sock)
            else:
                left = self.limits.detect_s - (self.now() - door.since)
                await self.loop.connect_accepted_socket(
                    lambda: door.reader or door,
                    door.sock,
                    ssl=context,
                    ssl_handshake_timeout=max(left, 0.01),
                    ssl_shutdown_timeout=self.limits.goodbye_s,
                )
        except OSError as failure:
            if context is not None:
                self.counters.refused_handshakes += 1
                _log.info("%s: refused %s: TLS: %s", self.policy.name, door.address, why(failure))

    def _leave(self, door: Door) -> None:
        if door in self._strangers:
            self._strangers.remove(door)
            self._per_address[door.address] -= 1
            if not self._per_address[door.address]:
                del self._per_address[door.address]

    def _welcome(self, door: Door, protocol: Protocol) -> Connection | None:
        if not (door.is_tls or self.is_unix or self.policy.anonymous):
            self.counters.refused_plain += 1
            door.last_word = encode_response(PLAIN_HTTP, self.date, is_persistent=False) if protocol is Protocol.HTTP else b""
            return None
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
            return HttpReactor(self, self._tls_site if door.is_tls else self._site, self._identify(door, None))
        if protocol is Protocol.STOMP and self._endpoints.stomp is not None:
            open_line = partial(self._endpoints.stomp.open, self._identify(door, None), is_strict=self.policy.strict_stomp)
            return StompConnection(self, open_line, is_secure=door.is_tls)
        if protocol is Protocol.AMQP and self._endpoints.amqp is not None:
            return AmqpConnection(self, partial(self._endpoints.amqp.open, self._identify(door, None)), is_secure=door.is_tls)
        stream = self._endpoints.stream
        if protocol is not Protocol.JSON or stream is None:
            return None

        def open_session(sink: Sink) -> StreamSession:
            return stream.open(self._identify(door, sink))

        return JsonConnection(self, open_session, self._bridge.release)

    def _identify(self, door: Door, sink: Sink | None) -> Caller:
        caller = door.caller = self._authenticate(door, sink)
        caller.on_revoked.append(partial(self._revoked, caller))
        return caller

    def _authenticate(self, door: Door, sink: Sink | None) -> Caller:
        if door.transport is None:
            msg = "the peer is gone"
            raise OSError(msg)
        if self.is_unix:
            peer = door.transport.get_extra_info("socket")
            pid, uid, gid = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
            return self._authenticator.unix(uid=uid, gid=gid, pid=pid, address=door.address, sink=sink)
        certificate = peer_certificate(door.transport) if door.is_tls else None
        if certificate is None:
            return self._authenticator.anonymous(address=door.address, sink=sink)
        door.expires_at = certificate.not_after
        return self._authenticator.certificate(certificate=certificate, address=door.address, sink=sink)

    def _bearer(self, token: str, address: str, own: Caller) -> Caller:
        """Who presents a token over HTTP; his connection ends with it."""
        try:
            caller = self._authenticator.bearer(token=token, address=address, own=own)
        except ApiError as refusal:
            self.counters.refused_identity += 1
            _log.info("%s: refused a token from %s: %s", self.policy.name, address, refusal)
            raise
        caller.on_revoked.append(partial(self._revoked, caller))
        return caller

    # The end of what a caller proved itself with.

    def _revoked(self, caller: Caller, reason: str) -> None:
        """Its connections end when what is running now has been answered."""
        self.loop.call_soon(self._evict_all, caller, reason)

    def _evict_all(self, caller: Caller, reason: str) -> None:
        for connection in tuple(self._connections):
            if connection.caller is caller:
                self._evict(connection, reason)

    def _evict(self, connection: Connection, reason: str) -> None:
        self.counters.evicted += 1
        who = connection.caller.identity if connection.caller is not None else "nobody"
        _log.info("%s: ends the connection of %s from %s: %s", self.policy.name, who, connection.address, reason)
        connection.close()


def find_dead_peers(sock: socket.socket, seconds: int) -> None:
    """Let the kernel end connections whose peer is not there any more; those that a listening socket accepts inherit it.

    Silence is probed from half of the time on (SO_KEEPALIVE); with TCP_USER_TIMEOUT what was sent is given up by then as well,
    instead of after a quarter of an hour (tcp(7)).
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, seconds // 2))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 6))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)


def is_loopback(address: str) -> bool:
    """Whether an IP address is this host's own."""
    return address == "::1" or address.startswith(("127.", "::ffff:127."))
