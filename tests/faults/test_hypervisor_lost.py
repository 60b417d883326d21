"""The hypervisor's daemon dies or hangs (faults F-07, F-08, F-11): nothing is believed that is not known, nothing is lost."""

from __future__ import annotations

import os
import signal

import pytest

from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, RefusedError, pulse, world_control
from tests.lab.own_time import OwnTime


def test_a_killed_world_comes_back_with_its_guests(daemon: VdsmdProcess, caller: Caller) -> None:
    before, world = caller.states(), daemon.worker("simulator")
    with pulse(daemon):
        os.kill(world, signal.SIGKILL)
        caller.await_(lambda: daemon.worker("simulator") != world, "it is started again")
        caller.await_(lambda: caller.condition("virt") == "ready" and caller.states() == before, "all is as it was")
        running = caller.of_state("running")[0]
        caller.call("VM.pause", {"vmId": running})
        assert caller.vm(running)["state"] == "paused"
    ran = [id for id, state in before.items() if state == "running"]
    told = {event["patch"]["state"] for id in ran for event in caller.heard(id) if "state" in event.get("patch", {})}
    assert told <= {"unknown", "running", "paused"}, "nobody was said to be down"


def test_what_crashed_unheard_is_found_at_resync(daemon: VdsmdProcess, caller: Caller) -> None:
    victim, other = caller.of_state("running")[:2]
    with world_control(daemon) as control:
        control.crash(victim, silent=True)
    assert caller.vm(victim)["state"] == "running", "nobody could know"
    os.kill(daemon.worker("simulator"), signal.SIGKILL)
    caller.await_(lambda: caller.vm(victim)["state"] == "stopped", "the crash is found")
    caller.await_(lambda: caller.vm(other)["state"] == "running", "the other one still runs")
    found = [event for event in caller.heard(victim) if event.get("patch", {}).get("state") == "stopped"]
    assert len(found) == 1, "told once"
    assert found[0]["cause"]["kind"] == "resync"
    assert not [event for event in caller.heard(other) if event.get("patch", {}).get("state") == "stopped"]


def test_a_stopped_world_is_a_typed_error_within_five_seconds(daemon: VdsmdProcess, caller: Caller) -> None:
    before = caller.states()
    running = caller.of_state("running")[0]
    world = daemon.worker("simulator")
    with pulse(daemon):
        os.kill(world, signal.SIGSTOP)
        try:
            clock = OwnTime(daemon.family)
            with pytest.raises(RefusedError) as raised:
                caller.call("VM.pause", {"vmId": running})
            assert clock.seconds() < 5
            assert raised.value.error in {"HypervisorUnavailable", "SubsystemUnavailable", "GuestUnresponsive"}
            assert raised.value.data["retryable"] is True
            caller.await_(lambda: caller.condition("virt") != "ready", "it is said")
            assert set(caller.states()) == set(before), "reads go on"
            caller.await_(lambda: set(caller.states().values()) == {"unknown"}, "what cannot be seen is unknown")
            assert "sampledAt" in caller.call("Host.getStats")["cpu"]
        finally:
            os.kill(world, signal.SIGCONT)
        caller.await_(lambda: caller.condition("virt") == "ready", "it is well again")
    caller.await_(lambda: set(caller.states().values()) == set(before.values()), "the states are known again")
    patches = [event["patch"] for event in caller.heard(running) if event["change"] == "changed"]
    assert [patch["state"] for patch in patches if "state" in patch] == ["unknown", "running"]


def test_a_world_that_does_not_answer_is_the_same_as_one_that_is_stopped(daemon: VdsmdProcess, caller: Caller) -> None:
    running = caller.of_state("running")[0]
    with world_control(daemon) as control:
        control.hang()
        clock = OwnTime(daemon.family)
        with pytest.raises(RefusedError):
            caller.call("VM.pause", {"vmId": running})
        assert clock.seconds() < 5
        control.clear()
    caller.await_(lambda: caller.condition("virt") == "ready", "it is well again")
    caller.await_(lambda: caller.vm(running)["state"] in {"running", "paused"}, "its state is known")


def test_an_operation_under_way_ends_once_when_the_world_dies(daemon: VdsmdProcess, caller: Caller) -> None:
    stopped = caller.of_state("stopped")[0]
    with world_control(daemon) as control:
        control.slow(30, stopped)
        task = caller.call("VM.start", {"vmId": stopped})["task"]
        assert task["state"] == "running"
    world = daemon.worker("simulator")
    os.kill(world, signal.SIGKILL)
    ended = caller.call("Task.wait", {"taskId": task["id"], "seconds": 25})
    assert ended["state"] in {"failed", "unknown"}
    assert ended["error"]["data"]["error"] in {"Interrupted", "OutcomeUnknown"}, "what became of it was found out"
    caller.await_(lambda: daemon.worker("simulator") != world and caller.condition("virt") == "ready", "it is back")
    assert caller.vm(stopped)["state"] == "stopped", "it was not started"
    again = caller.run("VM.start", {"vmId": stopped})
    assert again["state"] == "done"
    assert caller.call("Task.get", {"taskId": task["id"]}) == ended


def test_guests_that_crash_are_told_within_two_seconds(daemon: VdsmdProcess, caller: Caller) -> None:
    victim = caller.of_state("running")[0]
    with world_control(daemon) as control:
        clock = OwnTime(daemon.family)
        control.crash(victim)
    caller.await_(lambda: caller.vm(victim)["state"] == "stopped", "the crash is seen")
    assert clock.seconds() < 2
    (event,) = [event for event in caller.heard(victim) if event.get("patch", {}).get("state") == "stopped"]
    assert event["cause"]["kind"] == "hypervisor"
    assert caller.vm(victim)["stateReason"] == "crashed"


def test_events_that_are_lost_are_noticed(daemon: VdsmdProcess, caller: Caller) -> None:
    """A shutdown is seen although the hypervisor says nothing of it."""
    running = caller.of_state("running")[0]
    with world_control(daemon) as control:
        control.drop_events()
        task = caller.run("VM.shutdown", {"vmId": running, "guestTimeout": 8})
        assert task["state"] == "done"
        assert caller.vm(running)["state"] == "stopped"
        control.clear()
