"""The simulator's machines and the rules of their lives. No I/O; time comes from the clock that is handed in.

All that a guest will do is written in its own time, which stands still while it is paused: ``settle`` carries out
what has become due, so nothing depends on when anybody looks. Words of events and reasons are libvirt's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from libvdsm.base.clock import Clock
from libvdsm.subsystems.virt.drivers.simulator_figures import statistics
from libvdsm.subsystems.virt.drivers.simulator_frames import Event
from libvdsm.subsystems.virt.drivers.simulator_guest import Act, Behaviour, behaviour_of
from libvdsm.subsystems.virt.drivers.simulator_screen import picture

Config = dict[str, Any]


class WorldError(Exception):
    """A failure that the schema names."""

    def __init__(self, name: str, /, **params: object) -> None:
        super().__init__(name, params)
        self.name = name
        self.params = params


class Machine(Struct, omit_defaults=True):
    """A simulated domain. ``config`` and ``live`` are never changed in place."""

    id: str
    name: str
    config: Config
    state: str = "stopped"
    reason: str = "never-started"
    live: Config | None = None
    generation: int = 0
    operation_id: str | None = None
    digest: str | None = None
    started_at: float | None = None
    ticking_since: float = 0.0  # when the guest's time was last set going
    ticked: float = 0.0  # how far the guest's time had come then
    booted: float = 0.0  # the guest's time at its last boot
    boots: int = 0
    leaves: tuple[Act, float] | None = None  # what the guest is about to do, and at which of its times
    effects: dict[str, int] = {}  # how often each thing has befallen it, for whoever judges that nothing happened twice

    def guest_time(self, now: float) -> float:
        """Seconds that the guest has run."""
        return self.ticked + (max(0.0, now - self.ticking_since) if self.state == "running" else 0.0)

    def is_active(self) -> bool:
        """Whether it has a process."""
        return self.state != "stopped"


class World:
    """All machines."""

    def __init__(self, seed: int, clock: Clock, machines: dict[str, Machine]) -> None:
        self.seed = seed
        self.machines = machines
        self.changed: set[str] = set()
        self.problems: dict[str, tuple[float, str]] = {}  # machines that cannot be asked: since when, and why
        self._clock = clock
        self._events: list[Event] = []
        self._due: dict[str, float] = {}
        for machine in machines.values():
            self._plan(machine)

    # what there is

    def now(self) -> float:
        """The present."""
        return self._clock.time()

    def machine(self, id: str) -> Machine:
        """One machine."""
        try:
            return self.machines[id]
        except KeyError:
            raise WorldError("ObjectNotFound", type="vm", id=id) from None

    def domain(self, id: str) -> dict[str, Any]:
        """A ``Domain`` of the contract."""
        machine = self.machine(id)
        return {
            "id": machine.id,
            "name": machine.name,
            "state": machine.state,
            "state_reason": machine.reason,
            "config": machine.config,
            "live_config": machine.live,
            "generation": machine.generation,
            "operation_id": machine.operation_id,
            "digest": machine.digest,
            "started_at": machine.started_at,
        }

    def domains(self) -> list[dict[str, Any]]:
        """All of them, by id."""
        return [self.domain(id) for id in sorted(self.machines)]

    def stats(self) -> list[dict[str, Any]]:
        """Statistics of the machines that have a process; of those that cannot be asked, as they were."""
        return [self._stats(self.machines[id]) for id in sorted(self.machines) if self.machines[id].is_active()]

    def screenshot(self, id: str, screen: int) -> bytes:
        """A PNG image."""
        machine = self._active(id)
        if screen or (machine.live or {}).get("video", "none") == "none":
            raise WorldError("Unsupported", feature="vm.screenshot", reason=f"{id} has no screen {screen}")
        word = machine.state if self.is_up(machine) or machine.state != "running" else "booting"
        return picture([machine.name, word, f"boot {machine.boots}"])

    def is_up(self, machine: Machine) -> bool:
        """Whether its guest has booted."""
        return machine.is_active() and self.boot_progress(machine) >= 1

    def boot_progress(self, machine: Machine) -> float:
        """How far its guest has booted, up to 1."""
        needed = behaviour_of(machine.config).boot_seconds
        spent = machine.guest_time(self.now()) - machine.booted
        return min(1.0, spent / needed) if needed else 1.0

    def serial(self, id: str, device: str) -> Machine:
        """The machine, if it has this serial port and runs."""
        machine = self._active(id)
        if all(port["id"] != device for port in (machine.live or {}).get("serials", ())):
            raise WorldError("ObjectNotFound", type="device", id=device)
        return machine

    def graphics(self, id: str) -> Machine:
        """The machine, if it has a screen that can be reached."""
        machine = self._active(id)
        if not (machine.live or {}).get("graphics"):
            raise WorldError("Unsupported", feature="console.graphics", reason=f"{id} has no graphics device")
        return machine

    # what time brings

    def events(self) -> list[Event]:
        """What has happened since this was last asked."""
        taken, self._events = self._events, []
        return taken

    def next_due(self) -> float | None:
        """When ``settle`` has something to do."""
        return min(self._due.values(), default=None)

    def settle(self) -> None:
        """Carry out what has become due, in the order of time."""
        while self._due and (due := min((moment, id) for id, moment in self._due.items()))[0] <= self.now():
            self._happen(self.machines[due[1]], due[0])

    # what one may ask for

    def define(self, definition: dict[str, Any]) -> None:
        """Define or redefine."""
        known = self.machines.get(definition["id"])
        detail = "defined added" if known is None else "defined updated"
        if known is None:
            known = Machine(id=definition["id"], name="", config={})
            self.machines[known.id] = known
        known.name, known.config = definition["name"], definition["config"]
        known.generation, known.operation_id, known.digest = (definition[key] for key in ("generation", "operation_id", "digest"))
        self._tell(known, detail)
        self._plan(known)

    def set_autostart(self, id: str, *, autostart: bool) -> None:
        """Start it with the host, or not."""
        machine = self.machine(id)
        machine.config = machine.config | {"autostart": autostart}
        self._tell(machine, "defined updated")

    def undefine(self, id: str) -> None:
        """Forget a stopped machine."""
        machine = self.machine(id)
        if machine.is_active():
            raise _wrong_state(machine, "stopped")
        del self.machines[id]
        self.changed.add(id)
        self._due.pop(id, None)
        self._events.append(Event(id=id, detail="undefined removed", gone=True))

    def start(self, id: str, *, paused: bool) -> None:
        """Start a stopped machine."""
        machine = self.machine(id)
        if machine.is_active():
            raise _wrong_state(machine, "stopped")
        if behaviour_of(machine.config).start_fails:
            raise WorldError("HypervisorError", call="start", number=1, reason="its metadata simulator.start say that it fails")
        now = self.now()
        machine.state, machine.reason = "running", "booted"
        machine.live = copy.deepcopy(machine.config)
        machine.started_at = machine.ticking_since = now
        machine.ticked = 0.0
        self._boot(machine, 0.0)
        self._tell(machine, "started booted")
        if paused:
            self.suspend(id)

    def destroy(self, id: str) -> None:
        """Pull the plug."""
        self._end(self._active(id), "destroyed")

    def suspend(self, id: str) -> None:
        """Stop its processors; a paused machine stays as it is."""
        machine = self._active(id)
        if machine.state == "paused":
            return
        if machine.state != "running":
            raise _wrong_state(machine, "running, paused")
        machine.ticked = machine.guest_time(self.now())
        machine.state, machine.reason = "paused", "user"
        self._tell(machine, "suspended paused")
        self._plan(machine)

    def resume(self, id: str) -> None:
        """Let its processors go on; a running machine stays as it is."""
        machine = self._active(id)
        if machine.state == "running":
            return
        if machine.state != "paused":
            raise _wrong_state(machine, "running, paused")
        machine.ticking_since = self.now()
        machine.state, machine.reason = "running", "unpaused"
        self._tell(machine, "resumed unpaused")
        self._plan(machine)

    def reset(self, id: str) -> None:
        """Press the reset button."""
        machine = self._active(id)
        if machine.state == "crashed":
            machine.state, machine.reason, machine.ticking_since = "running", "booted", self.now()
        self._boot(machine, machine.guest_time(self.now()))
        self._tell(machine, "reboot")

    def ask(self, id: str, act: Act, way: str) -> None:
        """Ask the guest to go down or to reboot. The agent's refusal is seen at once, a button's never."""
        machine = self._active(id)
        if machine.state == "crashed":
            raise _wrong_state(machine, "running, paused")
        behaviour = behaviour_of(machine.config)
        listens = way in behaviour.obeys and machine.state == "running" and self.is_up(machine)
        if way == "agent":
            self._need_agent(machine, listens=listens)
        if listens and machine.leaves is None:
            self.act(machine, act, behaviour.shutdown_seconds)

    def act(self, machine: Machine, act: Act, seconds: float) -> None:
        """The guest does this to itself, so many seconds from now."""
        machine.leaves = (act, machine.guest_time(self.now()) + seconds)
        self.changed.add(machine.id)
        self._plan(machine)

    def crash(self, id: str, *, silent: bool) -> None:
        """Its process dies; without a word if ``silent``."""
        machine = self._active(id)
        before = len(self._events)
        self._end(machine, "crashed")
        if silent:
            del self._events[before:]

    def reboot_host(self) -> None:
        """Every process is gone; what has ``autostart`` is started."""
        for machine in list(self._sorted()):
            if machine.is_active():
                self._end(machine, "crashed")
            if machine.config.get("autostart"):
                self.start(machine.id, paused=False)

    # the rules

    def _sorted(self) -> Iterator[Machine]:
        return (self.machines[id] for id in sorted(self.machines))

    def _active(self, id: str) -> Machine:
        machine = self.machine(id)
        if not machine.is_active():
            raise _wrong_state(machine, "running, paused")
        return machine

    @staticmethod
    def _need_agent(machine: Machine, *, listens: bool) -> None:
        if not (machine.live or {}).get("guestAgent"):
            raise WorldError("Unsupported", feature="guest.agent", reason=f"{machine.id} has no channel for a guest agent")
        if not listens:
            raise WorldError("GuestUnresponsive", id=machine.id, reason="the guest agent is not connected")

    def _tell(self, machine: Machine, detail: str) -> None:
        self.changed.add(machine.id)
        machine.effects[detail] = machine.effects.get(detail, 0) + 1
        self._events.append(Event(id=machine.id, detail=detail))

    def _boot(self, machine: Machine, guest_time: float) -> None:
        machine.booted = guest_time
        machine.boots += 1
        machine.leaves = None
        self._plan(machine)

    def _end(self, machine: Machine, reason: str) -> None:
        machine.state, machine.reason = "stopped", reason
        machine.live = machine.started_at = machine.leaves = None
        self.problems.pop(machine.id, None)
        self._tell(machine, f"stopped {reason}")
        self._plan(machine)

    def _plan(self, machine: Machine) -> None:
        """Note when something next happens to it by itself."""
        self._due.pop(machine.id, None)
        if machine.state != "running":
            return
        at = [] if machine.leaves is None else [machine.leaves[1]]
        crash_after = behaviour_of(machine.config).crash_after
        if crash_after is not None:
            at.append(machine.booted + crash_after)
        if at:
            self._due[machine.id] = machine.ticking_since + min(at) - machine.ticked

    def _happen(self, machine: Machine, moment: float) -> None:
        behaviour = behaviour_of(machine.config)
        guest_time = machine.guest_time(moment)
        crash = behaviour.crash_after
        if machine.leaves is None or (crash is not None and machine.booted + crash < machine.leaves[1]):
            self._crash_by_itself(machine, behaviour, guest_time)
        elif machine.leaves[0] == "shutdown":
            self._end(machine, "shutdown")
        else:
            self._boot(machine, guest_time)
            self._tell(machine, "reboot")

    def _crash_by_itself(self, machine: Machine, behaviour: Behaviour, guest_time: float) -> None:
        if not behaviour.keeps_crashed:
            self._end(machine, "crashed")
            return
        machine.ticked = guest_time
        machine.state, machine.reason, machine.leaves = "crashed", "panicked", None
        self._tell(machine, "crashed panicked")
        self._plan(machine)

    def _stats(self, machine: Machine) -> dict[str, Any]:
        since, problem = self.problems.get(machine.id, (self.now(), None))
        return statistics(
            self.seed,
            machine.id,
            machine.state,
            machine.live or machine.config,
            now=since,
            ran=machine.guest_time(since),
            cpu_percent=behaviour_of(machine.config).cpu_percent,
            is_up=self.is_up(machine),
            problem=problem,
        )


def _wrong_state(machine: Machine, needs: str) -> WorldError:
    return WorldError("WrongState", type="vm", id=machine.id, state=machine.state, needs=needs)


def capabilities() -> dict[str, Any]:
    """A ``HostCapabilities``."""
    return {
        "hypervisor": "simulator",
        "hypervisorVersion": "1.0.0",
        "emulatorVersion": "1.0.0",
        "acceleration": "none",
        "accelerationReason": "the simulator runs no guests",
        "architectures": ["x86_64"],
        "machines": ["q35", "pc"],
        "cpuModels": ["qemu64", "Nehalem", "Haswell", "EPYC"],
        "firmwares": ["bios", "uefi"],
        "maximumVcpus": 255,
        "features": [
            {"name": name, "available": True}
            for name in ("console.graphics", "console.serial", "vm.autostart", "vm.guestAgent", "vm.screenshot")
        ],
    }


def encoded(value: object) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)
