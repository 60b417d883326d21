"""One machine hangs (fault F-09): only it degrades."""

from __future__ import annotations

import pytest

from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, RefusedError, pulse, world_control
from tests.lab.own_time import OwnTime


def test_only_the_hung_machine_degrades(daemon: VdsmdProcess, caller: Caller) -> None:
    hung, *well = caller.of_state("running")
    with world_control(daemon) as control, pulse(daemon):
        control.hang(hung)
        for _ in range(2):
            with pytest.raises(RefusedError) as raised:
                caller.call("VM.pause", {"vmId": hung}, timeout=1)
            assert raised.value.error in {"OutcomeUnknown", "GuestUnresponsive", "DeadlineExceeded", "ResourceBusy"}
        took = []
        for id in well:
            clock = OwnTime(daemon.family)
            caller.call("VM.pause", {"vmId": id})
            caller.call("VM.resume", {"vmId": id})
            assert caller.call("VM.screenshot", {"vmId": id})["contentType"] == "image/png"
            took.append(clock.seconds())
        assert min(took) < 1, took  # what a busy disk adds to one of them is none of ours
        assert caller.condition("virt") == "ready"
        assert set(caller.states()) >= {hung, *well}
        control.clear()
    caller.await_(lambda: caller.vm(hung)["state"] in {"running", "paused"}, "it is well again")


def test_a_hung_machine_can_be_stopped(daemon: VdsmdProcess, caller: Caller) -> None:
    hung = caller.of_state("running")[0]
    with world_control(daemon) as control:
        control.hang(hung)
        with pytest.raises(RefusedError):
            caller.call("VM.pause", {"vmId": hung}, timeout=0.5)
        task = caller.run("VM.stop", {"vmId": hung})
        assert task["state"] == "done"
        assert caller.vm(hung)["state"] == "stopped"
        control.clear()


def test_statistics_of_a_hung_machine_say_why_they_are_old(daemon: VdsmdProcess, caller: Caller) -> None:
    hung, well = caller.of_state("running")[:2]

    def memory(id: str) -> dict[str, object]:
        items = caller.call("VM.getStats", {"vmIds": [id]})["items"]
        found: dict[str, object] = items[0].get("memory", {}) if items else {}
        return found

    caller.await_(lambda: bool(memory(hung)), "there are figures")
    with world_control(daemon) as control:
        control.hang(hung)
        caller.await_(lambda: "notRefreshed" in memory(hung), "the figures say why they are old")
        assert "notRefreshed" not in memory(well)
        clock = OwnTime(daemon.family)
        memory(hung)
        assert clock.seconds() < 0.5, "no read of statistics waits"
        control.clear()
    caller.await_(lambda: bool(memory(hung)) and "notRefreshed" not in memory(hung), "they are new again")
