"""A clock that stands while somebody waits for a CPU: what it takes off, and what it does not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.lab import own_time
from tests.lab.own_time import OwnTime


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What the kernel tells: the time, and what its host took."""
    told = {"now": 100.0, "stolen": 5.0}
    monkeypatch.setattr("time.monotonic", lambda: told["now"])
    monkeypatch.setattr(own_time, "stolen_s", lambda: told["stolen"])
    return told


def test_waits_for_a_cpu_are_taken_off_and_nothing_else(machine: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of threads that came meanwhile; one that ended takes nothing back."""
    queued = {1: 7_000_000_000, 2: 1_000_000_000}
    monkeypatch.setattr(own_time, "queued_ns", lambda _pids: dict(queued))
    clock = OwnTime(lambda: (1,))
    assert clock.seconds() == 0.0
    machine["now"] += 10.0
    assert clock.seconds() == 10.0
    queued[2] += 2_000_000_000
    queued[3] = 1_500_000_000
    del queued[1]
    assert clock.seconds() == 6.5
    machine["stolen"] += 0.5
    assert clock.seconds() == 6.0
    queued[3] += 60_000_000_000
    assert clock.seconds() == 0.0


def test_the_kernel_is_asked_for_every_thread_of_the_processes_and_of_this_one(machine: dict[str, float]) -> None:
    if not Path("/proc/self/schedstat").exists():
        assert own_time.queued_ns([os.getpid()]) == {}
        return
    assert {threading.get_native_id(), os.getpid()} <= own_time.queued_ns([os.getpid()]).keys()
    assert own_time.queued_ns([2**30]) == {}
    clock = OwnTime(list)
    machine["now"] += 3600.0
    assert 0.0 < clock.seconds() <= 3600.0


def test_what_computes_without_an_end_never_rests(monkeypatch: pytest.MonkeyPatch, machine: dict[str, float]) -> None:
    spent = [0.0]

    def pass_by(seconds: float) -> None:
        machine["now"] += seconds
        spent[0] += seconds * (0.9 if machine["now"] <= busy_until else 0.01)

    monkeypatch.setattr("time.sleep", pass_by)
    monkeypatch.setattr(own_time, "cpu_s", lambda _pid: spent[0])
    busy_until = 105.0
    own_time.await_rest(1, 0.05)
    assert machine["now"] == 106.0
    busy_until = 1e9
    with pytest.raises(AssertionError, match="does not rest"):
        own_time.await_rest(1, 0.05)
