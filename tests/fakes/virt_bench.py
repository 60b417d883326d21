"""The virt subsystem over a hypervisor in memory, as its own tests use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt.config import VirtConfig
from libvdsm.subsystems.virt.service import Virt
from tests.fakes.reports import RecordingReporter
from tests.fakes.virt_driver import FakeDriver

VM = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
PATIENCE_S = 60


class Bench:
    def __init__(self) -> None:
        self.driver = FakeDriver()
        self.reporter = RecordingReporter()
        self.ended: list[str] = []
        config = VirtConfig(ask_again_s=0.05, backoff_s=(0.001,), stats_interval_s=3600, look_interval_s=0.02, second_look_s=0.01)
        self.virt = Virt(driver=self.driver, config=config, reporter=self.reporter, clock=ManualClock(), end_process=self.ended.append)

    def context(self, method: str, **members: object) -> WorkContext:
        deadline = asyncio.get_running_loop().time() + 10
        base = WorkContext(method=method, operation_id=f"op {method}", identity="me", deadline=deadline)
        return msgspec.structs.replace(base, **members)

    async def ready(self) -> None:
        await self.virt.start()
        await self.reporter.until(lambda: self.reporter.conditions[-1:] == [("ready", None)])

    async def create(self, **config: object) -> None:
        params = types.VmCreateParams(name="web", vm_id=VM, config=msgspec.convert({"memory": 64 << 20, **config}, types.VmConfig))
        await self.virt.vm_create(self.context("VM.create"), params)

    async def start(self) -> None:
        await self.virt.vm_start(self.context("VM.start"), types.VmStartParams(vm_id=VM))

    async def quiet(self) -> None:
        """What was heard has been looked at."""
        while readers := list(self.virt._observer._readers.values()):
            await asyncio.gather(*readers)

    @property
    def document(self) -> dict[str, object]:
        return self.reporter.documents[VM]


def run(scenario: Callable[[Bench], Awaitable[None]], *, is_ready: bool = True) -> None:
    async def main() -> None:
        bench = Bench()
        try:
            if is_ready:
                await bench.ready()
            await scenario(bench)
        finally:
            await bench.virt.stop()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
