"""States of connections: each change is told once, in order, and callbacks that fail harm nobody."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from libvdsm.client import NotSentError, aio, sync
from libvdsm.client.runtime.aio import connection as aio_connection
from libvdsm.client.runtime.core import Core
from libvdsm.client.runtime.state import Link, LinkState, Teller
from libvdsm.client.runtime.sync import connection
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import Connection, event
from tests.unit.client.test_aio import Request, empty, stats

QUICK = sync.Retry(first_s=0.001, most_s=0.01)


class Told:
    """A callback, and what it was told."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, state: LinkState) -> None:
        self.links.append(state.link.value)
        self.threads.add(threading.current_thread())


def failing(_state: LinkState) -> None:
    message = "this callback is broken"
    raise ValueError(message)


async def drop_first(connection: Connection, request: Request) -> None:
    """A subscription whose connection ends behind its first event, once."""
    name = request["params"]["subscriptionId"]
    number = 2 if "after" in request["params"] else 1
    connection.result(request, {"subscriptionId": name, "resume": "e-0"})
    connection.deliver(name, f"e-{number}", event=event(number))
    await connection.writer.drain()
    if number == 1:
        connection.writer.close()


# --- who tells ---


def test_a_change_is_told_once_and_a_new_reason_is_none() -> None:
    told = Told()
    teller = Teller(told)
    began = teller.state
    assert (began.link, began.is_up) == (Link.CONNECTING, False)
    assert teller.change(Link.DOWN, "one")
    since = teller.state.since
    assert teller.change(Link.DOWN, "another")
    assert (teller.state.reason, teller.state.since) == ("another", since)
    assert not teller.change(Link.UP, given=lambda was: was.is_up)
    assert teller.change(Link.UP)
    assert teller.change(Link.CLOSED)
    assert not teller.change(Link.DOWN)
    assert told.links == ["down", "up", "closed"]


def test_changes_are_told_in_their_order_whoever_finds_them() -> None:
    """A thread that finds one while another tells leaves it to that one, and waits for nobody."""
    told: list[str] = []

    def tell(state: LinkState) -> None:
        if state.link is Link.UP:
            finding = threading.Thread(target=teller.change, args=(Link.DOWN,))
            finding.start()
            finding.join(30)
            assert not finding.is_alive()
        told.append(state.link.value)

    teller = Teller(tell)
    teller.change(Link.UP)
    assert told == ["up", "down"]


def test_a_callback_that_changes_something_is_told_of_it_afterwards() -> None:
    told: list[str] = []

    def tell(state: LinkState) -> None:
        if state.link is Link.UP:
            teller.change(Link.CLOSED)
        told.append(state.link.value)

    teller = Teller(tell)
    teller.change(Link.UP)
    assert told == ["up", "closed"]


