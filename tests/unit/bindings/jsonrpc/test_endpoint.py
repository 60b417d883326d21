"""The session: answers at once or later, and what becomes of calls whose client goes."""

from __future__ import annotations

import asyncio
import json

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcLimits, JsonRpcSession
from libvdsm.interfaces.caller import Caller, Rights
from tests.fakes.recording_bridge import RecordingBridge, until


def open_session(limits: JsonRpcLimits | None = None) -> tuple[RecordingBridge, JsonRpcEndpoint, JsonRpcSession]:
    """A session over a bridge that records."""
    bridge = RecordingBridge()
    endpoint = JsonRpcEndpoint(bridge, limits=limits)
    caller = Caller(identity="me", source="unix", roles=(), rights=Rights())
    return bridge, endpoint, endpoint.open(caller)


def call(method: str, word: str, id: int | None = 1) -> bytes:
    """A request."""
    request: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": {"word": word}}
    return json.dumps(request if id is None else request | {"id": id}).encode()


def test_what_is_known_at_once_needs_no_loop() -> None:
    """An answer at once is bytes: there is no task, nor a loop to have one in."""
    bridge, endpoint, session = open_session()
    assert session.answer(b'{"jsonrpc":"2.0","method":"sum","params":[1,2],"id":1}') == b'{"jsonrpc":"2.0","id":1,"result":3}\n'
    assert session.answer(b'{"jsonrpc":"2.0","method":"sum","params":[1,2]}') == b""
    assert isinstance(session.answer(b"["), bytes)
    assert bridge.calls[0].caller.identity == "me"
    counters = endpoint.counters
    assert (counters.calls, counters.notifications, counters.errors) == (1, 1, 1)


async def test_accepted_work_outlives_its_client_even_if_it_had_not_begun() -> None:
    """A change whose client goes in the same turn of the loop is carried out; a query is given up."""
    bridge, endpoint, session = open_session()
    answers = [session.answer(call("slow.change", "change", None)), session.answer(call("slow", "query"))]
    session.close()
    bridge.open_gate("change")
    await until(lambda: not endpoint.work and bool(bridge.cancelled))
    assert bridge.finished == ["change"]
    assert bridge.cancelled == ["query"]
    assert endpoint.counters.dropped_answers == 0  # a notification has no answer, what is given up neither
    assert [isinstance(answer, asyncio.Future) for answer in answers] == [True, True]


async def test_a_batch_counts_its_running_members() -> None:
    """The bound of calls in flight holds across batches; the member above it has a typed answer."""
    bridge, endpoint, session = open_session(JsonRpcLimits(in_flight=2, batch_parallel=8))
    answer = session.answer(b"[" + b",".join(call("slow", word) for word in "abc") + b"]")
    assert isinstance(answer, asyncio.Future)
    await until(lambda: bridge.begun == ["a", "b"])
    for word in "ab":
        bridge.open_gate(word)
    members = json.loads(await answer)
    assert [member.get("result") for member in members] == ["a", "b", None]
    assert members[2]["error"]["data"]["error"] == "LimitExceeded"
    assert not endpoint.work


async def test_a_batch_of_notifications_that_take_their_time_is_not_answered() -> None:
    """Nothing at all is sent, however late."""
    bridge, _, session = open_session()
    answer = session.answer(b"[" + call("slow", "a", None) + b"," + call("slow", "b", None) + b"]")
    assert isinstance(answer, asyncio.Future)
    bridge.open_gate("a")
    bridge.open_gate("b")
    assert await answer == b""


async def test_a_defect_in_one_member_spares_the_others() -> None:
    """Each member has its own answer."""
    _, _, session = open_session()
    answer = session.answer(b"[" + call("crash.later", "x", 1) + b"," + call("echo", "y", 2) + b"," + call("crash", "z", 3) + b"]")
    assert isinstance(answer, asyncio.Future)
    members = json.loads(await answer)
    assert [member.get("error", {}).get("code") for member in members] == [-32603, None, -32603]
