"""Events for asyncio: one subscription as an iterator that outlives its connection."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from libvdsm.client.runtime.errors import ApiError, ClientError, TransportError
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

    @property
    def resume(self) -> str | None:
        """The token after the last delivery that was handed out."""
        return self._position.resume

    async def __aenter__(self) -> Self:
        await self._renew()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventDelivery:
        while True:
            self._wakeup.clear()
            if self._position.queue:
                return self._position.take()
            if self._closed:
                raise StopAsyncIteration
            if not self._is_live:
                await self._renew()
            elif self._client.address.http:
                await self._renew(reads=True)
            else:
                await self._wakeup.wait()

    async def aclose(self) -> None:
        """End the subscription; an iteration that waits ends. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._client.forget(self)
        self._wakeup.set()
        with suppress(ClientError):
            await self._unsubscribe()

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

    async def _renew(self, *, reads: bool = False) -> None:
        """Go on, again and again for as long as ``Retry.stream_s`` says."""
        line = self._client.line
        patience_s = line.connect_timeout if line.retry.stream_s is None else line.retry.stream_s
        began = time.monotonic()
        for attempt in count():
            try:
                await (self._read() if reads or self._client.address.http else self._subscribe())
            except (TransportError, ApiError) as failure:
                pause_s = line.retry.pause(attempt)
                if self._closed or not may_return(failure) or time.monotonic() - began + pause_s >= patience_s:
                    raise
            else:
                return
            await asyncio.sleep(pause_s)

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
        except BaseException:
            self.lost()
            raise
        self._position.subscribed(subscription.resume)

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
