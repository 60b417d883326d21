"""The life of the connection: open, compare, serve, lose, open again.

After every opening all domains are listed and told as one snapshot, because events have holes: what happened
while nobody listened is found here. Opening can hang for ever and nothing in the process can help then, so it
has its own thread and, when its time is up, the process ends and is started anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.virt.config import VirtConfig
from libvdsm.subsystems.virt.driver import Driver
from libvdsm.subsystems.virt.events import EventFeed, Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory
from libvdsm.subsystems.virt.threads import begin_thread

_log = logging.getLogger(__name__)


class Connection:
    """Keeps the driver connected."""

    def __init__(
        self,
        *,
        driver: Driver,
        hypervisor: Hypervisor,
        inventory: Inventory,
        observer: Observer,
        reporter: Reporter,
        config: VirtConfig,
        end_process: Callable[[str], None],
    ) -> None:
        self._driver = driver
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._observer = observer
        self._reporter = reporter
        self._config = config
        self._end_process = end_process
        self._lost: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect in the background."""
        self._task = asyncio.create_task(self._run(), name="virt-connection")

    async def stop(self) -> None:
        """Disconnect; guests go on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._observer.stop()
        self._hypervisor.close_gate("the subsystem is going down")
        with suppress(HypervisorUnavailable):  # the process ends, and its connections with it
            begin_thread("virt-close", self._driver.close)

    def lose(self, reason: str) -> None:
        """The hypervisor does not answer any more: fail all calls at once and connect again."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)
            self._observer.hold()
            self._hypervisor.close_gate(reason)
            self._reporter.condition("unavailable", reason)

    def wedge(self, reason: str) -> None:
        """Nothing in this process can reach the hypervisor: end it."""
        self._reporter.condition("unavailable", reason)
        self._end_process(reason)

    async def _run(self) -> None:
        failures = 0
        while True:
            loop = asyncio.get_running_loop()
            self._lost = loop.create_future()
            feed = EventFeed(loop, self._observer.hear, self.lose)
            try:
                await self._open(feed)
                await self._resync()
            except ApiError as error:
                self._fail(error, failures)
            else:
                failures = 0
                reason = await self._lost
                _log.warning("the hypervisor is lost: %s", reason)
            feed.end()
            await self._pause(failures)
            failures += 1

    def _fail(self, error: ApiError, failures: int) -> None:
        reason = str(error.params.get("reason", error.message))
        _log.log(logging.WARNING if failures == 0 else logging.DEBUG, "the hypervisor cannot be reached: %s", reason)
        self._observer.hold()
        self._hypervisor.close_gate(reason)
        if self._lost is None or not self._lost.done():
            self._reporter.condition("unavailable", reason)

    async def _pause(self, failures: int) -> None:
        pauses = self._config.backoff_s
        await asyncio.sleep(pauses[min(failures, len(pauses) - 1)])

    async def _open(self, feed: EventFeed) -> None:
        """Open in a disposable thread, for as long as the configuration allows."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        begin_thread("virt-open", self._open_in_thread, loop, feed, done)
        try:
            async with asyncio.timeout(self._config.open_s):
                await done
        except TimeoutError:
            self.wedge(f"opening the connection was not answered within {self._config.open_s:g} s")
            await loop.create_future()  # the process ends; nothing more is done here

    def _open_in_thread(self, loop: asyncio.AbstractEventLoop, feed: EventFeed, done: asyncio.Future[None]) -> None:
        error: ApiError | None = None
        try:
            self._driver.open(feed)
        except ApiError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - the top of a connection's thread; carried to the loop
            error = HypervisorUnavailable(reason=f"{type(failure).__name__}: {failure}").because(failure)
        try:
            loop.call_soon_threadsafe(_settle, done, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    async def _resync(self) -> None:
        """List, compare, tell; then listen."""
        self._observer.drop()
        self._hypervisor.open_gate()
        now = self._hypervisor.now()
        await self._hypervisor.capabilities(now + self._config.calls.list_s)
        domains = await self._hypervisor.domains(now + 2 * self._config.calls.list_s)
        if self._lost is not None and self._lost.done():
            return
        self._inventory.see_all(domains, Cause(kind="resync"))  # a first one too: there may have been a life before
        self._reporter.condition("ready")
        self._observer.go_on()


def _settle(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(None)
