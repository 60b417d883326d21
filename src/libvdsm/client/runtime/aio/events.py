"""Events for asyncio: one subscription as an iterator that outlives its connection."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from libvdsm.client.runtime.errors import ClientError, ConnectionLostError
from libvdsm.client.runtime.policy import MAX_DELIVERIES, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from libvdsm.client.generated.types import EventDelivery
    from libvdsm.client.runtime.aio.client import BaseClient


class EventStream:
    """Deliveries in order. ``resume`` is the token after the last one that was handed out."""

    def __init__(self, client: BaseClient, topics: Sequence[str], *, after: str | None, snapshot: bool) -> None:
        self._client = client
        self._topics = list(topics)
        self._snapshot = snapshot
        self._queue: deque[Mapping[str, Any]] = deque()
        self._wakeup = asyncio.Event()
        self._name: str | None = None
        self._is_live = False
        self._closed = False
        self.resume = after

    async def __aenter__(self) -> Self:
        await self._subscribe()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventDelivery:
        from libvdsm.client.generated.types import EventDelivery

        while True:
            self._wakeup.clear()
            if self._queue:
                break
            if self._closed:
                raise StopAsyncIteration
            if self._is_live:
                await self._wakeup.wait()
            else:
                with suppress(ConnectionLostError):
                    await self._subscribe()
        delivery = decoded("Event.deliver", EventDelivery.from_wire, self._queue.popleft())
        self.resume = delivery.resume
        return delivery

    async def aclose(self) -> None:
        """End the subscription; an iteration that waits ends. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._wakeup.set()
        with suppress(ClientError):
            await self._unsubscribe()

    def push(self, delivery: Mapping[str, Any]) -> None:
        """A delivery has come. If too many wait they are let go from here on, and asked for again later."""
        if not self._is_live:
            return
        if len(self._queue) >= MAX_DELIVERIES:
            self._is_live = False
            self._wakeup.set()
            return
        self._queue.append(delivery)
        self._wakeup.set()

    def lost(self) -> None:
        """The connection is gone, and the subscription with it."""
        if self._name is not None:
            self._client.unregister(self._name)
        self._name = None
        self._is_live = False
        self._wakeup.set()

    async def _subscribe(self) -> None:
        from libvdsm.client.generated.types import EventSubscription

        if self._name is not None:
            with suppress(ClientError):
                await self._unsubscribe()
        self._name = name = self._client.register(self)
        self._is_live = True
        params: dict[str, Any] = {"topics": self._topics, "subscriptionId": name}
        if self.resume is not None:
            params["after"] = self.resume
        elif self._snapshot:
            params["snapshot"] = True
        try:
            subscription = await self._client.invoke("Event.subscribe", params, {}, EventSubscription.from_wire)
        except BaseException:
            self.lost()
            raise
        if self.resume is None and not self._snapshot:
            self.resume = subscription.resume

    async def _unsubscribe(self) -> None:
        if self._name is None:
            return
        name, self._name = self._name, None
        self._client.unregister(name)
        await self._client.exchange("Event.unsubscribe", {"subscriptionId": name}, {})
