"""The trail of a real daemon: it survives restarts and kills, and what is changed in its file is found."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import PROGRAMS, VdsmdProcess, start_vdsmd
from tests.roads import Caller

ABSENT = "00000000-0000-4000-8000-000000000000"


def records(caller: Caller, **filter: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = caller.call("Audit.list", {"filter": filter, "limit": 1000})["items"]
    return items


def vdsmsh(daemon: VdsmdProcess, *arguments: str, code: int = 0) -> str:
    done = subprocess.run([PROGRAMS / "vdsmsh", "--url", daemon.url, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr if code else done.stdout


def test_every_write_is_told_with_who_where_what_and_its_end(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd()
    with Caller(daemon.socket) as caller:
        made = caller.call("VM.create", {"name": "web", "config": {"memory": 1 << 28, "metadata": {"a-word-of-mine": "and-its-value"}}})
        caller.done("VM.start", {"vmId": made["vmId"]})
        caller.call("VM.pause", {"vmId": made["vmId"]}, flowId="my-flow")
        failed = caller.call("VM.delete", {"vmId": made["vmId"]}, wait=20)["task"]
        assert failed["state"] == "failed"
        told = list(reversed(records(caller)))
        assert [(one["method"], one["outcome"], one.get("error")) for one in told] == [
            ("VM.create", "done", None),
            ("VM.start", "done", None),
            ("VM.pause", "done", None),
            ("VM.delete", "failed", "WrongState"),
        ]
        assert told[0]["changed"] == ["config.memory", "config.metadata", "name"]
        assert told[2]["flowId"] == "my-flow"
        assert {(one["identity"], one["source"], one["count"]) for one in told} == {(f"unix:{os.geteuid()}", "unix", 1)}
        assert told[3]["operationId"] == failed["id"]
        assert told[1]["object"] == {"type": "vm", "id": made["vmId"]}
        assert "a-word-of-mine" not in json.dumps(told)
        assert "and-its-value" not in json.dumps(told)
        assert not records(caller, method="VM.list"), "what only asks is not told"


def test_refusals_are_counted(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd()
    with Caller(daemon.socket) as owner:
        token = owner.call("Identity.createToken", {"label": "reads", "role": "reader"})["token"]
        [vm] = owner.call("VM.list", {"limit": 1})["items"]
        with Caller(daemon.socket) as reader:
            reader.call("Identity.login", {"token": token})
            for _ in range(50):
                assert reader.error("VM.delete", {"vmId": vm["id"]})["data"]["error"] in {"PermissionDenied", "ObjectNotFound"}
        refused = records(owner, outcomes=["refused"])
        assert [(one["method"], one["count"]) for one in refused] == [("VM.delete", 1)]
    daemon.stop()  # what was counted is recorded on the way out
    again = start_vdsmd(daemon.log_path.parent)
    try:
        with Caller(again.socket) as owner:
            counts = [one["count"] for one in records(owner, outcomes=["refused"])]
            assert sum(counts) == 50
            assert len(counts) == 2
    finally:
        again.stop()


def test_the_chain_survives_a_restart_and_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "daemon"
    daemon = start_vdsmd(folder)
    try:
        with Caller(daemon.socket) as caller:
            caller.call("VM.create", {"name": "first", "config": {"memory": 1 << 28}})
            before = caller.call("Audit.verify")
    finally:
        daemon.stop()
    daemon = start_vdsmd(folder)
    try:
        with Caller(daemon.socket) as caller:
            caller.call("VM.create", {"name": "second", "config": {"memory": 1 << 28}})
            front = daemon.front
        os.kill(front, signal.SIGKILL)
        told, after = _once_it_is_back(daemon)
        assert len(told) >= 3
        assert after["sound"] is True
        assert after["first"] == before["first"] == 1
        kept = {one["sequence"]: one["hash"] for one in told}
        assert kept[before["last"]] == before["hash"], "a hash that was kept elsewhere is still the record's"
    finally:
        daemon.stop()


def _once_it_is_back(daemon: VdsmdProcess) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One machine more; then the records of all that were made, and the verdict."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with Caller(daemon.socket) as caller:
                caller.call("VM.create", {"name": "third", "config": {"memory": 1 << 28}})
                return [one for one in records(caller, method="VM.create") if one["outcome"] == "done"], caller.call("Audit.verify")
        except (OSError, AssertionError):
            assert time.monotonic() < deadline, daemon.log
            time.sleep(0.1)


@pytest.mark.parametrize(
    "spoil",
    (
        "UPDATE logs SET data = CAST(replace(CAST(data AS TEXT), 'VM.create', 'VM.crabte') AS BLOB) WHERE log = 'audit' AND sequence = 2",
        "DELETE FROM logs WHERE log = 'audit' AND sequence = 2",
    ),
)
def test_what_is_changed_in_the_file_is_found(tmp_path: Path, spoil: str) -> None:
    """First by the checksums of the store; and when those are set right, by the chain for ever."""
    folder = tmp_path / "daemon"
    daemon = start_vdsmd(folder)
    try:
        with Caller(daemon.socket) as caller:
            for number in range(4):
                caller.call("VM.create", {"name": f"vm-{number}", "config": {"memory": 1 << 28}})
    finally:
        daemon.stop()
    with sqlite3.connect(next(folder.rglob("state.db"))) as connection:
        assert connection.execute(spoil).rowcount == 1
    connection.close()
    daemon = start_vdsmd(folder)
    try:
        assert "of log audit" in vdsmsh(daemon, "audit", "verify", code=9)
    finally:
        daemon.stop()
    repaired = [str(PROGRAMS / "vdsmd"), "--state-dir", str(folder / "state"), "--hypervisor", "simulator:3", "--check-state", "--repair"]
    subprocess.run(repaired, check=True, capture_output=True, timeout=60)
    daemon = start_vdsmd(folder)
    try:
        told = vdsmsh(daemon, "audit", "verify", "-o", "json", code=15)
        assert '"firstUnsound": 3' in told
        assert "records before it are missing" in told
    finally:
        daemon.stop()


def test_the_shell_tells_it(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd()
    with Caller(daemon.socket) as caller:
        made = caller.call("VM.create", {"name": "web", "config": {"memory": 1 << 28}})
        caller.call("VM.update", {"vmId": made["vmId"], "name": "shop"})
    assert "VM.update" in vdsmsh(daemon, "audit", "--since", "1h", "-o", "table")
    assert json.loads(vdsmsh(daemon, "audit", "verify"))["sound"] is True
    told = json.loads(vdsmsh(daemon, "audit", "changes", "--since", "1h", "--type", "vm", "--id", made["vmId"]))
    [change] = told["items"]
    assert (change["change"], change["patch"]["name"], told["complete"]) == ("added", "shop", True)
    assert {cause.get("method") for cause in change["causes"]} >= {"VM.create", "VM.update"}


def test_whoever_reads_the_trail_of_a_project_reads_what_is_made_there(vdsmd: StartVdsmd) -> None:
    """Machines, queues, grants, tokens, and what was refused; and nothing that is made elsewhere."""
    daemon = vdsmd()
    with Caller(daemon.socket) as admin, Caller(daemon.socket) as keeper:
        admin.call("Access.defineRole", {"name": "auditor", "permissions": ["audit.read"]})
        admin.call("Access.grant", {"identity": "user:keeper", "role": "auditor", "scope": {"kind": "project", "project": "web"}})
        text = admin.call("Identity.createToken", {"label": "keeper", "identity": "user:keeper"})["token"]
        for project in ("web", "shop"):
            scope = {"kind": "project", "project": project}
            admin.call("VM.create", {"name": project, "config": {"memory": 1 << 28}, "project": project})
            admin.call("Queue.create", {"name": project, "project": project})
            admin.call("Access.grant", {"identity": "user:alice", "role": "reader", "scope": scope})
            admin.call("Identity.createToken", {"label": project, "scope": scope})
            with Caller(daemon.socket) as alice:
                alice.call(
                    "Identity.login", {"token": admin.call("Identity.createToken", {"label": "a", "identity": "user:alice"})["token"]}
                )
                assert alice.error("Queue.create", {"name": "mine", "project": project})["data"]["error"] == "PermissionDenied"
        keeper.call("Identity.login", {"token": text})
        told = {(one["method"], one["outcome"], one["project"]) for one in records(keeper)}
        made = {"VM.create", "Queue.create", "Access.grant", "Identity.createToken"}
        assert told == {(method, "done", "web") for method in made} | {("Queue.create", "refused", "web")}
