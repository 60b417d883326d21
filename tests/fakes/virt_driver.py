"""A hypervisor in memory, for the virt subsystem's own tests: it does at once what it is told, and fails as it is told."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from libvdsm.interfaces.generated.errors import HypervisorUnavailable, ObjectNotFound
from libvdsm.interfaces.generated.types import Acceleration, HostCapabilities, ShutdownWay, VmState, VmStats
from libvdsm.subsystems.virt.driver import Definition, Domain, DomainEvent, Listener, Road


class FakeDriver:
    """``Driver``. ``fail`` maps a method's name to the error that it raises; ``calls`` is what was called."""

    def __init__(self) -> None:
        self.machines: dict[str, Domain] = {}
        self.samples: list[VmStats] = []
        self.fail: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.deaf = 0  # so many questions are not heard
        self.obeys: ShutdownWay | None = ShutdownWay.ACPI
        self.tells = True
        self.files: dict[str, str] = {}  # what is wrong with files
        self.streams: list[socket.socket] = []  # what the next screens are
        self.at_fence: Callable[[str], None] | None = None  # what happens while somebody waits at the fence
        self.listener: Listener | None = None

    def open(self, listener: Listener) -> None:
        self._note("open")
        self.listener = listener

    def close(self) -> None:
        self._note("close")

    def replace(self, road: Road) -> None:
        self._note("replace")

    def capabilities(self) -> HostCapabilities:
        self._note("capabilities")
        return HostCapabilities(
            hypervisor="fake", hypervisor_version="1", emulator_version="1", acceleration=Acceleration.NONE, architectures=["x86_64"],
            machines=["q35"], cpu_models=[], firmwares=[], maximum_vcpus=8, features=[],
        )  # fmt: skip

    def domains(self) -> list[Domain]:
        self._note("domains")
        return [self.machines[id] for id in sorted(self.machines)]

    def domain(self, id: str) -> Domain:
        self._note("domain")
        if id not in self.machines:
            raise ObjectNotFound(type="vm", id=id)
        return self.machines[id]

    def fence(self, id: str) -> None:
        self._note("fence")
        if self.at_fence is not None:
            self.at_fence(id)
        if id not in self.machines:
            raise ObjectNotFound(type="vm", id=id)

    def unusable_file(self, path: str) -> str | None:
        return self.files.get(path)

    def define(self, definition: Definition) -> None:
        self._note("define")
        old = self.machines.get(definition.id)
        self.machines[definition.id] = Domain(
            id=definition.id,
            name=definition.name,
            state=old.state if old is not None else VmState.STOPPED,
            state_reason=None,
            config=definition.config,
            live_config=old.live_config if old is not None else None,
            generation=definition.generation,
            operation_id=definition.operation_id,
            digest=definition.digest,
            started_at=None,
        )
        self._tell(definition.id, "defined added")

    def set_autostart(self, id: str, autostart: bool) -> None:
        self._note("set_autostart")
        self.change(id, config=msgspec.structs.replace(self.machines[id].config, autostart=autostart))

    def undefine(self, id: str) -> None:
        self._note("undefine")
        del self.machines[id]
        self._tell(id, "undefined removed")

    def start(self, id: str, *, paused: bool) -> None:
        self._note("start")
        self.turn(id, VmState.PAUSED if paused else VmState.RUNNING, "started booted")

    def ask_shutdown(self, id: str, way: ShutdownWay) -> None:
        self._note(f"ask_shutdown {way.value}")
        if self.deaf:
            self.deaf -= 1
        elif way is self.obeys:
            self.turn(id, VmState.STOPPED, "stopped shutdown")

    def ask_reboot(self, id: str, way: ShutdownWay) -> None:
        self._note(f"ask_reboot {way.value}")
        if way is self.obeys:
            self._tell(id, "reboot")

    def destroy(self, id: str) -> None:
        self._note("destroy")
        self.turn(id, VmState.STOPPED, "stopped destroyed")

    def reset(self, id: str) -> None:
        self._note("reset")

    def suspend(self, id: str) -> None:
        self._note("suspend")
        self.turn(id, VmState.PAUSED, "suspended paused")

    def resume(self, id: str) -> None:
        self._note("resume")
        self.turn(id, VmState.RUNNING, "resumed unpaused")

    def stats(self) -> Sequence[VmStats]:
        self._note("stats")
        return self.samples

    def screenshot(self, id: str, screen: int) -> tuple[str, bytes]:
        self._note("screenshot")
        return "image/png", b"picture"

    def open_serial(self, id: str, device_id: str, *, take_over: bool) -> socket.socket:
        self._note(f"open_serial {device_id}")
        raise HypervisorUnavailable(reason="no stream here")

    def open_graphics(self, id: str) -> socket.socket:
        self._note("open_graphics")
        if self.streams:
            return self.streams.pop()
        raise HypervisorUnavailable(reason="no stream here")

    def turn(self, id: str, state: VmState, detail: str) -> None:
        """Something happens to a domain."""
        domain = self.machines[id]
        is_active = state not in {VmState.STOPPED, VmState.HIBERNATED}
        live = (domain.live_config or domain.config) if is_active else None
        self.change(id, state=state, live_config=live)
        self._tell(id, detail)

    def change(self, id: str, **members: Any) -> None:
        """Something is otherwise, and nobody is told."""
        self.machines[id] = msgspec.structs.replace(self.machines[id], **members)

    def lose(self) -> None:
        """The connection is gone."""
        assert self.listener is not None
        self.listener.connection_lost("it went away")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        error = self.fail.get(call)
        if error is not None:
            raise error

    def _tell(self, id: str, detail: str) -> None:
        if self.tells and self.listener is not None:
            self.listener.domain_event(DomainEvent(id=id, detail=detail, gone=detail.startswith("undefined")))
