"""Many hosts in one process: each has one connection that is kept, and what is asked of many is answered by those that can.

A host that hangs costs its own calls their time and nobody else anything: who is known to be down is not waited for.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from libvdsm.client.runtime.aio.feed import PoolEvents
from libvdsm.client.runtime.errors import ApiError, ClientError, HostDownError, NoAnswerError
from libvdsm.client.runtime.policy import BEAT_S, Retry
from libvdsm.client.runtime.state import Link, LinkState, call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from libvdsm.client.aio import Client
    from libvdsm.client.generated.types import EventFilter, EventGap
    from libvdsm.client.runtime.json import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[T]):
    """What came of asking many hosts: each is in one of the two."""

    results: dict[str, T] = field(default_factory=dict)
    errors: dict[str, ClientError] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether every host has answered."""
        return not self.errors


class PooledHost:
    """One host of a pool. ``client`` is its client, for calls to this host alone."""

    def __init__(self, id: str, client: Client, pool: HostPool) -> None:
        self.id = id
        self.client = client
        self.state = LinkState(link=Link.CONNECTING, since=time.time())
        self._pool = pool
        self._is_up = asyncio.Event()
        self._is_known = asyncio.Event()  # whether it is up
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def wait_up(self) -> None:
        """Until it can be asked."""
        await self._is_up.wait()

    async def check_up(self) -> None:
        """Wait while it is not known how the host is; raises ``HostDownError`` if it is down."""
        await self._is_known.wait()
        if not self._is_up.is_set():
            message = f"host {self.id} is down: {self.state.reason}"
            raise HostDownError(message)

    async def close(self) -> None:
        """Let go of it."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self.client.close()
        self._tell(Link.CLOSED)

    async def _keep(self) -> None:
        """Connect, and again whenever that is lost; each host at times of its own."""
        failures = 0
        while True:
            try:
                async with self._pool.connecting:
                    await self.client.line.open()
                await self.client.open()
            except ClientError as failure:
                failures += 1
                self._tell(Link.DOWN, str(failure))
            else:
                failures = 0
                self._tell(Link.UP)
                await self._until_lost()
            await asyncio.sleep(self.client.line.retry.pause(failures))

    async def _until_lost(self) -> None:
        line = self.client.line
        if line.address.http:
            await self._until_silent()
        else:
            await line.lost.wait()
            self._tell(Link.DOWN, line.state.reason or "the connection was lost")

    async def _until_silent(self) -> None:
        """Over HTTP nobody tells that a host has gone: it is asked."""
        while True:
            await asyncio.sleep(self._pool.heartbeat)
            try:
                await self.client.open()
            except ClientError as failure:
                self._tell(Link.DOWN, str(failure))
                return

    def _tell(self, link: Link, reason: str | None = None) -> None:
        was = self.state
        if was.link is Link.CLOSED:
            return
        self.state = LinkState(link=link, since=was.since if was.link is link else time.time(), reason=reason)
        if link is Link.UP:
            self._is_up.set()
        else:
            self._is_up.clear()
        self._is_known.set()
        if was.link is not link:
            self._pool.told(self.id, self.state)


class HostPool:
    """Hosts by their ids, which are the program's own words for them.

    async with HostPool(on_state=print) as pool:
        pool.add("rack1-07", "tls://rack1-07.example", ca="ca.crt", certificate="manager.crt", key="manager.key")
        found = await pool.call("Host.getInfo")  # found.results, found.errors
        async for told in pool.events(["vm.#"]): ...  # told.host_id, told.delivery
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        heartbeat: float = BEAT_S,
        retry: Retry | None = None,
        most_calls: int = 64,
        most_connecting: int = 32,
        on_state: Callable[[str, LinkState], object] | None = None,
        on_gap: Callable[[str, EventGap], object] | None = None,
    ) -> None:
        """``timeout``: seconds that one host has for its part of what many are asked, from when it is its turn.

        ``most_calls``: how many hosts are asked at a time; ``most_connecting``: to how many connections are made at a time.
        ``retry``: as for ``connect``, with pauses up to 30 s. ``on_state`` is called with each state that is another ``link``,
        ``on_gap`` when the gap is handed out by ``events``; both by the loop, in order. They may not block; what they raise is logged.
        """
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.heartbeat = heartbeat
        self.retry = retry or Retry(most_s=30.0)
        self.connecting = asyncio.Semaphore(most_connecting)
        self._turns = asyncio.Semaphore(most_calls)
        self._on_state = on_state
        self._on_gap = on_gap
        self._hosts: dict[str, PooledHost] = {}
        self._feeds: set[PoolEvents] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __getitem__(self, host_id: str) -> PooledHost:
        return self._hosts[host_id]

    @property
    def hosts(self) -> dict[str, PooledHost]:
        """All of them, as they are now."""
        return dict(self._hosts)

    @property
    def states(self) -> dict[str, LinkState]:
        """How each of them is."""
        return {id: host.state for id, host in self._hosts.items()}

    def add(self, host_id: str, url: str, **options: Any) -> PooledHost:  # noqa: ANN401 - what connect takes
        """Begin to keep a connection to a host; ``options`` are those of ``connect``. Raises ``ValueError`` if the id is taken."""
        from libvdsm.client.aio import connect

        if host_id in self._hosts:
            message = f"there is a host {host_id} already"
            raise ValueError(message)
        usual = {"connect_timeout": self.connect_timeout, "heartbeat": self.heartbeat, "retry": self.retry}
        made = self._hosts[host_id] = PooledHost(host_id, connect(url, **{**usual, **options}), self)
        self.told(host_id, made.state)
        for feed in self._feeds:
            feed.join(made)
        return made

    async def remove(self, host_id: str) -> None:
        """Let go of a host; raises ``KeyError`` if there is none of that id."""
        host = self._hosts.pop(host_id)
        await host.close()
        for feed in list(self._feeds):
            await feed.leave(host_id)

    async def close(self) -> None:
        """Let go of all."""
        hosts = list(self._hosts.values())
        self._hosts.clear()
        await asyncio.gather(*(host.close() for host in hosts))
        for feed in list(self._feeds):
            await feed.aclose()
        await asyncio.sleep(0)  # what there was to tell is told

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        hosts: Iterable[str] | None = None,
        timeout: float | None = None,
        flow_id: str | None = None,
    ) -> Outcomes[Json]:
        """One verb on many hosts (all if ``hosts`` is absent), raw JSON values in and out."""
        limit_s = self.timeout if timeout is None else timeout
        return await self.each(lambda client: client.call(method, params, timeout=limit_s, flow_id=flow_id), hosts=hosts, timeout=limit_s)

    async def each(
        self, do: Callable[[Client], Awaitable[T]], *, hosts: Iterable[str] | None = None, timeout: float | None = None
    ) -> Outcomes[T]:
        """``do`` with the client of each host, as in ``pool.each(lambda host: host.vm.list())``.

        Never raises for a host's sake: one that is down, does not answer in ``timeout`` seconds or refuses is in ``errors``. Raises
        ``KeyError`` for an id that is not in the pool.
        """
        limit_s = self.timeout if timeout is None else timeout
        chosen = list(self._hosts.values()) if hosts is None else [self._hosts[id] for id in dict.fromkeys(hosts)]
        found: Outcomes[T] = Outcomes()
        async with asyncio.TaskGroup() as group:
            for host in chosen:
                group.create_task(self._ask(host, do, limit_s, found))
        return found

    def events(
        self,
        topics: tuple[str, ...] | list[str] = ("#",),
        *,
        after: Mapping[str, str] | None = None,
        snapshot: bool = False,
        filter: EventFilter | None = None,
        coalesce: float | None = None,
    ) -> PoolEvents:
        """The events of all hosts in one stream, also of those that are added later; each host's are in order.

        ``after``: the tokens from which to go on, by host, as ``PoolEvents.resume`` gives them. ``snapshot``: hosts without a token
        begin with what there is, and so do those with a gap, behind which what was told of them is void.
        """
        made = PoolEvents(self, list(topics), after=after or {}, snapshot=snapshot, filter=filter, coalesce=coalesce)
        self._feeds.add(made)
        for host in self._hosts.values():
            made.join(host)
        return made

    def forget(self, feed: PoolEvents) -> None:
        """Nobody reads it any more."""
        self._feeds.discard(feed)

    def told(self, host_id: str, state: LinkState) -> None:
        """A host has a new state."""
        if self._on_state is not None:
            asyncio.get_running_loop().call_soon(call, self._on_state, host_id, state)

    def missed(self, host_id: str, gap: EventGap) -> None:
        """Events of a host can no longer be had."""
        if self._on_gap is not None:
            asyncio.get_running_loop().call_soon(call, self._on_gap, host_id, gap)

    async def _ask(self, host: PooledHost, do: Callable[[Client], Awaitable[T]], limit_s: float, found: Outcomes[T]) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await host.check_up()
            async with self._turns, asyncio.timeout(limit_s):
                await host.check_up()  # it may have gone while it waited
                found.results[host.id] = await do(host.client)
        except TimeoutError:
            found.errors[host.id] = NoAnswerError(f"host {host.id} has not answered within {limit_s:g} s")
        except (ClientError, ApiError) as failure:
            found.errors[host.id] = failure
