"""What changes something: once, journalled before, recorded after, and found out when its end was not seen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest
from msgspec import Raw

from libvdsm.base import faultpoints
from libvdsm.base.clock import timestamp
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import (
    AnswerNotKept,
    DeadlineExceeded,
    HypervisorError,
    HypervisorUnavailable,
    IdempotencyConflict,
    Interrupted,
    InvalidParams,
    LimitExceeded,
    NotACancellableTask,
    OutcomeUnknown,
    PermissionDenied,
    ResourceBusy,
    ShuttingDown,
    StateFull,
    StateUnavailable,
    SubsystemUnavailable,
    TooLate,
)
from libvdsm.interfaces.messages import Cause
from libvdsm.journal.memory_store import MemoryStore
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import VM_1, FakePort, Front

LOST = SubsystemUnavailable(subsystem="virt", reason="killed")


def begin(front: Front, method: str = "VM.pause", **options: object) -> asyncio.Future[dict[str, object]]:
    """Call a verb on the one machine and let it go on."""
    return asyncio.ensure_future(front.later_answer(method, {"vmId": VM_1}, options or None))


def answer(port: FakePort, place: int, told: object) -> None:
    """The worker answers its call number ``place``."""
    port.calls[place].future.set_result(json.dumps(told).encode())


def recovered(front: Front, outcome: str, **more: object) -> None:
    """The worker that was asked what became of it answers."""
    call = front.port.calls[-1]
    assert call.method == "work.recover"
    call.future.set_result(json.dumps({"outcome": outcome, **more}).encode())


def next_worker(front: Front) -> None:
    """A worker takes the place of the one before and tells what there is."""
    front.reports.lost("virt", "killed")
    front.reports.attached("virt")
    vms = [{"id": item.id, "document": _bare(item.document())} for item in front.inventory.vms]
    told = {"type": "vm", "objects": vms, "cause": {"kind": "resync"}}
    front.reports.report("virt", "report.snapshot", Raw(json.dumps(told).encode()))


def _bare(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name in ("name", "state", "config", "restartNeeded")}


@pytest.fixture
def store() -> MemoryStore:
    """What outlives a front."""
    return MemoryStore()


def life(store: MemoryStore) -> Front:
    """A front over the store."""
    front = Front(store=store)
    front.observe()
    front.seen()
    return front


async def test_an_intent_is_on_disk_before_the_worker_hears(store: MemoryStore) -> None:
    """And it is gone with the record of the outcome."""
    front = life(store)
    waiting = begin(front)
    await asyncio.sleep(0)
    assert not front.port.calls
    await front.turns()
    (kept,) = store.load("intent").values()
    intent = json.loads(kept)
    assert (intent["method"], intent["subject"], intent["actor"]["identity"]) == ("VM.pause", ["vm", VM_1], "unix:0")
    assert front.port.calls[0].meta["operationId"] == intent["id"]
    answer(front.port, 0, {})
    assert await waiting == {}
    assert not store.load("intent")
    assert [(deed.method, deed.outcome, deed.operation_id) for deed in front.trail.deeds] == [("VM.pause", "done", intent["id"])]


async def test_what_cannot_be_journalled_is_not_done(store: MemoryStore) -> None:
    """A full or failed disk refuses before the worker; what makes room may go on while the store lets it."""
    front = life(store)
    store.become("full", "no space left on device")
    with pytest.raises(StateFull):
        await begin(front)
    store.become("ok")
    waiting = begin(front, "VM.start", idempotencyKey="k")
    store.become("failed", "input/output error")
    with pytest.raises(StateUnavailable):
        await waiting
    assert not front.port.calls
    assert front.tasks.running() == 0
    store.become("ok")
    again = begin(front, "VM.start", idempotencyKey="k")
    assert (await again)["task"]
    await front.turns()
    assert [call.method for call in front.port.calls] == ["VM.start"]


@pytest.mark.parametrize("error", (LOST, DeadlineExceeded(seconds=20.0)))
async def test_what_a_lost_worker_has_done_is_found_out(store: MemoryStore, error: ApiError) -> None:
    """The next worker is asked, and its finding is the answer."""
    front = life(store)
    waiting = begin(front)
    await front.turns()
    operation = front.port.calls[0].meta["operationId"]
    front.port.calls[0].future.set_exception(error)
    next_worker(front)
    await front.turns()
    asked = front.port.calls[1]
    assert (asked.method, asked.params["method"], asked.meta["operationId"]) == ("work.recover", "VM.pause", operation)
    recovered(front, "done", result={})
    assert await waiting == {}
    assert front.trail.deeds[-1].outcome == "done"


async def test_what_had_no_effect_may_be_sent_again(store: MemoryStore) -> None:
    """The caller is told so, and the same key runs it anew."""
    front = life(store)
    waiting = begin(front, idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(LOST)
    next_worker(front)
    await front.turns()
    recovered(front, "absent")
    with pytest.raises(Interrupted):
        await waiting
    again = begin(front, idempotencyKey="k")
    await front.turns()
    answer(front.port, -1, {})
    assert await again == {}
    assert [call.method for call in front.port.calls] == ["VM.pause", "work.recover", "VM.pause"]


async def test_a_probe_of_none_is_never_looked_for(store: MemoryStore) -> None:
    """Its end is unknown, at once and also for whoever repeats the call."""
    front = life(store)
    waiting = begin(front, "VM.reset", idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(LOST)
    with pytest.raises(OutcomeUnknown):
        await waiting
    with pytest.raises(OutcomeUnknown):
        await begin(front, "VM.reset", idempotencyKey="k")
    accepted: Any = await begin(front, "VM.reboot")
    await front.turns()
    front.port.calls[1].future.set_exception(LOST)
    ended: Any = await front.later_answer("Task.wait", {"taskId": accepted["task"]["id"]})
    assert (ended["state"], ended["error"]["data"]["error"]) == ("unknown", "OutcomeUnknown")
    assert len(front.port.calls) == 2


async def test_nothing_is_begun_on_an_object_until_it_is_known(store: MemoryStore) -> None:
    """A second deed waits for what is found out of the first."""
    front = life(store)
    first = begin(front)
    await front.turns()
    front.port.calls[0].future.set_exception(LOST)
    next_worker(front)
    await front.turns()
    second = begin(front, "VM.resume")
    await front.turns()
    assert [call.method for call in front.port.calls] == ["VM.pause", "work.recover"]
    recovered(front, "done")
    await first
    await front.turns()
    answer(front.port, -1, {})
    assert await second == {}


async def test_the_next_life_finds_out(store: MemoryStore) -> None:
    """Task, answer and audit of a call that was under way when the front died."""
    before = life(store)
    accepted: Any = await begin(before, "VM.start", idempotencyKey="k")
    await before.turns()
    after = life(store)
    after.deeds.recover()
    id = accepted["task"]["id"]
    assert accepted["task"]["cancellable"]
    assert after.tasks.get(id).state == "running"
    with pytest.raises(NotACancellableTask):
        await after.later_answer("Task.cancel", {"taskId": id})
    shown: Any = await after.later_answer("Task.get", {"taskId": id})
    assert not shown["cancellable"], "there is nothing left to stop"
    next_worker(after)
    await after.turns()
    recovered(after, "done", result={})
    ended: Any = await after.later_answer("Task.wait", {"taskId": id})
    assert ended["state"] == "done"
    again: Any = await begin(after, "VM.start", idempotencyKey="k")
    assert again["task"]["id"] == id
    assert [(deed.method, deed.outcome) for deed in after.trail.deeds] == [("Task.cancel", "failed"), ("VM.start", "done")]
    assert not store.load("intent")


async def test_a_command_of_a_life_before_is_answered_once_it_is_known(store: MemoryStore) -> None:
    """Whoever repeats it meanwhile waits; it is not run again."""
    before = life(store)
    begin(before, idempotencyKey="k")
    await before.turns()
    after = life(store)
    after.deeds.recover()
    repeated = begin(after, idempotencyKey="k")
    await after.turns()
    assert not after.port.calls
    next_worker(after)
    await after.turns()
    recovered(after, "done", result={})
    assert await repeated == {}
    assert await begin(life(store), idempotencyKey="k") == {}


async def test_answers_survive_and_conflicts_as_well(store: MemoryStore) -> None:
    """A result and a failure are answered again by the next life; another call with the key is refused."""
    front = life(store)
    waiting = begin(front, idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorError(call="suspend", number=1, reason="no"))
    with pytest.raises(HypervisorError):
        await waiting
    after = life(store)
    with pytest.raises(HypervisorError) as caught:
        await begin(after, idempotencyKey="k")
    assert caught.value.params["reason"] == "no"
    with pytest.raises(IdempotencyConflict):
        await begin(after, "VM.resume", idempotencyKey="k")
    assert not after.port.calls


async def test_an_answer_with_a_ticket_is_not_kept(store: MemoryStore) -> None:
    """It is given once; who repeats the call learns why there is none."""
    front = life(store)
    waiting = begin(front, "Console.open", idempotencyKey="k")
    await front.turns()
    told = {"ticket": "hidden", "path": "/stream/hidden", "protocol": "serial", "expiresAt": "2026-01-01T00:00:30Z"}
    answer(front.port, 0, told)
    assert await waiting == told
    with pytest.raises(AnswerNotKept):
        await begin(front, "Console.open", idempotencyKey="k")
    await store.commit()
    kept = [data for kind in ("answer", "intent", "task") for data in store.load(kind).values()]
    assert kept
    assert not any(b"hidden" in data for data in kept)


async def test_keys_are_forgotten_by_age_only_when_time_has_passed() -> None:
    """A day by the clock that cannot jump."""
    front = life(MemoryStore())
    for _ in range(2):
        waiting = begin(front, idempotencyKey="k")
        await front.turns()
        answer(front.port, -1, {})
        await waiting
        front.clock.advance(86_401)
    assert len(front.port.calls) == 2


async def test_closing_leaves_what_runs_to_the_next_life(store: MemoryStore) -> None:
    """Callers are told that it will be known; nothing is called ended that was not seen to end."""
    front = life(store)
    accepted: Any = await begin(front, "VM.start")
    waiting = begin(front, "VM.pause")
    await front.turns()
    await front.bridge.close()
    with pytest.raises(OutcomeUnknown):
        await waiting
    with pytest.raises(ShuttingDown):
        await begin(front)
    assert len(store.load("intent")) == 2
    assert life(store).tasks.get(accepted["task"]["id"]).state == "running"


async def test_a_caller_that_goes_away_stops_nothing(store: MemoryStore) -> None:
    """What was begun is carried to its end and recorded."""
    front = life(store)
    waiting = begin(front)
    await front.turns()
    waiting.cancel()
    answer(front.port, 0, {})
    await front.turns()
    assert front.trail.deeds[-1].outcome == "done"
    assert not store.load("intent")


async def test_every_point_is_passed_in_its_order(store: MemoryStore) -> None:
    """Those of the front; the worker passes its own between them."""
    front = life(store)
    passed: list[tuple[str, str]] = []
    faultpoints.set_hook(lambda verb, point: passed.append((verb, point)))
    try:
        waiting = begin(front)
        await front.turns()
        answer(front.port, 0, {})
        await waiting
    finally:
        faultpoints.clear_hook()
    assert passed == [("VM.pause", point) for point in ("before_journal", "after_journal", "before_answer")]


async def test_closing_tells_whoever_has_a_key_to_ask_again(store: MemoryStore) -> None:
    """The next life answers him by the same key, so his end is not called unknown in this one."""
    front = life(store)
    waiting = begin(front, "VM.pause", idempotencyKey="k")
    await front.turns()
    await front.bridge.close()
    with pytest.raises(ShuttingDown) as raised:
        await waiting
    assert raised.value.retryable
    assert len(store.load("intent")) == 1


async def test_a_stored_answer_outlives_its_object_its_generation_and_the_disk(store: MemoryStore) -> None:
    """Whoever repeats a deletion is told that it was done, not that there is nothing to delete."""
    front = life(store)
    waiting = begin(front, "VM.pause", idempotencyKey="k", expectedGeneration=0)
    await front.turns()
    answer(front.port, 0, {})
    first = await waiting
    front.inventory.removed("vm", VM_1, Cause(kind="hypervisor"))
    store.become("full", "no space left on device")
    assert await begin(front, "VM.pause", idempotencyKey="k", expectedGeneration=0) == first
    assert len(front.port.calls) == 1
    with pytest.raises(StateFull):
        await begin(front, "VM.pause", idempotencyKey="another")


async def test_the_audit_names_what_was_made(store: MemoryStore) -> None:
    """The object of a verb that makes one is known by its answer."""
    front = life(store)
    waiting = asyncio.ensure_future(front.later_answer("VM.create", {"name": "web", "config": {"memory": 16777216}}))
    await front.turns()
    answer(front.port, 0, {"vmId": VM_1, "generation": 1})
    await waiting
    assert front.trail.deeds[-1].object == ("vm", VM_1)


async def test_a_command_that_lost_its_hypervisor_is_told_so_at_once_and_found_out(store: MemoryStore) -> None:
    """Its caller need not wait; whoever sends it again by its key gets what was found."""
    front = life(store)
    waiting = begin(front, idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorUnavailable(reason="the connection was lost"))
    with pytest.raises(HypervisorUnavailable):
        await waiting
    next_worker(front)
    again = begin(front, idempotencyKey="k")
    await front.turns()
    assert not front.trail.deeds, "nobody knows yet"
    recovered(front, "done", result={})
    assert await again == {}
    assert [(deed.outcome, deed.method) for deed in front.trail.deeds] == [("done", "VM.pause")]
    assert not store.load("intent")
    assert [call.method for call in front.port.calls] == ["VM.pause", "work.recover"]


async def test_a_command_that_never_reached_its_hypervisor_can_be_sent_again(store: MemoryStore) -> None:
    """A failure that may pass is no answer for ever."""
    front = life(store)
    waiting = begin(front, idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorUnavailable(reason="not connected yet"))
    with pytest.raises(HypervisorUnavailable):
        await waiting
    next_worker(front)
    await front.turns()
    recovered(front, "absent", reason="it runs")
    await front.turns()
    again = begin(front, idempotencyKey="k")
    await front.turns()
    answer(front.port, -1, {})
    assert await again == {}
    assert [call.method for call in front.port.calls] == ["VM.pause", "work.recover", "VM.pause"]


async def test_the_end_of_a_task_that_lost_its_hypervisor_is_found_out(store: MemoryStore) -> None:
    """It may have been started before the connection broke."""
    front = life(store)
    accepted: Any = await begin(front, "VM.start", idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorUnavailable(reason="the connection was lost"))
    next_worker(front)
    await front.turns()
    recovered(front, "done", result={})
    await front.turns()
    assert front.tasks.get(accepted["task"]["id"]).state == "done"


async def test_what_nobody_can_look_at_is_unknown_when_the_hypervisor_is_lost(store: MemoryStore) -> None:
    """A reset leaves no trace."""
    front = life(store)
    waiting = begin(front, "VM.reset", idempotencyKey="k")
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorUnavailable(reason="the connection was lost"))
    with pytest.raises(OutcomeUnknown):
        await waiting


@pytest.mark.parametrize("error", (ResourceBusy(type="vm", id=VM_1, reason="migrating"), LimitExceeded(limit="stuck calls", maximum=12)))
async def test_a_refusal_that_may_pass_is_no_answer_for_ever(store: MemoryStore, error: ApiError) -> None:
    """What the subsystem has not begun can be sent again by the same key."""
    front = life(store)
    for method in ("VM.pause", "VM.start"):
        first = begin(front, method, idempotencyKey=method, wait=1)
        await front.turns()
        front.port.calls[-1].future.set_exception(error)
        with contextlib.suppress(ApiError):
            await first
        begin(front, method, idempotencyKey=method)
        await front.turns()
    assert [call.method for call in front.port.calls] == ["VM.pause", "VM.pause", "VM.start", "VM.start"]


async def test_what_was_done_is_answered_however_late_it_is_asked_for(store: MemoryStore) -> None:
    """A stored answer is no run; a late call without one is refused."""
    front = life(store)
    until = timestamp(front.clock.time() + 5)
    waiting = begin(front, idempotencyKey="k", notAfter=until)
    await front.turns()
    answer(front.port, 0, {})
    await waiting
    front.clock.advance(10)
    assert await begin(front, idempotencyKey="k", notAfter=until) == {}
    with pytest.raises(TooLate):
        await begin(front, idempotencyKey="l", notAfter=until)
    assert len(front.port.calls) == 1


@pytest.mark.parametrize("key", ({}, {"idempotencyKey": "k"}))
async def test_a_right_that_is_lost_while_a_call_waits_is_lost_for_that_call(store: MemoryStore, key: dict[str, str]) -> None:
    """It is not begun, and is on record as refused; with the right given back it is run, as if it had never come."""
    front = Front(store=store)
    place_vm(front, VM_1, "web")
    granted = await grant(front, "unix:1000", "operator", project="web")
    alice = user(front)
    waiting = asyncio.ensure_future(front.later_answer("VM.pause", {"vmId": VM_1}, key or None, caller=alice))
    await front.turns()
    await ask(front, front.admin, "Access.revoke", {"grantId": granted})
    front.seen()
    with pytest.raises(PermissionDenied):
        await waiting
    assert not front.port.calls
    assert [(deed.actor.identity, deed.method, deed.object, deed.error) for deed in front.trail.refusals] == [
        ("unix:1000", "VM.pause", ("vm", VM_1), "PermissionDenied")
    ]
    await grant(front, "unix:1000", "operator", project="web")
    again = asyncio.ensure_future(front.later_answer("VM.pause", {"vmId": VM_1}, key or None, caller=alice))
    await front.turns()
    answer(front.port, 0, {})
    assert await again == {}


@pytest.mark.parametrize(
    ("method", "params"),
    (("Access.defineRole", {"name": "w", "permissions": ["vm.read"]}), ("VM.create", {"name": "a", "config": {"memory": 268435456}})),
)
async def test_a_generation_is_not_expected_of_what_has_none(store: MemoryStore, method: str, params: dict[str, object]) -> None:
    """A guard that would guard nothing is refused, and nothing is done."""
    front = life(store)
    with pytest.raises(InvalidParams) as refused:
        await front.later_answer(method, params, {"expectedGeneration": 1})
    assert refused.value.path == "$.meta.expectedGeneration"
    assert not front.port.calls
    assert not front.trail.deeds
