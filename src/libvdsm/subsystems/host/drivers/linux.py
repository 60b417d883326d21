"""The Linux host that we run on, by what its kernel shows in files."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from libvdsm.subsystems.host.doctor import Device, Faculties
from libvdsm.subsystems.host.driver import HostFacts, Sample
from libvdsm.subsystems.host.plan import (
    clean,
    host_id,
    parse_cpu_flags,
    parse_cpu_model,
    parse_fields,
    parse_loadavg,
    parse_meminfo,
    parse_os_release,
    parse_stat,
)

_FILE_LIMIT = 1024 * 1024
#: adjtimex(2): the clock is not synchronised.
_CLOCK_ERROR = 5
#: More than struct timex has anywhere; its first member says that nothing is to be set.
_TIMEX_OCTETS = 512


def clock_state() -> int | None:
    """What adjtimex(2) says of the clock, without setting anything; None if it cannot be asked."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS))
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None


class LinuxHost:
    """See ``HostDriver``; ``root`` is where the host's files are."""

    def __init__(self, root: Path = Path("/"), clock_state: Callable[[], int | None] = clock_state) -> None:
        self._root = root
        self._clock_state = clock_state
        self._cpu_model: str | None = None
        self._id: str | None = None

    def facts(self) -> HostFacts:
        """See ``HostDriver``."""
        name = os.uname()
        hostname = clean(self._optional("proc/sys/kernel/hostname")) or clean(name.nodename) or "localhost"
        _times, cpus, booted_at = parse_stat(self._read("proc/stat"))
        if self._id is None:  # neither changes while the host runs
            self._id = host_id(self._optional("sys/class/dmi/id/product_uuid"), self._optional("etc/machine-id"), hostname)
            self._cpu_model = parse_cpu_model(self._optional("proc/cpuinfo"))
        return HostFacts(
            id=self._id,
            hostname=hostname,
            operating_system=parse_os_release(self._optional("etc/os-release") or self._optional("usr/lib/os-release")),
            kernel=clean(self._optional("proc/sys/kernel/osrelease")) or clean(name.release),
            architecture=clean(name.machine),
            cpu_model=self._cpu_model,
            cpus=cpus,
            memory_bytes=parse_meminfo(self._read("proc/meminfo")).total,
            booted_at=booted_at,
        )

    def sample(self) -> Sample:
        """See ``HostDriver``."""
        times, _cpus, _booted_at = parse_stat(self._read("proc/stat"))
        return Sample(cpu=times, load=parse_loadavg(self._read("proc/loadavg")), memory=parse_meminfo(self._read("proc/meminfo")))

    def faculties(self) -> Faculties:
        """See ``HostDriver``."""
        memory = parse_fields(self._optional("proc/meminfo"))
        state = self._clock_state()
        flags = parse_cpu_flags(self._optional("proc/cpuinfo"))
        nested = [self._optional(f"sys/module/{module}/parameters/nested").strip() for module in ("kvm_intel", "kvm_amd")]
        return Faculties(
            kvm=self._device("dev/kvm"),
            has_virtualization=bool(flags & {"vmx", "svm"}) if flags else None,
            nests=any(word in ("1", "Y") for word in nested) if any(nested) else None,
            vhost_net=self._device("dev/vhost-net"),
            has_bridge=self._exists("sys/module/bridge"),
            cgroup=2 if self._exists("sys/fs/cgroup/cgroup.controllers") else int(self._exists("sys/fs/cgroup/memory")),
            huge_pages=memory.get("HugePages_Total", 0),
            free_huge_pages=memory.get("HugePages_Free", 0),
            huge_page_bytes=memory.get("Hugepagesize", 0) * 1024,
            is_clock_synchronised=None if state is None else state != _CLOCK_ERROR,
        )

    def _device(self, path: str) -> Device:
        return Device(is_there=self._exists(path), is_open=os.access(self._root / path, os.R_OK | os.W_OK))

    def _exists(self, path: str) -> bool:
        return (self._root / path).exists()

    def _read(self, path: str) -> str:
        with (self._root / path).open("rb") as file:
            return file.read(_FILE_LIMIT).decode("utf-8", "replace")

    def _optional(self, path: str) -> str:
        """The file's text; nothing where it is missing or not ours to read."""
        try:
            return self._read(path)
        except OSError:
            return ""
