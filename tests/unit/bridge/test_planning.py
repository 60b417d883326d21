"""``Plan.check`` tells everything that speaks against a call, in the words of the refusal, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from libvdsm.base.clock import ManualClock
from libvdsm.base.errors import ApiError
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.bridge.places import ObjectPlaces
from libvdsm.bridge.planning import Check, Gate, Planner, store_gate, task_gate
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    DeadlineExceeded,
    MethodNotFound,
    NotACancellableTask,
    StateFull,
    WrongState,
)
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import PlanCheckParams
from libvdsm.interfaces.journal import DesiredDocument
from libvdsm.interfaces.messages import Cause, Checked, Observed
from libvdsm.interfaces.method import MethodEntry
from libvdsm.inventory.inventory import Inventory
from libvdsm.ipc import failures
from libvdsm.journal.memory import MemoryDocuments, MemoryJournal
from libvdsm.journal.recorder import Recorder
from libvdsm.tasks.tasks import Tasks

VM_1 = "11111111-1111-4111-8111-111111111111"
FOREIGN = "22222222-2222-4222-8222-222222222222"
ABSENT = "33333333-3333-4333-8333-333333333333"
DAEMON = Cause(kind="daemon")


class Port:
    """A worker that answers ``work.check`` as it is told."""

    def __init__(self) -> None:
        self.name = "virt"
        self.up = True
        self.answer: Checked | ApiError = MethodNotFound(method="work.check")
        self.asked: list[tuple[str, Any, Any]] = []

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> asyncio.Future[bytes]:
        assert 0 < timeout_s < METHODS["Plan.check"].timeout_s
        self.asked.append((method, json.loads(params), json.loads(meta)))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if isinstance(self.answer, ApiError):
            future.set_exception(self.answer)
        else:
            future.set_result(msgspec.json.encode(self.answer))
        return future

    def is_up(self) -> bool:
        return self.up

    def reason(self) -> str:
        return "" if self.up else "it was killed"

    def says(self, *reasons: ApiError, nothing_to_do: bool = False) -> None:
        self.answer = Checked(reasons=[Raw(failures.to_bytes(each, "test")) for each in reasons], nothingToDo=nothing_to_do)


class World:
    """A planner with all that it asks."""

    def __init__(self, gates: Sequence[Gate] = (), checks: Mapping[str, Check] | None = None, *, seen: bool = True) -> None:
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.documents = MemoryDocuments()
        recorder = Recorder(self.journal, self.clock)
        self.inventory = Inventory(recorder=recorder, documents=self.documents, clock=self.clock, host={})
        self.tasks = Tasks(recorder=recorder, clock=self.clock)
        self.port = Port()
        places = ObjectPlaces(self.inventory, self.tasks)
        self.planner = Planner(
            methods=METHODS,
            inventory=self.inventory,
            places=places,
            documents=self.documents,
            ports={"virt": self.port},
            authorise=Authority(places).require,
            gates=gates,
            checks=checks,
        )
        if seen:
            self.inventory.snapshot("vm", [self.observed("stopped"), self.observed("stopped", FOREIGN)], DAEMON)

    @staticmethod
    def observed(state: str, id: str = VM_1) -> Observed:
        document = {"name": "web", "state": state, "config": {}, "project": "other" if id == FOREIGN else "mine"}
        return Observed(id=id, document=Raw(msgspec.json.encode(document)), generation=7)

    def state(self, state: str) -> None:
        self.inventory.changed("vm", self.observed(state), DAEMON)

    @staticmethod
    def caller(may: tuple[str, ...] | None) -> Caller:
        """Somebody who may do everything, or something in the project ``mine``."""
        rights = Rights(frozenset(PERMISSIONS)) if may is None else Rights(projects={"mine": frozenset(may)})
        return Caller(identity="ada", source="unix", roles=(), rights=rights)

    async def check(
        self, method: str, params: object = None, *, expected: int | None = None, may: tuple[str, ...] | None = None
    ) -> dict[str, Any]:
        given = Raw(msgspec.json.encode({"vmId": VM_1} if params is None else params))
        answer = await self.planner.plan_check(self.caller(may), PlanCheckParams(method=method, params=given, expected_generation=expected))
        found: dict[str, Any] = json.loads(answer)
        assert found["possible"] is not bool(found["reasons"])
        return found


@pytest.fixture
def world() -> World:
    return World()


def names(answer: dict[str, Any]) -> list[str]:
    return [reason["error"] for reason in answer["reasons"]]


async def test_what_nothing_speaks_against_is_possible(world: World) -> None:
    """Nothing more is said."""
    world.port.says()
    assert await world.check("VM.start") == {"possible": True, "reasons": []}


async def test_no_reason_hides_another() -> None:
    """The rights, each fault of the parameters, the generation, the state, the store, the limits and the worker at once."""
    full = StateFull(reason="no space left")

    def no_room(_caller: Caller, _entry: MethodEntry) -> Iterator[ApiError]:
        yield full

    world = World(gates=(no_room,))
    world.state("running")
    world.port.up = False
    answer = await world.check("VM.start", {"vmId": VM_1, "paused": 3, "odd": True}, expected=6, may=("vm.read",))
    assert names(answer) == [
        "PermissionDenied",
        "InvalidParams",
        "InvalidParams",
        "GenerationConflict",
        "StateFull",
        "SubsystemUnavailable",
        "WrongState",
    ]
    assert [reason.get("path") for reason in answer["reasons"][1:3]] == ["$.paused", "$.odd"]


async def test_a_reason_is_the_refusal_itself(world: World) -> None:
    """Number, words, remedy and path are those of the error that the call would answer."""
    error = WrongState(type="vm", id=VM_1, state="running", needs="stopped, hibernated")
    world.port.says(error)
    [reason] = (await world.check("VM.start"))["reasons"]
    assert reason == {
        "error": "WrongState",
        "code": error.number,
        "message": error.message,
        "remedy": error.remedy,
        "retryable": False,
    }


async def test_a_generation_is_not_expected_of_what_has_none(world: World) -> None:
    """The plan says what the call would."""
    asked = {"name": "a", "config": {"memory": 268435456}}
    reasons = (await world.check("VM.create", asked, expected=3))["reasons"]
    assert [(reason["error"], reason.get("path")) for reason in reasons] == [("InvalidParams", "$.meta.expectedGeneration")]


async def test_an_unknown_verb_is_an_error_of_the_question(world: World) -> None:
    """There is nothing to plan."""
    with pytest.raises(MethodNotFound, match=r"VM\.fly"):
        await world.check("VM.fly")


@pytest.mark.parametrize("rights", (("vm.power", "vm.read"), ("vm.power",), ("vm.read",), ()))
async def test_foreign_and_absent_are_alike_in_every_octet(world: World, rights: tuple[str, ...]) -> None:
    """Nothing more is said of what one may not see, and nobody is asked about it."""
    world.port.says(AlreadyExists(type="vm", id="x"))
    told = [
        json.dumps(await world.check("VM.start", {"vmId": id, "paused": 1}, expected=3, may=rights)).replace(id, "ID")
        for id in (FOREIGN, ABSENT)
    ]
    assert told[0] == told[1]
    assert world.port.asked == []


async def test_who_may_look_and_not_act_is_told_both(world: World) -> None:
    """The lack of the right, and the state that he can see anyway; the worker is asked for nobody who may not."""
    world.state("running")
    answer = await world.check("VM.start", may=("vm.read",))
    assert names(answer) == ["PermissionDenied", "WrongState"]
    assert names(await world.check("VM.start", may=())) == ["PermissionDenied"]
    assert world.port.asked == []


async def test_the_worker_is_asked_with_what_travels_with_the_verb(world: World) -> None:
    """Parameters by name, the object's generation, and what was desired of it."""
    world.documents.put("vm", VM_1, DesiredDocument(7, b'{"name":"web"}'))
    world.port.says()
    await world.check("VM.start", [VM_1, True], expected=7)
    [(method, question, meta)] = world.port.asked
    assert (method, question) == ("work.check", {"method": "VM.start", "params": {"vmId": VM_1, "paused": True}})
    assert (meta["identity"], meta["generation"], meta["expectedGeneration"], meta["desired"]) == ("ada", 7, 7, {"name": "web"})


