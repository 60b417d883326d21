"""The contract between the virt subsystem and a hypervisor.

Every method blocks and is called from the lanes' threads (``lanes``), never from the loop; a call
may hang for ever and the lanes then abandon it. A driver translates the outside's failures into the
schema's errors at its edge, keeps no state but its connections, and is thread-safe.
``simulator`` and ``libvirt`` (``drivers/``) pass one contract suite (``tests/contract/virt``).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from libvdsm.interfaces.generated.errors import GuestUnresponsive
from libvdsm.interfaces.generated.types import HostCapabilities, ShutdownWay, VmConfig, VmState, VmStats


class NotComeBackError(GuestUnresponsive):
    """A call that was begun and is waited for no longer: what it was to do may still be done.

    Any other ``GuestUnresponsive`` of a driver or a lane tells that nothing was done, and that nothing will be.
    """


class Domain(Struct, frozen=True, kw_only=True):
    """A domain as the hypervisor has it."""

    id: str  # libvirt's UUID
    name: str  # the label (libvirt: <title>; its own <name> is derived from the id)
    state: VmState
    state_reason: str | None
    config: VmConfig  # the persistent definition as far as the hypervisor keeps it (``plan.as_kept``): every default and id filled in
    live_config: VmConfig | None  # what the running process has; None while stopped
    generation: int  # of our metadata; 0 if it has none
    operation_id: str | None
    digest: str | None
    started_at: float | None  # seconds since 1970, where it can be known
    is_foreign: bool = False  # defined by other means: ``define`` refuses it


class Definition(Struct, frozen=True, kw_only=True):
    """What a domain is to be."""

    id: str
    name: str
    config: VmConfig  # normalised
    generation: int
    operation_id: str
    digest: str


class DomainEvent(Struct, frozen=True, kw_only=True):
    """The hypervisor tells that something happened to a domain; the listener looks at the domain itself."""

    id: str
    detail: str  # the hypervisor's word: "started booted", "stopped crashed", "reboot", ...
    gone: bool = False  # undefined


class Listener(Protocol):
    """Who hears of events; called from any thread, must return at once and never raise."""

    def domain_event(self, event: DomainEvent) -> None:
        """Something happened to a domain."""
        ...

    def connection_lost(self, reason: str) -> None:
        """The hypervisor does not answer any more; this driver is of no more use until ``open`` is called again."""
        ...


#: What a call is for; a driver keeps a connection of its own for each (faults.md section 0, fact 3).
Road = Literal["command", "monitor", "rescue"]


class Driver(Protocol):
    """A hypervisor."""

    def open(self, listener: Listener) -> None:
        """Connect all roads and begin to listen; raises ``HypervisorUnavailable``. Can be called again after a loss."""
        ...

    def close(self) -> None:
        """Disconnect; guests go on. Never raises."""
        ...

    def replace(self, road: Road) -> None:
        """Retire the connection of a road on which calls are stuck, and open another."""
        ...

    def capabilities(self) -> HostCapabilities:
        """What the hypervisor can do (without ``features`` that the service knows better)."""
        ...

    def domains(self) -> list[Domain]:
        """All domains, by id. A domain whose definition cannot be read is left out and logged, never fatal."""
        ...

    def domain(self, id: str) -> Domain:
        """One domain; raises ``ObjectNotFound``."""
        ...

    def fence(self, id: str) -> None:
        """Return when no call that was made before, by whomever, is still at work on a domain; changes nothing.

        ``GuestUnresponsive`` if one does not end; ``ObjectNotFound`` if there is no such domain.
        """
        ...

    def unusable_file(self, path: str) -> str | None:
        """Why the hypervisor could not use this file or device, in words; None if nothing is seen against it. Needs no connection."""
        ...

    def define(self, definition: Definition) -> None:
        """Define or redefine; a running process is not touched. Metadata and definition change in one act."""
        ...

    def set_autostart(self, id: str, autostart: bool) -> None:
        """Start it with the host, or not."""
        ...

    def undefine(self, id: str) -> None:
        """Forget a stopped domain with its NVRAM and saved state; its disks stay."""
        ...

    def start(self, id: str, *, paused: bool) -> None:
        """Start a stopped domain."""
        ...

    def ask_shutdown(self, id: str, way: ShutdownWay) -> None:
        """Ask the guest to shut down; returns when it was asked. ``GuestUnresponsive``/``Unsupported`` if it cannot be asked so."""
        ...

    def ask_reboot(self, id: str, way: ShutdownWay) -> None:
        """Ask the guest to reboot; returns when it was asked."""
        ...

    def destroy(self, id: str) -> None:
        """Pull the plug; goes by the rescue road."""
        ...

    def reset(self, id: str) -> None:
        """Press the reset button."""
        ...

    def suspend(self, id: str) -> None:
        """Stop the virtual processors (our verb: pause)."""
        ...

    def resume(self, id: str) -> None:
        """Let them go on."""
        ...

    def stats(self) -> Sequence[VmStats]:
        """Statistics of all active domains by the monitor road, never waiting for a busy or hung one.

        A domain that could not be asked comes with ``notRefreshed`` groups or is left out; usedPercent may be 0
        (the service computes it from two samples).
        """
        ...

    def screenshot(self, id: str, screen: int) -> tuple[str, bytes]:
        """Content type (image/png) and image."""
        ...

    def open_serial(self, id: str, device_id: str, *, take_over: bool) -> socket.socket:
        """One end of a socket pair that carries the port's bytes; the driver pumps the other end in a thread of its own."""
        ...

    def open_graphics(self, id: str) -> socket.socket:
        """A socket that speaks the screen's protocol."""
        ...
