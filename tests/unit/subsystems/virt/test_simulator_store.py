"""The simulator's file, and how a new world is made."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.generated.types import VmConfig
from libvdsm.subsystems.virt.drivers.simulator_model import World
from libvdsm.subsystems.virt.drivers.simulator_store import ShiftedClock, Store, generated
from libvdsm.subsystems.virt.plan import normalise


def test_the_same_seed_makes_the_same_world() -> None:
    assert generated(7, 30, 1000.0) == generated(7, 30, 1000.0)
    assert not generated(7, 30, 1000.0).keys() & generated(8, 30, 1000.0).keys()
    assert generated(7, 10, 1000.0).items() <= generated(7, 30, 1000.0).items()


def test_a_third_runs() -> None:
    states = [machine.state for machine in generated(1, 300, 1e9).values()]
    assert states.count("running") == 100


def test_what_is_made_is_in_normal_form() -> None:
    for machine in generated(3, 50, 1e9).values():
        config = msgspec.convert(machine.config, VmConfig)
        assert normalise(config, machine.id) == config
        assert msgspec.to_builtins(config) == machine.config


def test_names_and_addresses_differ() -> None:
    machines = generated(1, 1000, 1e9).values()
    assert len({machine.name for machine in machines}) == 1000
    assert len({machine.config["nics"][0]["mac"] for machine in machines}) == 1000


def test_a_thousand_machines_are_there_at_once(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    Store.open(path, seed=1, vms=1000, now=1e9)
    began = time.process_time()
    assert len(Store.open(path, seed=1, vms=0, now=2e9).machines()) == 1000
    assert time.process_time() - began < 0.3
    assert path.stat().st_size < 1000


def test_the_file_is_the_truth_once_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    first = Store.open(path, seed=1, vms=4, now=1e9).machines()
    assert Store.open(path, seed=2, vms=9, now=2e9).machines() == first


def test_changes_and_removals_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    store = Store.open(path, seed=1, vms=6, now=1e9)
    world = World(1, ManualClock(), store.machines())
    ids = sorted(world.machines)
    stopped = next(id for id in ids if world.machine(id).state == "stopped")
    running = next(id for id in ids if world.machine(id).state == "running")
    world.undefine(stopped)
    world.destroy(running)
    world.define({"id": "new", "name": "new", "config": {"memory": 1 << 26}, "generation": 3, "operation_id": "o", "digest": "d"})
    store.keep(world.machines, world.changed, 12.5)
    again = Store.open(path, seed=0, vms=0, now=3e9)
    assert again.machines() == world.machines
    assert again.ahead == 12.5


def test_removed_machines_of_clients_leave_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    store = Store.open(path, seed=1, vms=0, now=1e9)
    world = World(1, ManualClock(), store.machines())
    for _ in range(3):
        world.define({"id": "new", "name": "new", "config": {"memory": 1 << 26}, "generation": 3, "operation_id": "o", "digest": "d"})
        store.keep(world.machines, {"new"}, 0.0)
        world.undefine("new")
        store.keep(world.machines, {"new"}, 0.0)
    assert b"new" not in path.read_bytes()


@pytest.mark.parametrize("damage", (b"", b"{", b'{"seed": "x"}', b"\xff\xfe"))
def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "world.json"
    path.write_bytes(damage)
    assert len(Store.open(path, seed=1, vms=2, now=1e9).machines()) == 2
    assert (tmp_path / "world.damaged").read_bytes() == damage
    assert "is damaged" in caplog.text


def test_the_shifted_clock_is_ahead_by_what_it_was_told() -> None:
    clock = ShiftedClock(ManualClock(100.0))
    clock.ahead = 20.0
    assert (clock.time(), clock.monotonic()) == (120.0, 120.0)
