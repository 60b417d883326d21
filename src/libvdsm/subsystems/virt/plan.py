"""Deciding, without acting: what a configuration means in full, what changes, and which state allows which verb.

Pure: values in, values out. No clock, no hypervisor, no loop.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from libvdsm.interfaces.generated.errors import InvalidParams, Unsupported, WrongState
from libvdsm.interfaces.generated.types import (
    Change,
    ChangeEffect,
    CpuConfig,
    CpuMode,
    DiskBus,
    DiskConfig,
    DiskDevice,
    Firmware,
    KernelBoot,
    NicConfig,
    SerialConfig,
    VmConfig,
    VmConfigPatch,
    VmState,
)
from libvdsm.subsystems.virt.effects import change_effects

Device = TypeVar("Device", DiskConfig, NicConfig, SerialConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbStates:
    """Where a verb works, and where there is nothing left to do for it."""

    works: frozenset[VmState]
    done: frozenset[VmState] = frozenset()


_ACTIVE: Final = frozenset({VmState.RUNNING, VmState.PAUSED, VmState.STOPPING, VmState.CRASHED})
_INACTIVE: Final = frozenset({VmState.STOPPED, VmState.HIBERNATED})

#: Which states allow which verb.
VERB_STATES: Final[Mapping[str, VerbStates]] = {
    "Console.open": VerbStates(works=_ACTIVE),
    "VM.delete": VerbStates(works=_INACTIVE),
    "VM.pause": VerbStates(works=frozenset({VmState.RUNNING, VmState.STOPPING}), done=frozenset({VmState.PAUSED})),
    "VM.reboot": VerbStates(works=frozenset({VmState.RUNNING})),
    "VM.reset": VerbStates(works=frozenset({VmState.RUNNING, VmState.PAUSED, VmState.STOPPING, VmState.CRASHED})),
    "VM.resume": VerbStates(works=frozenset({VmState.PAUSED}), done=frozenset({VmState.RUNNING, VmState.STOPPING})),
    "VM.screenshot": VerbStates(works=_ACTIVE),
    "VM.shutdown": VerbStates(works=frozenset({VmState.RUNNING, VmState.STOPPING}), done=_INACTIVE),
    "VM.start": VerbStates(works=_INACTIVE),
    "VM.stop": VerbStates(works=_ACTIVE, done=_INACTIVE),
}


def is_active(state: VmState) -> bool:
    """Whether a virtual machine in this state has a process."""
    return state in _ACTIVE


def needs_work(verb: str, vm_id: str, state: VmState) -> bool:
    """Whether ``verb`` has anything to do in ``state``; ``WrongState`` if it cannot work there."""
    states = VERB_STATES[verb]
    if state in states.works:
        return True
    if state in states.done:
        return False
    needs = ", ".join(known.value for known in VmState if known in states.works | states.done)
    raise WrongState(type="vm", id=vm_id, state=state.value, needs=needs)


def digest(name: str, config: VmConfig) -> str:
    """What stands for a desired document in the hypervisor's metadata."""
    return hashlib.sha256(msgspec.json.encode([name, config], order="deterministic")).hexdigest()


# -- normal form


def normalise(config: VmConfig, vm_id: str, *, architecture: str = "x86_64") -> VmConfig:
    """The configuration with everything that is left to the host filled in, always in the same way.

    ``vm_id`` seeds the addresses of network cards; ``architecture`` is the host's. Idempotent.
    Raises ``InvalidParams`` with the path of what contradicts itself, below ``$.config``.
    """
    _check_firmware(config)
    _check_graphics(config)
    disks = tuple(_normal_disk(disk, f"$.config.disks[{index}]") for index, disk in enumerate(config.disks))
    _check_unique("$.config.disks", "bootOrder", [disk.boot_order for disk in disks])
    taken = _explicit_ids(config)
    return msgspec.structs.replace(
        config,
        cpu=_normal_cpu(config.cpu, config.vcpus),
        architecture=config.architecture or architecture,
        kernel=_normal_kernel(config.kernel),
        disks=_with_ids(disks, "ua-disk", taken),
        nics=_with_macs(_with_ids(config.nics, "ua-nic", taken), vm_id),
        serials=_with_ids(config.serials, "ua-serial", taken),
    )


def _check_firmware(config: VmConfig) -> None:
    if config.firmware.secure_boot and config.firmware.kind is not Firmware.UEFI:
        raise InvalidParams(path="$.config.firmware.secureBoot", reason="secure boot needs the firmware uefi")


