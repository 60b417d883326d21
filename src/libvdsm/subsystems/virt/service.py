"""The virt subsystem: the verbs of the generated Protocol, joined from their parts.

Each noun has its own module (``definition``, ``lifecycle``, ``console``, ``statistics``, ``connection``); here they
only meet. What they share is the handle ``hypervisor`` and the ``inventory``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from libvdsm.base.clock import Clock
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.messages import Checked, Recovered
from libvdsm.interfaces.work import Reporter, WorkContext
from libvdsm.subsystems.virt.check import Checks
from libvdsm.subsystems.virt.config import VirtConfig
from libvdsm.subsystems.virt.connection import Connection
from libvdsm.subsystems.virt.console import Consoles
from libvdsm.subsystems.virt.definition import Definitions
from libvdsm.subsystems.virt.driver import Driver
from libvdsm.subsystems.virt.events import Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory
from libvdsm.subsystems.virt.lanes import Lanes, Watchers
from libvdsm.subsystems.virt.lifecycle import Lifecycle
from libvdsm.subsystems.virt.recovery import Recoveries
from libvdsm.subsystems.virt.statistics import Statistics


class Virt:
    """``VirtService`` and ``Service``. Made and used in one loop's thread."""

    def __init__(self, *, driver: Driver, config: VirtConfig, reporter: Reporter, clock: Clock, end_process: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self._inventory = Inventory(reporter, clock)
        watchers = Watchers(
            stuck=self._inventory.set_problem,
            released=lambda id: self._inventory.set_problem(id, None),
            lost=lambda reason: self._connection.lose(reason),  # noqa: PLW0108 - made below
            wedged=lambda reason: self._connection.wedge(reason),  # noqa: PLW0108 - made below
        )
        self._lanes = Lanes(driver.replace, loop, limits=config.lanes, watchers=watchers)
        self._hypervisor = Hypervisor(driver, self._lanes, config.calls, loop)
        self._observer = Observer(self._hypervisor, self._inventory, read_s=config.calls.read_s, retry_s=config.look_interval_s)
        self._connection = Connection(
            driver=driver,
            hypervisor=self._hypervisor,
            inventory=self._inventory,
            observer=self._observer,
            reporter=reporter,
            config=config,
            end_process=end_process,
        )
        self._definitions = Definitions(self._hypervisor, self._inventory, self._observer, reporter)
        self._lifecycle = Lifecycle(
            self._hypervisor,
            self._inventory,
            self._observer,
            look_interval_s=config.look_interval_s,
            ask_again_s=config.ask_again_s,
        )
        self._consoles = Consoles(self._hypervisor, self._inventory, self._observer, reporter, clock, ticket_s=config.ticket_s)
        self._checks = Checks(self._hypervisor, self._inventory)
        self._recoveries = Recoveries(self._hypervisor, self._inventory, reporter, second_look_s=config.second_look_s)
        self._statistics = Statistics(self._hypervisor, self._inventory, self._observer, reporter, interval_s=config.stats_interval_s)

    async def start(self) -> None:
        """See ``Service``."""
        self._connection.start()
        self._statistics.start()

    async def stop(self) -> None:
        """See ``Service``."""
        await self._statistics.stop()
        await self._connection.stop()
        self._lanes.close()

    async def recover(self, context: WorkContext, params: Struct) -> Recovered:
        """See ``Service``."""
        return await self._recoveries.recover(context, params)

    async def check(self, context: WorkContext, params: Struct) -> Checked:
        """See ``Service``."""
        return await self._checks.check(context, params)

    async def host_get_capabilities(self, context: WorkContext, params: types.HostGetCapabilitiesParams) -> types.HostCapabilities:  # noqa: ARG002 - it has none
        """See ``VirtService``."""
        return await self._hypervisor.capabilities(context.deadline)

    async def vm_create(self, context: WorkContext, params: types.VmCreateParams) -> types.VmCreateResult:
        """See ``VirtService``."""
        return await self._definitions.create(context, params)

    async def vm_update(self, context: WorkContext, params: types.VmUpdateParams) -> types.VmUpdateResult:
        """See ``VirtService``."""
        return await self._definitions.update(context, params)

    async def vm_delete(self, context: WorkContext, params: types.VmDeleteParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._definitions.delete(context, params)

    async def vm_start(self, context: WorkContext, params: types.VmStartParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._lifecycle.start(context, params)

    async def vm_shutdown(self, context: WorkContext, params: types.VmShutdownParams) -> types.VmShutdownResult:
        """See ``VirtService``."""
        return await self._lifecycle.shutdown(context, params)

    async def vm_stop(self, context: WorkContext, params: types.VmStopParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._lifecycle.stop(context, params)

    async def vm_reset(self, context: WorkContext, params: types.VmResetParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._lifecycle.reset(context, params)

    async def vm_reboot(self, context: WorkContext, params: types.VmRebootParams) -> types.VmShutdownResult:
        """See ``VirtService``."""
        return await self._lifecycle.reboot(context, params)

    async def vm_pause(self, context: WorkContext, params: types.VmPauseParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._lifecycle.pause(context, params)

    async def vm_resume(self, context: WorkContext, params: types.VmResumeParams) -> types.Nothing:
        """See ``VirtService``."""
        return await self._lifecycle.resume(context, params)

    async def vm_screenshot(self, context: WorkContext, params: types.VmScreenshotParams) -> types.VmScreenshot:
        """See ``VirtService``."""
        return await self._consoles.screenshot(context, params)

    async def console_open(self, context: WorkContext, params: types.ConsoleOpenParams) -> types.ConsoleTicket:
        """See ``VirtService``."""
        return await self._consoles.open(context, params)
