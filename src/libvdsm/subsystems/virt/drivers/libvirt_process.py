"""What the host tells of a guest's process, where libvirt has no call for it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def started_at(run_folder: Path | None, libvirt_name: str) -> float | None:
    """When a guest's process was started, in seconds since 1970; None if it cannot be known."""
    if run_folder is None:
        return None
    try:
        pid = int((run_folder / f"{libvirt_name}.pid").read_text("ascii"))
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")  # proc(5): starttime is the 22nd field
    except (OSError, ValueError, IndexError):
        return None


@cache
def _boot_time() -> float:
    for line in Path("/proc/stat").read_text("ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "btime":
            return float(value)
    raise ValueError("/proc/stat names no btime")