def test_who_stops_a_callback_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged; what is no error, such as Ctrl-C, goes to whoever it was meant for."""
    raised: list[BaseException] = [ValueError("no"), KeyboardInterrupt()]
    told = Told()

    def tell(state: LinkState) -> None:
        if raised:
            raise raised.pop(0)
        told(state)

    teller = Teller(tell)
    with caplog.at_level(logging.ERROR):
        teller.change(Link.UP)
    assert "a callback has failed" in caplog.text
    with pytest.raises(KeyboardInterrupt):
        teller.change(Link.DOWN)
    teller.change(Link.UP)
    assert told.links == ["up"]


# --- connections ---


def test_whoever_follows_a_connection_knows_of_its_end_before_there_can_be_another() -> None:
    """Else what it had to say of the old one would be said of the new one: that it is down, and its subscriptions gone."""
    ours, theirs = socket.socketpair()
    seen: list[tuple[bool, bool]] = []
    core: Core[Any] = Core()
    waiter: Future[Any] = Future()

    def lost(_reason: Exception) -> None:
        seen.append((link.is_open, waiter.done()))

    link = connection.StreamConnection(ours, core, beat_s=0, on_notification=print, on_lost=lost)
    link._has_begun = True
    link._send(waiter, "VM.get", {}, {}, 30)
    theirs.close()
    with pytest.raises(Exception, match=r"closed|reset"):
        waiter.result(30)
    link.close()
    assert seen == [(True, False)]
    assert not link.is_open
    with pytest.raises(NotSentError):
        link.call("VM.get", {}, {}, 30)
    link.tell("VM.get", {})


def test_a_connection_that_ends_while_it_begins_ends_its_thread_in_peace() -> None:
    """It was closed between the look at whether anybody waits for its greeting and the word to him."""
    ours, theirs = socket.socketpair()
    link = connection.StreamConnection(ours, Core(), beat_s=0, on_notification=print, on_lost=lambda _reason: None)

    class Closing(Future[None]):
        def set_result(self, result: None) -> None:
            link._end(NotSentError("closed"))
            super().set_result(result)

    link._ready = Closing()
    theirs.sendall(b"\n")
    link._reading.join(30)
    assert ours.fileno() == -1  # nothing is left open
    theirs.close()


def test_what_is_told_without_waiting_may_find_the_line_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    reasons: list[Exception] = []
    link = connection.StreamConnection(ours, Core(), beat_s=0, on_notification=print, on_lost=reasons.append)
    link._has_begun = True

    def cut(_data: bytes) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(link, "_put", cut)
    link.tell("VM.get", {})
    assert not link.is_open
    assert len(reasons) == 1
    link.close()
    theirs.close()


def test_a_connection_that_was_lost_at_once_was_never_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    server = serve()
    really_open = connection.StreamConnection.open
    opened: list[connection.StreamConnection] = []

    def open_and_lose(*rest: Any, **more: Any) -> connection.StreamConnection:
        made = really_open(*rest, **more)
        opened.append(made)
        if len(opened) == 1:
            made._end(NotSentError("lost"))
        return made

    monkeypatch.setattr(connection.StreamConnection, "open", open_and_lose)
    client = sync.connect(server.url, retry=QUICK, on_state=told)
    with pytest.raises(NotSentError, match="as soon as it was there"):
        client.open()
    assert told.links == ["down"]
    client.host.ping()
    client.close()
    assert told.links == ["down", "up", "closed"]


async def test_a_connection_of_tasks_that_was_lost_at_once_was_never_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    server = serve()
    really_open = aio_connection.StreamConnection.open
    opened: list[aio_connection.StreamConnection] = []

    async def open_and_lose(*rest: Any, **more: Any) -> aio_connection.StreamConnection:
        made = await really_open(*rest, **more)
        opened.append(made)
        if len(opened) == 1:
            made._end(NotSentError("lost"))
        return made

    monkeypatch.setattr(aio_connection.StreamConnection, "open", open_and_lose)
    client = aio.connect(server.url, retry=QUICK, on_state=told)
    with pytest.raises(NotSentError, match="as soon as it was there"):
        await client.open()
    assert told.links == ["down"]
    await client.host.ping()
    assert not client.line.lost.is_set()
    await client.close()
    assert told.links == ["down", "up", "closed"]


# --- clients ---


@pytest.mark.parametrize("callback", (Told, lambda: failing))
def test_threads_are_told_of_a_loss_and_go_on(serve: Serve, callback: Callable[[], Any]) -> None:
    told = callback()
    server = serve(Event_subscribe=drop_first, Event_unsubscribe=empty)
    with sync.connect(server.url, retry=QUICK, on_state=told) as client, client.events() as stream:
        assert [stream.receive(30).resume for _ in range(2)] == ["e-1", "e-2"]
    if isinstance(told, Told):
        assert told.links == ["up", "down", "up", "closed"]


@pytest.mark.parametrize("callback", (Told, lambda: failing))
async def test_tasks_are_told_of_a_loss_and_go_on(serve: Serve, callback: Callable[[], Any]) -> None:
    """In the loop's own thread."""
    told = callback()
    server = serve(Event_subscribe=drop_first, Event_unsubscribe=empty)
    async with aio.connect(server.url, retry=QUICK, on_state=told) as client, client.events() as stream, asyncio.timeout(30):
        assert [(await anext(stream)).resume for _ in range(2)] == ["e-1", "e-2"]
    if isinstance(told, Told):
        assert told.links == ["up", "down", "up", "closed"]
        assert told.threads == {threading.current_thread()}


def test_who_is_told_that_it_is_up_may_use_it(serve: Serve) -> None:
    """A callback may not block; one that does all the same does not wait for itself."""
    found: list[list[Any]] = []
    clients: list[sync.Client] = []

    def look(state: LinkState) -> None:
        if state.is_up:
            found.append(clients[0].vm.get_stats().items)

    clients.append(sync.connect(serve(VM_getStats=stats).url, on_state=look))
    opening = threading.Thread(target=clients[0].open, daemon=True)
    opening.start()
    opening.join(30)
    assert found == [[]]
    clients[0].close()
