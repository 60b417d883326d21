"""What ``Plan.check`` says of a call is what becomes of the call: every changing verb in every state, against the simulator.

Possible means that it succeeds (an operation's task ends well); impossible, that it fails with one of the errors that were
told. The parameters are varied at random (``conftest``).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from libvdsm.interfaces.generated.methods import METHODS
from tests.conftest import StartVdsmd
from tests.roads import Caller

Params: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]

MUTATING = {name: entry for name, entry in METHODS.items() if entry.kind != "query"}
ABOUT_VMS = sorted(name for name, entry in MUTATING.items() if entry.object_type == "vm")
#: Those that a simulated machine can be brought into and stays in.
STATES = ("stopped", "running", "paused", "crashed", "absent")
#: A plan tries no secret, so it cannot tell what becomes of one.
SECRETS = {name for name, entry in MUTATING.items() if entry.has_secret}
RANDOM_VARIANTS = 3


def outcome(answer: Answer) -> str | None:
    """The name of the error in which a call has ended; None if it ended well."""
    if "error" in answer:
        return str(answer["error"]["data"]["error"] if "data" in answer["error"] else answer["error"]["message"])
    task = answer["result"].get("task") if isinstance(answer["result"], dict) else None
    if task is None or task["state"] == "done":
        return None
    return str(task["error"]["data"]["error"])


def agree(caller: Caller, method: str, params: Params, expected: int | None = None) -> Answer:
    """Ask, then call: the one must have told of the other. The plan is answered."""
    question: Params = {"method": method, "params": params} | ({} if expected is None else {"expectedGeneration": expected})
    plan = caller.call("Plan.check", question)
    meta: Params = {} if expected is None else {"expectedGeneration": expected}
    meta |= {"wait": 45} if MUTATING[method].kind == "operation" else {}
    ended = outcome(caller.answer(method, params, **meta))
    told = [reason["error"] for reason in plan["reasons"]]
    if plan["possible"]:
        assert ended is None, (method, params, meta, ended)
    else:
        assert ended in told, (method, params, meta, told, ended)
    return plan


def make(caller: Caller, state: str, **config: object) -> str:
    """A machine in ``state``."""
    if state == "absent":
        return str(uuid.uuid4())
    behaviour = {"simulator.boot_seconds": "0", "simulator.shutdown_seconds": "0.05"}
    if state == "crashed":
        behaviour |= {"simulator.crash_after": "0", "simulator.on_crash": "preserve"}
    whole = {"memory": 2**28, "metadata": behaviour} | config
    id = str(caller.call("VM.create", {"name": state, "config": whole})["vmId"])
    if state != "stopped":
        caller.done("VM.start", {"vmId": id})
    if state == "paused":
        caller.call("VM.pause", {"vmId": id})
    for _ in range(200):
        if caller.call("VM.get", {"vmId": id})["state"] == state:
            return id
        caller.answer("Event.read", {"after": position(caller), "topics": [f"vm.{id}"], "timeout": 0.1})
    raise AssertionError(f"it never was {state}")


def position(caller: Caller) -> str:
    """Where the events are now."""
    return str(caller.call("Event.read", {"topics": ["vm.none"]})["resume"])


def quiet(caller: Caller) -> str:
    """Where the events are when nothing has happened for a while."""
    while True:
        before = position(caller)
        if not caller.call("Event.read", {"after": before, "timeout": 0.5})["items"]:
            return before


def sound(method: str) -> list[Params]:
    """What a caller may well say about a machine, without its id."""
    said: dict[str, list[Params]] = {
        "Console.open": [{}, {"kind": "serial"}, {"kind": "graphics"}, {"deviceId": "ua-nothing"}],
        "VM.delete": [{}, {"force": True}],
        "VM.reboot": [{"guestTimeout": 5, "force": True}],
        "VM.shutdown": [{"guestTimeout": 5, "force": True}],
        "VM.start": [{}, {"paused": True}],
        "VM.update": [
            {"config": {"memory": 2**29}},
            {"name": "other"},
            {},
            {"config": {"cpu": {"mode": "custom"}}},
            {"config": {"machine": "pc"}},
            {"config": {"firmware": {"kind": "bios", "secureBoot": True}}},
            {"config": {"graphics": [{"protocol": "vnc"}, {"protocol": "vnc"}]}},
            {"config": {"memory": None}},
        ],
    }
    return said.get(method, [{}])


def spoiled(params: Params, chance: random.Random) -> Params:
    """With something wrong in it, perhaps."""
    wrong: list[Callable[[Params], Params]] = [
        lambda given: given | {"odd": 1},
        lambda given: given | {"vmId": "no id"},
        lambda given: {name: value for name, value in given.items() if name != "vmId"},
        lambda given: given | {"force": "yes"},
        lambda given: given | {"vmId": str(uuid.uuid4())},
        lambda given: given,
    ]
    return chance.choice(wrong)(params)


@pytest.mark.parametrize("state", STATES)
def test_every_verb_about_a_machine_does_what_its_plan_says(vdsmd: StartVdsmd, chance: random.Random, state: str) -> None:
    """As it should be called, with what contradicts itself, with a stale generation, and with faults."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        for method in ABOUT_VMS:
            for params in sound(method):
                agree(caller, method, {"vmId": make(caller, state, serials=[{}])} | params)
            for _ in range(RANDOM_VARIANTS):
                given: Params = {"vmId": make(caller, state)} | chance.choice(sound(method))
                agree(caller, method, spoiled(given, chance), chance.choice((None, 0, 1, 2)))


