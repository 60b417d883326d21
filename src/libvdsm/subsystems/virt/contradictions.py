"""What in a configuration contradicts itself: all of it, each with its path below ``$.config``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.types import CpuConfig, CpuMode, DiskBus, DiskConfig, DiskDevice, Firmware, VmConfig


def contradictions(config: VmConfig) -> Iterator[InvalidParams]:
    """Everything in ``config`` that no host could make true, the first first."""
    if config.firmware.secure_boot and config.firmware.kind is not Firmware.UEFI:
        yield InvalidParams(path="$.config.firmware.secureBoot", reason="secure boot needs the firmware uefi")
    yield from _graphics(config)
    yield from _cpu(config.cpu, config.vcpus)
    for index, disk in enumerate(config.disks):
        yield from _disk(disk, f"$.config.disks[{index}]")
    yield from _repeated("$.config.disks", "bootOrder", [disk.boot_order for disk in config.disks])
    yield from _ids(config)
    yield from _repeated("$.config.nics", "mac", [nic.mac for nic in config.nics])


def topology(cpu: CpuConfig, vcpus: int) -> tuple[int, int, int] | None:
    """Sockets, cores and threads, the missing ones worked out; None if none of them is given."""
    if cpu.sockets is None and cpu.cores is None and cpu.threads is None:
        return None
    cores, threads = cpu.cores or 1, cpu.threads or 1
    sockets = cpu.sockets or max(1, vcpus // (cores * threads))
    if cpu.sockets is not None and cpu.cores is None:
        cores = max(1, vcpus // (sockets * threads))
    return sockets, cores, threads


def _graphics(config: VmConfig) -> Iterator[InvalidParams]:
    protocols = [graphics.protocol for graphics in config.graphics]
    for index, protocol in enumerate(protocols):
        if protocol in protocols[:index]:
            yield InvalidParams(path=f"$.config.graphics[{index}]", reason=f"a second screen by {protocol.value} is not possible")


def _cpu(cpu: CpuConfig, vcpus: int) -> Iterator[InvalidParams]:
    if cpu.mode is CpuMode.CUSTOM and cpu.model is None:
        yield InvalidParams(path="$.config.cpu.model", reason="mode custom needs a model")
    if cpu.mode is not CpuMode.CUSTOM and cpu.model is not None:
        yield InvalidParams(path="$.config.cpu.model", reason=f"mode {cpu.mode.value} takes no model")
    found = topology(cpu, vcpus)
    if found is not None:
        sockets, cores, threads = found
        if sockets * cores * threads != vcpus:
            yield InvalidParams(path="$.config.cpu", reason=f"{sockets} sockets × {cores} cores × {threads} threads is not {vcpus} vcpus")


def _disk(disk: DiskConfig, path: str) -> Iterator[InvalidParams]:
    if disk.device is DiskDevice.CDROM:
        if disk.bus is DiskBus.VIRTIO:
            yield InvalidParams(path=f"{path}.bus", reason="a CD drive needs the bus sata or scsi")
        return
    if disk.source is None:
        yield InvalidParams(path=f"{path}.source", reason="only a CD drive can be empty")
    if disk.read_only and disk.bus is DiskBus.SATA:
        yield InvalidParams(path=f"{path}.readOnly", reason="a sata disk cannot be read-only")


def _repeated(path: str, member: str, values: Sequence[object]) -> Iterator[InvalidParams]:
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            yield InvalidParams(path=f"{path}[{index}].{member}", reason=f"{value} is used twice")


def _ids(config: VmConfig) -> Iterator[InvalidParams]:
    """Device ids are unique over all kinds of devices."""
    taken: set[str] = set()
    kinds = {"disks": [d.id for d in config.disks], "nics": [n.id for n in config.nics], "serials": [s.id for s in config.serials]}
    for kind, given in kinds.items():
        for index, id in enumerate(given):
            if id in taken:
                yield InvalidParams(path=f"$.config.{kind}[{index}].id", reason=f"{id} is used twice")
            if id is not None:
                taken.add(id)
