"""Real drivers for the suites that run over several hypervisors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from libvdsm.base.clock import SystemClock
from libvdsm.interfaces.generated.types import (
    DiskConfig,
    DiskFormat,
    FileDiskSource,
    GraphicsConfig,
    KernelBoot,
    NicConfig,
    SerialConfig,
    UserNicSource,
    VideoModel,
    VmConfig,
)
from libvdsm.subsystems.virt.drivers.libvirt import LibvirtDriver
from libvdsm.subsystems.virt.drivers.libvirt_kvm import KvmProbe
from tests.lab.libvirtd import Libvirtd, guest_initrd, kernel, missing


@cache
def kvm() -> KvmProbe:
    """One trial of KVM for all drivers of this process."""
    return KvmProbe()


def driver(uri: str) -> LibvirtDriver:
    """A driver that is not open yet."""
    return LibvirtDriver(uri, SystemClock(), kvm=kvm())


@contextmanager
def libvirtd() -> Iterator[Libvirtd]:
    """A private libvirtd; fails, and never skips, where there can be none."""
    reason = missing()
    assert reason is None, f"a real guest cannot be run here: {reason}"
    lab = Libvirtd()
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def guest_config(folder: Path) -> VmConfig:
    """A small guest with everything, with a disk of 1 MiB in ``folder``; not in normal form."""
    disk = folder / "disk.raw"
    if not disk.exists():
        disk.write_bytes(bytes(1 << 20))
    return VmConfig(
        memory=160 << 20,
        kernel=KernelBoot(path=str(kernel()), initrd=str(guest_initrd()), arguments="console=ttyS0 quiet"),
        disks=[DiskConfig(source=FileDiskSource(path=str(disk), format=DiskFormat.RAW))],
        nics=[NicConfig(source=UserNicSource())],
        serials=[SerialConfig(log=str(disk.with_suffix(".log")))],
        graphics=[GraphicsConfig()],
        video=VideoModel.VGA,
        guest_agent=True,
        metadata={"owner": "tests", "odd": "\x01 <&> \ufffe"},
    )


def tiny_config() -> VmConfig:
    """A guest without anything, which starts in a moment and only runs its firmware."""
    return VmConfig(memory=32 << 20)