def creations() -> Iterator[Params]:
    """What may be said of a new machine, right and wrong."""
    yield {"name": "web", "config": {"memory": 2**28}}
    yield {"name": "web", "config": {"memory": 2**28, "disks": [{"source": {"kind": "file", "path": "/nowhere", "format": "raw"}}]}}
    yield {"name": "web", "config": {"memory": 2**28, "cpu": {"mode": "custom"}}}
    yield {"name": "web", "config": {"memory": 2**28, "disks": [{}]}}
    yield {"name": "web", "config": {"memory": 1, "vcpus": 0}, "project": "-"}
    yield {"name": "web"}
    yield {}


def test_new_machines_are_made_where_the_plan_says_so(vdsmd: StartVdsmd) -> None:
    """And an id that is taken is told beside the other reasons."""
    daemon = vdsmd(hypervisor="simulator:1", listen=None)
    with Caller(daemon.socket) as caller:
        [known] = caller.call("VM.list")["items"]
        for params in creations():
            agree(caller, "VM.create", params)
            plan = agree(caller, "VM.create", params | {"vmId": known["id"]})
            assert not plan["possible"]
        both = agree(caller, "VM.create", {"name": "web", "vmId": known["id"], "config": {"memory": 2**28, "cpu": {"mode": "custom"}}})
        assert [reason["error"] for reason in both["reasons"]] == ["AlreadyExists", "InvalidParams"]


def test_tasks_do_what_their_plans_say(vdsmd: StartVdsmd) -> None:
    """One that runs, one that has ended, one that is not there."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        id = make(caller, "running", metadata={"simulator.shutdown": "ignore"})
        caller.call("VM.shutdown", {"vmId": id, "ways": ["acpi"], "guestTimeout": 60})
        [running] = caller.call("Task.list", {"filter": {"states": ["running"], "objectId": id}})["items"]
        [ended] = caller.call("Task.list", {"filter": {"states": ["done"], "objectId": id}})["items"]
        for method in ("Task.delete", "Task.cancel", "Task.delete"):
            for task in (running["id"], ended["id"], str(uuid.uuid4()), "no id"):
                agree(caller, method, {"taskId": task})
            if method == "Task.cancel":
                caller.call("Task.wait", {"taskId": running["id"], "seconds": 45})


def test_rights_do_what_their_plans_say(vdsmd: StartVdsmd, chance: random.Random) -> None:
    """Roles, grants and tokens: made, made again, taken away, taken away again."""
    daemon = vdsmd(hypervisor="simulator:1", listen=None)
    everywhere: Params = {"kind": "everywhere"}
    scopes: list[Params] = [everywhere, {"kind": "project", "project": "web"}, {"kind": "object", "type": "vm", "id": str(uuid.uuid4())}]
    roles = ["reader", "watcher", "nobody"]
    with Caller(daemon.socket) as caller:
        calls: list[tuple[str, Params]] = [
            ("Access.defineRole", {"name": name, "permissions": permissions, "summary": "Test"})
            for name in ("watcher", "reader")
            for permissions in (["vm.read"], ["vm.fly", "vm.swim"])
        ]
        calls += [
            ("Access.grant", {"identity": "user:alice", "role": role, "scope": scope} | more)
            for role in roles
            for scope in scopes
            for more in ({}, {"expiresAt": "2001-01-01T00:00:00Z"}, {"expiresAt": "2101-01-01T00:00:00Z"})
        ]
        calls += [
            ("Identity.createToken", {"label": "x", "role": role, "scope": scope} | more)
            for role in roles
            for scope in scopes
            for more in ({}, {"identity": "user:bob"})
        ]
        chance.shuffle(calls)
        for method, params in [*calls, *calls[:5]]:
            agree(caller, method, params)
        grants = [grant["id"] for grant in caller.call("Access.list", {})["items"]]
        tokens = [token["id"] for token in caller.call("Identity.listTokens", {})["items"]]
        for name in roles:
            agree(caller, "Access.deleteRole", {"name": name})
        for method, member, ids in (("Access.revoke", "grantId", grants), ("Identity.revokeToken", "tokenId", tokens)):
            assert ids
            for id in [*ids, ids[0], str(uuid.uuid4()), "no id"]:
                agree(caller, method, {member: id})
        for name in roles:
            agree(caller, "Access.deleteRole", {"name": name})


def test_subscriptions_do_what_their_plans_say(vdsmd: StartVdsmd) -> None:
    """On a connection that stays open."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        agree(caller, "Event.subscribe", {"topics": ["vm.#"], "subscriptionId": "s1"})
        agree(caller, "Event.subscribe", {"topics": 3})
        agree(caller, "Event.unsubscribe", {"subscriptionId": "s1"})
        agree(caller, "Event.unsubscribe", {})


