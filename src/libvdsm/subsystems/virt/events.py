"""What the hypervisor tells: from its threads to the loop, and from a word to a fresh look at the domain.

An event is only a hint that something happened; the truth is read. Events of one domain that come while it is
being read cause one more reading, not one each.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import HypervisorUnavailable, ObjectNotFound
from libvdsm.interfaces.messages import Cause
from libvdsm.subsystems.virt.driver import Domain, DomainEvent
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory
from libvdsm.subsystems.virt.lanes import Timers

_log = logging.getLogger(__name__)

#: How many domains are read at the same time after events; the lanes allow four calls on a road.
_READERS: Final = 4


class EventFeed:
    """The listener of one life of a connection. Once another has begun, this one is silent."""

    def __init__(self, timers: Timers, on_event: Callable[[DomainEvent], None], on_lost: Callable[[str], None]) -> None:
        self._timers = timers
        self._on_event = on_event
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._arrived: deque[DomainEvent | str] = deque()
        self._is_ended = False

    def domain_event(self, event: DomainEvent) -> None:
        """See ``Listener``."""
        self._post(event)

    def connection_lost(self, reason: str) -> None:
        """See ``Listener``."""
        self._post(reason)

    def end(self) -> None:
        """Nothing is heard any more."""
        self._is_ended = True

    def _post(self, item: DomainEvent | str) -> None:
        with self._lock:
            self._arrived.append(item)
            is_first = len(self._arrived) == 1
        if is_first:
            try:
                self._timers.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

    def _drain(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, deque()
        for item in arrived:
            if self._is_ended:
                return
            if isinstance(item, str):
                self._on_lost(item)
            else:
                self._on_event(item)


class Observer:
    """Looks at domains of which something was heard."""

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory, *, read_s: float, retry_s: float) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._read_s = read_s
        self._retry_s = retry_s
        self._dirty: dict[str, str] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_READERS)
        self._watchers: dict[str, list[asyncio.Queue[DomainEvent]]] = {}
        self._withheld: set[str] = set()
        self._is_held = True

    def hear(self, event: DomainEvent) -> None:
        """Something happened to a domain: look at it."""
        for queue in self._watchers.get(event.id, ()):
            queue.put_nowait(event)
        self.suspect(event.id, event.detail)

    def suspect(self, id: str, detail: str) -> None:
        """A domain may not be as we know it: look at it."""
        self._dirty[id] = detail
        if not self._is_held and id not in self._withheld and id not in self._readers:
            self._readers[id] = asyncio.create_task(self._read(id), name=f"virt-read-{id}")

    @contextmanager
    def withholding(self, id: str) -> Iterator[None]:
        """Look at a domain only afterwards: what comes of the work in hand is told by whoever does it, and in its order."""
        self._withheld.add(id)
        try:
            yield
        finally:
            self._withheld.discard(id)
            if id in self._dirty:
                self.suspect(id, self._dirty[id])

    @contextmanager
    def listening(self, id: str) -> Iterator[asyncio.Queue[DomainEvent]]:
        """The events of a domain from now on."""
        queue: asyncio.Queue[DomainEvent] = asyncio.Queue()
        watchers = self._watchers.setdefault(id, [])
        watchers.append(queue)
        try:
            yield queue
        finally:
            watchers.remove(queue)
            if not watchers:
                del self._watchers[id]

    async def look(self, id: str, cause: Cause, deadline: float) -> Domain:
        """Read a domain now and tell what is new; ``ObjectNotFound`` if it is not there."""
        domain = await self._find(id, deadline)
        if domain is None:
            self._inventory.forget(id, cause)
            raise ObjectNotFound(type="vm", id=id)
        self._inventory.see(domain, cause)
        return domain

    async def _find(self, id: str, deadline: float) -> Domain | None:
        try:
            return await self._hypervisor.domain(id, deadline)
        except ObjectNotFound:
            return None

    def hold(self) -> None:
        """Keep what is heard for later: a list of all domains is being made."""
        self._is_held = True

    def go_on(self) -> None:
        """Look at everything that was heard of meanwhile."""
        self._is_held = False
        for id, detail in list(self._dirty.items()):
            self.suspect(id, detail)

    def drop(self) -> None:
        """Forget what was heard: all domains are going to be listed."""
        self._dirty.clear()

    async def stop(self) -> None:
        """End all readings."""
        readers = list(self._readers.values())
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)

    async def _read(self, id: str) -> None:
        try:
            while id in self._dirty and not self._is_held and id not in self._withheld:
                async with self._places:
                    await self._read_once(id, self._dirty.pop(id))
        finally:
            del self._readers[id]

    async def _read_once(self, id: str, detail: str) -> None:
        try:
            domain = await self._find(id, self._hypervisor.now() + self._read_s)
        except HypervisorUnavailable:
            return  # the resync will see it
        except ApiError as error:
            _log.warning("domain %s could not be read after %s: %s", id, detail, error.message)
            asyncio.get_running_loop().call_later(self._retry_s, self.suspect, id, detail)
            return
        cause = self._inventory.cause_of(id, detail)
        if id in self._withheld:
            self._dirty.setdefault(id, detail)
        elif domain is None:
            self._inventory.forget(id, cause)
        else:
            self._inventory.see(domain, cause)
