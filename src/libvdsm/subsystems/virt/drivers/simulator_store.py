"""The simulator's memory: how its machines are first made, and the file that keeps what has become of them.

The file holds the seed and only those machines that differ from how they were made, so it stays small and a
world of a thousand machines is there at once. It is replaced by an atomic rename before a change is answered.
"""

from __future__ import annotations

import logging
import os
import random
import uuid
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from libvdsm.base.clock import Clock
from libvdsm.subsystems.virt.drivers.simulator_model import Machine

_log = logging.getLogger(__name__)
_NAMESPACE = uuid.UUID("5f1d7f8e-2f0e-5b0a-9a55-0d6c2a1b7e10")
_ROLES = ("web", "db", "mail", "build", "cache", "proxy", "files", "watch")
_MIB = 1024**2


class State(Struct, omit_defaults=True):
    """What the file holds."""

    seed: int
    vms: int
    born: float
    ahead: float = 0.0  # by how many seconds the world's clock is ahead of the host's
    machines: dict[str, Machine] = {}
    removed: set[str] = set()


class ShiftedClock:
    """The host's clock (or any other), moved forward on request: the world's virtual time."""

    def __init__(self, base: Clock) -> None:
        self._base = base
        self.ahead = 0.0

    def monotonic(self) -> float:
        """See ``Clock``."""
        return self._base.monotonic() + self.ahead

    def time(self) -> float:
        """See ``Clock``."""
        return self._base.time() + self.ahead


def generated(seed: int, vms: int, born: float) -> dict[str, Machine]:
    """The machines of a new world: always the same for the same arguments."""
    made = (generated_machine(seed, index, born) for index in range(vms))
    return {machine.id: machine for machine in made}


def generated_machine(seed: int, index: int, born: float) -> Machine:
    """One of them; every third runs."""
    dice = random.Random(f"{seed}/{index}")  # noqa: S311 - a simulation
    name = f"{dice.choice(_ROLES)}-{index:04d}"
    machine = Machine(id=str(uuid.uuid5(_NAMESPACE, f"{seed}/{index}")), name=name, config=_config(dice, name, index))
    if index % 3 == 0:
        machine.state, machine.reason, machine.boots = "running", "booted", 1
        machine.live = machine.config
        machine.started_at = machine.ticking_since = born - 60 - dice.randrange(7 * 86400)
    return machine


def _config(dice: random.Random, name: str, index: int) -> dict[str, Any]:
    return {
        "memory": dice.choice((512, 1024, 2048, 4096, 8192)) * _MIB,
        "vcpus": dice.choice((1, 1, 2, 2, 4, 8)),
        "cpu": {"mode": "maximum"},
        "firmware": {"kind": dice.choice(("bios", "uefi")), "secureBoot": False},
        "machine": "q35",
        "architecture": "x86_64",
        "disks": [_disk(name, number) for number in range(dice.choice((1, 1, 1, 2)))],
        "nics": [
            {
                "id": "ua-nic0",
                "source": {"kind": "user"},
                "model": "virtio",
                "mac": f"52:54:00:{dice.randrange(256):02x}:{index >> 8 & 255:02x}:{index & 255:02x}",
            }
        ],
        "serials": [{"id": "ua-serial0"}],
        "graphics": [{"protocol": "vnc"}],
        "video": "vga",
        "guestAgent": True,
        "memoryBalloon": True,
        "metadata": {"simulator.generated": "true"},
        "autostart": dice.random() < 0.5,  # noqa: PLR2004 - half of them
    }


def _disk(name: str, number: int) -> dict[str, Any]:
    return {
        "id": f"ua-disk{number}",
        "source": {"kind": "file", "path": f"/simulated/{name}-{number}.qcow2", "format": "qcow2"},
        "device": "disk",
        "bus": "virtio",
        "readOnly": False,
        **({"bootOrder": 1} if number == 0 else {}),
    }


class Store:
    """The file."""

    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self._state = state
        self._made = generated(state.seed, state.vms, state.born)

    @classmethod
    def open(cls, path: Path, *, seed: int, vms: int, now: float) -> Store:
        """Read the file, or begin a new world; ``seed`` and ``vms`` count only then."""
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            state = State(seed=seed, vms=vms, born=now)
        except msgspec.DecodeError as error:
            _log.warning("%s is damaged (%s): kept as .damaged, and a new world begins", path, error)
            path.replace(path.with_suffix(".damaged"))
            state = State(seed=seed, vms=vms, born=now)
        store = cls(path, state)
        store._write()
        return store

    @property
    def seed(self) -> int:
        """The seed of this world."""
        return self._state.seed

    @property
    def ahead(self) -> float:
        """See ``State``."""
        return self._state.ahead

    def machines(self) -> dict[str, Machine]:
        """All machines as they were last kept."""
        kept = {id: machine for id, machine in self._made.items() if id not in self._state.removed}
        return kept | self._state.machines

    def keep(self, machines: dict[str, Machine], changed: set[str], ahead: float) -> None:
        """Note what has become of the ``changed`` ones."""
        self._state.ahead = ahead
        for id in changed:
            if id in machines:
                self._state.machines[id] = machines[id]
                self._state.removed.discard(id)
            else:
                self._state.machines.pop(id, None)
                if id in self._made:
                    self._state.removed.add(id)
        self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(self._state))
        os.replace(fresh, self._path)  # noqa: PTH105 - says that it is atomic
