"""What became of a verb that was interrupted: one pure probe for each, and the fence before it (DESIGN 6).

Nothing is done again here. What a finished verb had still to record (a desired document) is recorded, and the last step of a
definition that was accepted (autostart, which libvirt keeps apart from it) is taken: both say only what has been accepted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import DeadlineExceeded, GuestUnresponsive, HypervisorUnavailable, InvalidParams, ObjectNotFound
from libvdsm.interfaces.generated.types import (
    Nothing,
    ShutdownResultWay,
    ShutdownWay,
    VmCreateParams,
    VmCreateResult,
    VmDeleteParams,
    VmShutdownParams,
    VmShutdownResult,
    VmState,
    VmUpdateParams,
    VmUpdateResult,
)
from libvdsm.interfaces.messages import Recovered
from libvdsm.interfaces.work import Reporter, WorkContext
from libvdsm.subsystems.virt import desire, plan
from libvdsm.subsystems.virt.desire import DesiredVm
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory

_log = logging.getLogger(__name__)


class Sight(Struct, frozen=True, kw_only=True):
    """What is looked at: the domain, if there is one, and the host's architecture, which new definitions get."""

    domain: Domain | None
    architecture: str = "x86_64"


class Finding(Struct, frozen=True, kw_only=True):
    """What a probe concludes."""

    outcome: str  # done | absent | unknown
    result: Struct | None = None  # when done
    reason: str | None = None  # when not
    desired: DesiredVm | None = None  # what the verb made the desired document, when done


#: Judges by the interrupted call and what is seen now, after the fence.
Probe = Callable[[WorkContext, Any, Sight], Finding]


def _done(result: Struct | None = None, desired: DesiredVm | None = None) -> Finding:
    return Finding(outcome="done", result=result or Nothing(), desired=desired)


def _absent(reason: str) -> Finding:
    return Finding(outcome="absent", reason=reason)


def _unknown(reason: str) -> Finding:
    return Finding(outcome="unknown", reason=reason)


# -- the probes


def probe_create(context: WorkContext, params: VmCreateParams, sight: Sight) -> Finding:
    """Our operation is in the metadata. An id that the host chose belongs to this operation alone."""
    domain = sight.domain
    if domain is None:
        return _absent("it was not defined")
    is_ours = domain.operation_id == context.operation_id
    if not is_ours and params.vm_id is not None:
        if domain.generation > 1:
            return _unknown("there is one with this id, and it was changed since it was made")
        return _absent("there is another one with this id")
    desired = desire.created(context, params, domain.id, sight.architecture) if is_ours else None
    return _done(VmCreateResult(vm_id=domain.id, generation=1), desired)


def probe_update(context: WorkContext, params: VmUpdateParams, sight: Sight) -> Finding:
    """Our operation is in the metadata. Which changes it made is told by the recorded document, of before or after it."""
    domain = sight.domain
    if domain is None:
        return _unknown("it is not there any more")
    present = desire.recorded(context, domain)
    if domain.operation_id == context.operation_id:
        is_recorded = present.operation_id == context.operation_id
        after = present if is_recorded else desire.updated(context, params, present, sight.architecture)
        return _done(VmUpdateResult(generation=domain.generation, changes=after.changes), after)
    if not desire.updated(context, params, present, sight.architecture).changes:
        return _done(VmUpdateResult(generation=max(domain.generation, context.generation), changes=[]))
    return _absent("the change was not made")


def probe_delete(_context: WorkContext, params: VmDeleteParams, sight: Sight) -> Finding:
    """It is gone."""
    domain = sight.domain
    if domain is None:
        return _done()
    if params.force and domain.state is VmState.STOPPED and domain.state_reason == "destroyed":
        return _unknown("its plug was pulled, and its definition is still there")
    return _absent("it is still there")


def probe_start(_context: WorkContext, _params: object, sight: Sight) -> Finding:
    """It has a process."""
    return _done() if _is_active(sight) else _absent("it was not started")


def probe_stop(_context: WorkContext, _params: object, sight: Sight) -> Finding:
    """It has no process; a transient one is gone with it."""
    return _absent("it was not stopped") if _is_active(sight) else _done()


def probe_shutdown(_context: WorkContext, params: VmShutdownParams, sight: Sight) -> Finding:
    """It has no process. A guest that is still up may be asked again: that harms nothing."""
    if _is_active(sight):
        return _absent("the guest has not gone down, although it may have been asked")
    return _done(VmShutdownResult(way=_way(params, sight.domain)))


def _way(params: VmShutdownParams, domain: Domain | None) -> ShutdownResultWay:
    """What brought a guest down, as far as that can be seen afterwards; none where it cannot."""
    if domain is None:
        return ShutdownResultWay.NONE
    if params.force and domain.state_reason == "destroyed":
        return ShutdownResultWay.FORCE
    ways = [way for way in params.ways if way is not ShutdownWay.AGENT or domain.config.guest_agent]
    return ShutdownResultWay(ways[0].value) if len(ways) == 1 else ShutdownResultWay.NONE


