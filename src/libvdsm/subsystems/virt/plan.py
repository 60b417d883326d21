"""Deciding, without acting: what a configuration means in full, what changes, and which state allows which verb.

Pure: values in, values out. No clock, no hypervisor, no loop.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from libvdsm.interfaces.generated.errors import InvalidParams, Unsupported, WrongState
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import (
    Change,
    ChangeEffect,
    CpuConfig,
    DiskConfig,
    DiskDevice,
    KernelBoot,
    NicConfig,
    SerialConfig,
    VmConfig,
    VmConfigPatch,
    VmState,
)
from libvdsm.subsystems.virt.contradictions import contradictions, topology
from libvdsm.subsystems.virt.effects import change_effects

Device = TypeVar("Device", DiskConfig, NicConfig, SerialConfig)

#: Digests of before had none, and stood for what was asked alone: nothing can be compared with them.
_DIGEST_PREFIX: Final = "2:"
#: The part of a machine type that says which version of it: pc-q35-7.2 is q35 of 7.2.
_VERSION: Final = re.compile(r"^pc-(?=q35|i440fx)|-\d+(\.\d+)*$")
_ACTIVE: Final = frozenset({VmState.RUNNING, VmState.PAUSED, VmState.STOPPING, VmState.CRASHED})
#: Names the ids of virtual machines after the operations that make them.
_OPERATIONS: Final = uuid.UUID("0f6a1f5e-6a52-5c0f-9d0c-6f2f0a3f5b11")


def is_active(state: VmState) -> bool:
    """Whether a virtual machine in this state has a process."""
    return state in _ACTIVE


def wrong_state(verb: str, vm_id: str, state: VmState) -> WrongState | None:
    """What ``verb`` has against ``state``, by the schema; None if it works there or has nothing left to do."""
    entry = METHODS[verb]
    if not entry.works_in or state.value in entry.works_in or state.value in entry.done_in:
        return None
    needs = ", ".join(known.value for known in VmState if known.value in entry.works_in + entry.done_in)
    return WrongState(type="vm", id=vm_id, state=state.value, needs=needs)


def is_done(verb: str, state: VmState) -> bool:
    """Whether ``verb`` has nothing left to do in ``state``."""
    return state.value in METHODS[verb].done_in


def needs_work(verb: str, vm_id: str, state: VmState) -> bool:
    """Whether ``verb`` has anything to do in ``state``; ``WrongState`` if it cannot work there."""
    failure = wrong_state(verb, vm_id, state)
    if failure is not None:
        raise failure
    return not is_done(verb, state)


def new_vm_id(operation_id: str) -> str:
    """The id that the host gives to a virtual machine: the same whenever the same operation asks for it."""
    return str(uuid.uuid5(_OPERATIONS, operation_id))


# -- what the hypervisor keeps


def digest(name: str, config: VmConfig) -> str:
    """What stands for a definition in the hypervisor's metadata: the same for what was asked and for what is read back."""
    kept = hashlib.sha256(msgspec.json.encode([name, as_kept(config)], order="deterministic")).hexdigest()
    return _DIGEST_PREFIX + kept


def as_kept(config: VmConfig) -> VmConfig:
    """The configuration as far as every hypervisor keeps it in a definition.

    libvirt names the version that a machine type stands for and puts the disks in an order of its own; it has no place for the
    user's words, and keeps autostart elsewhere.
    """
    return msgspec.structs.replace(
        config,
        machine=_VERSION.sub("", config.machine).replace("i440fx", "pc"),
        disks=sorted(config.disks, key=lambda disk: disk.id or ""),
        metadata={},
        autostart=False,
    )


def drift(name: str, config: VmConfig, recorded: str | None) -> str | None:
    """What is to be told of a definition that is no more as ``recorded`` in its own metadata; None while it is."""
    if recorded is None or not recorded.startswith(_DIGEST_PREFIX) or recorded == digest(name, config):
        return None
    return "its definition was changed by other means"


# -- normal form


def normalise(config: VmConfig, vm_id: str, *, architecture: str = "x86_64") -> VmConfig:
    """The configuration with everything that is left to the host filled in, always in the same way.

    ``vm_id`` seeds the addresses of network cards; ``architecture`` is the host's. Idempotent.
    Raises ``InvalidParams`` with the path of what contradicts itself, below ``$.config``.
    """
    for failure in contradictions(config):
        raise failure
    given = [*(disk.id for disk in config.disks), *(nic.id for nic in config.nics), *(serial.id for serial in config.serials)]
    taken = {id for id in given if id is not None}
    return msgspec.structs.replace(
        config,
        cpu=_normal_cpu(config.cpu, config.vcpus),
        architecture=config.architecture or architecture,
        kernel=_normal_kernel(config.kernel),
        disks=_with_ids(map(_normal_disk, config.disks), "ua-disk", taken),
        nics=_with_macs(_with_ids(config.nics, "ua-nic", taken), vm_id),
        serials=_with_ids(config.serials, "ua-serial", taken),
    )


