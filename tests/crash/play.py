"""Plays one case: a daemon, a verb, a process that stops at its fault point, victims, a restart, and the judgement."""

from __future__ import annotations

import uuid
from pathlib import Path

from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.caller import Caller, Command, Story
from tests.crash.cases import OF_WORKER, Case
from tests.crash.judge import await_quiet, judge, judge_interim, look
from tests.crash.scenarios import SCENARIOS, Stage
from tests.crash.tree import FRONT, Daemon, until

MACHINES = 3
_WORKERS = ("virt", "host")


def play(case: Case, folder: Path) -> Story:
    """Play and judge a case; what the caller was told of it."""
    with Daemon(folder, faults=case.faults(0), machines=MACHINES) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        try:
            return _play(case, daemon, caller)
        except AssertionError as failure:
            failure.add_note(f"replay with: CRASH_CASE={case} .venv/bin/pytest tests/crash/test_matrix.py")
            raise
        finally:
            caller.close()


def _play(case: Case, daemon: Daemon, caller: Caller) -> Story:
    stage, scenario = stage_of(daemon, caller), SCENARIOS[case.verb]
    scenario.prepare(stage)
    await_quiet(caller)
    before = look(stage)
    command = Command(case.verb, scenario.params(stage), f"crash-{uuid.uuid4()}", METHODS[case.verb].kind == "operation")
    sent = caller.begin(command)
    for crashes, point in enumerate(case.points, 1):
        crash(case, point, daemon, case.faults(crashes))
    story = caller.finish(command, sent, between=lambda end: judge_interim(stage, scenario, end))
    judge(stage, scenario, before, story)
    return story


def stage_of(daemon: Daemon, caller: Caller) -> Stage:
    """The machines of a new daemon, one of them running."""
    until(lambda: len(caller.ask("VM.list")["items"]) == MACHINES, "the machines are known")
    states = {item["id"]: item["state"] for item in caller.pages("VM.list")}
    running = next(id for id, state in states.items() if state == "running")
    stopped, bystander = (id for id, state in states.items() if state == "stopped")
    return Stage(daemon, caller, running, stopped, bystander)


def crash(case: Case, point: str, daemon: Daemon, faults: str) -> None:
    """Wait for the point, end the victims, wake who survives, and start the daemon again if it is gone."""
    name, pid = daemon.await_stopped()
    subsystem = METHODS[case.verb].subsystem
    assert name == (subsystem if point in OF_WORKER else FRONT), f"{name} has stopped at {point}"
    victims = [case.victim] if case.victim != "worker" else [subsystem] if subsystem in _WORKERS else _WORKERS
    for victim in victims:
        daemon.kill(victim)
    daemon.go_on(pid)
    if not daemon.is_alive:
        daemon.again(faults)
