"""A virtual machine's whole life by raw calls, with every event of it."""

from __future__ import annotations

from tests.conftest import StartVdsmd
from tests.roads import Caller


def test_whole_life(vdsmd: StartVdsmd) -> None:
    """Create, start, pause, resume, change, shut down, delete: states, generations and events agree."""
    daemon = vdsmd(hypervisor="simulator:2")
    with Caller(daemon.socket) as watcher, Caller(daemon.socket) as caller:
        watcher.call("Event.subscribe", {"topics": ["vm.*"]})
        made = caller.call("VM.create", {"name": "web", "config": {"memory": 268435456, "serials": [{}]}})
        vm_id, steps = made["vmId"], []
        caller.done("VM.start", {"vmId": vm_id})
        steps.append(caller.call("VM.get", {"vmId": vm_id})["state"])
        caller.call("VM.pause", {"vmId": vm_id})
        steps.append(caller.call("VM.get", {"vmId": vm_id})["state"])
        caller.call("VM.resume", {"vmId": vm_id})
        changed = caller.call("VM.update", {"vmId": vm_id, "config": {"memory": 536870912, "autostart": True}})
        assert changed["generation"] == made["generation"] + 1
        assert {(c["path"], c["effect"]) for c in changed["changes"]} == {("config.memory", "restart"), ("config.autostart", "live")}
        assert caller.call("VM.get", {"vmId": vm_id})["restartNeeded"] == ["memory"]
        refused = caller.call("VM.delete", {"vmId": vm_id}, wait=20)["task"]
        assert (refused["state"], refused["error"]["data"]["error"]) == ("failed", "WrongState")
        caller.done("VM.shutdown", {"vmId": vm_id, "guestTimeout": 10, "force": True})
        steps.append(caller.call("VM.get", {"vmId": vm_id})["state"])
        assert caller.call("VM.get", {"vmId": vm_id})["restartNeeded"] == []
        caller.done("VM.delete", {"vmId": vm_id})
        assert caller.error("VM.get", {"vmId": vm_id})["data"]["error"] == "ObjectNotFound"
        assert steps == ["running", "paused", "stopped"]
        while not any(e["event"]["change"] == "removed" for e in watcher.events):
            watcher.read()
        mine = [e["event"] for e in watcher.events if e["event"]["object"]["id"] == vm_id]
        assert [mine[0]["change"], mine[-1]["change"]] == ["added", "removed"]
        states = [event["patch"]["state"] for event in mine[:-1] if "state" in event["patch"]]
        assert [state for state in states if state != "stopping"] == ["stopped", "running", "paused", "running", "stopped"]
        assert sorted(e["sequence"] for e in mine) == [e["sequence"] for e in mine]


def test_expected_generation_and_idempotency(vdsmd: StartVdsmd) -> None:
    """A stale change is refused; a repeated create is answered, not done."""
    daemon = vdsmd(hypervisor="simulator:0")
    with Caller(daemon.socket) as caller:
        params = {"name": "web", "config": {"memory": 268435456}}
        first = caller.call("VM.create", params, idempotencyKey="once")
        assert caller.call("VM.create", params, idempotencyKey="once") == first
        assert len(caller.call("VM.list")["items"]) == 1
        change = {"vmId": first["vmId"], "name": "db"}
        error = caller.error("VM.update", change, expectedGeneration=first["generation"] + 5)
        assert error["data"]["error"] == "GenerationConflict"
        again = caller.error("VM.create", params | {"vmId": first["vmId"]})
        assert again["data"]["error"] == "AlreadyExists"
