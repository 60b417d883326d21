"""The hypervisors over which the contract of ``virt.driver`` is tested, and what each of them can do.

A test takes the fixture ``hypervisor``; one that needs more than definitions and power says so:
``@pytest.mark.parametrize("hypervisor", having("serial"), indirect=True)``.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.types import VmConfig, VmState
from libvdsm.subsystems.virt.driver import Definition, Domain, DomainEvent, Driver
from libvdsm.subsystems.virt.drivers.simulator import SimulatorDriver
from libvdsm.subsystems.virt.plan import digest, normalise

PATIENCE_S = 60.0


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.events: list[DomainEvent] = []
        self.losses: list[str] = []

    def domain_event(self, event: DomainEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def connection_lost(self, reason: str) -> None:
        with self._changed:
            self.losses.append(reason)
            self._changed.notify_all()

    def await_event(self, id: str, word: str, *, patience_s: float = PATIENCE_S) -> DomainEvent:
        """The first event of this domain whose detail has ``word``."""
        with self._changed:
            self._changed.wait_for(lambda: self._find(id, word) is not None, patience_s)
            found = self._find(id, word)
        assert found is not None, f"no event {word!r} of {id} among {self.events}"
        return found

    def await_loss(self, *, patience_s: float = PATIENCE_S) -> str:
        """The reason of the first loss."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self.losses), patience_s), "the loss was not noticed"
            return self.losses[0]

    def _find(self, id: str, word: str) -> DomainEvent | None:
        return next((event for event in self.events if event.id == id and word in event.detail), None)


@dataclass(kw_only=True)
class Hypervisor:
    """A hypervisor with a driver that is open."""

    make: Callable[[], Driver]
    driver: Driver
    listener: Recorder
    config: VmConfig  # in normal form; can be started here
    boot_s: float  # how long its guest may need to boot
    world: SimulatorWorld | None = None
    defined: list[str] = field(default_factory=list)

    def define(self, *, id: str | None = None, name: str = "contract", generation: int = 1, config: VmConfig | None = None) -> str:
        """Define a domain; its id."""
        id = id or str(uuid.uuid4())
        wanted = normalise(config or self.config, id)
        self.defined.append(id)
        self.driver.define(
            Definition(
                id=id, name=name, config=wanted, generation=generation, operation_id=f"operation-{generation}", digest=digest(name, wanted)
            )
        )
        return id

    def started(self, config: VmConfig | None = None) -> str:
        """Define and start a domain; its id."""
        id = self.define(config=config)
        self.driver.start(id, paused=False)
        return id

    def await_state(self, id: str, state: VmState) -> Domain:
        """The domain, once it is in this state."""
        return eventually(lambda: found if (found := self.driver.domain(id)).state == state else None, f"{id} is not {state}")


def eventually(look: Callable[[], Domain | None], complaint: str) -> Domain:
    """What ``look`` finds in time."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.01)
    raise AssertionError(complaint)


def read_until(stream: socket.socket, word: bytes, *, patience_s: float = PATIENCE_S) -> bytes:
    """What the stream says up to ``word`` (or its end, if ``word`` is empty)."""
    said = bytearray()
    deadline = time.monotonic() + patience_s
    while not word or word not in said:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no {word!r} in {bytes(said)!r}"
        data = stream.recv(65536)
        if not data:
            assert not word, f"the stream ended without {word!r}: {bytes(said)!r}"
            break
        said += data
    return bytes(said)


class SimulatorWorld:
    """A world of the simulator as a process of its own."""

    def __init__(self, folder: Path, *, vms: int = 0, seed: int = 1) -> None:
        self.socket_path = folder / "world.sock"
        self.state_path = folder / "world.json"
        self._vms, self._seed = vms, seed
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.socket_path.unlink(missing_ok=True)
        module = "libvdsm.subsystems.virt.drivers.simulator_world"
        command = [sys.executable, "-m", module, "--socket", str(self.socket_path), "--state", str(self.state_path)]
        self._process = subprocess.Popen([*command, "--vms", str(self._vms), "--seed", str(self._seed)])
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, "the world has ended"
            assert time.monotonic() < deadline, "the world does not answer"
            time.sleep(0.005)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket_path)) == 0

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code


@contextmanager
def simulator(folder: Path, *, vms: int = 3) -> Iterator[Hypervisor]:
    """The simulator, with a real process for its world."""
    world = SimulatorWorld(folder, vms=vms)
    world.start()
    try:
        with opened(lambda: SimulatorDriver(world.socket_path, call_timeout_s=20.0), simulator_config(), boot_s=0.05) as hypervisor:
            hypervisor.world = world
            yield hypervisor
    finally:
        world.kill()


def simulator_config() -> VmConfig:
    """A machine with everything, whose guest is quick."""
    return msgspec.convert(
        {
            "memory": 64 * 1024**2,
            "disks": [{"source": {"kind": "file", "path": "/simulated/disk", "format": "raw"}}],
            "nics": [{"source": {"kind": "user"}}],
            "serials": [{}],
            "graphics": [{}],
            "video": "vga",
            "guestAgent": True,
            "metadata": {"simulator.boot_seconds": "0.05", "simulator.shutdown_seconds": "0.05"},
        },
        VmConfig,
    )


@contextmanager
def opened(make: Callable[[], Driver], config: VmConfig, *, boot_s: float) -> Iterator[Hypervisor]:
    """A driver that is open, closed at the end."""
    driver, listener = make(), Recorder()
    driver.open(listener)
    try:
        yield Hypervisor(make=make, driver=driver, listener=listener, config=config, boot_s=boot_s)
    finally:
        driver.close()


@contextmanager
def libvirt_qemu(folder: Path) -> Iterator[Hypervisor]:
    """libvirt and QEMU, with a private libvirtd."""
    from tests.lab import real

    with real.libvirtd() as lab, opened(lambda: real.driver(lab.uri), real.guest_config(folder), boot_s=30.0) as hypervisor:
        yield hypervisor


@contextmanager
def libvirt_test(_folder: Path) -> Iterator[Hypervisor]:
    """libvirt's own test driver, which lives in this process and runs no guests."""
    from tests.lab import real

    with opened(lambda: real.driver("test:///default"), msgspec.convert({"memory": 64 * 1024**2}, VmConfig), boot_s=0.0) as hypervisor:
        yield hypervisor
        for id in hypervisor.defined:
            with suppress(ApiError):
                hypervisor.driver.destroy(id)
            with suppress(ApiError):
                hypervisor.driver.undefine(id)


#: What each hypervisor can do beyond definitions and power.
KINDS: dict[str, frozenset[str]] = {
    "simulator": frozenset({"agent", "acpi", "serial", "graphics", "screenshot", "stats", "reset", "autostart", "loss"}),
    "libvirt": frozenset({"acpi", "serial", "graphics", "screenshot", "stats", "reset", "autostart"}),
    "libvirt-test": frozenset({"autostart"}),
}
MARKS: dict[str, tuple[pytest.MarkDecorator, ...]] = {"libvirt": (pytest.mark.guest,)}


def having(*features: str) -> list[object]:
    """The parameters of the hypervisors that can do all of this."""
    return [pytest.param(name, marks=MARKS.get(name, ())) for name, can in KINDS.items() if can.issuperset(features)]
