"""The bridge does the same steps for every verb."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.errors import (
    HypervisorError,
    IdempotencyConflict,
    InvalidParams,
    MethodNotFound,
    ObjectNotFound,
    PermissionDenied,
    ShuttingDown,
    SubsystemUnavailable,
    TooLate,
    WrongState,
)
from libvdsm.interfaces.generated.methods import METHODS
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import VM_1, VM_2, FakePort, Front


@pytest.fixture
def front() -> Front:
    made = Front(verify=False)
    made.observe()
    made.seen()
    return made


def refused(front: Front, method: str, params: bytes, options: bytes | None = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        front.bridge.call(front.admin, method, params, options)
    return caught.value


def test_ping_is_answered_at_once(front: Front) -> None:
    """A query of the front comes back as bytes, without any loop."""
    assert front.bridge.call(front.admin, "Host.ping") == b'{"pong":true}'


def test_unknown_method_is_named(front: Front) -> None:
    """A verb that does not exist is told by its name."""
    error = refused(front, "VM.fly", b"{}")
    assert isinstance(error, MethodNotFound)
    assert error.params == {"method": "VM.fly"}


def test_stranger_is_denied_every_verb_with_a_permission(front: Front) -> None:
    """Default deny: an identity without rights is refused before its parameters are read."""
    stranger = front.access.unix(12345, 0, 1)
    for name, entry in METHODS.items():
        if entry.permission is not None:
            with pytest.raises(PermissionDenied):
                front.bridge.call(stranger, name, b"not even JSON")


@pytest.mark.parametrize(
    ("params", "path"),
    (
        (b'{"vmId": 5}', "$.vmId"),
        (b"{}", "$.vmId"),
        (b'{"vmId": "11111111-1111-4111-8111-111111111111", "x": 1}', "$.x"),
        (b"[1]", "$.vmId"),
        (b'["11111111-1111-4111-8111-111111111111", true, 2]', "$[2]"),
        (b"nonsense", "$"),
        (b"[" * 100_000, "$"),
        (b"5", "$"),
    ),
)
def test_bad_parameters_name_the_path(front: Front, params: bytes, path: str) -> None:
    """Whatever is wrong with the parameters, the error says where."""
    error = refused(front, "VM.get", params)
    assert isinstance(error, InvalidParams)
    assert error.path == path


def test_parameters_by_position(front: Front) -> None:
    """An array is taken in the pinned order."""
    answer = front.bridge.call(front.admin, "VM.get", json.dumps([VM_1]).encode())
    assert isinstance(answer, bytes)
    assert json.loads(answer)["id"] == VM_1


def test_unknown_object_is_refused_before_the_worker(front: Front) -> None:
    """A call about no object never reaches a subsystem."""
    error = refused(front, "VM.pause", b'{"vmId": "33333333-3333-4333-8333-333333333333"}')
    assert isinstance(error, ObjectNotFound)
    assert not front.port.calls


async def test_command_travels_raw_with_its_meta(front: Front) -> None:
    """The worker gets the parameters, an operation id, the identity and the generation."""
    answer = front.bridge.call(front.admin, "VM.pause", json.dumps({"vmId": VM_1}).encode(), b'{"flowId":"f"}')
    assert not isinstance(answer, bytes)
    waiting = asyncio.ensure_future(answer)
    await front.turns()
    (call,) = front.port.calls
    assert (call.method, call.params, call.timeout_s) == ("VM.pause", {"vmId": VM_1}, 20)
    assert call.meta.items() >= {"identity": "unix:0", "flowId": "f", "timeout": 15}.items()
    call.future.set_result(b"{}")
    assert await waiting == b"{}"


@pytest.mark.parametrize("params", (b"{}", b" {}", b"[]"))
async def test_a_query_about_no_object_travels_with_whoever_asks(front: Front, params: bytes) -> None:
    """The first time and again, by name and by position; each identity under its own name, and a login counts at once."""
    other = user(front)
    await grant(front, other.identity, "administrator")
    for caller in (front.admin, other, front.admin, other):
        answer = front.bridge.call(caller, "Host.getCapabilities", params)
        assert not isinstance(answer, bytes)
        call = front.port.calls.pop()
        assert (call.method, call.params, call.meta["identity"]) == ("Host.getCapabilities", {}, caller.identity)
        assert call.timeout_s == call.meta["timeout"] == METHODS["Host.getCapabilities"].timeout_s
        call.future.set_result(b'{"it":1}')
        assert await answer == b'{"it":1}'
    front.admin.become("token:third", "token", front.admin.roles, front.admin.rights)
    front.bridge.call(front.admin, "Host.getCapabilities", params)
    assert front.port.calls.pop().meta["identity"] == "token:third"


async def test_a_query_that_was_asked_before_is_refused_like_the_first(front: Front) -> None:
    """Nothing that is remembered of it goes before the rights, the parameters or the end of the daemon."""
    front.bridge.call(front.admin, "Host.getCapabilities")
    assert isinstance(refused(front, "Host.getCapabilities", b'{"more":1}'), InvalidParams)
    assert isinstance(refused(front, "Host.getCapabilities", b"[1]"), InvalidParams)
    front.work.is_closing = True
    assert isinstance(refused(front, "Host.getCapabilities", b"{}"), ShuttingDown)
    front.work.is_closing = False
    front.admin.entitle((), Rights())
    assert isinstance(refused(front, "Host.getCapabilities", b"{}"), PermissionDenied)
    assert len(front.port.calls) == 1


async def test_a_query_waits_for_the_first_snapshot() -> None:
    """Just after a start it goes to the worker when it is known what there is, whether it was asked before or not."""

    class Answering(FakePort):
        def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> asyncio.Future[bytes]:
            answer = super().call(method, params, meta, timeout_s)
            answer.set_result(b"{}")
            return answer

    front = Front(port=Answering())
    early = [front.bridge.call(front.admin, "Host.getCapabilities") for _ in range(2)]
    waiting = [asyncio.ensure_future(answer) for answer in early if not isinstance(answer, bytes)]
    await asyncio.sleep(0)
    assert not front.port.calls
    front.seen()
    assert await asyncio.gather(*waiting) == [b"{}", b"{}"]


async def test_operation_answers_a_task_and_ends_it(front: Front) -> None:
    """An operation answers its task at once; the worker's answer ends it."""
    accepted: Any = await front.later_answer("VM.start", {"vmId": VM_1})
    task = accepted["task"]
    assert (task["state"], task["object"]) == ("running", {"type": "vm", "id": VM_1})
    await front.turns()
    assert front.port.calls[0].meta["operationId"] == task["id"]
    front.port.calls[0].future.set_result(b"{}")
    done: Any = await front.later_answer("Task.wait", {"taskId": task["id"]})
    assert (done["state"], done["result"], done["progress"]) == ("done", {}, {"value": 100, "unit": "percent"})


