"""Events for asyncio: one subscription as an iterator that outlives its connection."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from libvdsm.client.runtime.aio.connection import look_at
from libvdsm.client.runtime.errors import ApiError, ClientError, ConnectionLostError, NotSentError, TransportError
from libvdsm.client.runtime.following import Position, may_return
from libvdsm.client.runtime.policy import POLL_S, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from libvdsm.client.generated.types import EventDelivery
    from libvdsm.client.runtime.aio.client import BaseClient


class EventStream:
    """Deliveries in order. One task iterates; after a ``TransportError`` it may iterate again, and nothing was missed."""

    def __init__(self, client: BaseClient, position: Position) -> None:
        self._client = client
        self._position = position
        self._wakeup = asyncio.Event()
        self._name: str | None = None
        self._is_live = False
        self._closed = False
        self._renewing: asyncio.Task[None] | None = None

    @property
    def resume(self) -> str | None:
        """The token after the last delivery that was handed out."""
        return self._position.resume

    async def __aenter__(self) -> Self:
        try:
            await self._renewed()
        except BaseException:  # it was not entered, so nobody will end it
            self._forsake()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventDelivery:
        while True:
            self._wakeup.clear()
            found = self._position.take()
            if found is not None:
                return found
            if self._closed:
                raise StopAsyncIteration
            if self._is_live and not self._client.address.http:
                await self._wakeup.wait()
            else:
                await self._renewed()

    async def aclose(self) -> None:
        """End the subscription; an iteration that waits ends. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._client.forget(self)
        self._wakeup.set()
        await self._stop()

    def push(self, delivery: Mapping[str, Any]) -> None:
        """A delivery has come. If too many wait they are let go from here on, and asked for again later."""
        if self._is_live:
            self._is_live = self._position.push(delivery)
            self._wakeup.set()

    def lost(self) -> None:
        """The connection is gone, and the subscription with it."""
        if self._name is not None:
            self._client.line.unregister(self._name)
        self._name = None
        self._is_live = False
        self._wakeup.set()

    async def _stop(self) -> None:
        """End what there is of a subscription."""
        renewing, self._renewing = self._renewing, None
        if renewing is not None:
            renewing.cancel()
            await asyncio.wait([renewing])
        with suppress(ClientError):
            await self._unsubscribe()

    def _forsake(self) -> None:
        """The same without waiting."""
        renewing, self._renewing = self._renewing, None
        if renewing is not None:
            renewing.cancel()
        name = self._name
        if name is not None and (renewing is None or renewing.done()):
            self.lost()
            self._client.line.forsake(name)

    async def _renewed(self) -> None:
        """Go on. Whoever waits for this may be cancelled: it goes on all the same, and is waited for the next time."""
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
            self._renewing.add_done_callback(look_at)
        renewing = self._renewing
        await asyncio.wait([renewing])
        self._renewing = None
        if not (self._closed or renewing.cancelled()):
            renewing.result()

    async def _renew(self) -> None:
        """Go on, again and again for as long as ``Retry.stream_s`` says."""
        line = self._client.line
        patience_s = line.connect_timeout if line.retry.stream_s is None else line.retry.stream_s
        began = time.monotonic()
        for attempt in count():
            try:
                await (self._read() if self._client.address.http else self._subscribe())
            except (TransportError, ApiError) as failure:
                pause_s = line.retry.pause(attempt)
                if line.is_closed or not may_return(failure) or time.monotonic() - began + pause_s >= patience_s:
                    raise
            else:
                return
            await line.pause(pause_s)

    async def _subscribe(self) -> None:
        from libvdsm.client.generated.types import EventSubscription

        if self._name is not None:
            with suppress(ClientError):
                await self._unsubscribe()
        self._name = name = self._client.line.register(self)
        self._is_live = True
        params = self._position.subscription(name)
        try:
            subscription = await self._client.invoke("Event.subscribe", params, {}, EventSubscription.from_wire)
        except BaseException as failure:
            self.lost()
            if not isinstance(failure, (ApiError, NotSentError, ConnectionLostError)):
                self._client.line.forsake(name)  # it may have begun
            raise
        self._position.subscribed(subscription.resume)
        if self._name != name:  # the connection that it was to be on was lost, and it has begun on another
            self._client.line.forsake(name)

    async def _read(self) -> None:
        """Where the daemon cannot speak first, events are asked for."""
        params = self._position.reading()
        answer = await self._client.exchange("Event.read", params, {"timeout": POLL_S + params["timeout"]})
        decoded("Event.read", self._position.read, answer)
        self._is_live = True

    async def _unsubscribe(self) -> None:
        if self._name is None:
            return
        name, self._name = self._name, None
        self._client.line.unregister(name)
        await self._client.exchange("Event.unsubscribe", {"subscriptionId": name}, {})
