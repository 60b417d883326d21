"""The desired document of a virtual machine: what is recorded of a create or an update. Pure.

A worker keeps no documents: it is handed the recorded one with each call, and hands back the new one. Recovery makes the same
document again from the same values, so one that was lost with a worker is recorded after all.
"""

from __future__ import annotations

import msgspec

from libvdsm.interfaces.generated.types import Change, ChangeEffect, VmConfig, VmCreateParams, VmUpdateParams
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.driver import Domain

DEFAULT_PROJECT = "default"


class DesiredVm(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The desired document as it is recorded. Those of before have no more than a name and a configuration."""

    name: str
    config: VmConfig  # in normal form
    project: str = DEFAULT_PROJECT
    asked: VmConfig | None = None  # what the client gave, with its later patches, before the host filled anything in
    operation_id: str | None = None  # that made it so
    changes: list[Change] = []  # what that operation changed


def recorded(context: WorkContext, domain: Domain) -> DesiredVm:
    """What was asked for, or where that is not recorded, what is."""
    if context.desired is None:
        return DesiredVm(name=domain.name, config=domain.config)
    return msgspec.json.decode(context.desired, type=DesiredVm)


def created(context: WorkContext, params: VmCreateParams, vm_id: str, architecture: str) -> DesiredVm:
    """What VM.create asks for. Raises ``InvalidParams`` for what contradicts itself."""
    config = plan.normalise(params.config, vm_id, architecture=architecture)
    return DesiredVm(name=params.name, config=config, project=params.project, asked=params.config, operation_id=context.operation_id)


def updated(context: WorkContext, params: VmUpdateParams, before: DesiredVm, architecture: str) -> DesiredVm:
    """What is desired after VM.update, and in ``changes`` what that changes. Raises ``InvalidParams``."""
    config, asked = before.config, before.asked or before.config
    if params.config is not None:
        config = plan.normalise(plan.apply_patch(config, params.config), params.vm_id, architecture=architecture)
        asked = plan.apply_patch(asked, params.config)
    name = before.name if params.name is None else params.name
    project = before.project if params.project is None else params.project
    changes = plan.diff(before.config, config)
    for member, is_changed in (("name", name != before.name), ("project", project != before.project)):
        if is_changed:
            changes.append(Change(path=member, effect=ChangeEffect.LIVE))
    return DesiredVm(name=name, config=config, project=project, asked=asked, operation_id=context.operation_id, changes=changes)
