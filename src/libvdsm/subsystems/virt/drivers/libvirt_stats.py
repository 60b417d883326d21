"""libvirt's bulk statistics as the schema's, by device id. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from libvdsm.interfaces.generated.types import (
    NotRefreshed,
    VmCpuStats,
    VmDiskStats,
    VmMemoryStats,
    VmNicStats,
    VmState,
    VmStats,
)
from libvdsm.subsystems.virt.drivers.libvirt_reader import Parsed

_SILENT: Final = NotRefreshed(error="GuestUnresponsive", reason="its process does not answer, or is busy with another call")

_UNCOUNTED: Final = NotRefreshed(error="Unsupported", reason="the hypervisor counts nothing on this card")

Record = Mapping[str, Any]


def vm_stats(state: VmState, record: Record, sampled_at: str, live: Parsed) -> VmStats:
    """One domain's statistics; ``live`` is its running definition.

    libvirt leaves out what it would have to ask a process that is busy; such groups carry the reason.
    """
    is_silent = "balloon.rss" not in record
    return VmStats(
        vm_id=live.id,
        state=state,
        cpu=_cpu(record, sampled_at),
        memory=_memory(record, sampled_at, _SILENT if is_silent else None),
        disks=list(_disks(record, sampled_at, live.disk_targets)),
        nics=list(_nics(record, sampled_at, live.nic_targets, [nic.id or "" for nic in live.config.nics])),
    )


def _cpu(record: Record, sampled_at: str) -> VmCpuStats | None:
    if "cpu.time" not in record:
        return None
    return VmCpuStats(sampled_at=sampled_at, time=record["cpu.time"] / 1e9, used_percent=0.0, vcpus=record.get("vcpu.current", 0))


def _memory(record: Record, sampled_at: str, silent: NotRefreshed | None) -> VmMemoryStats | None:
    if "balloon.current" not in record:
        return None
    return VmMemoryStats(
        sampled_at=sampled_at,
        not_refreshed=silent,
        current=record["balloon.current"] * 1024,
        maximum=record.get("balloon.maximum", record["balloon.current"]) * 1024,
        resident=_kib(record, "balloon.rss"),
        available=_kib(record, "balloon.available"),
        unused=_kib(record, "balloon.unused"),
    )


def _kib(record: Record, key: str) -> int | None:
    value = record.get(key)
    return value * 1024 if value is not None else None


def _disks(record: Record, sampled_at: str, ids: Mapping[str, str]) -> Iterator[VmDiskStats]:
    for prefix, id in _devices(record, "block", ids):
        is_silent = f"{prefix}.rd.reqs" not in record
        yield VmDiskStats(
            id=id,
            sampled_at=sampled_at,
            not_refreshed=_SILENT if is_silent else None,
            read_bytes=record.get(f"{prefix}.rd.bytes", 0),
            written_bytes=record.get(f"{prefix}.wr.bytes", 0),
            read_requests=record.get(f"{prefix}.rd.reqs", 0),
            write_requests=record.get(f"{prefix}.wr.reqs", 0),
            capacity=record.get(f"{prefix}.capacity"),
            allocation=record.get(f"{prefix}.physical"),
        )


def _nics(record: Record, sampled_at: str, ids: Mapping[str, str], all_ids: Iterable[str]) -> Iterator[VmNicStats]:
    prefixes = {id: prefix for prefix, id in _devices(record, "net", ids)}
    for id in all_ids:
        prefix = prefixes.get(id)
        yield VmNicStats(
            id=id,
            sampled_at=sampled_at,
            not_refreshed=_UNCOUNTED if prefix is None else None,
            received_bytes=record.get(f"{prefix}.rx.bytes", 0),
            sent_bytes=record.get(f"{prefix}.tx.bytes", 0),
            received_packets=record.get(f"{prefix}.rx.pkts", 0),
            sent_packets=record.get(f"{prefix}.tx.pkts", 0),
        )


def _devices(record: Record, kind: str, ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The prefix of each device's figures with its id; devices that the schema does not know are left out."""
    for index in range(record.get(f"{kind}.count", 0)):
        prefix = f"{kind}.{index}"
        id = ids.get(record.get(f"{prefix}.name", ""))
        if id is not None:
            yield prefix, id