async def test_what_front_and_worker_both_say_is_said_once(world: World) -> None:
    """A conflict that both see, and a state that only the worker may judge: it looks at the machine itself."""
    world.state("running")
    conflict = (await world.check("VM.start", expected=6))["reasons"][0]
    world.port.says(
        failures.rebuild("GenerationConflict", {"type": "vm", "id": VM_1, "expected": 6, "actual": 7}) or MethodNotFound(method=""),
        WrongState(type="vm", id=VM_1, state="crashed", needs="stopped"),
    )
    answer = await world.check("VM.start", expected=6)
    assert names(answer) == ["GenerationConflict", "WrongState"]
    assert answer["reasons"][0] == conflict
    assert "crashed" in answer["reasons"][1]["message"]


async def test_the_worker_knows_better_than_the_table(world: World) -> None:
    """Such as that force makes a running machine deletable."""
    world.state("running")
    world.port.says()
    assert (await world.check("VM.delete", {"vmId": VM_1, "force": True}))["possible"]


async def test_without_an_answer_of_the_worker_the_table_decides(world: World) -> None:
    """Whether it is not there or cannot say."""
    world.state("running")
    assert names(await world.check("VM.start")) == ["WrongState"]
    world.port.up = False
    assert names(await world.check("VM.start")) == ["SubsystemUnavailable", "WrongState"]


