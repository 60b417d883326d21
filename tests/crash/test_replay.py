"""A command that comes twice (F-30): the stored answer, also after restarts; with another body, a conflict."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.caller import Caller, Command, End
from tests.crash.cases import mutating, points_of
from tests.crash.judge import audited, await_quiet, judge_conflict
from tests.crash.scenarios import SCENARIOS, Stage
from tests.crash.tree import Daemon, until

#: Every verb that leaves a trace.
VERBS: Final = [verb for verb in mutating() if points_of(METHODS[verb])]
#: Each verb has machines of its own; every third one runs.
MACHINES: Final = 3 * len(VERBS)


def stages(daemon: Daemon, caller: Caller) -> dict[str, Stage]:
    """Two stopped machines and a running one for each verb."""
    until(lambda: len(caller.pages("VM.list")) == MACHINES, "the machines are known")
    states = {item["id"]: item["state"] for item in caller.pages("VM.list")}
    running = sorted(id for id, state in states.items() if state == "running")
    stopped = sorted(id for id, state in states.items() if state == "stopped")
    return {
        verb: Stage(daemon, caller, running[number], stopped[2 * number], stopped[2 * number + 1], word=f"again-{number}")
        for number, verb in enumerate(VERBS)
    }


def told(end: End) -> tuple[object, ...]:
    """What an answer tells, the place of a task in the journal aside."""
    return end.outcome, end.result, None if end.task is None else end.task["id"]


def replay(caller: Caller, stages: dict[str, Stage], commands: dict[str, Command], first: dict[str, End]) -> None:
    """Send all of them again, and once more with another body."""
    for verb, command in commands.items():
        again = caller.finish(command).final
        if METHODS[verb].uncacheable:
            assert again.outcome == "AnswerNotKept", f"{verb}: {again}"
        else:
            assert told(again) == told(first[verb]), f"{verb}: first {first[verb]}, then {again}"
        judge_conflict(stages[verb], SCENARIOS[verb], command)
        _await_once(verb, stages[verb])


def _await_once(verb: str, stage: Stage) -> None:
    """What was asked for may come a little later than the answer (a task is asked to stop); twice it never comes."""
    effects = SCENARIOS[verb].effects
    if effects is not None:
        until(lambda: effects(stage) >= 1, f"{verb} has its effect")
        assert effects(stage) == 1, f"{verb} was done again"


@pytest.mark.timeout(300)
def test_f30_a_command_that_comes_again_gets_the_stored_answer(tmp_path: Path) -> None:
    with Daemon(tmp_path, machines=MACHINES) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        found = stages(daemon, caller)
        commands, first = {}, {}
        for verb, stage in found.items():
            SCENARIOS[verb].prepare(stage)
            command = Command(verb, SCENARIOS[verb].params(stage), f"again-{verb}", METHODS[verb].kind == "operation")
            commands[verb], first[verb] = command, caller.finish(command).final
            assert first[verb].outcome == "done", f"{verb}: {first[verb]}"
        replay(caller, found, commands, first)
        known = set(audited(caller))
        daemon.kill("front")
        caller.close()
        replay(caller, found, commands, first)
        assert daemon.stop() == 0
        daemon.again()
        caller.close()
        replay(caller, found, commands, first)
        daemon.kill("all")
        daemon.again()
        caller.close()
        replay(caller, found, commands, first)
        await_quiet(caller)
        assert set(audited(caller)) == known, "what was not done again was not recorded again"
        caller.close()


def test_f30_an_answer_belongs_to_the_key_and_not_to_the_line(tmp_path: Path) -> None:
    """Many lines send one command at once: it is done once, and all are told the same."""
    with Daemon(tmp_path) as daemon:
        callers = [daemon.keep(Caller(daemon.socket)) for _ in range(8)]
        until(lambda: callers[0].pages("VM.list"), "the machines are known")
        vm = next(item["id"] for item in callers[0].pages("VM.list") if item["state"] == "stopped")
        command = Command("VM.start", {"vmId": vm}, "once", is_operation=True)
        sent = [caller.begin(command) for caller in callers]
        ends = [caller.finish(command, id).final for caller, id in zip(callers, sent, strict=True)]
        assert {end.outcome for end in ends} == {"done"}
        assert len({end.task["id"] for end in ends if end.task}) == 1
        assert daemon.world()[vm]["effects"] == {"started booted": 1}
        for caller in callers:
            caller.close()
