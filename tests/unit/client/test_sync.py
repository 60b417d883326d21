"""The client for threads against a daemon that says what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libvdsm.client import ConnectionLostError, NoAnswerError, NotSentError, ProtocolError, StreamRefusedError, errors, sync, types
from libvdsm.client.runtime import policy
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import TASK_ID, VM_ID, Connection, event, task
from tests.unit.client.test_aio import empty, follow_task, looks, refuse_events, silent, start, stats

Request = Mapping[str, Any]


def test_a_call_is_typed_both_ways(serve: Serve) -> None:
    async def create(connection: Connection, request: Request) -> None:
        connection.result(request, {"vmId": VM_ID, "generation": 1})

    server = serve(VM_create=create)
    with sync.connect(server.url) as client:
        assert client.vm.create("web", types.VmConfig(memory=2**28), timeout=3).vm_id == VM_ID
        with client.flow("f"):
            client.vm.create("web", types.VmConfig(memory=2**28))
    assert server.requests[0]["params"] == {"name": "web", "config": {"memory": 2**28}}
    metas = [request["meta"] for request in server.requests]
    keys = [meta.pop("idempotencyKey") for meta in metas]
    assert metas == [{"timeout": 3}, {"flowId": "f"}]
    assert keys[0] != keys[1]


def test_errors_are_typed(serve: Serve) -> None:
    async def get(connection: Connection, request: Request) -> None:
        connection.error(request, -32602, "InvalidParams", path="$.vmId", reason="no")

    with sync.connect(serve(VM_get=get).url) as client, pytest.raises(errors.InvalidParams) as caught:
        client.vm.get("x")
    assert (caught.value.code, caught.value.path, caught.value.reason) == (-32602, "$.vmId", "no")


def test_many_threads_share_a_client(serve: Serve) -> None:
    async def get(connection: Connection, request: Request) -> None:
        connection.result(request, {"was": request["params"]["n"]})

    server = serve(VM_get=get)
    with sync.connect(server.url) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: client.call("VM.get", {"n": n})["was"], range(200)))
    assert found == list(range(200))
    assert server.connections == 1


def test_no_answer_is_told(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with sync.connect(serve(VM_get=silent).url) as client:
        monkeypatch.setattr(policy, "GRACE_S", 0.01)
        with pytest.raises(NoAnswerError, match=r"VM\.get"):
            client.vm.get(VM_ID, timeout=0.01)


def test_only_idempotent_calls_are_sent_once_more(serve: Serve) -> None:
    async def list_(connection: Connection, request: Request) -> None:
        if connection.server.connections == 1:
            connection.drop()
        else:
            connection.result(request, {"items": []})

    async def reset(connection: Connection, _request: Request) -> None:
        connection.drop()

    server = serve(VM_list=list_, VM_reset=reset)
    with sync.connect(server.url, retry=sync.Retry(keys=False)) as client:
        assert client.vm.list().items == []
        with pytest.raises(ConnectionLostError):
            client.vm.reset(VM_ID)
        assert client.vm.list().items == []
    assert server.methods == ["VM.list", "VM.list", "VM.reset", "VM.list"]


def test_closing_ends_what_waits(serve: Serve) -> None:
    asked = threading.Event()

    async def reset(_connection: Connection, _request: Request) -> None:
        asked.set()

    with ThreadPoolExecutor(1) as pool:
        with sync.connect(serve(VM_reset=reset).url) as client:
            waiting = pool.submit(client.vm.reset, VM_ID)
            assert asked.wait(60)
        with pytest.raises(ConnectionLostError):
            waiting.result(60)
    with pytest.raises(NotSentError):
        client.host.ping()
    client.close()


def test_nonsense_ends_the_connection_with_a_reason(serve: Serve) -> None:
    async def reset(connection: Connection, _request: Request) -> None:
        connection.writer.write(b"[]\n")

    with sync.connect(serve(VM_reset=reset).url) as client, pytest.raises(ProtocolError, match="not a JSON object"):
        client.vm.reset(VM_ID)


def test_a_task_is_waited_for_with_its_progress(serve: Serve) -> None:
    seen: list[float] = []
    ended = task("done", 100, result={})
    server = serve(VM_start=start, Event_subscribe=follow_task, Event_unsubscribe=empty, Task_wait=looks(task(), ended))
    with sync.connect(server.url) as client:
        handle = client.vm.start(VM_ID)
        assert handle.wait(progress=lambda progress: seen.append(progress.value)) == types.Nothing()
    assert seen == [0, 40, 100]
    assert server.methods == ["VM.start", "Event.subscribe", "Task.wait", "Event.unsubscribe", "Task.wait"]


def test_without_events_a_task_is_looked_at_now_and_then(serve: Serve) -> None:
    seen: list[float] = []
    server = serve(VM_start=start, Event_subscribe=refuse_events, Task_wait=looks(task(value=40), task("done", 100, result={})))
    with sync.connect(server.url) as client:
        assert client.vm.start(VM_ID).wait(progress=lambda progress: seen.append(progress.value)) == types.Nothing()
    assert seen == [0, 40, 100]
    assert server.requests[2]["params"] == {"taskId": TASK_ID, "seconds": policy.WATCH_S}


def test_a_tasks_error_is_raised_typed(serve: Serve) -> None:
    error = {"code": 11, "message": "cancelled", "data": {"error": "Cancelled", "params": {"method": "VM.start"}}}
    server = serve(VM_start=start, Task_wait=looks(task("cancelled", error=error)), Task_cancel=looks(task("cancelling")))
    with sync.connect(server.url) as client:
        handle = client.vm.start(VM_ID)
        with pytest.raises(NoAnswerError):
            handle.wait(timeout=0)
        handle.cancel()
        with pytest.raises(errors.Cancelled):
            handle.wait()
        assert handle.has_ended


def test_events_go_on_where_they_were_after_a_loss(serve: Serve) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        params = request["params"]
        number = int(params.get("after", "e-0").partition("-")[2]) + 1
        connection.result(request, {"subscriptionId": params["subscriptionId"], "resume": "e-0"})
        connection.deliver(params["subscriptionId"], f"e-{number}", event=event(number))
        await connection.writer.drain()
        if number < 3:
            connection.writer.close()

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    with sync.connect(server.url) as client, client.events(["vm.#"]) as stream:
        found = [next(stream).resume for _ in range(3)]
    assert found == ["e-1", "e-2", "e-3"]


def test_closing_a_stream_ends_its_iteration(serve: Serve) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        connection.result(request, {"subscriptionId": request["params"]["subscriptionId"], "resume": "e-0"})

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    with sync.connect(server.url) as client, ThreadPoolExecutor(1) as pool, client.events() as stream:
        waiting = pool.submit(list, stream)
        stream.close()
        assert waiting.result(60) == []


def test_calls_by_http(serve: Serve) -> None:
    async def get(connection: Connection, request: Request) -> None:
        connection.error(request, 2, "ObjectNotFound", type="vm", id="x")

    server = serve(VM_getStats=stats, VM_get=get)
    with sync.connect(f"http+{server.url}") as client:
        assert client.vm.get_stats().items == []
        with pytest.raises(errors.ObjectNotFound):
            client.vm.get(VM_ID)
    assert server.connections == 1


def test_a_byte_stream_is_a_socket(serve: Serve) -> None:
    with sync.connect(serve().url) as client:
        with client.open_stream("/stream/good") as sock:
            assert sock.recv(5, 256) == b"hello"
            sock.sendall(b"ping")
            assert sock.makefile("rb").read() == b"you said ping"
        with pytest.raises(errors.ObjectNotFound):
            client.open_stream("/stream/bad")
        with pytest.raises(StreamRefusedError, match="404"):
            client.open_stream("/stream/odd")


def test_nobody_there_is_told_at_once(serve: Serve) -> None:
    with pytest.raises(NotSentError, match="cannot connect"), sync.connect(serve().url + "x"):
        pass
