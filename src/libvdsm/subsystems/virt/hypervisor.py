"""The driver as the loop sees it: every call with its road, its limit and its deadline.

The small handle that joins the parts of the subsystem. While the hypervisor cannot be reached every call fails at
once with the reason.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import TypeVar

from libvdsm.interfaces.generated.errors import DeadlineExceeded, HypervisorUnavailable
from libvdsm.interfaces.generated.types import HostCapabilities, ShutdownWay, VmStats
from libvdsm.subsystems.virt.config import CallLimits
from libvdsm.subsystems.virt.driver import Definition, Domain, Driver, Road
from libvdsm.subsystems.virt.lanes import Lanes, Timers
from libvdsm.subsystems.virt.paths import Paths

T = TypeVar("T")

#: How long capabilities are answered without asking for them again, in seconds.
CAPABILITIES_FRESH_S = 5.0


class Hypervisor:
    """Asynchronous calls of a driver. ``deadline`` is the loop's time everywhere."""

    def __init__(self, driver: Driver, lanes: Lanes, limits: CallLimits, timers: Timers) -> None:
        self._driver = driver
        self._lanes = lanes
        self._limits = limits
        self._timers = timers
        self._unavailable: str | None = "not connected yet"
        self._capabilities: HostCapabilities | None = None
        self._capabilities_at = 0.0
        self._paths = Paths(driver.unusable_file, timers)
        self._gate = asyncio.Event()
        self.architecture = "x86_64"

    @property
    def is_ready(self) -> bool:
        """Whether calls are let through."""
        return self._unavailable is None

    @property
    def unavailable(self) -> str | None:
        """Why no calls are let through; None while they are."""
        return self._unavailable

    def now(self) -> float:
        """The time that deadlines are told in."""
        return self._timers.time()

    def open_gate(self) -> None:
        """From now on calls go to the driver, and what was known of it before counts no more."""
        self._unavailable = None
        self._capabilities = None
        self._gate.set()

    def close_gate(self, reason: str) -> None:
        """From now on calls fail with the reason, and so do those under way."""
        self._unavailable = reason
        self._gate.clear()
        self._lanes.reset(reason)

    def require_ready(self) -> None:
        """Raise ``HypervisorUnavailable`` while it cannot be reached."""
        if self._unavailable is not None:
            raise HypervisorUnavailable(reason=self._unavailable)

    def is_hung(self, id: str) -> bool:
        """Whether a call for this virtual machine has not come back in its time."""
        return self._lanes.is_stuck(id)

    async def ready(self, deadline: float) -> None:
        """Wait until calls are let through; ``DeadlineExceeded`` when they are not in time."""
        seconds = max(0.0, deadline - self.now())
        try:
            async with asyncio.timeout(seconds):
                await self._gate.wait()
        except TimeoutError:
            raise DeadlineExceeded(seconds=round(seconds, 3)) from None

    async def capabilities(self, deadline: float) -> HostCapabilities:
        """See ``Driver``; what was read a moment ago is answered again."""
        self.require_ready()
        if self._capabilities is not None and self.now() - self._capabilities_at < CAPABILITIES_FRESH_S:
            return self._capabilities
        found = await self._call("monitor", self._driver.capabilities, "capabilities", self._limits.list_s, deadline)
        if found.architectures:
            self.architecture = found.architectures[0]
        self._capabilities, self._capabilities_at = found, self.now()
        return found

    async def domains(self, deadline: float) -> list[Domain]:
        """See ``Driver``."""
        return await self._call("monitor", self._driver.domains, "listing the domains", self._limits.list_s, deadline)

    async def domain(self, id: str, deadline: float) -> Domain:
        """See ``Driver``. Reads of one domain come back in the order in which they were asked for."""
        return await self._call("monitor", lambda: self._driver.domain(id), "reading the domain", self._limits.read_s, deadline, id)

    async def stats(self, deadline: float) -> Sequence[VmStats]:
        """See ``Driver``."""
        return await self._call("monitor", self._driver.stats, "the statistics of all domains", self._limits.stats_s, deadline)

    async def fence(self, id: str, deadline: float) -> None:
        """See ``Driver``."""
        label = "making sure that nothing is at work on it"
        await self._call("command", lambda: self._driver.fence(id), label, self._limits.fence_s, deadline, id)

    async def unusable_file(self, path: str, deadline: float) -> str | None:
        """See ``Driver``. Goes by no road: a path may hang, which is then what is told of it."""
        return await self._paths.ask(path, min(deadline, self.now() + self._limits.path_s))

    async def define(self, definition: Definition, deadline: float) -> None:
        """See ``Driver``."""
        limit = self._limits.define_s
        await self._call("command", lambda: self._driver.define(definition), "defining", limit, deadline, definition.id)

    async def set_autostart(self, id: str, autostart: bool, deadline: float) -> None:
        """See ``Driver``."""
        limit = self._limits.define_s
        await self._call("command", lambda: self._driver.set_autostart(id, autostart), "setting autostart", limit, deadline, id)

    async def undefine(self, id: str, deadline: float) -> None:
        """See ``Driver``."""
        await self._call("command", lambda: self._driver.undefine(id), "undefining", self._limits.define_s, deadline, id)

    async def start(self, id: str, *, paused: bool, deadline: float) -> None:
        """See ``Driver``."""
        await self._call("command", lambda: self._driver.start(id, paused=paused), "starting", self._limits.start_s, deadline, id)

    async def ask_shutdown(self, id: str, way: ShutdownWay, deadline: float) -> None:
        """See ``Driver``."""
        label = f"asking for a shutdown ({way.value})"
        await self._call("command", lambda: self._driver.ask_shutdown(id, way), label, self._limits.ask_s, deadline, id)

    async def ask_reboot(self, id: str, way: ShutdownWay, deadline: float) -> None:
        """See ``Driver``."""
        label = f"asking for a reboot ({way.value})"
        await self._call("command", lambda: self._driver.ask_reboot(id, way), label, self._limits.ask_s, deadline, id)

    async def destroy(self, id: str, deadline: float) -> None:
        """See ``Driver``. Goes through although other calls hang."""
        await self._call("rescue", lambda: self._driver.destroy(id), "pulling the plug", self._limits.destroy_s, deadline, id)

    async def reset(self, id: str, deadline: float) -> None:
        """See ``Driver``."""
        await self._call("command", lambda: self._driver.reset(id), "resetting", self._limits.ask_s, deadline, id)

    async def suspend(self, id: str, deadline: float) -> None:
        """See ``Driver``."""
        await self._call("command", lambda: self._driver.suspend(id), "pausing", self._limits.ask_s, deadline, id)

    async def resume(self, id: str, deadline: float) -> None:
        """See ``Driver``."""
        await self._call("command", lambda: self._driver.resume(id), "resuming", self._limits.ask_s, deadline, id)

    async def screenshot(self, id: str, screen: int, deadline: float) -> tuple[str, bytes]:
        """See ``Driver``."""
        limit = self._limits.screenshot_s
        return await self._call("command", lambda: self._driver.screenshot(id, screen), "the screenshot", limit, deadline, id)

    async def open_serial(self, id: str, device_id: str, *, take_over: bool, deadline: float) -> socket.socket:
        """See ``Driver``."""
        work: Callable[[], socket.socket] = lambda: self._driver.open_serial(id, device_id, take_over=take_over)  # noqa: E731 - typed
        return await self._call("command", work, "opening the serial port", self._limits.console_s, deadline, id)

    async def open_graphics(self, id: str, deadline: float) -> socket.socket:
        """See ``Driver``."""
        return await self._call(
            "command", lambda: self._driver.open_graphics(id), "opening the screen", self._limits.console_s, deadline, id
        )

    async def _call(self, road: Road, work: Callable[[], T], label: str, limit_s: float, deadline: float, vm: str | None = None) -> T:
        self.require_ready()
        return await self._lanes.call(road, work, label=label, limit_s=limit_s, deadline=deadline, vm=vm)
