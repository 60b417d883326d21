"""Figures of all virtual machines, sampled in the background and handed to the front encoded.

Nobody who asks for statistics waits for a hypervisor. Each group says when its figures were true; a group that
could not be sampled keeps its last figures and says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.types import NotRefreshed, VmCpuStats, VmDiskStats, VmMemoryStats, VmNicStats, VmStats
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.events import Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory

_log = logging.getLogger(__name__)

Group = TypeVar("Group", VmCpuStats, VmMemoryStats, VmDiskStats, VmNicStats)

_SILENT_SAMPLES: Final = 2
_SILENT: Final = NotRefreshed(error="GuestUnresponsive", reason="its process does not answer")


class Statistics:
    """Samples all active domains every few seconds."""

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory, observer: Observer, reporter: Reporter, *, interval_s: float) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._observer = observer
        self._reporter = reporter
        self._interval_s = interval_s
        self._last: dict[str, VmStats] = {}
        self._silent: dict[str, int] = {}
        self._encoder = msgspec.json.Encoder()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.create_task(self._run(), name="virt-statistics")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sample(self) -> None:
        """Take one sample of everything and report it."""
        deadline = self._hypervisor.now() + 2 * max(self._interval_s, 10.0)
        try:
            samples = await self._hypervisor.stats(deadline)
        except ApiError as error:
            self._keep_all(NotRefreshed(error=error.name, reason=str(error.params.get("reason", error.message))))
            return
        self._take_in({sample.vm_id: sample for sample in samples})

    async def _run(self) -> None:
        while True:
            if self._hypervisor.is_ready:
                await self.sample()
            await asyncio.sleep(self._interval_s)

    def _take_in(self, samples: dict[str, VmStats]) -> None:
        now: dict[str, VmStats] = {}
        for domain in self._inventory.all():
            sample = samples.pop(domain.id, None)
            if sample is not None and sample.state is not domain.state:
                self._observer.suspect(domain.id, "found by statistics")
            now[domain.id] = self._sample_of(domain, sample)
            self._tell_problem(domain.id, now[domain.id])
        for unknown in samples:
            self._observer.suspect(unknown, "found by statistics")
        self._report(now)

    def _sample_of(self, domain: Domain, sample: VmStats | None) -> VmStats:
        last = self._last.get(domain.id)
        if sample is not None:
            return _joined(last, sample)
        if not plan.is_active(domain.state):
            return VmStats(vm_id=domain.id, state=domain.state)
        self._observer.suspect(domain.id, "not among the active ones")
        return _kept(last, _SILENT) if last is not None else VmStats(vm_id=domain.id, state=domain.state)

    def _tell_problem(self, id: str, sample: VmStats) -> None:
        """A domain that did not answer twice is one with a problem; once, it may have been busy."""
        groups = [sample.cpu, sample.memory, *(sample.disks or ()), *(sample.nics or ())]
        reasons = (group.not_refreshed for group in groups if group is not None)
        silent = next((why for why in reasons if why is not None and why.error == _SILENT.error), None)
        if silent is not None:
            self._silent[id] = self._silent.get(id, 0) + 1
            if self._silent[id] >= _SILENT_SAMPLES:
                self._inventory.set_problem(id, silent.reason)
        elif self._silent.pop(id, 0) >= _SILENT_SAMPLES:
            self._inventory.set_problem(id, None)

    def _keep_all(self, why: NotRefreshed) -> None:
        self._report({id: _kept(last, why) for id, last in self._last.items() if self._inventory.get(id) is not None})

    def _report(self, now: dict[str, VmStats]) -> None:
        changed = [(id, self._encoder.encode(sample)) for id, sample in now.items() if sample != self._last.get(id)]
        self._last = now
        if changed:
            self._reporter.stats("vm", changed)


def _joined(last: VmStats | None, sample: VmStats) -> VmStats:
    """A sample with what only two samples tell, and the last figures where there are no new ones."""
    if last is None:
        return sample
    return msgspec.structs.replace(
        sample,
        cpu=_with_use(last.cpu, _fresh(last.cpu, sample.cpu)),
        memory=_fresh(last.memory, sample.memory),
        disks=_fresh_list(last.disks, sample.disks, lambda disk: disk.id),
        nics=_fresh_list(last.nics, sample.nics, lambda nic: nic.id),
    )


def _fresh(last: Group | None, group: Group | None) -> Group | None:
    """The group, or the last one with the reason if this one could not be refreshed."""
    if last is None or (group is not None and group.not_refreshed is None):
        return group
    return msgspec.structs.replace(last, not_refreshed=_SILENT if group is None else group.not_refreshed)


def _fresh_list(last: Iterable[Group] | None, groups: Sequence[Group] | None, key: Callable[[Group], str]) -> list[Group] | None:
    before = {key(group): group for group in last or ()}
    if groups is None:
        return [msgspec.structs.replace(group, not_refreshed=_SILENT) for group in before.values()] or None
    fresh = (_fresh(before.get(key(group)), group) for group in groups)
    return [group for group in fresh if group is not None]


def _with_use(last: VmCpuStats | None, cpu: VmCpuStats | None) -> VmCpuStats | None:
    """Processor time between the two samples."""
    if last is None or cpu is None or cpu.not_refreshed is not None:
        return cpu
    elapsed = (datetime.fromisoformat(cpu.sampled_at) - datetime.fromisoformat(last.sampled_at)).total_seconds()
    if elapsed <= 0 or cpu.time < last.time:
        return cpu
    return msgspec.structs.replace(cpu, used_percent=round(100.0 * (cpu.time - last.time) / elapsed, 2))


def _kept(last: VmStats, why: NotRefreshed) -> VmStats:
    """The last figures, each with why it is not newer."""
    replace = msgspec.structs.replace
    return replace(
        last,
        cpu=replace(last.cpu, not_refreshed=why) if last.cpu is not None else None,
        memory=replace(last.memory, not_refreshed=why) if last.memory is not None else None,
        disks=[replace(disk, not_refreshed=why) for disk in last.disks] if last.disks is not None else None,
        nics=[replace(nic, not_refreshed=why) for nic in last.nics] if last.nics is not None else None,
    )
