"""The events of many hosts in one stream."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from libvdsm.client.runtime.errors import ClientError
from libvdsm.client.runtime.following import may_return

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from libvdsm.client.generated.types import EventDelivery, EventFilter
    from libvdsm.client.runtime.aio.events import EventStream
    from libvdsm.client.runtime.aio.pool import HostPool, PooledHost

#: Deliveries of all hosts that wait for the reader; past that each host's own stream holds them back.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class HostDelivery:
    """Of a host: a delivery with the token from which its stream would go on, or why there are no more of it."""

    host_id: str
    delivery: EventDelivery | None = None
    error: ClientError | None = None
    resume: str | None = None  # none before the end of a snapshot


class PoolEvents:
    """Deliveries with the host that they are of. A host that is down is waited for; what it has kept comes when it is back."""

    def __init__(
        self,
        pool: HostPool,
        topics: list[str],
        *,
        after: Mapping[str, str],
        snapshot: bool,
        filter: EventFilter | None,
        coalesce: float | None,
    ) -> None:
        self._pool = pool
        self._topics = topics
        self._snapshot = snapshot
        self._filter = filter
        self._coalesce = coalesce
        self._resume = dict(after)
        self._queue: asyncio.Queue[HostDelivery | None] = asyncio.Queue(_MOST)
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    @property
    def resume(self) -> dict[str, str]:
        """By host, the token after the last delivery that was handed out: what ``after`` takes."""
        return dict(self._resume)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> HostDelivery:
        if self._is_closed:
            raise StopAsyncIteration
        found = await self._queue.get()
        if found is None:
            raise StopAsyncIteration
        if found.resume is not None:
            self._resume[found.host_id] = found.resume
        if found.delivery is not None and found.delivery.gap is not None:
            self._pool.missed(found.host_id, found.delivery.gap)
        return found

    def join(self, host: PooledHost) -> None:
        """A host is there."""
        self._pumps[host.id] = asyncio.get_running_loop().create_task(self._pump(host))

    async def leave(self, host_id: str) -> None:
        """A host is there no more."""
        pump = self._pumps.pop(host_id, None)
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def aclose(self) -> None:
        """End it; an iteration that waits ends. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pool.forget(self)
        await asyncio.gather(*(self.leave(host_id) for host_id in list(self._pumps)))
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def _pump(self, host: PooledHost) -> None:
        after = self._resume.get(host.id)
        stream = host.client.events(self._topics, after=after, snapshot=self._snapshot, filter=self._filter, coalesce=self._coalesce)
        try:
            await self._follow(host, stream)
        finally:
            with suppress(TimeoutError):  # the connection goes on for others: without this its host would go on delivering
                async with asyncio.timeout(self._pool.timeout):
                    await stream.aclose()

    async def _follow(self, host: PooledHost, stream: EventStream) -> None:
        failures = 0
        while not self._is_closed:
            await host.wait_up()
            began_at = stream.resume
            try:
                await self._pass_on(host, stream)
            except ClientError as failure:
                if not may_return(failure):
                    await self._queue.put(HostDelivery(host.id, error=failure))
                    return
            failures = failures + 1 if stream.resume == began_at else 0
            await asyncio.sleep(host.client.line.retry.pause(failures))

    async def _pass_on(self, host: PooledHost, stream: EventStream) -> None:
        async for delivery in stream:
            await self._queue.put(HostDelivery(host.id, delivery, resume=stream.resume))
