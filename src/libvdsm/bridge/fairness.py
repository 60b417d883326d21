"""Who may write next: start-time fair queuing among identities, and among the connections of each.

Every subsystem has a pool of turns. While nobody waits, a turn is had at once; else the identity that has cost the least
so far is next, and of its connections the one that has cost the least; each connection's writes keep their order. What a
turn costs is the cost class of its verb. Whoever holds a turn never waits for another (F-36): what it calls itself goes on
under its own. A turn that is held for longer than ``patience_s`` while others wait no longer counts, so that what hangs
fills no pool. Nothing here knows a socket, a verb or a clock of its own.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from libvdsm.bridge.limits import is_local_administrator
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import LimitExceeded

#: What a verb of each cost class takes from its caller's share.
WEIGHTS = {"free": 1, "low": 2, "medium": 8, "high": 32}

#: So many flows that owe nothing any more are kept before they are looked for.
_PRUNE_AT = 64

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How many writes at a time, and how many may wait."""

    in_flight: int = 16  # of one subsystem
    in_flight_per_identity: int = 12  # of one subsystem
    reserved: int = 2  # beyond in_flight, for administrators on the unix socket
    waiting_per_connection: int = 256
    waiting_per_identity: int = 1_000
    waiting: int = 4_000  # of all subsystems
    patience_s: float = 2.0

    def __post_init__(self) -> None:
        if min(self.in_flight, self.in_flight_per_identity) < 1 or self.patience_s <= 0:
            msg = "a pool that admits nobody"
            raise ValueError(msg)


