"""What is computed from what the host says. Pure: no files, no clock."""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import replace

from libvdsm.subsystems.host.driver import CpuTimes, HostFacts, Memory

_NAMESPACE = uuid.UUID("0b9a4f0e-6b55-5d0c-9d5b-2f1f7c8e5a31")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+")
_TEXT_LIMIT = 256
_BOOT_SLACK_S = 5.0  # the kernel computes the time of its boot anew from a clock that is being corrected
_KIB = 1024
_FEWEST_DIGITS = 3  # a true id has more kinds of digits than these
_COUNTED_TIMES = 8  # user nice system idle iowait irq softirq steal; what follows is contained in the first two


def clean(text: str, limit: int = _TEXT_LIMIT) -> str:
    """Text of others made fit to be shown: no control characters, not too long, nothing that is not Unicode."""
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return _CONTROL.sub(" ", text).strip()[:limit]


def cpu_percent(before: CpuTimes, after: CpuTimes) -> float:
    """The share of all processors in use between two samples, from 0 to 100."""
    busy = max(0.0, after.busy - before.busy)
    idle = max(0.0, after.idle - before.idle)  # the kernel's iowait can go back
    total = busy + idle
    return round(100 * busy / total, 1) if total > 0 else 0.0


def parse_stat(text: str) -> tuple[CpuTimes, int, float]:
    """``/proc/stat``: the times of all processors together, how many are online, and the time of boot."""
    lines = [line.split() for line in text.splitlines()]
    fields = {words[0]: words[1:] for words in lines if words}
    cpus = sum(1 for name in fields if re.fullmatch(r"cpu\d+", name))
    if "cpu" not in fields or "btime" not in fields or not cpus:
        raise ValueError("/proc/stat has no processors or no time of boot")
    times = [float(word) for word in fields["cpu"][:_COUNTED_TIMES]]
    idle = sum(times[3:5])
    return CpuTimes(sum(times) - idle, idle), cpus, float(fields["btime"][0])


def parse_meminfo(text: str) -> Memory:
    """``/proc/meminfo``."""
    found = {name: int(number) * _KIB for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    if "MemTotal" not in found:
        raise ValueError("/proc/meminfo has no MemTotal")
    return Memory(
        total=found["MemTotal"],
        available=found.get("MemAvailable", found.get("MemFree", 0)),
        swap_total=found.get("SwapTotal", 0),
        swap_free=found.get("SwapFree", 0),
    )


def parse_fields(text: str) -> dict[str, int]:
    """``/proc/meminfo``: every number by its name, as it stands there; those with a unit are in KiB."""
    return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)(?: kB)?$", text, re.MULTILINE)}


def parse_cpu_flags(text: str) -> frozenset[str]:
    """``/proc/cpuinfo``: the first processor's flags; some architectures tell none."""
    found = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def parse_loadavg(text: str) -> tuple[float, float, float]:
    """``/proc/loadavg``."""
    words = text.split()
    try:
        one, five, fifteen = (float(word) for word in words[:3])
    except ValueError:
        raise ValueError("/proc/loadavg has no three numbers") from None
    if not all(math.isfinite(load) and load >= 0 for load in (one, five, fifteen)):
        raise ValueError("/proc/loadavg has numbers that cannot be")
    return one, five, fifteen


def parse_cpu_model(text: str) -> str | None:
    """``/proc/cpuinfo``: the processor's name; some architectures have none."""
    found = re.search(r"^(?:model name|cpu model|cpu|Processor)\s*:\s*(.+)$", text, re.MULTILINE)
    return (clean(found[1]) or None) if found else None


def parse_os_release(text: str) -> str:
    """``/etc/os-release`` (os-release(5)): the distribution and its version in words."""
    found = {name: _unquoted(value) for name, value in re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)}
    words = found.get("PRETTY_NAME") or " ".join(filter(None, (found.get("NAME"), found.get("VERSION_ID"))))
    return clean(words) or "Linux"


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)


def host_id(product_uuid: str, machine_id: str, hostname: str) -> str:
    """The host's id: what its maker gave it, or one derived from the machine id, or, lacking both, from its name.

    Makers that have no numbers write all zeros or all ones, or the same digits on every board: those are passed over.
    """
    text = product_uuid.strip().lower()
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) and not _is_a_placeholder(text):
        return text
    text = machine_id.strip().lower()
    if re.fullmatch(r"[0-9a-f]{32}", text) and len(set(text)) > 1:
        return str(uuid.uuid5(_NAMESPACE, f"machine {text}"))  # the machine id itself is confidential: machine-id(5)
    return str(uuid.uuid5(_NAMESPACE, f"name {hostname}"))


def _is_a_placeholder(text: str) -> bool:
    return len(set(text.replace("-", ""))) < _FEWEST_DIGITS or text in {
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
    }


def settled(before: HostFacts | None, now: HostFacts) -> HostFacts:
    """``now``, with the time of boot of ``before`` where it differs by no more than clocks do."""
    if before is not None and abs(before.booted_at - now.booted_at) <= _BOOT_SLACK_S:
        return replace(now, booted_at=before.booted_at)
    return now
