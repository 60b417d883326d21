"""One connection to a daemon for threads, shared by all clients of that daemon, and renewed when it was lost and is needed."""

from __future__ import annotations

import os
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from libvdsm.client.runtime.errors import AddressError, ApiError, ClientError, NotSentError, ProtocolError, TransportError, UntrustedError
from libvdsm.client.runtime.policy import Attempts, Retry
from libvdsm.client.runtime.state import Link, LinkState, StateCallback, Teller
from libvdsm.client.runtime.sync.connection import Connection, HttpConnection, StreamConnection, open_stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.core import Notification
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.login import Login
    from libvdsm.client.runtime.sync.events import EventStream


class Line:
    """The connection, who waits for its deliveries, and how it is. Safe to use from many threads."""

    def __init__(
        self, address: Address, login: Login, *, connect_timeout: float, retry: Retry, beat_s: float, on_state: StateCallback | None
    ) -> None:
        self.address = address
        self.connect_timeout = connect_timeout
        self.retry = retry
        self._teller = Teller(on_state)
        self._login = login
        self._beat_s = beat_s
        self._connection: Connection | None = None
        self._connecting = threading.RLock()  # a callback may be told that there is a connection, and use it
        self._failed: tuple[float, ClientError] | None = None  # when the last attempt failed, and why
        self._closing = threading.Event()
        self._streams: dict[str, EventStream] = {}
        self._stream_names = count(1)
        self._process = os.getpid()
        self._heeding: dict[int, threading.Lock] = {}  # by process: no other can have held it

    @property
    def state(self) -> LinkState:
        """How it is."""
        return self._teller.state

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._closing.is_set()

    @property
    def dropped_answers(self) -> int:
        """See ``BaseClient``."""
        return self._connection.core.dropped if isinstance(self._connection, StreamConnection) else 0

    def open(self) -> None:
        """Connect now, without patience."""
        self._connected(is_first=True)

    def close(self) -> None:
        """End the connection for good."""
        self.heed_fork()
        self._closing.set()
        self._teller.change(Link.CLOSED)
        if self._connection is not None:
            self._connection.close()

    def exchange(self, method: str, params: Mapping[str, Any], options: dict[str, Any], limit_s: float | None = None) -> Json:
        """One call, sent again as ``Retry`` says; ``limit_s``: seconds for one answer, if not what is usual for the verb."""
        attempts = Attempts(method, options, self.retry, now=time.monotonic(), connect_s=self.connect_timeout, limit_s=limit_s)
        while True:
            try:
                connection = self._connected()
                result = connection.call(method, params, attempts.options, attempts.limit_s)
            except (TransportError, ApiError) as failure:
                if self.address.http:
                    self._judge(failure)
                if self._closing.is_set():
                    raise
                pause_s = attempts.after(failure, time.monotonic())
            else:
                if self.address.http:
                    self._teller.change(Link.UP)
                return result
            self._closing.wait(pause_s)

    def heed_fork(self) -> None:
        """In a process that was forked off: let go of what belongs to the one before, and do it no harm.

        Its connection has no reading thread here, and its threads may have held any lock; whoever spoke on it would take the other's answers.
        """
        process = os.getpid()
        if self._process == process:
            return
        with self._heeding.setdefault(process, threading.Lock()):
            if self._process != process:
                self._let_go()
                self._process = process

    def _let_go(self) -> None:
        self._connecting, self._failed = threading.RLock(), None
        if not self._closing.is_set():
            self._closing = threading.Event()
        self._teller = self._teller.anew()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        self._streams = {}  # each heeds it itself: one whose connection was lost is not among them

    def open_stream(self, path: str) -> socket.socket:
        """See ``BaseClient``."""
        return open_stream(self.address, path, self.connect_timeout, self._login.token())

    def register(self, stream: EventStream) -> str:
        """A name for a subscription; its deliveries go to ``stream``."""
        name = f"s{next(self._stream_names)}"
        self._streams[name] = stream
        return name

    def unregister(self, name: str) -> None:
        """Nobody reads this subscription any more."""
        self._streams.pop(name, None)

    def forsake(self, name: str) -> None:
        """End a subscription that may have begun, without waiting for it; if the connection was lost, so is the subscription."""
        self.unregister(name)
        if isinstance(self._connection, StreamConnection):
            self._connection.tell("Event.unsubscribe", {"subscriptionId": name})

    def pause(self, seconds: float) -> None:
        """Wait before another attempt; not longer than the client lives."""
        self._closing.wait(seconds)

    def _connected(self, *, is_first: bool = False) -> Connection:
        """The connection; all who need one wait for the same attempt, and learn the same of it."""
        self.heed_fork()
        began = time.monotonic()
        with self._connecting:
            if self._closing.is_set():
                message = "the client is closed"
                raise NotSentError(message)
            if self._connection is not None and self._connection.is_open:
                return self._connection
            if self._failed is not None and self._failed[0] > began and not is_first:
                raise self._failed[1]
            try:
                self._connection = connection = self._connect(is_patient=not is_first)
                self._begin(connection)
            except ClientError as failure:
                self._failed = (time.monotonic(), failure)
                self._teller.change(Link.DOWN, str(failure))
                raise
            return connection

    def _begin(self, connection: Connection) -> None:
        """It is there, unless it was lost or closed meanwhile."""
        if self._closing.is_set():
            connection.close()
            message = "the client is closed"
            raise NotSentError(message)
        if isinstance(connection, StreamConnection) and not self._teller.change(Link.UP, given=lambda _was: not connection.is_ending):
            message = f"cannot connect to {self.address.url}: the connection was lost as soon as it was there"
            raise NotSentError(message)

    def _connect(self, *, is_patient: bool) -> Connection:
        deadline = time.monotonic() + self.connect_timeout
        for attempt in count():
            try:
                return self._dial(max(0.001, deadline - time.monotonic()))
            except (UntrustedError, AddressError, ApiError, ProtocolError):  # trying again will not help
                raise
            except NotSentError:
                pause_s = self.retry.pause(attempt)
                if not is_patient or time.monotonic() + pause_s >= deadline or self._closing.is_set():
                    raise
            self._closing.wait(pause_s)
        raise AssertionError

    def _dial(self, limit_s: float) -> Connection:
        if self.address.http:
            return HttpConnection(self.address, self._login)
        return StreamConnection.open(
            self.address, self._login, limit_s, beat_s=self._beat_s, on_notification=self._notified, on_lost=self._has_lost
        )

    def _judge(self, failure: ClientError) -> None:
        """Over HTTP nothing but the answers tells whether the daemon is there."""
        if isinstance(failure, TransportError):
            self._teller.change(Link.DOWN, str(failure))
        else:
            self._teller.change(Link.UP)

    def _notified(self, notification: Notification) -> None:
        stream = self._streams.get(str(notification.params.get("subscriptionId")))
        if notification.method == "Event.deliver" and stream is not None:
            stream.push(notification.params)

    def _has_lost(self, reason: ClientError) -> None:
        for stream in list(self._streams.values()):
            stream.lost()
        self._teller.change(Link.DOWN, str(reason), given=lambda was: was.is_up)
