"""The virt subsystem over a real libvirtd, used as a front uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from libvdsm.base.clock import SystemClock
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt.config import CallLimits, VirtConfig
from libvdsm.subsystems.virt.service import Virt
from tests.fakes.reports import RecordingReporter
from tests.lab.libvirtd import Libvirtd
from tests.lab.real import driver, tiny_config


class Front:
    """The subsystem as a front uses it."""

    def __init__(self, lab: Libvirtd, config: VirtConfig) -> None:
        self.reporter = RecordingReporter()
        self.ended: list[str] = []
        self.virt = Virt(driver=driver(lab.uri), config=config, reporter=self.reporter, clock=SystemClock(), end_process=self.ended.append)

    def context(self, method: str, seconds: float = 30.0) -> WorkContext:
        deadline = asyncio.get_running_loop().time() + seconds
        return WorkContext(method=method, operation_id=new_uuid(), identity="tests", deadline=deadline)

    async def ready(self, times: int = 1) -> None:
        await self.reporter.until(lambda: [state for state, _ in self.reporter.conditions].count("ready") >= times, 60)

    async def unavailable(self) -> None:
        await self.reporter.until(lambda: self.reporter.conditions[-1:] and self.reporter.conditions[-1][0] == "unavailable", 60)

    async def state_is(self, vm_id: str, state: str, timeout_s: float = 60.0) -> None:
        await self.reporter.until(lambda: self.reporter.documents.get(vm_id, {}).get("state") == state, timeout_s)

    async def started(self) -> str:
        """A guest that runs its firmware."""
        made = await self.virt.vm_create(self.context("VM.create"), types.VmCreateParams(name="guest", config=tiny_config()))
        await self.virt.vm_start(self.context("VM.start"), types.VmStartParams(vm_id=made.vm_id))
        return made.vm_id

    async def pause(self, vm_id: str) -> None:
        await self.virt.vm_pause(self.context("VM.pause"), types.VmPauseParams(vm_id=vm_id))

    async def resume(self, vm_id: str) -> None:
        await self.virt.vm_resume(self.context("VM.resume"), types.VmResumeParams(vm_id=vm_id))

    async def stop(self, vm_id: str) -> None:
        await self.virt.vm_stop(self.context("VM.stop", 60), types.VmStopParams(vm_id=vm_id))


def run(lab: Libvirtd, scenario: Callable[[Front], Awaitable[None]], *, pause_s: float = 3.0, fence_s: float = 35.0) -> None:
    """Run a scenario with a subsystem that is ready."""

    async def main() -> None:
        config = VirtConfig(stats_interval_s=0.5, calls=CallLimits(ask_s=pause_s, stats_s=2.0, fence_s=fence_s))
        front = Front(lab, config)
        await front.virt.start()
        try:
            await front.ready()
            await scenario(front)
        finally:
            await front.virt.stop()

    asyncio.run(main())
