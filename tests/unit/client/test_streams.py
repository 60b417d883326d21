"""Streams of both clients: waits have an end, snapshots that are cut off, subscriptions that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from libvdsm.client import ConnectionLostError, NoAnswerError, NotSentError, aio, sync, types
from libvdsm.client.runtime import policy
from libvdsm.client.runtime.following import CUT_OFF
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import Connection, Script, ScriptedServer, event
from tests.unit.client.test_aio import Request, empty

QUICK = sync.Retry(first_s=0.001, most_s=0.01)
#: The next deliveries of a stream with these wishes.
Follow: TypeAlias = Callable[..., list[types.EventDelivery]]


def by_tasks(url: str, count: int, **wishes: Any) -> list[types.EventDelivery]:
    async def follow() -> list[types.EventDelivery]:
        async with aio.connect(url, retry=QUICK) as client, client.events(**wishes) as stream:
            return [await anext(stream) for _ in range(count)]

    return asyncio.run(follow())


def by_threads(url: str, count: int, **wishes: Any) -> list[types.EventDelivery]:
    with sync.connect(url, retry=QUICK) as client, client.events(**wishes) as stream:
        return [next(stream) for _ in range(count)]


def by_threads_with_little_time(url: str, count: int, **wishes: Any) -> list[types.EventDelivery]:
    found: list[types.EventDelivery] = []
    with sync.connect(url, retry=QUICK) as client:
        stream = client.events(**wishes)
        while len(found) < count:
            try:
                found.append(stream.receive(0.01))
            except TimeoutError:
                continue
        stream.close()
    return found


ALL = pytest.mark.parametrize("follow", (by_tasks, by_threads, by_threads_with_little_time))


class Answers:
    """Scripts of subscriptions, and when they were asked for."""

    def __init__(self) -> None:
        self.asked, self.ended = threading.Event(), threading.Event()
        self.names: list[str] = []

    async def hold_back(self, _connection: Connection, request: Request) -> None:
        """A subscription that begins, and of which nobody is told."""
        self.names.append(request["params"]["subscriptionId"])
        self.asked.set()

    async def end(self, connection: Connection, request: Request) -> None:
        self.names.remove(request["params"]["subscriptionId"])
        connection.result(request, {})
        self.ended.set()


def snapshots(first: list[int], second: list[int]) -> Script:
    """The first is cut off before its end; of objects with the numbers of these events."""

    async def subscribe(connection: Connection, request: Request) -> None:
        assert request["params"]["snapshot"]
        name = request["params"]["subscriptionId"]
        connection.result(request, {"subscriptionId": name, "resume": "e-0"})
        is_first = connection.server.connections == 1
        for number in first if is_first else second:
            connection.deliver(name, "e-0" if is_first or number != second[-1] else f"e-{number}", event=event(number))
        await connection.writer.drain()
        if is_first:
            connection.writer.close()

    return subscribe


@ALL
def test_a_snapshot_that_was_cut_off_is_taken_anew_and_the_first_is_void(serve: Serve, follow: Follow) -> None:
    """An object that is gone by then is no ghost: all that was told before is."""
    server = serve(Event_subscribe=snapshots([1, 2], [2, 3]), Event_unsubscribe=empty)
    found = follow(server.url, 5, snapshot=True)
    assert [one.resume for one in found] == ["e-0", "e-0", "e-0", "e-0", "e-3"]
    assert [one.gap is not None and str(one.gap.reason) for one in found] == [False, False, CUT_OFF, False, False]


@ALL
def test_behind_a_gap_comes_a_snapshot_for_who_began_with_one(serve: Serve, follow: Follow) -> None:
    """The subscription that told of the gap is ended, and what it says behind it is not heard."""

    async def subscribe(connection: Connection, request: Request) -> None:
        params = request["params"]
        name = params["subscriptionId"]
        connection.result(request, {"subscriptionId": name, "resume": "e-0"})
        if "after" in params:
            assert params["after"] == "e-1"
            connection.deliver(name, "e-8", gap={"reason": "trimmed", "missed": 7})
            connection.deliver(name, "e-9", event=event(9))
        else:
            connection.deliver(name, "e-0", event=event(10))
            connection.deliver(name, "e-10", event=event(11))

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    found = follow(server.url, 3, after="e-1", snapshot=True)
    assert [one.event and one.event.sequence for one in found] == [None, 10, 11]
    assert server.methods[:3] == ["Event.subscribe", "Event.unsubscribe", "Event.subscribe"]


@ALL
def test_half_of_merged_changes_is_not_handed_out_twice(serve: Serve, follow: Follow) -> None:
    async def subscribe(connection: Connection, request: Request) -> None:
        name = request["params"]["subscriptionId"]
        assert request["params"]["after"] == "e-1"
        connection.result(request, {"subscriptionId": name, "resume": "e-1"})
        for number, id in enumerate("abc", 2):
            told = event(number)
            connection.deliver(name, "e-4" if id == "c" else "e-1", event={**told, "object": {**told["object"], "id": id}})
            await connection.writer.drain()
            if id == "b" and connection.server.connections == 1:
                connection.writer.close()
                return

    found = follow(serve(Event_subscribe=subscribe, Event_unsubscribe=empty).url, 3, after="e-1", coalesce=1.0)
    assert [one.event and one.event.object.id for one in found] == ["a", "b", "c"]


# --- threads: a wait for events has an end ---


def following(number: int) -> Script:
    async def subscribe(connection: Connection, request: Request) -> None:
        name = request["params"]["subscriptionId"]
        connection.result(request, {"subscriptionId": name, "resume": "e-0"})
        connection.deliver(name, f"e-{number}", event=event(number))

    return subscribe


def test_a_wait_for_events_ends_in_time_while_nobody_is_there(tmp_path: Path) -> None:
    """And the connection is tried for all the same: when the daemon is back the stream goes on."""
    path = tmp_path / "daemon.sock"
    client = sync.connect(f"unix://{path}", connect_timeout=60, retry=QUICK)
    stream = client.events()
    with ScriptedServer(path, {"Event.subscribe": following(1)}):
        assert stream.receive(30).resume == "e-1"
    path.unlink(missing_ok=True)
    for timeout in (0, 0.01, 0.05):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            stream.receive(timeout)
        assert time.monotonic() - began < 30
    with ScriptedServer(path, {"Event.subscribe": following(2), "Event.unsubscribe": empty}) as server:
        assert stream.receive(30).resume == "e-2"
        assert server.requests[0]["params"]["after"] == "e-1"
        stream.close()
        client.close()


def test_a_stream_that_waits_in_pieces_learns_that_its_connection_cannot_be_had(tmp_path: Path) -> None:
    """Its patience is that of all of them together."""
    path = tmp_path / "daemon.sock"
    client = sync.connect(f"unix://{path}", connect_timeout=0.05, retry=QUICK)
    stream = client.events()
    deadline = time.monotonic() + 30
    with pytest.raises(NotSentError):  # noqa: PT012 - it is not known which of them
        while time.monotonic() < deadline:
            with pytest.raises(TimeoutError):
                stream.receive(0.001)
    stream.close()
    client.close()


def test_what_is_asked_for_in_pieces_comes_as_well(serve: Serve) -> None:
    """Over HTTP: who waits for less than the daemon takes does not ask again."""
    asked = threading.Event()
    go_on = threading.Event()

    async def read(connection: Connection, request: Request) -> None:
        if "after" not in request["params"]:
            connection.result(request, {"items": [], "resume": "e-1"})
            return
        asked.set()
        await asyncio.to_thread(go_on.wait, 30)
        connection.result(request, {"items": [event(2)], "resume": "e-2"})

    server = serve(Event_read=read)
    with sync.connect(f"http+{server.url}") as client:
        stream = client.events()
        while not asked.is_set():
            with pytest.raises(TimeoutError):
                stream.receive(0.001)
        with pytest.raises(TimeoutError):
            stream.receive(0.001)
        go_on.set()
        assert stream.receive(30).resume == "e-2"
        stream.close()
    assert len(server.requests) == 2


def test_a_stream_that_is_closed_while_it_goes_on_leaves_nothing_behind(serve: Serve) -> None:
    answers = Answers()
    server = serve(Event_subscribe=answers.hold_back, Event_unsubscribe=answers.end)
    with sync.connect(server.url) as client:
        stream = client.events()
        while not answers.asked.is_set():
            with pytest.raises(TimeoutError):
                stream.receive(0.01)
        stream.close()
        assert answers.ended.wait(30)
        assert answers.names == []
        with pytest.raises(StopIteration):
            stream.receive(1)


def test_a_subscription_whose_answer_was_not_waited_for_is_ended(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GRACE_S", 0.01)
    answers = Answers()
    server = serve(Event_subscribe=answers.hold_back, Event_unsubscribe=answers.end)
    with sync.connect(server.url, retry=sync.Retry(stream_s=0)) as client:
        with pytest.raises(NoAnswerError):
            next(client.client(timeout=0.01).events())
        assert answers.ended.wait(30)
    assert answers.names == []


def test_what_comes_late_of_a_subscription_that_is_over_is_not_heard(serve: Serve) -> None:
    """A thread may still be telling of it when the next one has begun."""
    with sync.connect(serve(Event_subscribe=following(4), Event_unsubscribe=empty).url) as client, client.events() as stream:
        stream.push({"subscriptionId": "s0", "resume": "e-9", "event": event(9)})
        assert stream.receive(30).resume == "e-4"
        with pytest.raises(TimeoutError):
            stream.receive(0)


def test_a_closed_client_ends_its_streams_at_once(serve: Serve) -> None:
    """Nobody tries for a connection that may not be had any more."""
    client = sync.connect(serve(Event_subscribe=following(1)).url, connect_timeout=600)
    client.open()
    stream = client.events()
    next(stream)
    client.close()
    with pytest.raises(NotSentError, match="closed"):
        next(stream)


# --- asyncio: who waits may be cancelled ---


async def test_a_stream_whose_beginning_was_cancelled_leaves_nothing_behind(serve: Serve) -> None:
    answers = Answers()
    server = serve(Event_subscribe=answers.hold_back, Event_unsubscribe=answers.end)
    async with aio.connect(server.url) as client:
        entering = asyncio.ensure_future(client.events().__aenter__())
        assert await asyncio.to_thread(answers.asked.wait, 30)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert await asyncio.to_thread(answers.ended.wait, 30)
    assert answers.names == []


async def test_a_stream_that_has_begun_when_it_is_cancelled_leaves_nothing_behind(serve: Serve) -> None:
    """The answer and the cancellation come at the same time."""
    answers = Answers()
    server = serve(Event_subscribe=following(1), Event_unsubscribe=answers.end)
    async with aio.connect(server.url) as client:
        stream = client.events()
        answers.names.append("s1")
        entering = asyncio.ensure_future(stream.__aenter__())
        await asyncio.sleep(0)
        assert stream._renewing is not None
        stream._renewing.add_done_callback(lambda _done: entering.cancel())
        with pytest.raises(asyncio.CancelledError):
            await entering
        assert await asyncio.to_thread(answers.ended.wait, 30)


async def test_who_waits_in_pieces_subscribes_once(serve: Serve) -> None:
    """A wait that is cancelled does not begin all over again the next time."""
    answers = Answers()
    go_on = threading.Event()

    async def subscribe(connection: Connection, request: Request) -> None:
        answers.asked.set()
        await asyncio.to_thread(go_on.wait, 30)
        await following(4)(connection, request)

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=empty)
    async with aio.connect(server.url) as client:
        stream = client.events()
        while not answers.asked.is_set():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        go_on.set()
        assert (await anext(stream)).resume == "e-4"
        await stream.aclose()
    assert server.methods == ["Event.subscribe", "Event.unsubscribe"]


async def test_a_stream_that_is_closed_while_it_begins_ends_who_waits(serve: Serve) -> None:
    answers = Answers()
    server = serve(Event_subscribe=answers.hold_back, Event_unsubscribe=answers.end)
    async with aio.connect(server.url) as client:
        stream = client.events()
        waiting = asyncio.ensure_future(anext(stream, None))
        assert await asyncio.to_thread(answers.asked.wait, 30)
        await stream.aclose()
        assert await waiting is None
        assert await asyncio.to_thread(answers.ended.wait, 30)
    assert answers.names == []


async def test_a_subscription_that_begins_on_another_connection_than_it_was_to_is_ended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one was lost while the call was on its way; nobody would hear of the new one's deliveries."""
    answers = Answers()

    async def subscribe(connection: Connection, request: Request) -> None:
        answers.names.append(request["params"]["subscriptionId"])
        await following(7)(connection, request)

    server = serve(Event_subscribe=subscribe, Event_unsubscribe=answers.end)
    async with aio.connect(server.url) as client:
        stream = client.events()
        invoke, calls = client.invoke, 0

        async def lose_first(*rest: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                stream.lost()
            return await invoke(*rest)

        monkeypatch.setattr(client, "invoke", lose_first)
        assert (await anext(stream)).resume == "e-7"
        assert await asyncio.to_thread(answers.ended.wait, 30)
        assert answers.names == ["s2"]
        await stream.aclose()


async def test_a_closed_client_ends_the_streams_of_tasks_at_once(serve: Serve) -> None:
    client = aio.connect(serve(Event_subscribe=following(1)).url, connect_timeout=600)
    await client.open()
    stream = client.events()
    await anext(stream)
    await client.close()
    with pytest.raises((NotSentError, ConnectionLostError), match="closed"):
        await anext(stream)


@pytest.mark.parametrize("is_sync", (True, False))
def test_connections_that_cannot_be_had_end_no_subscription_that_is_on_its_way(serve: Serve, *, is_sync: bool) -> None:
    """Somebody listens and hangs up when a token is shown, three times; the call that waited for a connection is made once."""

    async def log_in(connection: Connection, request: Request) -> None:
        if connection.server.connections <= 3:
            connection.drop()
        else:
            connection.result(request, {})

    server = serve(Identity_login=log_in, Event_subscribe=following(1), Event_unsubscribe=empty)

    async def follow() -> None:
        client = aio.connect(server.url, retry=QUICK, token="t")
        async with client.events() as stream:
            assert (await anext(stream)).resume == "e-1"
        await client.close()

    if is_sync:
        client = sync.connect(server.url, retry=QUICK, token="t")
        with client.events() as stream:
            assert next(stream).resume == "e-1"
        client.close()
    else:
        asyncio.run(follow())
    assert [method for method in server.methods if method != "Identity.login"] == ["Event.subscribe", "Event.unsubscribe"]