def test_closing_connections_does_what_its_plan_says(vdsmd: StartVdsmd) -> None:
    """One that is there, the same once more, and what is no connection at all."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller, Caller(daemon.socket) as other:
        caller.call("Host.ping", {})
        other.call("Host.ping", {})
        ids = [each["id"] for each in caller.call("Connection.list", {})["items"]]
        assert len(ids) == 2
        for id in [ids[1], ids[1], "c99", "no id", ""]:
            agree(caller, "Connection.close", {"connectionId": id})
        agree(caller, "Connection.close", {"connectionId": 5})


def test_queues_do_what_their_plans_say(vdsmd: StartVdsmd, chance: random.Random) -> None:
    """Made, made again, emptied, moved into one another and into nothing, removed, removed again."""
    daemon = vdsmd(hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        for name in ("work", "other", "work", "-", ""):
            agree(caller, "Queue.create", {"name": name, "deadLetter": "dead"})
        agree(caller, "Queue.create", {"name": "third", "maxMessages": 0, "overflow": "spill"})
        calls: list[tuple[str, Params]] = [("Queue.purge", {"queueId": name}) for name in ("work", "nobody")]
        calls += [
            ("Queue.move", {"queueId": source, "target": target}) for source in ("work", "nobody") for target in ("other", "work", "gone")
        ]
        calls += [("Queue.delete", {"queueId": name, "ifEmpty": is_empty}) for name in ("work", "nobody") for is_empty in (True, False)]
        chance.shuffle(calls)
        for method, params in [*calls, *calls[:4]]:
            agree(caller, method, params)


def test_every_changing_verb_is_planned_here() -> None:
    """A verb that is new comes with its cases."""
    others = {"Access", "Identity", "Task", "Event", "Certificate", "Connection", "Queue"}
    planned = {name for name in MUTATING if name.partition(".")[0] in others} | set(ABOUT_VMS) | {"VM.create"}
    assert planned - SECRETS == set(MUTATING) - SECRETS
    assert {"Certificate.enrol"} == SECRETS


def test_certificates_do_what_their_plans_say(vdsmd: StartVdsmd) -> None:
    """Made, followed, revoked, followed no more; those of the host itself are left alone."""
    daemon = vdsmd("--listen", "127.0.0.1:0", hypervisor="simulator:0", listen=None)
    with Caller(daemon.socket) as caller:
        agree(caller, "Certificate.issue", {"identity": "user:alice"})
        agree(caller, "Certificate.issue", {"identity": "alice", "days": 0})
        agree(caller, "Certificate.createEnrolment", {"identity": "user:alice"})
        agree(caller, "Certificate.createEnrolment", {"identity": "user:alice", "expiresIn": 1})
        found = caller.call("Certificate.list")["items"]
        assert {each["kind"] for each in found} >= {"client"}
        for method in ("Certificate.renew", "Certificate.revoke", "Certificate.renew", "Certificate.revoke"):
            for id in [*(each["id"] for each in found), str(uuid.uuid4()), "no id"]:
                agree(caller, method, {"certificateId": id})


def test_a_plan_changes_nothing(vdsmd: StartVdsmd) -> None:
    """No event, no task, no audit, no machine comes of any question."""
    daemon = vdsmd(hypervisor="simulator:2", listen=None)
    with Caller(daemon.socket) as caller:
        caller.call("Host.getStats")
        vms = caller.call("VM.list")["items"]
        before, tasks = quiet(caller), caller.call("Task.list")
        for name in METHODS:
            for vm in vms:
                caller.call("Plan.check", {"method": name, "params": {"vmId": vm["id"]}})
                caller.call("Plan.check", {"method": name, "params": {"vmId": vm["id"], "name": "x", "config": {"memory": 2**28}}})
        assert (caller.call("Task.list"), caller.call("VM.list")["items"]) == (tasks, vms)
        assert caller.call("Event.read", {"after": before, "topics": ["vm.#", "task.#"]})["items"] == []