def _check_graphics(config: VmConfig) -> None:
    protocols = [graphics.protocol for graphics in config.graphics]
    for index, protocol in enumerate(protocols):
        if protocol in protocols[:index]:
            raise InvalidParams(path=f"$.config.graphics[{index}]", reason=f"a second screen by {protocol.value} is not possible")


def _normal_kernel(kernel: KernelBoot | None) -> KernelBoot | None:
    """An empty command line is none."""
    if kernel is None or kernel.arguments:
        return kernel
    return msgspec.structs.replace(kernel, arguments=None)


def _normal_cpu(cpu: CpuConfig, vcpus: int) -> CpuConfig:
    if cpu.mode is CpuMode.CUSTOM and cpu.model is None:
        raise InvalidParams(path="$.config.cpu.model", reason="mode custom needs a model")
    if cpu.mode is not CpuMode.CUSTOM and cpu.model is not None:
        raise InvalidParams(path="$.config.cpu.model", reason=f"mode {cpu.mode.value} takes no model")
    if cpu.sockets is None and cpu.cores is None and cpu.threads is None:
        return cpu
    cores, threads = cpu.cores or 1, cpu.threads or 1
    sockets = cpu.sockets or max(1, vcpus // (cores * threads))
    if cpu.sockets is not None and cpu.cores is None:
        cores = max(1, vcpus // (sockets * threads))
    if sockets * cores * threads != vcpus:
        raise InvalidParams(path="$.config.cpu", reason=f"{sockets} sockets × {cores} cores × {threads} threads is not {vcpus} vcpus")
    return msgspec.structs.replace(cpu, sockets=sockets, cores=cores, threads=threads)


def _normal_disk(disk: DiskConfig, path: str) -> DiskConfig:
    if disk.device is DiskDevice.CDROM:
        if disk.bus is DiskBus.VIRTIO:
            raise InvalidParams(path=f"{path}.bus", reason="a CD drive needs the bus sata or scsi")
        return msgspec.structs.replace(disk, read_only=True)
    if disk.source is None:
        raise InvalidParams(path=f"{path}.source", reason="only a CD drive can be empty")
    if disk.read_only and disk.bus is DiskBus.SATA:
        raise InvalidParams(path=f"{path}.readOnly", reason="a sata disk cannot be read-only")
    return disk


def _check_unique(path: str, member: str, values: Sequence[object]) -> None:
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            raise InvalidParams(path=f"{path}[{index}].{member}", reason=f"{value} is used twice")


def _explicit_ids(config: VmConfig) -> set[str]:
    """The device ids that were given; they are unique over all kinds of devices."""
    taken: set[str] = set()
    ids = {"disks": [d.id for d in config.disks], "nics": [n.id for n in config.nics], "serials": [s.id for s in config.serials]}
    for kind, given in ids.items():
        for index, id in enumerate(given):
            if id in taken:
                raise InvalidParams(path=f"$.config.{kind}[{index}].id", reason=f"{id} is used twice")
            if id is not None:
                taken.add(id)
    return taken


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
    _check_unique("$.config.nics", "mac", [nic.mac for nic in nics])
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
    for field in msgspec.structs.fields(VmConfig):
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


def _wire_names(record: type[msgspec.Struct]) -> dict[str, str]:
    return {field.name: field.encode_name for field in msgspec.structs.fields(record)}


def diff(old: VmConfig, new: VmConfig) -> list[Change]:
    """The members that differ, by path, each with when its change takes effect."""
    effects = change_effects("VmConfig")
    return [Change(path=f"config.{name}", effect=effects[name]) for name in _differing(old, new)]


def check_possible(changes: Iterable[Change]) -> None:
    """``Unsupported`` for a change that needs a new virtual machine."""
    for change in changes:
        if change.effect is ChangeEffect.RECREATE:
            raise Unsupported(feature=f"changing {change.path}", reason="it can be chosen only for a new virtual machine")


def restart_needed(config: VmConfig, live_config: VmConfig | None) -> list[str]:
    """The members of ``config`` that the running process does not have yet."""
    if live_config is None or config == live_config:
        return []
    effects = change_effects("VmConfig")
    return [name for name in _differing(live_config, config) if effects[name] is not ChangeEffect.LIVE]


def _differing(old: VmConfig, new: VmConfig) -> list[str]:
    return sorted(wire for name, wire in _wire_names(VmConfig).items() if getattr(old, name) != getattr(new, name))