def _normal_kernel(kernel: KernelBoot | None) -> KernelBoot | None:
    """An empty command line is none."""
    if kernel is None or kernel.arguments:
        return kernel
    return msgspec.structs.replace(kernel, arguments=None)


def _normal_cpu(cpu: CpuConfig, vcpus: int) -> CpuConfig:
    found = topology(cpu, vcpus)
    if found is None:
        return cpu
    sockets, cores, threads = found
    return msgspec.structs.replace(cpu, sockets=sockets, cores=cores, threads=threads)


def _normal_disk(disk: DiskConfig) -> DiskConfig:
    return msgspec.structs.replace(disk, read_only=True) if disk.device is DiskDevice.CDROM else disk


def _with_ids(devices: Iterable[Device], prefix: str, taken: set[str]) -> list[Device]:
    """The devices, each with an id: its place, or the next number that is free."""
    result: list[Device] = []
    for index, device in enumerate(devices):
        if device.id is not None:
            result.append(device)
            continue
        number = index
        while f"{prefix}{number}" in taken:
            number += 1
        taken.add(f"{prefix}{number}")
        result.append(msgspec.structs.replace(device, id=f"{prefix}{number}"))
    return result


def _with_macs(nics: Iterable[NicConfig], vm_id: str) -> list[NicConfig]:
    nics = list(nics)
    taken = {nic.mac for nic in nics}
    result = []
    for index, nic in enumerate(nics):
        mac = nic.mac or _free_mac(vm_id, index, taken)
        taken.add(mac)
        result.append(msgspec.structs.replace(nic, mac=mac))
    return result


def _free_mac(vm_id: str, index: int, taken: set[str | None]) -> str:
    """An address in QEMU's range that is the same whenever it is asked for."""
    for attempt in range(1000):
        found = hashlib.sha256(f"{vm_id} {index} {attempt}".encode()).digest()[:3]
        mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in found)
        if mac not in taken:
            return mac
    raise InvalidParams(path=f"$.config.nics[{index}].mac", reason="no address is free")


# -- change


def apply_patch(config: VmConfig, patch: VmConfigPatch) -> VmConfig:
    """The configuration with the patch's members in place; null brings the default back.

    Raises ``InvalidParams`` for null where a member must be.
    """
    names = _wire_names(VmConfig)
    changed: dict[str, Any] = {}
    for field in _fields(VmConfig):
        value = getattr(patch, field.name, msgspec.UNSET)
        if value is msgspec.UNSET:
            continue
        changed[field.name] = _default(field, names[field.name]) if value is None else value
    return msgspec.structs.replace(config, **changed)


def _default(field: msgspec.structs.FieldInfo, wire_name: str) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        factory: Callable[[], object] = field.default_factory
        return factory()
    raise InvalidParams(path=f"$.config.{wire_name}", reason="it cannot be cleared")


@cache
def _fields(record: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The members of a record; msgspec would look at its annotations anew each time."""
    return msgspec.structs.fields(record)


def _wire_names(record: type[msgspec.Struct]) -> dict[str, str]:
    return {field.name: field.encode_name for field in _fields(record)}


def diff(old: VmConfig, new: VmConfig) -> list[Change]:
    """The members that differ, by path, each with when its change takes effect."""
    effects = change_effects("VmConfig")
    return [Change(path=f"config.{name}", effect=effects[name]) for name in _differing(old, new)]


def check_possible(changes: Iterable[Change]) -> None:
    """``Unsupported`` for a change that needs a new virtual machine."""
    for failure in impossible(changes):
        raise failure


def impossible(changes: Iterable[Change]) -> Iterator[Unsupported]:
    """All the changes that need a new virtual machine."""
    for change in changes:
        if change.effect is ChangeEffect.RECREATE:
            yield Unsupported(feature=f"changing {change.path}", reason="it can be chosen only for a new virtual machine")


def restart_needed(config: VmConfig, live_config: VmConfig | None) -> list[str]:
    """The members of ``config`` that the running process does not have yet."""
    if live_config is None or config == live_config:
        return []
    effects = change_effects("VmConfig")
    return [name for name in _differing(live_config, config) if effects[name] is not ChangeEffect.LIVE]


def _differing(old: VmConfig, new: VmConfig) -> list[str]:
    return sorted(wire for name, wire in _wire_names(VmConfig).items() if getattr(old, name) != getattr(new, name))
