"""A subsystem's process dies (fault F-05): it is back soon, and nobody else notices."""

from __future__ import annotations

import os
import signal

import pytest

from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, RefusedError, pulse
from tests.lab.own_time import OwnTime


def answers(caller: Caller) -> bool:
    """Whether virt does its work."""
    try:
        caller.call("Host.getCapabilities")
    except RefusedError as refused:
        if refused.error not in {"SubsystemUnavailable", "HypervisorUnavailable"} or refused.data["retryable"] is not True:
            raise
        return False
    return True


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT))
def test_f05_a_killed_virt_worker_is_back_within_a_second(daemon: VdsmdProcess, caller: Caller, number: signal.Signals) -> None:
    before, host, virt = caller.states(), daemon.worker("host"), daemon.worker("virt")
    with pulse(daemon):
        clock = OwnTime(daemon.family)
        os.kill(virt, number)
        caller.await_(lambda: not answers(caller) or daemon.worker("virt") != virt, "the loss is noticed")
        caller.await_(lambda: answers(caller), "virt answers again")
        assert clock.seconds() < 1
        caller.await_(lambda: caller.states() == before, "the states are known")
    assert daemon.worker("virt") != virt
    assert daemon.worker("host") == host, "the host's worker lives on"
    running = caller.of_state("running")[0]
    caller.call("VM.pause", {"vmId": running})
    assert caller.vm(running)["state"] == "paused"
    assert not [event for id in before for event in caller.heard(id) if event["change"] == "removed"]


def test_f05_a_killed_host_worker_leaves_virt_alone_and_its_figures_go_on(daemon: VdsmdProcess, caller: Caller) -> None:
    host, virt = daemon.worker("host"), daemon.worker("virt")
    with pulse(daemon):
        os.kill(host, signal.SIGKILL)
        running = caller.of_state("running")[0]
        caller.call("VM.pause", {"vmId": running})
        caller.await_(lambda: daemon.worker("host") != host and caller.condition("host") == "ready", "it is back")
        before = caller.call("Host.getStats")["cpu"]["sampledAt"]
        caller.await_(lambda: caller.call("Host.getStats")["cpu"]["sampledAt"] != before, "there are new figures")
    assert daemon.worker("virt") == virt


def test_f05_a_call_to_a_dead_worker_fails_at_once(daemon: VdsmdProcess, caller: Caller) -> None:
    os.kill(daemon.worker("virt"), signal.SIGKILL)
    clock = OwnTime(daemon.family)
    caller.await_(lambda: answers(caller), "virt answers again")
    assert clock.seconds() < 2


def test_f05_an_operation_under_way_when_its_worker_dies_ends_once(daemon: VdsmdProcess, caller: Caller) -> None:
    running = caller.of_state("running")[0]
    caller.call("VM.update", {"vmId": running, "config": {"metadata": {"simulator.shutdown": "ignore"}}})
    task = caller.call("VM.shutdown", {"vmId": running, "guestTimeout": 60})["task"]
    os.kill(daemon.worker("virt"), signal.SIGKILL)
    ended = caller.call("Task.wait", {"taskId": task["id"], "seconds": 25})
    assert ended["state"] in {"failed", "unknown"}
    caller.await_(lambda: caller.vm(running)["state"] == "running", "the guest goes on")
    assert caller.call("Task.get", {"taskId": task["id"]}) == ended


def test_f05_all_die_at_once(daemon: VdsmdProcess, caller: Caller) -> None:
    before = caller.states()
    with pulse(daemon):
        killed = {name: daemon.worker(name) for name in ("virt", "host", "simulator")}
        for pid in killed.values():
            os.kill(pid, signal.SIGKILL)
        caller.await_(lambda: all(daemon.worker(name) != pid for name, pid in killed.items()), "others have taken their places")
        caller.await_(lambda: answers(caller) and caller.states() == before, "all is as it was")
