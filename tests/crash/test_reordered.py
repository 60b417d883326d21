"""Requests that arrive in any order (F-31): one after the other on an object, and none that was meant for another state of it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from tests.crash.caller import Caller, RefusedError
from tests.crash.judge import await_quiet
from tests.crash.tree import Daemon, until

NOTE: Final = "crash.note"


def stopped_machine(caller: Caller) -> str:
    until(lambda: caller.pages("VM.list"), "the machines are known")
    return next(str(item["id"]) for item in caller.pages("VM.list") if item["state"] == "stopped")


def test_f31_of_many_changes_of_one_generation_one_is_accepted(tmp_path: Path) -> None:
    """Who was late is told so, with the generation that is."""
    with Daemon(tmp_path) as daemon:
        callers = [daemon.keep(Caller(daemon.socket)) for _ in range(6)]
        vm = stopped_machine(callers[0])
        generation = callers[0].ask("VM.get", {"vmId": vm})["generation"]
        dice = random.Random(31)
        for _ in range(5):
            dice.shuffle(callers)
            sent = [
                (
                    caller,
                    caller.connection.send(
                        "VM.update",
                        {"vmId": vm, "config": {"metadata": {NOTE: f"{generation} {number}"}}},
                        {"expectedGeneration": generation},
                    ),
                )
                for number, caller in enumerate(callers)
            ]
            accepted, refused = [], []
            for caller, id in sent:
                try:
                    accepted.append(caller.connection.answer(id))
                except RefusedError as error:
                    refused.append(error)
            assert len(accepted) == 1
            assert {error.name for error in refused} == {"GenerationConflict"}
            assert {error.data["params"]["actual"] for error in refused} == {generation + 1}
            now = callers[0].ask("VM.get", {"vmId": vm})
            assert now["generation"] == generation + 1
            generation = now["generation"]
        for caller in callers:
            caller.close()


def test_f31_shuffled_requests_are_carried_out_one_after_the_other(tmp_path: Path) -> None:
    """Sent on many lines at once: every one counts, the generations have no hole, and the last one is what is."""
    with Daemon(tmp_path) as daemon:
        callers = [daemon.keep(Caller(daemon.socket)) for _ in range(4)]
        vm = stopped_machine(callers[0])
        await_quiet(callers[0])  # what is shown may be told a moment later
        start = callers[0].ask("VM.get", {"vmId": vm})["generation"]
        resume = callers[0].ask("Event.read")["resume"]
        words = [f"change {number}" for number in range(24)]
        random.Random(32).shuffle(words)
        sent = [
            (callers[number % 4], callers[number % 4].connection.send("VM.update", {"vmId": vm, "config": {"metadata": {NOTE: word}}}))
            for number, word in enumerate(words)
        ]
        for caller, id in sent:
            caller.connection.answer(id)
        events = [event for event in callers[0].ask("Event.read", {"after": resume, "limit": 1000})["items"] if event["object"]["id"] == vm]
        assert [event["object"]["generation"] for event in events] == list(range(start + 1, start + 1 + len(words)))
        told = [event["patch"]["config"]["metadata"][NOTE] for event in events]
        assert sorted(told) == sorted(words)
        now = callers[0].ask("VM.get", {"vmId": vm})
        assert (now["generation"], now["config"]["metadata"][NOTE]) == (start + len(words), told[-1])
        assert daemon.world()[vm]["effects"] == {"defined updated": len(words)}
        for caller in callers:
            caller.close()


def test_f31_a_command_that_comes_too_late_is_not_run(tmp_path: Path) -> None:
    """What lay on a bus past its time has no effect, whatever came before it."""
    with Daemon(tmp_path) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        vm = stopped_machine(caller)
        assert caller.refused("VM.start", {"vmId": vm}, {"notAfter": "2020-01-01T00:00:00Z"}) == "TooLate"
        assert caller.ask("VM.get", {"vmId": vm})["state"] == "stopped"
        assert "effects" not in daemon.world().get(vm, {})
        caller.close()