class _Flow(Generic[T]):
    __slots__ = ("finish", "items", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.finish = 0.0  # virtual time at which what it has had is paid for
        self.items: deque[tuple[int, T]] = deque()


class FairLines(Generic[K, T]):
    """Start-time fair queuing over flows: each flow in order, all by what they have cost. Pure."""

    __slots__ = ("_flows", "_heap", "_number", "_prune_at", "_size", "_virtual")

    def __init__(self) -> None:
        self._flows: dict[K, _Flow[T]] = {}
        self._heap: list[tuple[float, int, _Flow[T]]] = []  # flows with items, by the start tag of their first
        self._number = 0
        self._size = 0
        self._virtual = 0.0
        self._prune_at = _PRUNE_AT

    def __len__(self) -> int:
        """How many items wait."""
        return self._size

    def waiting(self, key: K) -> int:
        """How many items of one flow wait."""
        flow = self._flows.get(key)
        return len(flow.items) if flow is not None else 0

    def charge(self, key: K, cost: int) -> None:
        """A flow without items was served at once."""
        flow = self._flow(key)
        self._virtual = max(self._virtual, flow.finish)
        flow.finish = self._virtual + cost

    def push(self, key: K, cost: int, item: T) -> None:
        """Behind all items of its flow."""
        flow = self._flow(key)
        flow.items.append((cost, item))
        self._size += 1
        if len(flow.items) == 1:
            self._line_up(flow)

    def pop(self) -> tuple[int, T]:
        """The cost and the item of the flow that has cost least; raises ``IndexError`` if none waits."""
        start, _number, flow = heapq.heappop(self._heap)
        cost, item = flow.items.popleft()
        self._size -= 1
        self._virtual = start
        flow.finish = start + cost
        if flow.items:
            self._line_up(flow)
        return cost, item

    def _line_up(self, flow: _Flow[T]) -> None:
        self._number += 1
        heapq.heappush(self._heap, (max(self._virtual, flow.finish), self._number, flow))

    def _flow(self, key: K) -> _Flow[T]:
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= self._prune_at:
                self._flows = {key: each for key, each in self._flows.items() if each.items or each.finish > self._virtual}
                self._prune_at = max(_PRUNE_AT, 2 * len(self._flows))
            flow = self._flows[key] = _Flow(key)
        return flow


class Timer(Protocol):
    """What ``later`` answers."""

    def cancel(self) -> None:
        """Do not call."""
        ...


class Turn:
    """The right to write. Leave it, or use it as a context manager."""

    __slots__ = ("_pool", "_tenant", "cost", "is_over", "since")

    def __init__(self, pool: _Pool, tenant: _Tenant, cost: int, since: float) -> None:
        self._pool = pool
        self._tenant = tenant
        self.cost = cost
        self.since = since
        self.is_over = False  # left

    def leave(self) -> None:
        """The write is done. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self._pool.left(self, self._tenant)

    def __enter__(self) -> Self:
        """The turn itself."""
        return self

    def __exit__(self, *_failure: object) -> None:
        """Leave it."""
        self.leave()


class _Nested(Turn):
    """Goes on under the turn that its holder has already: it holds no place of its own."""

    __slots__ = ()

    def leave(self) -> None:
        self.is_over = True


class _Tenant:
    """One identity in one pool."""

    __slots__ = ("finish", "identity", "is_lined_up", "is_local", "lines", "running")

    def __init__(self, identity: str, *, is_local: bool) -> None:
        self.identity = identity
        self.is_local = is_local
        self.finish = 0.0
        self.running = 0
        self.is_lined_up = False
        self.lines: FairLines[Caller, asyncio.Future[Turn]] = FairLines()


class _Pool:
    """The turns of one subsystem."""

    def __init__(self, queue: FairQueue, limits: QueueLimits) -> None:
        self._queue = queue
        self._limits = limits
        self._tenants: dict[tuple[str, bool], _Tenant] = {}
        self._heaps: tuple[list[tuple[float, int, _Tenant]], ...] = ([], [])  # all others; administrators on the unix socket
        self._number = 0
        self._virtual = 0.0
        self._turns: dict[Turn, None] = {}  # those that count, oldest first
        self._timer: Timer | None = None
        self._prune_at = _PRUNE_AT
        self.waiting = 0

    @property
    def running(self) -> int:
        """How many turns count."""
        return len(self._turns)

    def take(self, caller: Caller, cost: int) -> Turn | None:
        """A turn, if it can be had at once."""
        tenant = self._tenant(caller)
        if tenant.running >= self._limits.in_flight_per_identity or not self._has_room(tenant):
            return None
        tenant.lines.charge(caller, cost)
        return self._grant(tenant, cost, max(self._virtual, tenant.finish))

    def wait(self, caller: Caller, cost: int) -> asyncio.Future[Turn]:
        """A turn, later; raises ``LimitExceeded`` if too many wait. Cancelling it gives it up."""
        tenant = self._tenant(caller)
        limits = self._limits
        if tenant.lines.waiting(caller) >= limits.waiting_per_connection:
            raise LimitExceeded(limit="writes waiting on a connection", maximum=limits.waiting_per_connection)
        if len(tenant.lines) >= limits.waiting_per_identity:
            raise LimitExceeded(limit="writes waiting for an identity", maximum=limits.waiting_per_identity)
        if self._queue.waiting >= limits.waiting and not tenant.is_local:
            raise LimitExceeded(limit="writes waiting", maximum=limits.waiting)
        promise = self._queue.promise()
        tenant.lines.push(caller, cost, promise)
        self.waiting += 1
        self._line_up(tenant)
        self._watch()
        return promise

    def left(self, turn: Turn, tenant: _Tenant) -> None:
        """A turn is over."""
        if turn in self._turns:
            self._release(turn, tenant)
            self._go_on()
        if not self.waiting and not self._turns:
            self._tenants.clear()  # nobody owes anybody anything
            self._virtual = 0.0

    def _release(self, turn: Turn, tenant: _Tenant) -> None:
        del self._turns[turn]
        tenant.running -= 1
        self._line_up(tenant)

    def _has_room(self, tenant: _Tenant) -> bool:
        return len(self._turns) < self._limits.in_flight + (self._limits.reserved if tenant.is_local else 0)

    def _grant(self, tenant: _Tenant, cost: int, start: float) -> Turn:
        self._virtual = start
        tenant.finish = start + cost
        tenant.running += 1
        turn = Turn(self, tenant, cost, self._queue.now())
        self._turns[turn] = None
        return turn

    def _go_on(self) -> None:
        """Give what is free to those who wait."""
        while (heap := self._next_heap()) is not None:
            start, _number, tenant = heapq.heappop(heap)
            tenant.is_lined_up = False
            cost, promise = tenant.lines.pop()
            self.waiting -= 1
            if not promise.cancelled():
                promise.set_result(self._grant(tenant, cost, start))
            self._line_up(tenant)
        if not self.waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_heap(self) -> list[tuple[float, int, _Tenant]] | None:
        others, local = self._heaps
        running, most = len(self._turns), self._limits.in_flight
        if running < most and others:
            return local if local and local[0] < others[0] else others
        return local if local and running < most + self._limits.reserved else None

    def _line_up(self, tenant: _Tenant) -> None:
        """An identity stands in its heap exactly while it has somebody who waits and may have one more turn."""
        if tenant.is_lined_up or not tenant.lines or tenant.running >= self._limits.in_flight_per_identity:
            return
        tenant.is_lined_up = True
        self._number += 1
        heapq.heappush(self._heaps[tenant.is_local], (max(self._virtual, tenant.finish), self._number, tenant))

    def _tenant(self, caller: Caller) -> _Tenant:
        key = (caller.identity, is_local_administrator(caller))
        tenant = self._tenants.get(key)
        if tenant is None:
            if len(self._tenants) >= self._prune_at:
                self._prune()
            tenant = self._tenants[key] = _Tenant(caller.identity, is_local=key[1])
        return tenant

    def _prune(self) -> None:
        kept = {key: each for key, each in self._tenants.items() if each.running or each.lines or each.finish > self._virtual}
        self._tenants = kept
        self._prune_at = max(_PRUNE_AT, 2 * len(kept))

    # Patience.

    def _watch(self) -> None:
        """Somebody waits: see to it that what hangs does not hold everybody up."""
        if self._timer is None and self._turns and self.waiting:
            oldest = next(iter(self._turns))
            delay = max(0.0, oldest.since + self._limits.patience_s - self._queue.now())
            self._timer = self._queue.later(delay, self._lose_patience)

    def _lose_patience(self) -> None:
        self._timer = None
        until = self._queue.now() - self._limits.patience_s
        for turn in [turn for turn in self._turns if turn.since <= until]:
            self._release(turn, turn._tenant)  # noqa: SLF001 - pool and turn are one thing
        self._go_on()
        self._watch()


_held: ContextVar[Turn | None] = ContextVar("held", default=None)


class FairQueue:
    """The turns of all subsystems; belongs to the running loop.

    ``async with queue.turn(caller, subsystem, cost): ...`` holds a turn; without a coroutine: ``take``, and if that gives
    nothing ``wait``, then ``leave``.
    """

    def __init__(self, limits: QueueLimits, *, now: Callable[[], float], later: Callable[[float, Callable[[], None]], Timer]) -> None:
        """``now`` counts seconds; ``later`` calls after so many (the loop's ``time`` and ``call_later``)."""
        self.now = now
        self.later = later
        self._limits = limits
        self._pools: dict[str, _Pool] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many writes wait, in all."""
        return sum(pool.waiting for pool in self._pools.values())

    def running(self, subsystem: str) -> int:
        """How many turns of a subsystem count."""
        pool = self._pools.get(subsystem)
        return pool.running if pool is not None else 0

    def take(self, caller: Caller, subsystem: str, cost: str, *, within: Turn | None = None) -> Turn | None:
        """A turn, if it can be had at once. ``within``: the turn that the caller's own work holds."""
        pool = self._pool(subsystem)
        if within is not None and not within.is_over:
            return _Nested(pool, within._tenant, 0, within.since)  # noqa: SLF001 - one thing
        return pool.take(caller, WEIGHTS[cost])

    def wait(self, caller: Caller, subsystem: str, cost: str) -> asyncio.Future[Turn]:
        """A turn when there is one; raises ``LimitExceeded`` at once if too many wait already.

        Whoever cancels must look whether it was given meanwhile, and leave it: ``turn`` does all that.
        """
        return self._pool(subsystem).wait(caller, WEIGHTS[cost])

    async def enter(self, caller: Caller, subsystem: str, cost: str) -> Turn:
        """A turn, now or later; to be left. Raises ``LimitExceeded`` if too many wait already."""
        turn = self.take(caller, subsystem, cost, within=_held.get())
        if turn is not None:
            return turn
        promise = self.wait(caller, subsystem, cost)
        try:
            return await promise
        except asyncio.CancelledError:
            if promise.done() and not promise.cancelled():
                promise.result().leave()
            raise

    @asynccontextmanager
    async def turn(self, caller: Caller, subsystem: str, cost: str) -> AsyncIterator[Turn]:
        """Hold a turn; what is called meanwhile goes on under it."""
        turn = await self.enter(caller, subsystem, cost)
        before = _held.get()
        outer = before if isinstance(turn, _Nested) else turn
        token = _held.set(outer)
        try:
            yield turn
        finally:
            _held.reset(token)
            turn.leave()

    def promise(self) -> asyncio.Future[Turn]:
        """A turn to come."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.create_future()

    def _pool(self, subsystem: str) -> _Pool:
        pool = self._pools.get(subsystem)
        if pool is None:
            pool = self._pools[subsystem] = _Pool(self, self._limits)
        return pool
