"""Killed in the middle of recovery, again and again (F-04): it converges, and has still done nothing twice."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.caller import Caller, Command
from tests.crash.judge import await_quiet, judge, judge_interim, look
from tests.crash.play import MACHINES, stage_of
from tests.crash.scenarios import SCENARIOS
from tests.crash.tree import Daemon

KILLS = 20


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("verb", "first", "victim"),
    (
        ("VM.start", "after_effect", "front"),
        ("VM.start", "after_effect", "virt"),
        ("VM.start", "after_effect", "all"),
        ("VM.create", "after_journal", "front"),
    ),
)
def test_f04_twenty_kills_in_recovery_converge(verb: str, first: str, victim: str, tmp_path: Path) -> None:
    """An operation that had its effect, and a command that had none."""
    left = KILLS
    with Daemon(tmp_path, faults=f"{verb}:{first},{verb}:in_recovery:{left}", machines=MACHINES) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        stage, scenario = stage_of(daemon, caller), SCENARIOS[verb]
        scenario.prepare(stage)
        await_quiet(caller)
        before = look(stage)
        command = Command(verb, scenario.params(stage), f"crash-{uuid.uuid4()}", METHODS[verb].kind == "operation")
        sent = caller.begin(command)
        for kill in range(KILLS + 1):  # the first one is what there is to recover from
            _, pid = daemon.await_stopped()
            daemon.kill(victim)
            daemon.go_on(pid)
            if not daemon.is_alive:
                daemon.again(f"{verb}:in_recovery:{KILLS - kill}" if kill < KILLS else "")
        story = caller.finish(command, sent, between=lambda end: judge_interim(stage, scenario, end))
        await_quiet(caller)
        judge(stage, scenario, before, story)
        caller.close()
