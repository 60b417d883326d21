"""What each mutating verb needs before it, what it is called with, and how often it has had its effect.

One ``Scenario`` for every verb of the schema whose kind is not ``query``; ``test_matrix`` fails if one is missing.
Effects are counted where they happen: in the simulator's world for a worker's verbs, in lists for those of the front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.crash.caller import WAIT_S, Caller, Connection, Json
from tests.crash.tree import Daemon, until


@dataclass
class Stage:
    """A daemon with its machines: what a scenario is played on."""

    daemon: Daemon
    caller: Caller
    running: str  # ids of machines in this state
    stopped: str
    bystander: str
    word: str = "crash"  # names whatever is made
    made: Json = field(default_factory=dict)  # what a scenario has prepared

    @property
    def somebody(self) -> str:
        """An identity that nobody has."""
        return f"user:{self.word}"

    def befell(self, id: str, detail: str) -> int:
        """How often this has happened to a machine."""
        effects: dict[str, int] = self.daemon.world().get(id, {}).get("effects", {})
        return effects.get(detail, 0)

    def named(self) -> set[str]:
        """The machines that have been made with our word for a name."""
        return {id for id, machine in self.daemon.world().items() if self.word in str(machine.get("name"))}


Prepare = Callable[[Stage], None]
Params = Callable[[Stage], Json]
Count = Callable[[Stage], int]


def nothing(_stage: Stage) -> None:
    """Nothing needs to be prepared."""


@dataclass(frozen=True)
class Scenario:
    """How a verb is played; ``effects`` counts from 0, which it is after ``prepare``."""

    params: Params
    effects: Count | None  # None: nobody can see it
    prepare: Prepare = nothing
    other: Params = lambda _stage: {}  # members that make the parameters other ones
    targets: Callable[[Stage], set[str]] = lambda _stage: set()  # machines that may change
    overtaken: frozenset[str] = frozenset()  # a crash alone can have the effect too, and then the verb may end in these


def _running(stage: Stage) -> set[str]:
    return {stage.running}


def _stopped(stage: Stage) -> set[str]:
    return {stage.stopped}


def _bystander(stage: Stage) -> Json:
    return {"vmId": stage.bystander}


def _vm(kind: str, detail: str, prepare: Prepare = nothing, **params: Any) -> Scenario:
    """A verb on a machine whose effect is one thing that befalls it."""

    def target(stage: Stage) -> str:
        return stage.running if kind == "running" else stage.stopped

    def count(stage: Stage) -> int:
        return stage.befell(target(stage), detail) - int(stage.made.get("before", 0))

    def ready(stage: Stage) -> None:
        prepare(stage)
        stage.made["before"] = stage.befell(target(stage), detail)

    return Scenario(
        params=lambda stage: {"vmId": target(stage), **params},
        effects=count,
        prepare=ready,
        other=_bystander,
        targets=lambda stage: {target(stage)},
    )


def _pause_it(stage: Stage) -> None:
    stage.caller.ask("VM.pause", {"vmId": stage.running})


def _ignore_shutdown(stage: Stage) -> None:
    """A shutdown that lasts until it is cancelled."""
    stage.caller.ask("VM.update", {"vmId": stage.running, "config": {"metadata": {"simulator.shutdown": "ignore"}}})
    stage.caller.ask("VM.stop", {"vmId": stage.running})
    _await_state(stage, "stopped")
    stage.caller.ask("VM.start", {"vmId": stage.running})
    _await_state(stage, "running")
    stage.made["task"] = stage.caller.ask("VM.shutdown", {"vmId": stage.running, "guestTimeout": 60})["task"]["id"]


def _await_state(stage: Stage, state: str) -> None:
    until(lambda: stage.caller.ask("VM.get", {"vmId": stage.running})["state"] == state, f"it is {state}")


def _end_a_task(stage: Stage) -> None:
    task = stage.caller.ask("VM.start", {"vmId": stage.bystander})["task"]
    stage.made["task"] = stage.caller.ask("Task.wait", {"taskId": task["id"], "seconds": WAIT_S})["id"]


def _tasks(stage: Stage) -> dict[str, Json]:
    return {task["id"]: task for task in stage.caller.pages("Task.list")}


def _task_ended(stage: Stage) -> int:
    return int("endedAt" in _tasks(stage)[stage.made["task"]])


def _created(stage: Stage) -> int:
    return len(stage.named())


def _deleted(stage: Stage) -> int:
    return int("removed" in stage.daemon.world().get(stage.stopped, {}))


def _roles(stage: Stage) -> int:
    return sum(role["name"] == stage.word for role in stage.caller.ask("Access.listRoles")["items"])


def _define_role(stage: Stage) -> None:
    stage.caller.ask("Access.defineRole", {"name": stage.word, "permissions": ["vm.read"]})


def _grants(stage: Stage) -> int:
    return len(stage.caller.pages("Access.list", {"filter": {"identity": stage.somebody}}))


def _grant(stage: Stage) -> None:
    stage.made["grant"] = stage.caller.ask("Access.grant", {"identity": stage.somebody, "role": "reader"})["id"]


def _tokens(stage: Stage) -> int:
    return sum(token["label"] == stage.word for token in stage.caller.pages("Identity.listTokens"))


def _create_token(stage: Stage) -> None:
    stage.made["token"] = stage.caller.ask("Identity.createToken", {"label": stage.word, "role": "reader"})["tokenId"]


def _certificates(stage: Stage) -> list[Json]:
    return stage.caller.pages("Certificate.list", {"filter": {"identity": stage.somebody}})


def _issue(stage: Stage) -> None:
    stage.made["certificate"] = stage.caller.ask("Certificate.issue", {"identity": stage.somebody})["id"]


def _enrol(stage: Stage) -> None:
    stage.made["enrolment"] = stage.caller.ask("Certificate.createEnrolment", {"identity": stage.somebody})["token"]


def _connections(stage: Stage) -> set[str]:
    return {str(item["id"]) for item in stage.caller.pages("Connection.list")}


def _connect(stage: Stage) -> None:
    before = _connections(stage)
    line = Connection(stage.daemon.socket)
    stage.daemon.keep(line)
    line.call("Host.ping")
    (stage.made["connection"],) = _connections(stage) - before


def _queues(stage: Stage) -> int:
    return sum(item["id"] == stage.word for item in stage.caller.pages("Queue.list"))


def _create_queue(stage: Stage) -> None:
    stage.caller.ask("Queue.create", {"name": stage.word})


def _create_two_queues(stage: Stage) -> None:
    _create_queue(stage)
    stage.caller.ask("Queue.create", {"name": f"{stage.word}-other"})


_NOBODY: Final = "00000000-0000-4000-8000-000000000002"

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "VM.create": Scenario(
        params=lambda stage: {"name": stage.word, "config": {"memory": 268435456, "vcpus": 1}},
        effects=_created,
        other=lambda _stage: {"name": "another"},
        targets=Stage.named,  # its id is not known before
    ),
    "VM.update": _vm("stopped", "defined updated", config={"metadata": {"crash.note": "after"}}),
    "VM.delete": Scenario(params=lambda stage: {"vmId": stage.stopped}, effects=_deleted, other=_bystander, targets=_stopped),
    "VM.start": _vm("stopped", "started booted"),
    "VM.stop": _vm("running", "stopped destroyed"),
    "VM.shutdown": _vm("running", "stopped shutdown"),
    "VM.reboot": _vm("running", "reboot"),
    "VM.reset": _vm("running", "reboot"),
    "VM.pause": _vm("running", "suspended paused"),
    "VM.resume": _vm("running", "resumed unpaused", _pause_it),
    "Console.open": Scenario(
        # A console that nobody has come for is closed with its ticket: it leaves nothing that could be counted.
        params=lambda stage: {"vmId": stage.running, "kind": "serial"},
        effects=None,
        other=_bystander,
    ),
    "Access.defineRole": Scenario(
        params=lambda stage: {"name": stage.word, "permissions": ["vm.read"]}, effects=_roles, other=lambda _stage: {"name": "another"}
    ),
    "Access.deleteRole": Scenario(
        params=lambda stage: {"name": stage.word},
        effects=lambda stage: 1 - _roles(stage),
        prepare=_define_role,
        other=lambda _stage: {"name": "another"},
    ),
    "Access.grant": Scenario(
        params=lambda stage: {"identity": stage.somebody, "role": "reader"}, effects=_grants, other=lambda _stage: {"role": "operator"}
    ),
    "Access.revoke": Scenario(
        params=lambda stage: {"grantId": stage.made["grant"]},
        effects=lambda stage: 1 - _grants(stage),
        prepare=_grant,
        other=lambda _stage: {"grantId": _NOBODY},
    ),
    "Identity.createToken": Scenario(
        params=lambda stage: {"label": stage.word, "role": "reader"}, effects=_tokens, other=lambda _stage: {"label": "another"}
    ),
    "Identity.revokeToken": Scenario(
        params=lambda stage: {"tokenId": stage.made["token"]},
        effects=lambda stage: 1 - _tokens(stage),
        prepare=_create_token,
        other=lambda _stage: {"tokenId": _NOBODY},
    ),
    "Task.cancel": Scenario(
        params=lambda stage: {"taskId": stage.made["task"]},
        effects=_task_ended,
        prepare=_ignore_shutdown,
        other=lambda _stage: {"taskId": _NOBODY},
        targets=_running,
        overtaken=frozenset({"NotACancellableTask", "ObjectNotFound"}),
    ),
    "Task.delete": Scenario(
        params=lambda stage: {"taskId": stage.made["task"]},
        effects=lambda stage: int(stage.made["task"] not in _tasks(stage)),
        prepare=_end_a_task,
        other=lambda _stage: {"taskId": _NOBODY},
    ),
    "Certificate.issue": Scenario(
        params=lambda stage: {"identity": stage.somebody},
        effects=lambda stage: len(_certificates(stage)),
        other=lambda _stage: {"identity": "user:another"},
    ),
    "Certificate.renew": Scenario(
        params=lambda stage: {"certificateId": stage.made["certificate"]},
        effects=lambda stage: len(_certificates(stage)) - 1,
        prepare=_issue,
        other=lambda _stage: {"certificateId": _NOBODY},
    ),
    "Certificate.revoke": Scenario(
        params=lambda stage: {"certificateId": stage.made["certificate"]},
        effects=lambda stage: sum("revokedAt" in each for each in _certificates(stage)),
        prepare=_issue,
        other=lambda _stage: {"certificateId": _NOBODY},
    ),
    "Certificate.createEnrolment": Scenario(
        params=lambda stage: {"identity": stage.somebody}, effects=None, other=lambda _stage: {"identity": "user:another"}
    ),
    "Certificate.enrol": Scenario(
        params=lambda stage: {"token": stage.made["enrolment"]},
        effects=lambda stage: len(_certificates(stage)),
        prepare=_enrol,
        other=lambda _stage: {"token": "enrol-0000000000000000000000"},
    ),
    "Connection.close": Scenario(
        params=lambda stage: {"connectionId": stage.made["connection"]},
        effects=lambda stage: int(stage.made["connection"] not in _connections(stage)),
        prepare=_connect,
        other=lambda _stage: {"connectionId": "nobody"},
        overtaken=frozenset({"ObjectNotFound"}),
    ),
    "Queue.create": Scenario(params=lambda stage: {"name": stage.word}, effects=_queues, other=lambda _stage: {"name": "another"}),
    "Queue.delete": Scenario(
        params=lambda stage: {"queueId": stage.word},
        effects=lambda stage: 1 - _queues(stage),
        prepare=_create_queue,
        other=lambda _stage: {"queueId": "nobody"},
    ),
    "Queue.purge": Scenario(
        params=lambda stage: {"queueId": stage.word}, effects=None, prepare=_create_queue, other=lambda _stage: {"queueId": "nobody"}
    ),
    "Queue.move": Scenario(
        params=lambda stage: {"queueId": stage.word, "target": f"{stage.word}-other"},
        effects=None,
        prepare=_create_two_queues,
        other=lambda _stage: {"messageIds": ["nobody"]},
    ),
    # What they do is their connection's, and ends with it: nothing is journalled, so there is no point to be stopped at.
    "Event.subscribe": Scenario(params=lambda _stage: {"topics": ["vm.#"]}, effects=None),
    "Event.unsubscribe": Scenario(params=lambda _stage: {"subscriptionId": "s1"}, effects=None),
}
