"""One connection to a daemon for asyncio, shared by all clients of that daemon, and renewed when it was lost and is needed."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from libvdsm.client.runtime.aio.connection import Connection, HttpConnection, StreamConnection, look_at, open_stream
from libvdsm.client.runtime.errors import AddressError, ApiError, ClientError, NotSentError, ProtocolError, TransportError, UntrustedError
from libvdsm.client.runtime.policy import Attempts, Retry
from libvdsm.client.runtime.state import Link, LinkState, StateCallback, Teller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.aio.events import EventStream
    from libvdsm.client.runtime.core import Notification
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.login import Login


class Line:
    """The connection, who waits for its deliveries, and how it is."""

    def __init__(
        self, address: Address, login: Login, *, connect_timeout: float, retry: Retry, beat_s: float, on_state: StateCallback | None
    ) -> None:
        self.address = address
        self.connect_timeout = connect_timeout
        self.retry = retry
        self._teller = Teller(on_state)
        self.lost = asyncio.Event()  # set while there is no connection
        self._login = login
        self._beat_s = beat_s
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._streams: dict[str, EventStream] = {}
        self._stream_names = count(1)

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

    async def open(self) -> None:
        """Connect now, without patience."""
        await self._connected(is_first=True)

    async def close(self) -> None:
        """End the connection for good."""
        self._closing.set()
        self._teller.change(Link.CLOSED)
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError, ClientError):
                await self._connecting
        if self._connection is not None:
            await self._connection.close()

    async def exchange(self, method: str, params: Mapping[str, Any], options: dict[str, Any], limit_s: float | None = None) -> Json:
        """One call, sent again as ``Retry`` says; ``limit_s``: seconds for one answer, if not what is usual for the verb."""
        attempts = Attempts(method, options, self.retry, now=time.monotonic(), connect_s=self.connect_timeout, limit_s=limit_s)
        while True:
            try:
                connection = await self._connected()
                result = await connection.call(method, params, attempts.options, attempts.limit_s)
            except (TransportError, ApiError) as failure:
                if self.address.http:
                    self._judge(failure)
                if self.is_closed:
                    raise
                pause_s = attempts.after(failure, time.monotonic())
            else:
                if self.address.http:
                    self._teller.change(Link.UP)
                return result
            await self.pause(pause_s)

    async def open_stream(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """See ``BaseClient``."""
        return await open_stream(self.address, path, self.connect_timeout, self._login.token())

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

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt; not longer than the client lives."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _connected(self, *, is_first: bool = False) -> Connection:
        """The connection; all who need one wait for the same attempt, and learn the same of it."""
        if self.is_closed:
            message = "the client is closed"
            raise NotSentError(message)
        self._loop = self._loop or asyncio.get_running_loop()
        if self._loop is not asyncio.get_running_loop():  # nothing is sent: the answer would be another's
            message = "the client belongs to another event loop: make one for each"
            raise RuntimeError(message)
        if self._connection is not None and self._connection.is_open:
            return self._connection
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.get_running_loop().create_task(self._connect(is_patient=not is_first))
            self._connecting.add_done_callback(look_at)
        try:
            return await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if not self._connecting.cancelled():
                raise
            message = "the client was closed"
            raise NotSentError(message) from None

    async def _connect(self, *, is_patient: bool) -> Connection:
        deadline = time.monotonic() + self.connect_timeout
        for attempt in count():
            try:
                async with asyncio.timeout(max(0.001, deadline - time.monotonic())):
                    connection = await self._dial()
            except TimeoutError as error:
                failure: ClientError = NotSentError(f"cannot connect to {self.address.url} within {self.connect_timeout:g} s")
                self._teller.change(Link.DOWN, str(failure))
                raise failure from error
            except (UntrustedError, AddressError, ApiError, ProtocolError) as error:  # trying again will not help
                self._teller.change(Link.DOWN, str(error))
                raise
            except NotSentError as error:
                pause_s = self.retry.pause(attempt)
                if not is_patient or time.monotonic() + pause_s >= deadline:
                    self._teller.change(Link.DOWN, str(error))
                    raise
            else:
                self._connection = connection
                self.lost.clear()
                if not self.address.http:
                    self._teller.change(Link.UP)
                return connection
            await asyncio.sleep(pause_s)
        raise AssertionError

    async def _dial(self) -> Connection:
        if self.address.http:
            return HttpConnection(self.address, self._login)
        made = await StreamConnection.open(
            self.address, self._login, beat_s=self._beat_s, on_notification=self._notified, on_lost=self._has_lost
        )
        if not made.is_open:
            message = f"cannot connect to {self.address.url}: the connection was lost as soon as it was there"
            raise NotSentError(message)
        return made

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
        self.lost.set()
        for stream in list(self._streams.values()):
            stream.lost()
        self._teller.change(Link.DOWN, str(reason), given=lambda was: was.is_up)
