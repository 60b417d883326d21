"""A worker that hangs (F-06): said so, then killed from outside and replaced; and one that dies in every way (F-05)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.caller import Caller
from tests.crash.tree import Daemon, until

#: As by default, but quicker, though no quicker than a heart beats (1 s): that the defaults are 5 s and 30 s is tested with the pace itself.
PACE = "degraded_s=3,hung_s=8,look_s=0.1,crashes=5,held_s=6,first_s=0.02,limit_s=0.1"


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[tuple[Daemon, Caller]]:
    """A daemon whose supervisor has little patience."""
    with Daemon(tmp_path, pace=PACE) as daemon:
        caller = Caller(daemon.socket)
        until(lambda: conditions(caller) == {"virt": "ready", "host": "ready"}, "all is well")
        yield daemon, caller
        caller.close()


def conditions(caller: Caller) -> dict[str, str]:
    return {part["name"]: part["state"] for part in caller.ask("Host.getInfo")["subsystems"] if part["name"] in {"virt", "host"}}


@pytest.mark.parametrize(("name", "other"), (("virt", "host"), ("host", "virt")))
def test_f06_a_hung_worker_is_degraded_then_killed_and_replaced(hasty: tuple[Daemon, Caller], name: str, other: str) -> None:
    daemon, caller = hasty
    hung, well = daemon.children()[name], daemon.children()[other]
    os.kill(hung, signal.SIGSTOP)
    until(lambda: conditions(caller)[name] == "degraded", "it is said")
    assert conditions(caller)[other] == "ready"
    assert caller.ask("Host.ping") == {"pong": True}
    until(lambda: daemon.children().get(name, hung) != hung, "it is replaced, though it could do nothing about it")
    until(lambda: conditions(caller) == {"virt": "ready", "host": "ready"}, "all is well again")
    assert daemon.children()[other] == well
    assert f"{name} (pid {hung}) has been silent" in daemon.log


def test_f06_a_hung_front_is_killed_and_replaced(hasty: tuple[Daemon, Caller]) -> None:
    daemon, caller = hasty
    front = daemon.children()["front"]
    os.kill(front, signal.SIGSTOP)
    until(lambda: daemon.children().get("front", front) != front, "it is replaced")
    caller.close()
    until(lambda: conditions(caller) == {"virt": "ready", "host": "ready"}, "all is well again")


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT))
@pytest.mark.parametrize("name", ("front", "virt", "host", "simulator"))
def test_f05_every_process_is_replaced_however_it_died(hasty: tuple[Daemon, Caller], name: str, number: signal.Signals) -> None:
    """What is neither it nor hangs on it lives on; only the front has workers that end with it."""
    daemon, caller = hasty
    before = daemon.children()
    names = {item["id"]: item["name"] for item in caller.pages("VM.list")}
    daemon.kill(name, number)
    until(lambda: daemon.children().get(name, before[name]) != before[name], "it is replaced")
    caller.close()
    until(lambda: conditions(caller) == {"virt": "ready", "host": "ready"}, "all is well again")
    assert {item["id"]: item["name"] for item in caller.pages("VM.list")} == names
    gone = {name} | ({"virt", "host"} if name == "front" else set())
    assert {other: pid for other, pid in daemon.children().items() if other not in gone} == {
        other: pid for other, pid in before.items() if other not in gone
    }


def test_f05_a_front_that_leaves_of_itself_is_replaced_too(hasty: tuple[Daemon, Caller]) -> None:
    """Exit status 0 is no reason to stay away."""
    daemon, caller = hasty
    front = daemon.children()["front"]
    os.kill(front, signal.SIGTERM)
    until(lambda: daemon.children().get("front", front) != front, "it is replaced")
    caller.close()
    until(lambda: conditions(caller) == {"virt": "ready", "host": "ready"}, "all is well again")


def test_f05_five_crashes_in_a_minute_are_enough(hasty: tuple[Daemon, Caller]) -> None:
    """It is held down and said so, calls to it fail at once, the others answer; and it is tried again later."""
    daemon, caller = hasty
    killed: set[int | None] = {None}
    for _ in range(5):
        until(lambda: daemon.children().get("virt") not in killed, "it is there, and another one")
        killed.add(daemon.children().get("virt"))
        daemon.kill("virt")
    until(lambda: conditions(caller)["virt"] == "held", "it is held down")
    assert "virt" not in daemon.children()
    assert caller.refused("Host.getCapabilities", {}, {}) == "SubsystemUnavailable"
    assert caller.ask("Host.getStats")["cpu"]
    assert len(caller.pages("VM.list")) == 3
    until(lambda: conditions(caller)["virt"] == "ready", "it was tried again")
