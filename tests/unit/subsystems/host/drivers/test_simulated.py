"""The simulated host."""

from __future__ import annotations

from libvdsm.base.clock import ManualClock
from libvdsm.subsystems.host.drivers.simulated import SimulatedHost
from libvdsm.subsystems.host.plan import cpu_percent


def test_the_same_seed_and_time_make_the_same_host() -> None:
    first, second = ManualClock(), ManualClock()
    assert SimulatedHost(1, first).facts() == SimulatedHost(1, second).facts()
    assert SimulatedHost(1, first).sample() == SimulatedHost(1, second).sample()
    assert SimulatedHost(1, first).facts().id != SimulatedHost(2, first).facts().id


def test_its_processors_are_busy_in_part() -> None:
    clock = ManualClock()
    host = SimulatedHost(1, clock)
    before = host.sample()
    for _ in range(100):
        clock.advance(10)
        after = host.sample()
        assert 5 < cpu_percent(before.cpu, after.cpu) < 45
        assert 0 < after.memory.available < after.memory.total
        before = after