async def test_operation_with_wait_answers_the_ended_task(front: Front) -> None:
    """With ``wait`` the answer comes with the end."""
    waiting = asyncio.ensure_future(front.later_answer("VM.start", {"vmId": VM_1}, {"wait": 30}))
    await front.turns()
    front.port.calls[0].future.set_exception(HypervisorError(call="create", number=1, reason="no"))
    accepted: Any = await waiting
    assert accepted["task"]["state"] == "failed"
    assert accepted["task"]["error"]["data"]["error"] == "HypervisorError"


async def test_cancel_reaches_the_worker_once_and_is_idempotent(front: Front) -> None:
    """A cancelled task ends once; cancelling an ended one answers it as it is."""
    accepted: Any = await front.later_answer("VM.shutdown", {"vmId": VM_1})
    id = accepted["task"]["id"]
    await front.turns()
    assert (await front.later_answer("Task.cancel", {"taskId": id}))["state"] == "cancelling"
    await front.turns()
    assert front.port.calls[1].method == "work.cancel"
    front.port.calls[1].future.set_result(b'{"cancelled":true}')
    front.port.calls[0].future.set_result(b'{"way":"acpi"}')
    ended: Any = await front.later_answer("Task.wait", {"taskId": id})
    assert ended["state"] == "done"
    assert (await front.later_answer("Task.cancel", {"taskId": id}))["state"] == "done"


async def test_operation_is_refused_when_no_worker_is_there(front: Front) -> None:
    """Nothing is begun that cannot be done."""
    front.port.up = False
    with pytest.raises(SubsystemUnavailable):
        await front.later_answer("VM.start", {"vmId": VM_1})
    assert front.tasks.running() == 0


async def test_not_after_in_the_past_is_not_run(front: Front) -> None:
    """A late command is refused."""
    for late in ("2020-01-01T00:00:00Z", "2016-12-31T23:59:60Z"):
        with pytest.raises(TooLate):
            await front.later_answer("VM.pause", {"vmId": VM_1}, {"notAfter": late})
    assert not front.port.calls


async def test_idempotency_key_runs_once(front: Front) -> None:
    """The same key and parameters are answered as the first time; other parameters are a conflict."""
    first = asyncio.ensure_future(front.later_answer("VM.start", {"vmId": VM_1}, {"idempotencyKey": "k"}))
    second = await front.later_answer("VM.start", {"vmId": VM_1}, {"idempotencyKey": "k"})
    assert second == await first
    await front.turns()
    assert len(front.port.calls) == 1
    with pytest.raises(IdempotencyConflict):
        await front.later_answer("VM.start", {"vmId": VM_1, "paused": True}, {"idempotencyKey": "k"})


def test_bad_options_name_their_path(front: Front) -> None:
    """Options are checked as parameters are."""
    error = refused(front, "Host.ping", b"{}", b'{"timeout": -1}')
    assert error.path == "$.meta.timeout"


async def test_results_are_verified_when_asked() -> None:
    """With ``--verify-results`` an answer that is not what the schema says is our own error."""
    front = Front(verify=True)
    front.observe()
    front.seen()
    answer = front.bridge.call(front.admin, "VM.pause", json.dumps({"vmId": VM_1}).encode())
    assert not isinstance(answer, bytes)
    pending = asyncio.ensure_future(answer)
    await front.turns()
    front.port.calls[0].future.set_result(b'{"surprise":1}')
    with pytest.raises(ApiError) as caught:
        await pending
    assert caught.value.name == "InternalError"


