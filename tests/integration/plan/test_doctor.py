"""``vdsmsh doctor`` and ``vdsmsh plan`` against a real daemon, and doctor without one."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.conftest import StartVdsmd
from tests.daemon_process import PROGRAMS
from tests.roads import Caller


def vdsmsh(url: str, *arguments: str) -> tuple[int, Any]:
    """The exit code and what was printed, as JSON."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VDSM_")}
    command = [str(PROGRAMS / "vdsmsh"), "--url", url, "-o", "json", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    return ran.returncode, json.loads(ran.stdout)


def ready(caller: Caller) -> None:
    """Return when all parts of the daemon work."""
    for _ in range(100):
        info = caller.call("Host.getInfo")
        if {part["state"] for part in info["subsystems"]} == {"ready"}:
            return
        caller.call("Event.read", {"topics": ["host"], "timeout": 0.2})
    raise AssertionError("a part of the daemon is not ready")


def test_a_daemon_that_is_well_is_told_to_be_well_and_a_silent_one_to_be_silent(vdsmd: StartVdsmd) -> None:
    """Every finding has its place; nothing is missing; without the daemon the rest is looked at all the same."""
    daemon = vdsmd(listen=None)
    with Caller(daemon.socket) as caller:
        ready(caller)
    code, told = vdsmsh(daemon.url, "doctor")
    ids = [finding["id"] for finding in told["items"]]
    assert code == 0, told
    assert ids == sorted(ids)
    assert {"daemon.virt", "daemon.listening", "host.kernel", "hypervisor.acceleration", "state.store", "state.room"} <= set(ids)
    daemon.stop()
    code, told = vdsmsh(daemon.url, "doctor")
    assert (code, told["items"][0]["id"], told["items"][0]["state"]) == (3, "daemon.reach", "missing")
    assert "host.kvm" in [finding["id"] for finding in told["items"]]


def test_a_plan_of_the_shell_is_the_daemons(vdsmd: StartVdsmd) -> None:
    """By a machine's name, with the exit code of the refusal."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        id = caller.call("VM.create", {"name": "web", "config": {"memory": 2**28}})["vmId"]
        assert vdsmsh(daemon.url, "plan", "vm", "start", "web") == (0, {"possible": True, "reasons": []})
        caller.done("VM.start", {"vmId": id})
        code, told = vdsmsh(daemon.url, "plan", "vm", "start", "web")
        assert (code, [reason["error"] for reason in told["reasons"]]) == (7, ["WrongState"])
        _, shown = vdsmsh(daemon.url, "vm", "get", "web", "--actions")
        assert told["reasons"][0]["message"] == f"vm {id} {shown['actions']['VM.start']}"
