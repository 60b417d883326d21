"""The client for asyncio against a daemon that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from libvdsm.client import (
    ConnectionLostError,
    GapError,
    NoAnswerError,
    NotSentError,
    ProtocolError,
    StreamRefusedError,
    UnsupportedError,
    aio,
    errors,
    types,
)
from libvdsm.client.runtime import policy
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import TASK_ID, VM_ID, Connection, Json, ScriptedServer, event, task

Request = Mapping[str, Any]


async def empty(connection: Connection, request: Request) -> None:
    connection.result(request, {})


async def silent(_connection: Connection, _request: Request) -> None:
    """Never answers."""


async def stats(connection: Connection, request: Request) -> None:
    connection.result(request, {"items": []})


async def test_a_call_is_typed_both_ways(serve: Serve) -> None:
    async def create(connection: Connection, request: Request) -> None:
        connection.result(request, {"vmId": VM_ID, "generation": 1})

    server = serve(VM_create=create)
    async with aio.connect(server.url) as client:
        found = await client.vm.create("web", types.VmConfig(memory=2**28), idempotency_key="k", timeout=3)
    assert found == types.VmCreateResult(vm_id=VM_ID, generation=1)
    [request] = server.requests
    assert request["params"] == {"name": "web", "config": {"memory": 2**28}}
    assert request["meta"] == {"timeout": 3, "idempotencyKey": "k"}


async def test_opening_asks_whether_a_daemon_answers(serve: Serve) -> None:
    server = serve()
    server.path.with_name("other").touch()
    with pytest.raises(NotSentError):
        await aio.connect(f"unix://{server.path.with_name('other')}").open()
    async with aio.connect(server.url) as client:
        assert (await client.host.ping()).pong


async def test_errors_are_typed(serve: Serve) -> None:
    async def get(connection: Connection, request: Request) -> None:
        connection.error(request, 2, "ObjectNotFound", type="vm", id="x")

    async with aio.connect(serve(VM_get=get).url) as client:
        with pytest.raises(errors.ObjectNotFound) as caught:
            await client.vm.get(VM_ID)
    assert (caught.value.type, caught.value.id, caught.value.fault, caught.value.remedy) == ("vm", "x", "client", "Do it otherwise.")


async def test_answers_that_are_not_as_described_are_the_peers_fault(serve: Serve) -> None:
    async with aio.connect(serve(VM_getStats=empty).url) as client:
        with pytest.raises(ProtocolError, match=r"VM\.getStats"):
            await client.vm.get_stats()


async def test_calls_do_not_wait_for_each_other(serve: Serve) -> None:
    held: list[Request] = []

    async def get(connection: Connection, request: Request) -> None:
        held.append(request)
        if len(held) == 3:
            for one in reversed(held):
                connection.result(one, {"was": one["params"]["n"]})

    async with aio.connect(serve(VM_get=get).url) as client:
        found = await asyncio.gather(*(client.call("VM.get", {"n": n}) for n in range(3)))
    assert found == [{"was": 0}, {"was": 1}, {"was": 2}]


async def test_a_flow_marks_its_calls(serve: Serve) -> None:
    server = serve(VM_getStats=stats)
    async with aio.connect(server.url) as client:
        with client.flow("backup-7"):
            await client.vm.get_stats()
        await client.vm.get_stats(flow_id="own")
        await client.vm.get_stats()
    assert [request.get("meta") for request in server.requests] == [{"flowId": "backup-7"}, {"flowId": "own"}, None]


async def test_no_answer_is_told_and_a_late_one_is_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GRACE_S", 0.0)
    held: list[Request] = []

    async def get(_connection: Connection, request: Request) -> None:
        held.append(request)

    async def answer_both(connection: Connection, request: Request) -> None:
        connection.result(held[0], {})
        connection.result(request, {"items": []})

    async with aio.connect(serve(VM_get=get, VM_getStats=answer_both).url) as client:
        monkeypatch.setattr(policy, "GRACE_S", 0.01)
        with pytest.raises(NoAnswerError, match=r"VM\.get"):
            await client.vm.get(VM_ID, timeout=0.01)
        monkeypatch.setattr(policy, "GRACE_S", 5.0)
        await client.vm.get_stats()
        assert client.dropped_answers == 1


async def test_an_idempotent_call_is_sent_once_more_after_a_loss(serve: Serve) -> None:
    async def list_(connection: Connection, request: Request) -> None:
        if len(connection.server.requests) == 1:
            connection.drop()
        else:
            connection.result(request, {"items": []})

    server = serve(VM_list=list_)
    async with aio.connect(server.url) as client:
        assert (await client.vm.list()).items == []
    assert server.methods == ["VM.list", "VM.list"]
    assert server.connections == 2


async def test_it_is_not_sent_a_third_time(serve: Serve) -> None:
    async def list_(connection: Connection, _request: Request) -> None:
        connection.drop()

    server = serve(VM_list=list_)
    async with aio.connect(server.url) as client:
        with pytest.raises(ConnectionLostError):
            await client.vm.list()
    assert server.methods == ["VM.list"] * 2


async def test_any_other_call_is_sent_again_with_its_key(serve: Serve) -> None:
    async def reset(connection: Connection, request: Request) -> None:
        if len(connection.server.requests) == 1:
            connection.drop()
        else:
            connection.result(request, {})

    server = serve(VM_reset=reset)
    async with aio.connect(server.url) as client:
        await client.vm.reset(VM_ID)
    assert server.methods == ["VM.reset", "VM.reset"]
    first, second = (request["meta"]["idempotencyKey"] for request in server.requests)
    assert first == second
    assert len(first) == 32


async def test_without_a_key_it_is_never_sent_again(serve: Serve) -> None:
    async def reset(connection: Connection, _request: Request) -> None:
        connection.drop()

    server = serve(VM_reset=reset, VM_getStats=stats)
    async with aio.connect(server.url, retry=aio.Retry(keys=False)) as client:
        with pytest.raises(ConnectionLostError):
            await client.vm.reset(VM_ID)
        await client.vm.get_stats()
    assert server.methods == ["VM.reset", "VM.getStats"]


async def test_closing_ends_what_waits(serve: Serve) -> None:
    async with aio.connect(serve(VM_reset=silent).url) as client:
        waiting = asyncio.ensure_future(client.vm.reset(VM_ID))
        await asyncio.sleep(0)
        await client.call("Host.ping")
    with pytest.raises(ConnectionLostError):
        await waiting
    with pytest.raises(NotSentError):
        await client.host.ping()
    await client.close()


async def test_nonsense_ends_the_connection_with_a_reason(serve: Serve) -> None:
    async def reset(connection: Connection, _request: Request) -> None:
        connection.writer.write(b"nonsense\n")

    async with aio.connect(serve(VM_reset=reset).url) as client:
        with pytest.raises(ProtocolError, match="not JSON"):
            await client.vm.reset(VM_ID)


async def start(connection: Connection, request: Request) -> None:
    connection.result(request, {"task": task()})


def looks(*tasks: Mapping[str, Json]) -> Any:
    left = list(tasks)

    async def wait(connection: Connection, request: Request) -> None:
        connection.result(request, left.pop(0))

    return wait


async def follow_task(connection: Connection, request: Request) -> None:
    """A task that goes on, as its events tell."""
    name = request["params"]["subscriptionId"]
    assert request["params"] == {"topics": [f"task.{TASK_ID}"], "subscriptionId": name}
    connection.result(request, {"subscriptionId": name, "resume": "e-0"})
    changed = {**event(2), "topic": f"task.{TASK_ID}"}
    connection.deliver(
        name, "e-1", event={**changed, "object": {"type": "task", "id": TASK_ID, "revision": 1}, "patch": {"state": "unknown"}}
    )
    connection.deliver(name, "e-2", event={**changed, "patch": {"progress": {"value": 40}, "revision": 2}})
    ended = {"type": "task", "id": TASK_ID, "revision": 3}
    connection.deliver(
        name, "e-3", event={**changed, "object": ended, "patch": {"state": "done", "progress": {"value": 100}, "revision": 3}}
    )


async def refuse_events(connection: Connection, request: Request) -> None:
    connection.error(request, 1, "PermissionDenied", identity="user:x", permission="event.read")


async def test_a_task_is_waited_for_with_its_progress(serve: Serve) -> None:
    """By events, and the result is read when it has ended."""
    ended = task("done", 100, result={})
    server = serve(VM_start=start, Event_subscribe=follow_task, Event_unsubscribe=empty, Task_wait=looks(task(), ended))
    seen: list[float] = []
    async with aio.connect(server.url, retry=aio.Retry(keys=False)) as client:
        handle = await client.vm.start(VM_ID, paused=True, wait=0)
        assert handle.id == TASK_ID
        assert not handle.has_ended
        assert await handle.wait(progress=lambda progress: seen.append(progress.value)) == types.Nothing()
        assert handle.task.state is types.TaskState.DONE
    assert seen == [0, 40, 100]
    assert server.methods == ["VM.start", "Event.subscribe", "Task.wait", "Event.unsubscribe", "Task.wait"]
    assert server.requests[0]["params"] == {"vmId": VM_ID, "paused": True}
    assert server.requests[0]["meta"] == {"wait": 0}


async def test_without_events_a_task_is_looked_at_now_and_then(serve: Serve) -> None:
    looked = looks(task(value=40), task(value=40), task("done", 100, result={}))
    server = serve(VM_start=start, Event_subscribe=refuse_events, Task_wait=looked)
    seen: list[float] = []
    async with aio.connect(server.url) as client:
        handle = await client.vm.start(VM_ID)
        assert await handle.wait(progress=lambda progress: seen.append(progress.value)) == types.Nothing()
    assert seen == [0, 40, 100]
    assert server.requests[2]["params"] == {"taskId": TASK_ID, "seconds": policy.WATCH_S}


async def test_a_task_that_ended_with_the_call_is_not_asked_for(serve: Serve) -> None:
    async def shutdown(connection: Connection, request: Request) -> None:
        connection.result(request, {"task": task("done", 100, result={"way": "acpi"})})

    server = serve(VM_shutdown=shutdown)
    async with aio.connect(server.url) as client:
        handle = await client.vm.shutdown(VM_ID, ways=[types.ShutdownWay.ACPI], wait=60)
        assert (await handle.wait()).way is types.ShutdownResultWay.ACPI
    assert server.methods == ["VM.shutdown"]
    assert server.requests[0]["params"]["ways"] == ["acpi"]


async def test_a_tasks_error_is_raised_typed(serve: Serve) -> None:
    error = {
        "code": 15,
        "message": "VM does not answer",
        "data": {"error": "GuestUnresponsive", "params": {"id": VM_ID}, "retryable": True},
    }
    async with aio.connect(serve(VM_start=start, Task_wait=looks(task("failed", error=error))).url) as client:
        with pytest.raises(errors.GuestUnresponsive) as caught:
            await (await client.vm.start(VM_ID)).wait()
    assert caught.value.retryable


async def test_waiting_for_a_task_may_have_an_end(serve: Serve) -> None:
    server = serve(VM_start=start, Task_cancel=looks(task("cancelling")))
    async with aio.connect(server.url) as client:
        handle = await client.vm.start(VM_ID)
        with pytest.raises(NoAnswerError, match=TASK_ID):
            await handle.wait(timeout=0)
        assert (await handle.cancel()).state == "cancelling"


async def test_events_come_in_order(serve: Serve) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        name = request["params"]["subscriptionId"]
        connection.result(request, {"subscriptionId": name, "resume": "e-0"})
        connection.deliver("other", "e-1", event=event(1))
        connection.deliver(name, "e-1", event=event(1))
        connection.deliver(name, "e-2", gap={"reason": "trimmed"})

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    async with aio.connect(server.url) as client, client.events(["vm.#"]) as stream:
        first = await anext(stream)
        assert first.event is not None
        assert first.event.patch == {"state": "running"}
        assert (await anext(stream)).gap == types.EventGap(reason=types.EventGapReason.TRIMMED)
        assert stream.resume == "e-2"
        await stream.aclose()
        assert [one async for one in stream] == []
    assert server.methods == ["Event.subscribe", "Event.unsubscribe"]
    assert server.requests[0]["params"] == {"topics": ["vm.#"], "subscriptionId": "s1"}


async def test_events_go_on_where_they_were_after_a_loss(serve: Serve) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        params = request["params"]
        number = int(params.get("after", "e-0").partition("-")[2]) + 1
        connection.result(request, {"subscriptionId": params["subscriptionId"], "resume": "e-0"})
        connection.deliver(params["subscriptionId"], f"e-{number}", event=event(number))
        await connection.writer.drain()
        if number < 3:
            connection.writer.close()

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    found: list[int] = []
    async with aio.connect(server.url) as client, client.events() as stream:
        async for delivery in stream:
            assert delivery.event is not None
            found.append(delivery.event.sequence)
            if len(found) == 3:
                break
    assert found == [1, 2, 3]
    assert [one["params"].get("after") for one in server.requests if one["method"] == "Event.subscribe"] == [None, "e-1", "e-2"]


async def test_a_slow_reader_loses_nothing(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libvdsm.client.runtime.following.MAX_DELIVERIES", 2)

    async def subscribe(connection: Connection, request: Request) -> None:
        params = request["params"]
        done = int(params.get("after", "e-0").partition("-")[2])
        connection.result(request, {"subscriptionId": params["subscriptionId"], "resume": f"e-{done}"})
        for number in range(done + 1, 6):
            connection.deliver(params["subscriptionId"], f"e-{number}", event=event(number))

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    async with aio.connect(server.url) as client, client.events() as stream:
        await client.host.ping()
        found = [(await anext(stream)).resume for _ in range(5)]
    assert found == [f"e-{number}" for number in range(1, 6)]


async def test_a_refused_subscription_is_told(serve: Serve) -> None:
    async with aio.connect(serve(Event_subscribe=refuse_events).url) as client:
        with pytest.raises(errors.PermissionDenied):
            await anext(client.events())


async def test_over_http_events_are_asked_for(serve: Serve) -> None:
    gap = {"reason": "trimmed", "missed": 3}
    pages: list[Mapping[str, Json]] = [
        {"items": [], "resume": "e-7"},
        {"items": [], "resume": "e-7"},
        {"items": [event(11), event(13)], "resume": "e-14", "gap": gap},
        {"items": [event(15)], "resume": "e-15"},
    ]
    server = serve(Event_read=looks(*pages))
    async with aio.connect(f"http+{server.url}") as client, client.events(["vm.#"]) as stream:
        found = [await anext(stream) for _ in range(4)]
        assert stream.resume == "e-15"
    assert [one.resume for one in found] == ["e-10", "e-11", "e-13", "e-15"]
    assert [one.gap is None for one in found] == [False, True, True, True]
    asked = [request["params"] for request in server.requests]
    assert asked[0] == {"topics": ["vm.#"], "timeout": 0}
    assert [one.get("after") for one in asked] == [None, "e-7", "e-7", "e-13"]


async def test_over_http_there_are_no_snapshots(serve: Serve) -> None:
    async with aio.connect(f"http+{serve().url}") as client:
        with pytest.raises(UnsupportedError):
            await anext(client.events(snapshot=True))


async def test_a_gap_may_be_raised_and_the_stream_goes_on(serve: Serve) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        name = request["params"]["subscriptionId"]
        connection.result(request, {"subscriptionId": name, "resume": "e-0"})
        connection.deliver(name, "e-5", gap={"reason": "trimmed", "missed": 4})
        connection.deliver(name, "e-6", event=event(6))

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    async with aio.connect(server.url) as client, client.events(after="e-1", gaps="raise") as stream:
        with pytest.raises(GapError) as caught:
            await anext(stream)
        assert (caught.value.reason, caught.value.missed, caught.value.resume) == ("trimmed", 4, "e-5")
        assert (await anext(stream)).resume == "e-6"


async def test_logical_clients_share_a_connection(serve: Serve) -> None:
    server = serve(VM_getStats=stats, Event_subscribe=follow_all, Event_unsubscribe=empty)
    async with aio.connect(server.url) as client:
        backup, web = client.client(flow_id="backup", timeout=7), client.client(flow_id="web")
        stream = backup.events()
        await anext(stream)
        await asyncio.gather(backup.vm.get_stats(), web.vm.get_stats(timeout=2))
        await backup.close()
        assert [one async for one in stream] == []
        with pytest.raises(NotSentError):
            await backup.vm.get_stats()
        await web.vm.get_stats()
    assert server.connections == 1
    metas = [one["meta"] for one in server.requests if one["method"] == "VM.getStats"]
    assert metas[0] == {"flowId": "backup", "timeout": 7}
    assert metas[1:] == [{"flowId": "web", "timeout": 2}, {"flowId": "web"}]


async def follow_all(connection: Connection, request: Request) -> None:
    name = request["params"]["subscriptionId"]
    connection.result(request, {"subscriptionId": name, "resume": "e-0"})
    connection.deliver(name, "e-1", event=event(1))


async def test_calls_by_http_use_their_connection_again(serve: Serve) -> None:
    async def get(connection: Connection, request: Request) -> None:
        connection.error(request, 2, "ObjectNotFound", type="vm", id="x")

    server = serve(VM_getStats=stats, VM_get=get)
    async with aio.connect(f"http+{server.url}") as client:
        assert (await client.vm.get_stats()).items == []
        with pytest.raises(errors.ObjectNotFound):
            await client.vm.get(VM_ID)
    assert server.connections == 1
    assert server.http_heads[0].startswith("POST /rpc HTTP/1.1\r\nHost: localhost\r\n")


async def test_a_byte_stream_is_opened_beside_the_calls(serve: Serve) -> None:
    server: ScriptedServer = serve()
    async with aio.connect(server.url) as client:
        reader, writer = await client.open_stream("/stream/good")
        assert await reader.readexactly(5) == b"hello"
        writer.write(b"ping")
        assert await reader.read() == b"you said ping"
        writer.close()
        with pytest.raises(errors.ObjectNotFound):
            await client.open_stream("/stream/bad")
        with pytest.raises(StreamRefusedError, match="404"):
            await client.open_stream("/stream/odd")
