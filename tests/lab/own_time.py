"""How long something took that was not the machine's other work: bounds on seconds that hold on a busy machine as well.

The kernel tells of each thread how long it was ready to run and had to wait for a CPU, and of each CPU how long its own
host kept it away. That is taken off; what a process computes, and what it waits for by itself (a lock, a peer, a
timer), stays. A bound on what is left is as strict on an idle machine as one on a clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

#: Of /proc/stat's first line: what the host of a virtual machine took.
_STOLEN_FIELD = 8
_QUIET_WINDOWS = 20


def queued_ns(pids: Iterable[int]) -> dict[int, int]:
    """How long each thread of these processes has waited for a CPU until now; by thread."""
    found = {}
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                found[int(path.parent.name)] = int(path.read_text("ascii").split()[1])
            except (OSError, IndexError):  # it ended meanwhile, or the kernel does not tell
                continue
    return found


def stolen_s() -> float:
    """The seconds that all CPUs of this machine were kept away from it until now."""
    fields = Path("/proc/stat").read_text("ascii").partition("\n")[0].split()
    return int(fields[_STOLEN_FIELD]) / os.sysconf("SC_CLK_TCK") if len(fields) > _STOLEN_FIELD else 0.0


class OwnTime:
    """A clock that stands while one of some processes, or this one, has to wait for a CPU; it begins when it is made."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._queued, self._stolen = queued_ns(self._all()), stolen_s()
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Since it began; never below 0. Processes that came meanwhile count as well."""
        passed = time.monotonic() - self._began
        queued = sum(told - self._queued.get(thread, 0) for thread, told in queued_ns(self._all()).items())
        return max(0.0, passed - queued / 1e9 - (stolen_s() - self._stolen))

    def _all(self) -> set[int]:
        return {*self._pids(), os.getpid()}


def cpu_s(pid: int) -> float:
    """The seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def await_rest(pid: int, most: float) -> None:
    """Until the process computes no more than this share of a second for one second; what spins never does."""
    shares: list[float] = []
    while len(shares) < _QUIET_WINDOWS:
        before, began = cpu_s(pid), time.monotonic()
        time.sleep(1.0)
        shares.append((cpu_s(pid) - before) / (time.monotonic() - began))
        if shares[-1] <= most:
            return
    raise AssertionError(f"it does not rest: {[round(share, 3) for share in shares]}")
