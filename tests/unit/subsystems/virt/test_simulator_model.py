"""The simulator's machines: their lives by a manual clock."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.subsystems.virt.drivers.simulator_model import World, WorldError

CONFIG: dict[str, Any] = {
    "memory": 1 << 26,
    "vcpus": 2,
    "guestAgent": True,
    "video": "vga",
    "serials": [{"id": "ua-serial0"}],
    "memoryBalloon": True,
}


class Life:
    """A world with one machine."""

    def __init__(self, **metadata: str) -> None:
        self.clock = ManualClock()
        self.world = World(1, self.clock, {})
        self.define(**metadata)
        self.world.events()

    def define(self, **metadata: str) -> None:
        words = {f"simulator.{key}": value for key, value in metadata.items()}
        config = CONFIG | {"metadata": words}
        self.world.define({"id": "a", "name": "a", "config": config, "generation": 1, "operation_id": "o", "digest": "d"})

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.settle()

    def words(self) -> list[str]:
        return [event.detail for event in self.world.events()]

    @property
    def state(self) -> tuple[str, str]:
        machine = self.world.machine("a")
        return machine.state, machine.reason


def test_a_guest_that_obeys_goes_down_after_its_time() -> None:
    life = Life(boot_seconds="1", shutdown_seconds="5")
    life.world.start("a", paused=False)
    life.passes(1)
    life.world.ask("a", "shutdown", "acpi")
    life.passes(4.9)
    assert life.state == ("running", "booted")
    life.passes(0.2)
    assert life.state == ("stopped", "shutdown")
    assert life.words() == ["started booted", "stopped shutdown"]


def test_a_guest_that_boots_hears_no_button_and_has_no_agent() -> None:
    life = Life(boot_seconds="10")
    life.world.start("a", paused=False)
    life.passes(9)
    life.world.ask("a", "shutdown", "acpi")
    with pytest.raises(WorldError, match="GuestUnresponsive"):
        life.world.ask("a", "shutdown", "agent")
    life.passes(100)
    assert life.state[0] == "running"


@pytest.mark.parametrize(
    ("obeys", "agent_answers", "button_works"),
    (("agent", True, False), ("acpi", False, True), ("ignore", False, False), ("acpi, agent", True, True)),
)
def test_metadata_say_whom_a_guest_obeys(obeys: str, agent_answers: bool, button_works: bool) -> None:
    life = Life(shutdown=obeys, boot_seconds="0", shutdown_seconds="1")
    life.world.start("a", paused=False)
    life.world.ask("a", "shutdown", "acpi")
    life.passes(1)
    assert (life.state[0] == "stopped") is button_works
    if button_works:
        life.world.start("a", paused=False)
    if agent_answers:
        life.world.ask("a", "shutdown", "agent")
        life.passes(1)
        assert life.state[0] == "stopped"
    else:
        with pytest.raises(WorldError, match="GuestUnresponsive"):
            life.world.ask("a", "shutdown", "agent")


def test_a_reboot_is_told_and_boots_anew() -> None:
    life = Life(boot_seconds="2", shutdown_seconds="1")
    life.world.start("a", paused=False)
    life.passes(2)
    machine = life.world.machine("a")
    life.world.ask("a", "reboot", "agent")
    life.passes(1)
    assert life.words() == ["started booted", "reboot"]
    assert (machine.state, machine.boots, life.world.is_up(machine)) == ("running", 2, False)
    life.passes(2)
    assert life.world.is_up(machine)


def test_a_paused_guest_has_no_time() -> None:
    life = Life(boot_seconds="0", shutdown_seconds="1")
    life.world.start("a", paused=False)
    life.world.ask("a", "shutdown", "acpi")
    life.passes(0.5)
    life.world.suspend("a")
    life.passes(1000)
    assert life.state == ("paused", "user")
    life.world.resume("a")
    life.passes(0.4)
    assert life.state[0] == "running"
    life.passes(0.2)
    assert life.state == ("stopped", "shutdown")


def test_it_does_not_matter_when_anybody_looks() -> None:
    often, once = Life(crash_after="10"), Life(crash_after="10")
    for life in (often, once):
        life.world.start("a", paused=False)
    for _ in range(100):
        often.passes(0.25)
    once.passes(25)
    assert often.words() == once.words() == ["started booted", "stopped crashed"]


def test_a_crash_can_keep_the_process() -> None:
    life = Life(crash_after="10", on_crash="preserve")
    life.world.start("a", paused=False)
    life.passes(10)
    assert life.state == ("crashed", "panicked")
    with pytest.raises(WorldError, match="WrongState"):
        life.world.start("a", paused=False)
    with pytest.raises(WorldError, match="WrongState"):
        life.world.resume("a")
    life.world.reset("a")
    assert life.state[0] == "running"
    life.passes(10)
    assert life.state[0] == "crashed"
    life.world.destroy("a")
    assert life.state == ("stopped", "destroyed")


def test_a_machine_can_be_made_not_to_start() -> None:
    life = Life(start="fail")
    with pytest.raises(WorldError, match="HypervisorError"):
        life.world.start("a", paused=False)
    assert life.state == ("stopped", "never-started")
    assert life.words() == []


def test_behaviour_can_be_changed_while_it_runs() -> None:
    life = Life(shutdown="ignore", boot_seconds="0")
    life.world.start("a", paused=False)
    life.define(shutdown="acpi", boot_seconds="0", shutdown_seconds="1")
    life.world.ask("a", "shutdown", "acpi")
    life.passes(1)
    assert life.state == ("stopped", "shutdown")


@pytest.mark.parametrize("word", ("soon", "", "-1", "nan", "inf", "1e999"))
def test_words_that_mean_nothing_count_as_absent(word: str) -> None:
    life = Life(boot_seconds=word, crash_after=word, cpu_percent=word)
    life.world.start("a", paused=False)
    life.passes(100_000)
    assert life.state == ("running", "booted")
    assert life.world.stats()[0]["cpu"]["usedPercent"] >= 0


def test_figures_are_the_same_for_the_same_seed_machine_and_time() -> None:
    first, second = Life(), Life()
    for life in (first, second):
        life.world.start("a", paused=False)
        life.passes(12.5)
    assert first.world.stats() == second.world.stats()
    other = World(2, second.clock, second.world.machines)
    assert other.stats() != first.world.stats()


def test_processor_time_grows_by_what_the_percentage_says() -> None:
    life = Life(cpu_percent="150")
    life.world.start("a", paused=False)
    life.passes(10)
    assert life.world.stats()[0]["cpu"]["time"] == 15.0
    life.world.suspend("a")
    life.passes(10)
    stats = life.world.stats()[0]["cpu"]
    assert (stats["time"], stats["usedPercent"]) == (15.0, 0.0)


def test_silence_is_only_about_the_crash() -> None:
    life = Life()
    life.world.start("a", paused=False)
    life.world.crash("a", silent=True)
    assert life.words() == ["started booted"]
    assert life.state == ("stopped", "crashed")