async def test_a_worker_that_does_not_answer_is_a_reason(world: World) -> None:
    """The call would fare no better."""
    world.port.answer = DeadlineExceeded(seconds=5)
    assert names(await world.check("VM.start")) == ["DeadlineExceeded"]


async def test_nothing_to_do_is_said_where_all_is_so_already(world: World) -> None:
    """By the worker, or by the table where it cannot say; never beside a reason against it."""
    assert await world.check("VM.stop") == {"possible": True, "nothingToDo": True, "reasons": []}
    world.port.says(nothing_to_do=True)
    assert (await world.check("VM.stop"))["nothingToDo"]
    assert "nothingToDo" not in await world.check("VM.stop", expected=1)


async def test_faults_of_the_parameters_are_those_of_the_refusal(world: World) -> None:
    """All of them, each with its path; the object is looked at all the same if its id is sound."""
    answer = await world.check("VM.create", {"config": {"memory": 1, "vcpus": 0, "disks": [{"source": {"kind": "tape"}}, 3]}, "odd": 1})
    assert [reason["path"] for reason in answer["reasons"]] == [
        "$.config.memory",
        "$.config.vcpus",
        "$.config.disks[0].source.kind",
        "$.config.disks[1]",
        "$.odd",
        "$.name",
    ]
    assert names(await world.check("VM.start", {"vmId": "X"})) == ["InvalidParams"]
    assert names(await world.check("VM.start", {"vmId": ABSENT, "odd": 1})) == ["InvalidParams", "ObjectNotFound"]
    assert names(await world.check("VM.start", {})) == ["InvalidParams"]
    assert names(await world.check("VM.start", 3)) == ["InvalidParams"]
    assert names(await world.check("Task.list", None)) == ["InvalidParams"]


async def test_null_as_parameters_is_none_at_all(world: World) -> None:
    """As in a call."""
    answer = await world.planner.plan_check(
        Caller(identity="ada", source="unix", roles=(), rights=Rights()), PlanCheckParams(method="Host.ping", params=Raw(b"null"))
    )
    assert json.loads(answer) == {"possible": True, "reasons": []}


