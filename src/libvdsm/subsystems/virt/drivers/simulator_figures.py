"""The simulator's statistics: pure functions of the seed, the machine and the time, so that two runs agree.

Every counter is the integral of a rate that swings around a mean and is never negative: it never goes back.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from libvdsm.base.clock import timestamp

_GIB = 1024**3


@lru_cache(maxsize=65536)
def share(seed: int, id: str, key: str) -> float:
    """A number in [0, 1) that belongs to these three for ever."""
    digest = hashlib.blake2b(f"{seed}/{id}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class Rate:
    """A quantity that grows by ``mean`` a second on average, swinging by half of it."""

    def __init__(self, mean: float, phase: float) -> None:
        self._mean = mean
        self._swing = mean / 2
        self._speed = 2 * math.pi / (30 + 90 * phase)

    def now(self, seconds: float) -> float:
        """Its growth per second at this time."""
        return self._mean + self._swing * math.sin(self._speed * seconds)

    def total(self, seconds: float) -> float:
        """How much has come together since 0."""
        return self._mean * seconds + self._swing * (1 - math.cos(self._speed * seconds)) / self._speed


def statistics(
    seed: int,
    id: str,
    state: str,
    config: Mapping[str, Any],
    *,
    now: float,
    ran: float,
    cpu_percent: float | None,
    is_up: bool,
    problem: str | None,
) -> dict[str, Any]:
    """A ``VmStats`` for a machine that has run ``ran`` seconds at the time ``now``; ``problem`` says why it was not asked later."""
    about: dict[str, Any] = {"sampledAt": timestamp(now)}
    if problem is not None:
        about["notRefreshed"] = {"error": "GuestUnresponsive", "reason": problem}
    return {
        "vmId": id,
        "state": state,
        "cpu": about | _cpu(seed, id, config, ran, cpu_percent, is_running=state == "running"),
        "memory": about | _memory(seed, id, config, is_up=is_up),
        "disks": [
            {"id": disk["id"]} | about | _disk(seed, id, disk["id"], ran, has_source="source" in disk) for disk in config.get("disks", ())
        ],
        "nics": [{"id": nic["id"]} | about | _nic(seed, id, nic["id"], ran) for nic in config.get("nics", ())],
    }


def _cpu(seed: int, id: str, config: Mapping[str, Any], ran: float, cpu_percent: float | None, *, is_running: bool) -> dict[str, Any]:
    vcpus = config.get("vcpus", 1)
    if cpu_percent is not None:
        used, rate = cpu_percent / 100 * ran, cpu_percent / 100
    else:
        load = Rate(vcpus * (0.02 + 0.6 * share(seed, id, "cpu") ** 3), share(seed, id, "cpu phase"))
        used, rate = load.total(ran), load.now(ran)
    return {"time": round(used, 3), "usedPercent": round(100 * rate, 1) if is_running else 0.0, "vcpus": vcpus}


def _memory(seed: int, id: str, config: Mapping[str, Any], *, is_up: bool) -> dict[str, Any]:
    size = config["memory"]
    figures = {"current": size, "maximum": size, "resident": int(size * (0.3 + 0.6 * share(seed, id, "resident"))) & ~4095}
    if is_up and config.get("memoryBalloon", True):
        available = int(size * 0.97) & ~4095
        figures |= {"available": available, "unused": int(available * (0.1 + 0.6 * share(seed, id, "unused"))) & ~4095}
    return figures


def _disk(seed: int, id: str, disk: str, ran: float, *, has_source: bool) -> dict[str, Any]:
    key = f"disk {disk}"
    reads = Rate(20 * share(seed, id, key + " reads"), share(seed, id, key + " read phase")).total(ran) if has_source else 0.0
    writes = Rate(20 * share(seed, id, key + " writes"), share(seed, id, key + " write phase")).total(ran) if has_source else 0.0
    figures = {
        "readBytes": int(reads) * 16384,
        "writtenBytes": int(writes) * 8192,
        "readRequests": int(reads),
        "writeRequests": int(writes),
    }
    if has_source:
        capacity = (10 + int(90 * share(seed, id, key + " capacity"))) * _GIB
        figures |= {"capacity": capacity, "allocation": int(capacity * share(seed, id, key + " allocation")) & ~4095}
    return figures


def _nic(seed: int, id: str, nic: str, ran: float) -> dict[str, Any]:
    key = f"nic {nic}"
    received = int(Rate(50 * share(seed, id, key + " in"), share(seed, id, key + " in phase")).total(ran))
    sent = int(Rate(30 * share(seed, id, key + " out"), share(seed, id, key + " out phase")).total(ran))
    return {"receivedBytes": received * 700, "sentBytes": sent * 300, "receivedPackets": received, "sentPackets": sent}