def test_a_ticket_is_for_one_use_one_identity_and_one_place(front: Front) -> None:
    """A stream is given once, to the identity that it was made for, from where that called, before its time is up."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        front.tickets.offer("t", "unix:0", ours, 30)
        stranger = front.access.unix(12345, 0, 1)
        with pytest.raises(ObjectNotFound):
            front.bridge.redeem(stranger, "t")
        assert front.bridge.redeem(front.admin, "t") is ours
        with pytest.raises(ObjectNotFound):
            front.bridge.redeem(front.admin, "t")
        front.tickets.offer("far", "user:web", theirs, 30, address="192.0.2.1")
        here, there = (front.access.anonymous("192.0.2.1"), front.access.anonymous("192.0.2.2"))
        here.identity = there.identity = "user:web"
        for caller in (there, front.access.unix(12345, 0, 1, "unix")):
            with pytest.raises(ObjectNotFound):
                front.bridge.redeem(caller, "far")
        assert front.bridge.redeem(here, "far") is theirs
        front.tickets.offer("late", "unix:0", ours, 30)
        front.clock.advance(31)
        with pytest.raises(ObjectNotFound):
            front.bridge.redeem(front.admin, "late")
        front.later[-1][1]()
        assert ours.fileno() == -1


async def test_delete_of_a_running_task_is_refused(front: Front) -> None:
    """Only ended tasks can be forgotten."""
    task = front.tasks.create(id=VM_1, method="VM.start", subject=None, subsystem="virt", identity="unix:0", flow_id=None, unit="percent")
    with pytest.raises(WrongState):
        await front.later_answer("Task.delete", {"taskId": task.id})
    front.tasks.done(task, b"{}")
    assert await front.later_answer("Task.delete", {"taskId": task.id}) == {}
    with pytest.raises(ObjectNotFound):
        front.now("Task.get", {"taskId": task.id})


async def test_who_loses_the_right_to_a_console_loses_the_open_one(front: Front) -> None:
    """At once, and for that machine alone; a ticket is worth nothing to whoever may not open one any more."""
    front.seen()
    place_vm(front, VM_1, "web")
    place_vm(front, VM_2, "db")
    grants = {project: await grant(front, "unix:1000", "operator", project=project) for project in ("web", "db")}
    alice = user(front)
    pairs = {vm: socket.socketpair() for vm in (VM_1, VM_2)}
    for vm, (near, far) in pairs.items():
        far.setblocking(False)
        front.tickets.offer(vm, "unix:1000", near, 30, address=alice.address, vm=vm)
        assert front.bridge.redeem(alice, vm) is near
    late, other = socket.socketpair()
    front.tickets.offer("late", "unix:1000", late, 30, address=alice.address, vm=VM_1)
    await ask(front, front.admin, "Access.revoke", {"grantId": grants["web"]})
    assert pairs[VM_1][1].recv(1) == b""
    with pytest.raises(BlockingIOError):
        pairs[VM_2][1].recv(1)
    with pytest.raises(ObjectNotFound):
        front.bridge.redeem(alice, "late")
    assert other.recv(1) == b""
    for each in (*pairs[VM_1], *pairs[VM_2], other):
        each.close()


async def test_who_may_not_follow_a_machine_to_its_new_project_loses_its_console(front: Front) -> None:
    """At once, and he alone: whoever may open one there keeps his; a ticket that was not used is worth nothing."""
    front.seen()
    place_vm(front, VM_1, "web")
    await grant(front, "unix:1000", "operator", project="web")
    await grant(front, "unix:1001", "operator")
    alice, bob = user(front), user(front, 1001)
    pairs = {caller: socket.socketpair() for caller in (alice, bob)}
    for caller, (near, far) in pairs.items():
        far.setblocking(False)
        front.tickets.offer(caller.identity, caller.identity, near, 30, address=caller.address, vm=VM_1)
        assert front.bridge.redeem(caller, caller.identity) is near
    late, other = socket.socketpair()
    front.tickets.offer("late", alice.identity, late, 30, address=alice.address, vm=VM_1)
    place_vm(front, VM_1, "shop")
    assert pairs[alice][1].recv(1) == b""
    with pytest.raises(BlockingIOError):
        pairs[bob][1].recv(1)
    with pytest.raises(ObjectNotFound):
        front.bridge.redeem(alice, "late")
    assert not alice.on_change, "nobody looks at what has ended"
    for each in (*pairs[alice], *pairs[bob], other):
        each.close()


async def test_consoles_that_have_ended_are_not_remembered(front: Front) -> None:
    """However many one caller opens on a connection that stays."""
    front.seen()
    place_vm(front, VM_1, "web")
    for number in range(10):
        near, far = socket.socketpair()
        front.tickets.offer(str(number), front.admin.identity, near, 30, address=front.admin.address, vm=VM_1)
        front.bridge.redeem(front.admin, str(number)).close()
        far.close()
    assert len(front.admin.on_change) == 1
