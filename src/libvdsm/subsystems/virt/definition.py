"""What a virtual machine is to be: create, update, delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from libvdsm.interfaces.generated.errors import AlreadyExists, GenerationConflict, ObjectNotFound
from libvdsm.interfaces.generated.types import (
    Nothing,
    VmCreateParams,
    VmCreateResult,
    VmDeleteParams,
    VmUpdateParams,
    VmUpdateResult,
)
from libvdsm.interfaces.work import Reporter, WorkContext
from libvdsm.subsystems.virt import desire, plan
from libvdsm.subsystems.virt.deed import deed
from libvdsm.subsystems.virt.desire import DesiredVm
from libvdsm.subsystems.virt.driver import Definition, Domain
from libvdsm.subsystems.virt.events import Observer
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory


class Definitions:
    """Creates, changes and removes definitions; one such act at a time for each virtual machine."""

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory, observer: Observer, reporter: Reporter) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory
        self._observer = observer
        self._reporter = reporter
        self._locks: dict[str, tuple[asyncio.Lock, list[None]]] = {}

    async def create(self, context: WorkContext, params: VmCreateParams) -> VmCreateResult:
        """Define a virtual machine that is not there yet."""
        vm_id = params.vm_id or plan.new_vm_id(context.operation_id)
        self._hypervisor.require_ready()
        desired = desire.created(context, params, vm_id, self._hypervisor.architecture)
        async with self._alone(vm_id):
            found = await self._find(vm_id, context.deadline)
            if found is None:
                await self._define(context, vm_id, desired, 1)
            elif found.operation_id != context.operation_id:
                raise AlreadyExists(type="vm", id=vm_id)
            return VmCreateResult(vm_id=vm_id, generation=1)

    async def update(self, context: WorkContext, params: VmUpdateParams) -> VmUpdateResult:
        """Change name or configuration; nothing happens if all is so already."""
        vm_id = params.vm_id
        async with self._alone(vm_id):
            domain = await self._hypervisor.domain(vm_id, context.deadline)
            before = desire.recorded(context, domain)
            if domain.operation_id == before.operation_id == context.operation_id:  # it was done, and is asked for again
                return VmUpdateResult(generation=domain.generation, changes=before.changes)
            generation = max(domain.generation, context.generation)
            if context.expected_generation not in {None, generation}:
                raise GenerationConflict(type="vm", id=vm_id, expected=context.expected_generation or 0, actual=generation)
            after = desire.updated(context, params, before, self._hypervisor.architecture)
            plan.check_possible(after.changes)
            if after.changes:
                generation += 1
                await self._define(context, vm_id, after, generation)
            return VmUpdateResult(generation=generation, changes=after.changes)

    async def delete(self, context: WorkContext, params: VmDeleteParams) -> Nothing:
        """Remove the definition; ``force`` pulls the plug first."""
        vm_id = params.vm_id
        async with self._alone(vm_id):
            domain = await self._observer.look(vm_id, self._inventory.cause_of(vm_id, "looked at"), context.deadline)
            with self._inventory.acting(vm_id, context.cause()):
                if params.force and plan.is_active(domain.state):
                    await self._hypervisor.destroy(vm_id, context.deadline)
                    context.progress(50.0)
                    domain = await self._find(vm_id, context.deadline) or domain
                else:
                    plan.needs_work("VM.delete", vm_id, domain.state)
                await deed(context, self._undefine(vm_id, context.deadline))
                self._inventory.forget(vm_id, context.cause())
        return Nothing()

    async def _define(self, context: WorkContext, vm_id: str, desired: DesiredVm, generation: int) -> None:
        """Make the definition so, record what was accepted, tell what is."""
        definition = Definition(
            id=vm_id,
            name=desired.name,
            config=desired.config,
            generation=generation,
            operation_id=context.operation_id,
            digest=plan.digest(desired.name, desired.config),
        )
        with self._inventory.acting(vm_id, context.cause()), self._observer.withholding(vm_id):
            await deed(context, self._hypervisor.define(definition, context.deadline))
            self._reporter.desired("vm", vm_id, generation, msgspec.json.encode(desired))
            domain = await self._hypervisor.domain(vm_id, context.deadline)
            if domain.config.autostart != desired.config.autostart:
                await self._hypervisor.set_autostart(vm_id, desired.config.autostart, context.deadline)
                domain = await self._hypervisor.domain(vm_id, context.deadline)
            self._inventory.see(domain, context.cause())

    async def _undefine(self, vm_id: str, deadline: float) -> None:
        with suppress(ObjectNotFound):  # a transient domain is gone with its process
            await self._hypervisor.undefine(vm_id, deadline)

    async def _find(self, vm_id: str, deadline: float) -> Domain | None:
        try:
            return await self._hypervisor.domain(vm_id, deadline)
        except ObjectNotFound:
            return None

    @asynccontextmanager
    async def _alone(self, vm_id: str) -> AsyncIterator[None]:
        """Reading, deciding and defining are one act."""
        lock, users = self._locks.setdefault(vm_id, (asyncio.Lock(), []))
        users.append(None)
        try:
            async with lock:
                yield
        finally:
            users.pop()
            if not users:
                self._locks.pop(vm_id, None)
