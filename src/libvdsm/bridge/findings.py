"""What is found of the daemon and its hypervisor, in words with remedies. Pure: the facts come in as arguments.

Ids are stable: programs go by them. What is ``missing`` does not work; what is ``limited`` works in part, or will stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from libvdsm.base.clock import timestamp
from libvdsm.interfaces.generated.types import Acceleration, Finding, FindingState, Firmware, HostCapabilities
from libvdsm.interfaces.store import StoreHealth

_DAY_S: Final = 86_400
#: Certificates are renewed or warned of from here on.
_SOON_DAYS: Final = 30
#: Descriptors with which a thousand connections and what they do are served.
_ENOUGH_FILES: Final = 4096
#: Below this much room, in octets, the state may soon not grow.
_LITTLE_ROOM: Final = 256 * 1024**2
_MIB: Final = 1024**2


@dataclass(frozen=True, slots=True)
class Listening:
    """An address on which callers are accepted."""

    address: str
    is_tls: bool


def good(id: str, summary: str) -> Finding:
    """It works."""
    return Finding(id=id, state=FindingState.OK, summary=summary)


def limited(id: str, summary: str, reason: str, remedy: str) -> Finding:
    """It works in part, or will stop working."""
    return Finding(id=id, state=FindingState.LIMITED, summary=summary, reason=reason, remedy=remedy)


def missing(id: str, summary: str, reason: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(id=id, state=FindingState.MISSING, summary=summary, reason=reason, remedy=remedy)


def unknown(id: str, summary: str, reason: str) -> Finding:
    """It could not be looked at."""
    return Finding(id=id, state=FindingState.UNKNOWN, summary=summary, reason=reason)


# --- the hypervisor ---


def of_capabilities(can: HostCapabilities) -> Iterator[Finding]:
    """What the hypervisor can do."""
    yield good("hypervisor.reach", f"{can.hypervisor} {can.hypervisor_version} answers.")
    yield good("hypervisor.emulator", f"The emulator has version {can.emulator_version}.")
    yield _acceleration(can)
    if Firmware.UEFI in can.firmwares:
        yield good("hypervisor.firmware", "Guests can boot by BIOS and by UEFI.")
    else:
        remedy = "Install the UEFI firmware for guests (package ovmf or edk2-ovmf)."
        yield limited("hypervisor.firmware", "Guests can boot by BIOS only.", "the hypervisor finds no UEFI firmware", remedy)


def _acceleration(can: HostCapabilities) -> Finding:
    id, reason = "hypervisor.acceleration", can.acceleration_reason or "the hypervisor does not say why"
    match can.acceleration:
        case Acceleration.KVM:
            return good(id, "Guests run at the processor's speed, by KVM.")
        case Acceleration.NONE if can.hypervisor == "simulator":
            return good(id, "The simulator runs no guests and needs no acceleration.")
        case Acceleration.TCG:
            remedy = "Enable virtualization in the firmware and load the module kvm; see host.kvm."
            return limited(id, "Guests run without KVM, slowly.", reason, remedy)
        case _:
            return missing(id, "Guests cannot be run.", reason, "Install an emulator for this processor.")


def of_no_capabilities(reason: str) -> Iterator[Finding]:
    """The hypervisor does not answer."""
    yield missing("hypervisor.reach", "The hypervisor does not answer.", reason, "Start libvirtd (or virtqemud), and look at its log.")
    for what in ("acceleration", "emulator", "firmware"):
        yield unknown(f"hypervisor.{what}", "It cannot be asked for.", "the hypervisor does not answer")


# --- the daemon ---


def of_subsystem(told: Mapping[str, object]) -> Finding:
    """The condition of one part of the daemon (``SubsystemInfo``)."""
    name, state = str(told["name"]), str(told["state"])
    id, reason = f"daemon.{name}", str(told.get("reason", "it does not say why"))
    restarts = told.get("restarts")
    again = f" It was restarted {restarts} times." if restarts else ""
    match state:
        case "ready":
            return good(id, f"The part {name} works.{again}")
        case "starting":
            return limited(id, f"The part {name} is starting.{again}", str(told.get("reason", "it was begun just now")), "Wait a moment.")
        case "degraded":
            return limited(id, f"The part {name} works in part.{again}", reason, "Look at the daemon's log; it is tried again by itself.")
        case _:
            return missing(id, f"The part {name} does not work.{again}", reason, "Look at the daemon's log; it is tried again by itself.")


def of_user(uid: int) -> Finding:
    """As whom the front runs."""
    id = "daemon.user"
    if uid != 0:
        return good(id, f"What callers speak to has no rights on the host (user {uid}).")
    return limited(
        id, "What callers speak to runs as root.", "the configuration wants it, or subsystems run in-process", "Give it a user in [front]."
    )


def of_open_files(limit: float) -> Finding:
    """How many connections can be held."""
    id, number = "daemon.openFiles", "any number of" if math.isinf(limit) else f"{limit:.0f}"
    if limit >= _ENOUGH_FILES:
        return good(id, f"The front may have {number} files and connections open.")
    remedy = "Raise the limit of open files (LimitNOFILE= of the service, or ulimit -n)."
    return limited(id, f"The front may have {number} files and connections open.", f"{_ENOUGH_FILES} are enough for most", remedy)


def of_listening(addresses: Iterable[Listening], socket: str) -> Finding:
    """Where callers are accepted, and whether others can listen to them."""
    id, found = "daemon.listening", list(addresses)
    where = ", ".join(f"{each.address} ({'TLS' if each.is_tls else 'plain'})" for each in found)
    summary = f"Callers are accepted on {socket}" + (f" and {where}." if where else ".")
    if all(each.is_tls for each in found):
        return good(id, summary)
    reason = "what is said there can be read and changed on its way, and everybody there is administrator"
    return limited(id, summary, reason, "Leave out --insecure; keys for TLS are made by themselves.")


# --- state ---


def of_store(health: StoreHealth) -> Iterator[Finding]:
    """Whether deeds can be recorded."""
    id, size = "state.store", f"{health.octets / _MIB:.1f} MiB" if health.octets >= _MIB else f"{health.octets // 1024} KiB"
    remedy = "Stop the daemon and run vdsmd --check-state; look at the disk."
    match health.state:
        case "ok":
            yield good(id, f"All that is done is recorded ({size}).")
        case "full":
            room = "Make room on the file system of the state; deletions still work."
            yield missing(id, "Nothing new can be recorded, so nothing new is done.", health.reason or "the disk is full", room)
        case _:
            yield missing(id, "Nothing can be recorded, so nothing is done.", health.reason or health.state, remedy)
    if health.quarantined:
        summary = f"{health.quarantined} unsound records were set aside; the rest is served."
        yield limited("state.records", summary, "they did not fit their checksums", remedy)


def of_room(free: int, total: int) -> Finding:
    """How much the state may grow; octets of its file system."""
    id, summary = "state.room", f"{free // _MIB} of {total // _MIB} MiB are free where the state is kept."
    if free >= _LITTLE_ROOM:
        return good(id, summary)
    return limited(id, summary, f"less than {_LITTLE_ROOM // _MIB} MiB are left", "Make room on that file system.")


# --- certificates ---


def of_certificate(kind: str, not_after: float, now: float) -> Finding:
    """One of this host's own certificates; times in seconds since 1970."""
    id, name = f"tls.{kind}", {"server": "The server's certificate", "ca": "The CA's certificate"}.get(kind, f"The certificate {kind}")
    left = (not_after - now) / _DAY_S
    until = timestamp(not_after)
    remedy = "Look at vdsmsh pki list; the daemon renews what it has made itself." if kind != "ca" else "Clients must be given a newer CA."
    if left > _SOON_DAYS:
        return good(id, f"{name} is good until {until}.")
    if left > 0:
        return limited(id, f"{name} ends on {until}.", f"{left:.0f} days are left", remedy)
    return missing(id, f"{name} has ended.", f"it was good until {until}", remedy)
