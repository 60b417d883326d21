"""The Linux host that we run on, by what its kernel shows in files."""

from __future__ import annotations

import os
from pathlib import Path

from libvdsm.subsystems.host.driver import HostFacts, Sample
from libvdsm.subsystems.host.plan import (
    clean,
    host_id,
    parse_cpu_model,
    parse_loadavg,
    parse_meminfo,
    parse_os_release,
    parse_stat,
)

_FILE_LIMIT = 1024 * 1024


class LinuxHost:
    """See ``HostDriver``; ``root`` is where the host's files are."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
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

    def _read(self, path: str) -> str:
        with (self._root / path).open("rb") as file:
            return file.read(_FILE_LIMIT).decode("utf-8", "replace")

    def _optional(self, path: str) -> str:
        """The file's text; nothing where it is missing or not ours to read."""
        try:
            return self._read(path)
        except OSError:
            return ""
