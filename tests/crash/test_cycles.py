"""Kills at random instants under traffic (``make test``: 50; ``CRASH_CYCLES=2000`` in ``make test-all``).

Three clients send commands with keys; the front, a worker, the hypervisor, the supervisor or everything is killed again and again.
A model judges: every acknowledged command has had its effect once, nothing else has happened, and no event is missing.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.crash.caller import Caller
from tests.crash.choice import NOTES, SEED
from tests.crash.judge import audited, await_quiet, follow, machines, rest, settled, tasks
from tests.crash.traffic import Client
from tests.crash.tree import Daemon, until

CYCLES: Final = int(os.environ.get("CRASH_CYCLES", "50"))
#: Judged, and begun anew from what is, after so many kills.
ROUND: Final = 50
CLIENTS: Final = 3
MACHINES: Final = 9
VICTIMS: Final = ("front", "front", "virt", "virt", "host", "simulator", "supervisor", "all")
LONGEST_PAUSE_S: Final = 0.3
#: The share of kills that wait for a command to end first, and how long.
AFTER_TRAFFIC: Final = 0.75
MOST_QUIET_S: Final = 3.0


def befell(daemon: Daemon) -> dict[str, Counter[str]]:
    """What has happened to each machine so far."""
    return {id: Counter(machine.get("effects", {})) for id, machine in daemon.world().items()}


def strike(daemon: Daemon, clients: Sequence[Client], dice: random.Random) -> str:
    """Kill somebody at some time: often while there is traffic, now and then while it is still starting."""
    if dice.random() < AFTER_TRAFFIC:
        sent = _ended(clients)
        with contextlib.suppress(AssertionError):
            until(lambda: _ended(clients) > sent, "a command has ended", patience_s=MOST_QUIET_S)
    time.sleep(dice.uniform(0, LONGEST_PAUSE_S))
    victim = dice.choice(VICTIMS)
    if victim not in {"supervisor", "all"} and victim not in daemon.children():
        return "nobody"  # it is dead already, and not started yet
    daemon.kill(victim)
    if not daemon.is_alive:
        daemon.again()
    return victim


def _ended(clients: Sequence[Client]) -> int:
    return sum(len(client.stories) for client in clients)


def play_round(daemon: Daemon, caller: Caller, dice: random.Random, kills: int) -> int:
    """Traffic and kills, then the judgement; how many commands were sent."""
    await_quiet(caller)
    resume = caller.ask("Event.read")["resume"]
    known, known_tasks, audit = machines(caller), tasks(caller), set(audited(caller))
    before = befell(daemon)
    ids = sorted(known)
    clients = [
        Client(daemon.socket, {id: known[id]["state"] for id in ids[number::CLIENTS]}, dice.getrandbits(32)) for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for _ in range(kills):
        strike(daemon, clients, dice)
    for client in clients:
        client.halt()
    await_quiet(caller)
    after = befell(daemon)
    for client in clients:
        for id, expected in client.expected.items():
            expected.check(after.get(id, Counter()) - before.get(id, Counter()))
            assert caller.ask("VM.get", {"vmId": id})["state"] == expected.state
    events, vms, ended = settled(caller, resume)
    for type, start, now in (("vm", known, vms), ("task", known_tasks, ended)):
        followed = {id: rest(document) for id, document in follow(start, events, type).items()}
        assert followed == {id: rest(document) for id, document in now.items()}
    assert all("endedAt" in task for task in tasks(caller).values())
    stories = [story for client in clients for story in client.stories]
    done = Counter(record["outcome"] for id, record in audited(caller).items() if id not in audit)
    assert done["done"] == sum(story.final.outcome == "done" for story in stories)
    assert done["unknown"] == sum(story.final.outcome == "OutcomeUnknown" for story in stories)
    return len(stories)


@pytest.mark.timeout(300 + CYCLES * 6)
def test_f02_f03_kills_at_random_instants_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    began, sent, done = time.monotonic(), 0, 0
    with Daemon(tmp_path, machines=MACHINES) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        try:
            until(lambda: len(caller.ask("VM.list")["items"]) == MACHINES, "the machines are known")
            while done < CYCLES:
                kills = min(ROUND, CYCLES - done)
                sent += play_round(daemon, caller, dice, kills)
                done += kills
        except AssertionError as failure:
            failure.add_note(f"CRASH_SEED={SEED}, after {done} kills")
            raise
        finally:
            caller.close()
    NOTES.append(f"crash cycles: {CYCLES} kills, {sent} commands, {time.monotonic() - began:.0f} s; CRASH_SEED={SEED}")
    assert sent > CYCLES // 2, "there was traffic"
