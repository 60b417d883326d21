"""What this host offers to guests and to the daemon, and what would help where it does not. Pure.

What the kernel shows is gathered by a driver (``Faculties``); here it is judged. The findings' ids are stable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from libvdsm.interfaces.generated.types import Finding, FindingState

_MODERN_CGROUP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of the kernel, as this process finds it."""

    is_there: bool
    is_open: bool  # to us, for reading and writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Faculties:
    """What a host can do, as far as it can be seen without rights; None where it cannot be told."""

    kvm: Device
    has_virtualization: bool | None  # the processor's flag
    nests: bool | None  # guests may run guests
    vhost_net: Device
    has_bridge: bool | None
    cgroup: int  # version; 0: none
    huge_pages: int  # of the usual size
    free_huge_pages: int
    huge_page_bytes: int
    is_clock_synchronised: bool | None


def judge(seen: Faculties | None) -> list[Finding]:
    """All findings, in the order of their ids."""
    if seen is None:
        return [_good("host.kernel", "This host is simulated, and its guests need nothing of it.")]
    return sorted((*_kvm(seen), *_memory(seen), *_network(seen), *_rest(seen)), key=lambda finding: finding.id)


def _kvm(seen: Faculties) -> Iterator[Finding]:
    id = "host.kvm"
    if seen.kvm.is_open:
        yield _good(id, "The device /dev/kvm is there.")
    elif seen.kvm.is_there:
        yield _bad(id, "The device /dev/kvm is not open to the daemon.", "its mode forbids it", "Add the daemon's user to the group kvm.")
    elif seen.has_virtualization is False:
        remedy = "Enable virtualization in the firmware; on a virtual machine, have its host pass it through."
        yield _bad(id, "This host has no KVM.", "the processor shows no virtualization", remedy)
    else:
        yield _bad(id, "This host has no KVM.", "there is no /dev/kvm", "Load the kernel's module kvm_intel or kvm_amd.")
    if seen.nests is None:
        return
    yield _good("host.nesting", "Guests can run guests." if seen.nests else "Guests cannot run guests of their own; few need to.")


def _memory(seen: Faculties) -> Iterator[Finding]:
    id = "host.hugePages"
    if seen.huge_pages == 0:
        yield _good(id, "No huge pages are set aside; guests use ordinary memory.")
        return
    size = seen.huge_page_bytes // 1024**2
    yield _good(id, f"{seen.free_huge_pages} of {seen.huge_pages} huge pages of {size} MiB are free.")


def _network(seen: Faculties) -> Iterator[Finding]:
    if seen.has_bridge is not None:
        remedy = "Load the kernel's module bridge; user networking needs none."
        yield (
            _good("host.bridge", "The kernel can bridge networks.")
            if seen.has_bridge
            else _lame("host.bridge", "Guests cannot be put on a bridge.", "the module bridge is not loaded", remedy)
        )
    yield (
        _good("host.vhostNet", "The kernel moves packets of guests itself.")
        if seen.vhost_net.is_there
        else _lame(
            "host.vhostNet", "Packets of guests take the slow road.", "there is no /dev/vhost-net", "Load the kernel's module vhost_net."
        )
    )


def _rest(seen: Faculties) -> Iterator[Finding]:
    if seen.cgroup == _MODERN_CGROUP:
        yield _good("host.cgroup", "Shares and limits of guests are kept by cgroup version 2.")
    else:
        reason = "it has version 1" if seen.cgroup else "no cgroup file system is mounted"
        yield _lame("host.cgroup", "Shares and limits of guests may not hold.", reason, "Boot with cgroup version 2 (systemd's default).")
    match seen.is_clock_synchronised:
        case True:
            yield _good("host.clock", "The clock is synchronised.")
        case False:
            remedy = "Run a time service such as chrony; certificates, tokens and notAfter go by the clock."
            yield _lame("host.clock", "The clock is not synchronised.", "the kernel says so", remedy)
        case None:
            summary = "Whether the clock is synchronised cannot be told."
            yield Finding(id="host.clock", state=FindingState.UNKNOWN, summary=summary, reason="the kernel does not say")


def _good(id: str, summary: str) -> Finding:
    return Finding(id=id, state=FindingState.OK, summary=summary)


def _lame(id: str, summary: str, reason: str, remedy: str) -> Finding:
    return Finding(id=id, state=FindingState.LIMITED, summary=summary, reason=reason, remedy=remedy)


def _bad(id: str, summary: str, reason: str, remedy: str) -> Finding:
    return Finding(id=id, state=FindingState.MISSING, summary=summary, reason=reason, remedy=remedy)
