"""The hypervisor's daemon stays away (faults F-07, F-11): what it did meanwhile is found, and nothing is made up."""

from __future__ import annotations

import os
import signal

from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, pulse, world_control


def test_what_happened_while_it_was_away_is_told_once_with_its_cause(daemon: VdsmdProcess, caller: Caller) -> None:
    """The world hangs long enough to be lost; machines crash, start and go meanwhile without a word."""
    crashed, spared = caller.of_state("running")[:2]
    started, gone = caller.of_state("stopped")[:2]
    world = daemon.worker("simulator")
    with pulse(daemon):
        with world_control(daemon) as control:
            control.drop_events()
            control.crash(crashed, silent=True)
            os.kill(world, signal.SIGSTOP)
            try:
                caller.await_(lambda: set(caller.states().values()) == {"unknown"}, "the loss is noticed")
                assert all(caller.vm(id)["config"] for id in (crashed, spared, started, gone)), "what is known is still told"
            finally:
                os.kill(world, signal.SIGCONT)
            control.clear()
        caller.await_(lambda: caller.condition("virt") == "ready", "it is back")
        caller.await_(lambda: caller.vm(crashed)["state"] == "stopped", "the crash is found")
    assert caller.heard(crashed)[-1]["cause"]["kind"] == "resync"
    assert [event["patch"]["state"] for event in caller.changes(spared) if "state" in event.get("patch", {})] == ["unknown", "running"]
    assert [event["patch"]["state"] for event in caller.changes(gone) if "state" in event.get("patch", {})] == ["unknown", "stopped"]


def test_sequences_have_no_holes_through_a_loss(daemon: VdsmdProcess, caller: Caller) -> None:
    before = caller.states()
    for _ in range(3):
        world = daemon.worker("simulator")
        os.kill(world, signal.SIGKILL)
        caller.await_(lambda world=world: daemon.worker("simulator") != world, "it is started again")  # type: ignore[misc]
        caller.await_(lambda: caller.condition("virt") == "ready" and caller.states() == before, "all is as it was")
    for id in before:
        caller.heard(id)
    sequences = [delivery["event"]["sequence"] for delivery in caller.events]
    assert sequences == sorted(set(sequences))
    assert not [delivery for delivery in caller.events if "gap" in delivery]
    state: dict[str, object] = dict(before)
    for delivery in caller.events:
        patch = delivery["event"].get("patch", {})
        state[delivery["event"]["object"]["id"]] = patch.get("state", state[delivery["event"]["object"]["id"]])
    assert state == before, "who follows the events knows what is"
