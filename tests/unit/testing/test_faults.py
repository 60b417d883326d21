"""Fault points: they stop a process where that was asked for, so often as was asked for, and are nothing otherwise."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from libvdsm.base import faultpoints
from libvdsm.daemon.restart import Pace
from libvdsm.testing.faults import Fault, Stopper, arm, paced, parse


@pytest.fixture(autouse=True)
def _no_hook_is_left() -> Iterator[None]:
    yield
    faultpoints._hooks.clear()


def test_a_fault_is_a_verb_a_point_and_perhaps_a_count() -> None:
    assert parse("VM.start:after_call") == (Fault("VM.start", "after_call", 1),)
    assert parse("VM.start:after_call:20,*:in_recovery") == (Fault("VM.start", "after_call", 20), Fault("*", "in_recovery", 1))
    assert parse("") == ()


@pytest.mark.parametrize(
    "text", ("VM.start", "VM.start:nowhere", "VM.start:after_call:0", "VM.start:after_call:x", ":after_call", "a:after_call:1:1")
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    """A test that mistypes its fault must not pass because nothing happens."""
    with pytest.raises(ValueError, match=r"after_call|nowhere|VM|invalid"):
        parse(text)


def stops(stopper: Stopper, *reached: tuple[str, str]) -> int:
    """How often a child that passes these points stops."""
    pid = os.fork()
    if pid == 0:
        for verb, point in reached:
            stopper(verb, point)
        os._exit(0)
    count = 0
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            assert status == 0
            return count
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        count += 1
        os.kill(pid, signal.SIGCONT)


def test_a_process_stops_where_it_was_asked_to_and_nowhere_else() -> None:
    stopper = Stopper(parse("VM.start:after_call"))
    assert stops(stopper, ("VM.start", "after_journal"), ("VM.stop", "after_call")) == 0
    assert stops(stopper, ("VM.start", "after_call")) == 1


def test_the_count_is_shared_by_all_that_are_forked_later() -> None:
    """A child that is started again does not stop again."""
    stopper = Stopper(parse("VM.start:after_call:3,VM.stop:after_call"))
    start = ("VM.start", "after_call")
    assert stops(stopper, start) == 1
    assert stops(stopper, start, start, start) == 2
    assert stops(stopper, start) == 0
    assert stops(stopper, ("VM.stop", "after_call")) == 1


def test_a_star_is_every_verb() -> None:
    stopper = Stopper(parse("*:in_recovery:2"))
    assert stops(stopper, ("VM.start", "in_recovery"), ("VM.stop", "in_recovery"), ("VM.stop", "in_recovery")) == 2


def test_nothing_is_armed_unless_the_variable_says_so() -> None:
    arm({})
    arm({"LIBVDSM_FAULT": ""})
    assert faultpoints._hooks == []
    arm({"LIBVDSM_FAULT": "VM.start:after_call"})
    assert len(faultpoints._hooks) == 1


def test_a_point_without_a_hook_costs_nothing() -> None:
    """Some ten nanoseconds on any machine; a tenth of a microsecond each would still not be seen in a call."""
    best = min(_timed(10_000) for _ in range(20))
    assert best / 10_000 < 1e-6


def _timed(times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        faultpoints.reach("VM.start", "after_call")
    return time.perf_counter() - began


def test_the_pace_of_the_supervisor_can_be_changed_by_name() -> None:
    pace = paced(Pace(), {"LIBVDSM_PACE": "hung_s=3,crashes=1000"})
    assert pace == Pace(hung_s=3.0, crashes=1000)
    assert paced(Pace(), {}) == Pace()
    with pytest.raises(ValueError, match="no haste"):
        paced(Pace(), {"LIBVDSM_PACE": "haste=1"})


def test_f06_the_pace_without_it_is_what_is_promised() -> None:
    """5 s to degraded, 30 s to the kill; held after 5 crashes in 60 s; delays from 0.1 s to 30 s."""
    pace = Pace()
    assert (pace.degraded_s, pace.hung_s) == (5.0, 30.0)
    assert (pace.crashes, pace.window_s, pace.first_s, pace.limit_s) == (5, 60.0, 0.1, 30.0)
