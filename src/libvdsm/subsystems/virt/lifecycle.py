"""The life of a virtual machine: start, shutdown, stop, reset, reboot, pause, resume.

A verb looks at the domain first, does what its state needs, and tells what it has become. What a guest does in
its own time is waited for by events, and looked at once a second lest an event was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from libvdsm.interfaces.generated.errors import (
    Cancelled,
    DeadlineExceeded,
    GuestUnresponsive,
    HypervisorError,
    ObjectNotFound,
    OutcomeUnknown,
    Unsupported,
    WrongState,
)
from libvdsm.interfaces.generated.types import (
    Nothing,
    ShutdownResultWay,
    ShutdownWay,
    VmPauseParams,
    VmRebootParams,
    VmResetParams,
    VmResumeParams,
    VmShutdownParams,
    VmShutdownResult,
    VmStartParams,
    VmState,
    VmStopParams,
)
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.deed import deed
from libvdsm.subsystems.virt.driver import Domain, DomainEvent
from libvdsm.subsystems.virt.events import Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory

_DONE: Final = 100.0


class Lifecycle:
    """Starts and ends guests."""

    def __init__(
        self, hypervisor: Hypervisor, inventory: Inventory, observer: Observer, *, look_interval_s: float, ask_again_s: float
    ) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._observer = observer
        self._look_interval_s = look_interval_s
        self._ask_again_s = ask_again_s

    async def start(self, context: WorkContext, params: VmStartParams) -> Nothing:
        """Start a stopped virtual machine."""
        if await self._needs_work(context, params.vm_id):
            with self._inventory.acting(params.vm_id, context.cause()):
                await deed(context, self._hypervisor.start(params.vm_id, paused=params.paused, deadline=context.deadline))
                await self._tell(context, params.vm_id)
        context.progress(_DONE)
        return Nothing()

    async def stop(self, context: WorkContext, params: VmStopParams) -> Nothing:
        """Pull the plug, even of one that cannot be looked at."""
        try:
            needs_work = await self._needs_work(context, params.vm_id)
        except (GuestUnresponsive, DeadlineExceeded):
            needs_work = True
        if needs_work:
            with self._inventory.acting(params.vm_id, context.cause()):
                await self._destroy(context, params.vm_id)
        context.progress(_DONE)
        return Nothing()

    async def reset(self, context: WorkContext, params: VmResetParams) -> Nothing:
        """Press the reset button."""
        await self._needs_work(context, params.vm_id)
        with self._inventory.acting(params.vm_id, context.cause()):
            await deed(context, self._hypervisor.reset(params.vm_id, context.deadline))
            await self._tell(context, params.vm_id)
        return Nothing()

    async def pause(self, context: WorkContext, params: VmPauseParams) -> Nothing:
        """Stop the virtual processors."""
        if await self._needs_work(context, params.vm_id):
            with self._inventory.acting(params.vm_id, context.cause()):
                await deed(context, self._hypervisor.suspend(params.vm_id, context.deadline))
                await self._tell(context, params.vm_id)
        return Nothing()

    async def resume(self, context: WorkContext, params: VmResumeParams) -> Nothing:
        """Let the virtual processors go on."""
        if await self._needs_work(context, params.vm_id):
            with self._inventory.acting(params.vm_id, context.cause()):
                await deed(context, self._hypervisor.resume(params.vm_id, context.deadline))
                await self._tell(context, params.vm_id)
        return Nothing()

    async def shutdown(self, context: WorkContext, params: VmShutdownParams) -> VmShutdownResult:
        """Ask the guest to shut down, in the ways that are given, and then perhaps pull the plug."""
        if not await self._needs_work(context, params.vm_id):
            return VmShutdownResult(way=ShutdownResultWay.NONE)
        asking = _Asking(self._hypervisor.now(), params.guest_timeout, params.ways, context)
        with self._inventory.acting(params.vm_id, context.cause()):
            way = await self._try_ways(asking, params.vm_id, self._hypervisor.ask_shutdown, self._went_down, self._ask_again_s)
            if way is None and params.force:
                await self._destroy(context, params.vm_id)
                way = ShutdownResultWay.FORCE
        if way is None:
            raise GuestUnresponsive(id=params.vm_id, reason=asking.tried("shut down"))
        context.progress(_DONE)
        return VmShutdownResult(way=way)

    async def reboot(self, context: WorkContext, params: VmRebootParams) -> VmShutdownResult:
        """Ask the guest to reboot, in the ways that are given, and then perhaps press the reset button."""
        await self._needs_work(context, params.vm_id)
        asking = _Asking(self._hypervisor.now(), params.guest_timeout, params.ways, context)
        with self._inventory.acting(params.vm_id, context.cause()), self._observer.listening(params.vm_id) as events:
            way = await self._try_ways(
                asking, params.vm_id, self._hypervisor.ask_reboot, lambda asking, id, until: self._has_rebooted(asking, id, until, events)
            )
            if way is None and params.force:
                await deed(context, self._hypervisor.reset(params.vm_id, context.deadline))
                way = ShutdownResultWay.FORCE
            await self._tell(context, params.vm_id)
        if way is None:
            raise GuestUnresponsive(id=params.vm_id, reason=asking.tried("reboot"))
        context.progress(_DONE)
        return VmShutdownResult(way=way)

    async def _needs_work(self, context: WorkContext, vm_id: str) -> bool:
        domain = await self._look(context, vm_id)
        return plan.needs_work(context.method, vm_id, domain.state)

    async def _look(self, context: WorkContext, vm_id: str) -> Domain:
        return await self._observer.look(vm_id, self._inventory.cause_of(vm_id, "looked at"), context.deadline)

    async def _tell(self, context: WorkContext, vm_id: str) -> None:
        """What the domain has become; a transient one may be gone, or a hung one not answer."""
        try:
            await self._observer.look(vm_id, context.cause(), context.deadline)
        except (ObjectNotFound, GuestUnresponsive):
            return

    async def _destroy(self, context: WorkContext, vm_id: str) -> None:
        await deed(context, self._hypervisor.destroy(vm_id, context.deadline))
        await self._tell(context, vm_id)

    async def _try_ways(
        self, asking: _Asking, vm_id: str, ask: _Ask, is_done: _IsDone, again_s: float = math.inf
    ) -> ShutdownResultWay | None:
        """Ask in one way after the other, each with its share of the time that is left; the way that worked.

        A guest that is still booting does not hear: it is asked again every ``again_s`` seconds.
        """
        for index, way in enumerate(asking.ways):
            until = asking.share(self._hypervisor.now(), index)
            try:
                await deed(asking.context, ask(vm_id, way, asking.context.deadline))
            except (GuestUnresponsive, Unsupported, OutcomeUnknown) as error:  # nobody knows whether the guest has heard
                asking.failures.append(f"{way.value}: {error.params['reason']}")
                continue
            except ObjectNotFound:
                if ask != self._hypervisor.ask_shutdown:
                    raise
            while not await is_done(asking, vm_id, min(until, self._hypervisor.now() + again_s)):
                if self._hypervisor.now() >= until:
                    break
                # It may go down at the very moment in which it is asked again: whether it did is seen above.
                with contextlib.suppress(GuestUnresponsive, Unsupported, ObjectNotFound, WrongState, HypervisorError):
                    await ask(vm_id, way, asking.context.deadline)
            else:
                return ShutdownResultWay(way.value)
            asking.failures.append(f"{way.value}: asked, and nothing came of it")
        return None

    async def _went_down(self, asking: _Asking, vm_id: str, until: float) -> bool:
        """Whether the guest is down by ``until``."""
        while True:
            domain = self._inventory.get(vm_id)
            if domain is None or not plan.is_active(domain.state):
                return True
            pause = asking.next_pause(self._hypervisor.now(), until, self._look_interval_s)
            if pause is None:
                return False
            if not await self._inventory.changed(vm_id, pause):
                await self._tell(asking.context, vm_id)

    async def _has_rebooted(self, asking: _Asking, vm_id: str, until: float, events: asyncio.Queue[DomainEvent]) -> bool:
        """Whether the guest has rebooted by ``until``; that it went down instead is an error of its own."""
        while True:
            pause = asking.next_pause(self._hypervisor.now(), until, self._look_interval_s)
            if pause is None:
                return False
            try:
                async with asyncio.timeout(pause):
                    event = await events.get()
            except TimeoutError:
                continue
            if event.detail.startswith("reboot"):
                return True
            domain = await self._look(asking.context, vm_id)
            if domain.state is VmState.STOPPED:
                raise GuestUnresponsive(id=vm_id, reason="it went down instead of rebooting")


class _Asking:
    """How a guest is being asked, and the time that this may take."""

    def __init__(self, now: float, guest_timeout: float, ways: Sequence[ShutdownWay], context: WorkContext) -> None:
        self.begun = now
        self.end = now + guest_timeout
        self.ways = ways
        self.context = context
        self.failures: list[str] = []

    def share(self, now: float, index: int) -> float:
        """The end of a way's share of the time that is left."""
        return now + max(0.0, self.end - now) / (len(self.ways) - index)

    def next_pause(self, now: float, until: float, longest: float) -> float | None:
        """How long to wait before looking again; None when the time is up.

        Raises ``Cancelled`` if that was asked for, ``DeadlineExceeded`` when the call's own time is up.
        """
        if self.context.is_cancelled():
            raise Cancelled(method=self.context.method)
        if now >= self.context.deadline:
            raise DeadlineExceeded(seconds=round(now - self.begun, 3))
        self.context.progress(min(99.0, 100.0 * (now - self.begun) / (self.end - self.begun)))
        if now >= until:
            return None
        return min(longest, until - now)

    def tried(self, what: str) -> str:
        """What was tried, in words."""
        return f"it did not {what} in {self.end - self.begun:g} s ({'; '.join(self.failures)})"


_Ask: TypeAlias = Callable[[str, ShutdownWay, float], Awaitable[None]]
_IsDone: TypeAlias = Callable[[_Asking, str, float], Awaitable[bool]]
