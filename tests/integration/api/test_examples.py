"""Every example of the schema is a call that works, with an answer of the shape that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.schema import ir
from libvdsm.schema.compiled import load
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.roads import Caller

VM_ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
API = load()
EXAMPLES = [(name, example) for name, method in API.methods.items() for example in method.examples]
NEEDS_RUNNING = {"VM.shutdown", "VM.stop", "VM.reset", "VM.reboot", "VM.pause", "VM.resume", "VM.screenshot", "Console.open", "VM.getStats"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VdsmdProcess]:
    made = start_vdsmd(tmp_path_factory.mktemp("examples"), hypervisor="simulator:0")
    yield made
    made.stop()


def prepare(caller: Caller, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Bring the host into the state that the example speaks of; ids that only we can know are put in."""
    known = {vm["id"]: vm["state"] for vm in caller.call("VM.list")["items"]}
    if VM_ID in known:
        caller.done("VM.delete", {"vmId": VM_ID, "force": True})
    if name != "VM.create":
        config = {
            "memory": 268435456,
            "serials": [{}],
            "graphics": [{}],
            "video": "vga",
            "guestAgent": True,
            "metadata": {"simulator.boot_seconds": "0"},
        }
        caller.call("VM.create", {"name": "web", "vmId": VM_ID, "config": config})
    if name in NEEDS_RUNNING:
        caller.done("VM.start", {"vmId": VM_ID})
    if name == "VM.resume":
        caller.call("VM.pause", {"vmId": VM_ID})
    if name == "Event.unsubscribe":
        caller.call("Event.subscribe", params)
    return params | made_for(caller, name, params)


def made_for(caller: Caller, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The objects that the example names, made as it needs them, by the parameters that name them."""
    if "taskId" in params:
        return {"taskId": caller.call("VM.start", {"vmId": VM_ID}, wait=20)["task"]["id"]}
    if "grantId" in params:
        return {"grantId": caller.call("Access.grant", {"identity": "user:alice", "role": "reader"})["id"]}
    if name == "Access.deleteRole":
        caller.call("Access.defineRole", params | {"permissions": ["vm.read"]})
    if "certificateId" in params:
        return {"certificateId": caller.call("Certificate.issue", {"identity": "user:alice"})["id"]}
    if name == "Certificate.enrol":
        return {"token": caller.call("Certificate.createEnrolment", {"identity": "user:alice"})["token"]}
    if "tokenId" in params or name == "Identity.login":
        token = caller.call("Identity.createToken", {"label": "example"})
        return {"tokenId": token["tokenId"]} if "tokenId" in params else {"token": token["token"]}
    for queue in {params.get("queueId"), params.get("target")} - {None}:
        if queue not in {each["id"] for each in caller.call("Queue.list")["items"]}:
            caller.call("Queue.create", {"name": queue})
    if name == "Queue.create" and params["name"] in {each["id"] for each in caller.call("Queue.list")["items"]}:
        caller.call("Queue.delete", {"queueId": params["name"]})
    return {}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example(daemon: VdsmdProcess, name: str, example: ir.Example) -> None:
    """The daemon runs with ``--verify-results``; here the members that the example shows must be there."""
    with Caller(daemon.socket) as caller, Caller(daemon.socket) as other:
        other.call("Host.ping")
        params = prepare(caller, name, dict(example.params))
        if "connectionId" in params:
            params["connectionId"] = caller.call("Connection.list")["items"][-1]["id"]
        result = caller.done(name, params) if METHODS[name].kind == "operation" else caller.call(name, params)
    optional = {field.name for field in _fields(METHODS[name].result.__name__) if field.on_output is ir.Presence.OPTIONAL}
    assert set(example.result) - optional <= set(result)


def test_every_method_has_an_example() -> None:
    """Nothing is left out."""
    assert {name for name, _ in EXAMPLES} == set(METHODS)


def _fields(record: str) -> tuple[ir.Field, ...]:
    found = API.types[record]
    assert isinstance(found, ir.Record)
    return found.fields