async def test_a_query_is_judged_by_rights_parameters_and_existence(world: World) -> None:
    """No worker is asked; its own answer is the question."""
    assert names(await world.check("VM.get", {"vmId": ABSENT})) == ["ObjectNotFound"]
    assert (await world.check("VM.get"))["possible"]
    world.state("running")
    assert (await world.check("VM.screenshot"))["possible"]
    assert world.port.asked == []


async def test_tasks_have_their_own_checks() -> None:
    """A verb of the front is judged by whoever carries it out."""

    def refuse(_caller: Caller, params: Any) -> Iterator[ApiError]:
        yield NotACancellableTask(id=params.task_id, method="VM.start")

    world = World(checks={"Task.cancel": refuse})
    task = world.tasks.create(id=ABSENT, method="VM.start", subject=None, subsystem="virt", identity="ada", flow_id=None, unit="percent")
    assert names(await world.check("Task.cancel", {"taskId": task.id})) == ["NotACancellableTask"]
    assert names(await world.check("Task.cancel", {"taskId": VM_1})) == ["ObjectNotFound"]


class FullStore:
    """A store of which only the check is asked."""

    def check(self, *, deletes: bool = False) -> None:
        if not deletes:
            raise StateFull(reason="no space left")


async def test_what_cannot_be_recorded_is_not_possible_and_deletions_are() -> None:
    """As the call itself is refused before anything is done."""
    store: Any = FullStore()
    world = World(gates=(store_gate(store, lambda entry: entry.name == "VM.delete"),))
    world.port.says()
    assert names(await world.check("VM.start")) == ["StateFull"]
    assert (await world.check("VM.delete"))["possible"]
    assert (await world.check("VM.get"))["possible"]


async def test_limits_are_reasons() -> None:
    """An operation needs room for its task; a command does not."""
    gates: list[Gate] = []
    world = World(gates=gates)
    accounts = Accounts(IdentityLimits(tasks=1), world.clock.monotonic)
    gates.append(task_gate(world.tasks, accounts, 1))
    world.port.says()
    assert (await world.check("VM.start"))["possible"]
    world.tasks.create(id=ABSENT, method="VM.start", subject=None, subsystem="virt", identity="ada", flow_id=None, unit="percent")
    assert names(await world.check("VM.start")) == ["LimitExceeded"]
    accounts.of(world.caller(None)).tasks.take()
    assert [reason["message"] for reason in (await world.check("VM.start"))["reasons"]] == [
        "the limit of 1 tasks under way is reached",
        "the limit of 1 tasks under way of an identity is reached",
    ]
    assert (await world.check("VM.pause"))["possible"]


async def test_nothing_changes(world: World) -> None:
    """No task, no record, and of the worker nothing is wanted but its opinion."""
    world.port.says()
    before = (world.journal.last, [task.id for task in world.tasks], [item.fragment for item in world.inventory.vms])
    for name, entry in METHODS.items():
        for example in ({}, {entry.object_param or "x": VM_1}):
            await world.check(name, example)
    assert before == (world.journal.last, [task.id for task in world.tasks], [item.fragment for item in world.inventory.vms])
    assert {method for method, _, _ in world.port.asked} == {"work.check"}


async def test_before_the_first_snapshot_it_waits_as_the_call_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Just after a start an object is not called absent that nobody has looked for yet."""
    world = World(seen=False)
    asking = asyncio.ensure_future(world.check("VM.start"))
    await asyncio.sleep(0)
    assert not asking.done()
    world.inventory.snapshot("vm", [World.observed("running")], DAEMON)
    assert names(await asking) == ["WrongState"]
    monkeypatch.setattr("libvdsm.bridge.planning.FIRST_SNAPSHOT_S", 0.001)
    assert names(await World(seen=False).check("VM.start")) == ["SubsystemUnavailable"]