def probe_pause(_context: WorkContext, _params: object, sight: Sight) -> Finding:
    """Its processors stand still."""
    domain = sight.domain
    return _done() if domain is not None and domain.state is VmState.PAUSED else _absent("it was not paused")


def probe_resume(_context: WorkContext, _params: object, sight: Sight) -> Finding:
    """Its processors run. One that has ended since may have gone on before, or not."""
    domain = sight.domain
    if domain is None or not plan.is_active(domain.state):
        return _unknown("it has ended since")
    return _absent("it is still paused") if domain.state is VmState.PAUSED else _done()


def _is_active(sight: Sight) -> bool:
    return sight.domain is not None and plan.is_active(sight.domain.state)


#: Every verb of this subsystem whose probe in the schema is ``metadata`` or ``state``.
PROBES: Final[Mapping[str, Probe]] = {
    "VM.create": probe_create,
    "VM.delete": probe_delete,
    "VM.pause": probe_pause,
    "VM.resume": probe_resume,
    "VM.shutdown": probe_shutdown,
    "VM.start": probe_start,
    "VM.stop": probe_stop,
    "VM.update": probe_update,
}


# -- looking


class Recoveries:
    """Fences, looks and concludes."""

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory, reporter: Reporter, *, second_look_s: float) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._reporter = reporter
        self._second_look_s = second_look_s

    async def recover(self, context: WorkContext, params: Any) -> Recovered:  # noqa: ANN401 - of any verb
        """See ``Service``. A hypervisor that is away is waited for; what hangs ends as unknown."""
        probe = PROBES.get(context.method)
        if probe is None:
            return Recovered(outcome="unknown", reason="whether it was done cannot be seen")
        vm_id: str = params.vm_id or plan.new_vm_id(context.operation_id)
        while True:
            await self._hypervisor.ready(context.deadline)
            try:
                return await self._conclude(context, vm_id, await self._judge(context, vm_id, params, probe))
            except HypervisorUnavailable:
                _log.info("%s of %s is looked at again when the hypervisor is back", context.method, vm_id)
                await asyncio.sleep(self._second_look_s)
            except (GuestUnresponsive, DeadlineExceeded) as error:
                return Recovered(outcome="unknown", reason=error.message)

    async def _judge(self, context: WorkContext, vm_id: str, params: object, probe: Probe) -> Finding:
        """Look after the fence; what has had no effect is looked at again a little later, lest a request is still on its way."""
        finding = await self._look(context, vm_id, params, probe)
        if finding.outcome == "done":
            return finding
        await asyncio.sleep(self._second_look_s)
        return await self._look(context, vm_id, params, probe)

    async def _look(self, context: WorkContext, vm_id: str, params: object, probe: Probe) -> Finding:
        try:
            await self._hypervisor.fence(vm_id, context.deadline)
            domain = await self._hypervisor.domain(vm_id, context.deadline)
        except ObjectNotFound:
            domain = None
        try:
            return probe(context, params, Sight(domain=domain, architecture=self._hypervisor.architecture))
        except InvalidParams as error:  # it would have been refused before anything was done
            return _absent(error.message)

    async def _conclude(self, context: WorkContext, vm_id: str, finding: Finding) -> Recovered:
        """Record and tell what is, before the answer."""
        cause = context.cause("found in recovery") if finding.outcome == "done" else self._inventory.cause_of(vm_id, "looked at")
        domain = await self._seen(context, vm_id)
        if domain is None:
            self._inventory.forget(vm_id, cause)
        else:
            if finding.desired is not None:
                domain = await self._complete(context, domain, finding.desired)
            self._inventory.see(domain, cause, is_desired_anew=finding.desired is not None)
        result = UNSET if finding.result is None else Raw(msgspec.json.encode(finding.result))
        return Recovered(outcome=finding.outcome, result=result, reason=finding.reason)

    async def _complete(self, context: WorkContext, domain: Domain, desired: DesiredVm) -> Domain:
        """The document, which may have been lost with its worker, and what follows of it."""
        self._reporter.desired("vm", domain.id, domain.generation, msgspec.json.encode(desired))
        if domain.config.autostart == desired.config.autostart:
            return domain
        try:
            await self._hypervisor.set_autostart(domain.id, desired.config.autostart, context.deadline)
        except HypervisorUnavailable:
            raise
        except ApiError as error:
            _log.warning("autostart of %s could not be set: %s", domain.id, error.message)
        return await self._hypervisor.domain(domain.id, context.deadline)

    async def _seen(self, context: WorkContext, vm_id: str) -> Domain | None:
        try:
            return await self._hypervisor.domain(vm_id, context.deadline)
        except ObjectNotFound:
            return None
