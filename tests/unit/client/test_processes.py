"""A client in a process that was forked off, and in another event loop than its own: neither takes anything from the other."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable

import pytest

from libvdsm.client import NotSentError, aio, sync
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import Connection, event
from tests.unit.client.test_aio import Request, empty

#: Test runners have threads; the children made here wait for none of them.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
PATIENCE_S = 60


def succeeds_in_a_child(do: Callable[[], object]) -> bool:
    """Whether ``do`` comes to its end in a process that is forked off."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    if not poll.poll(PATIENCE_S * 1000):
        os.kill(pid, signal.SIGKILL)
    os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


async def repeat(connection: Connection, request: Request) -> None:
    connection.result(request, {"was": request["params"]["n"]})


async def follow(connection: Connection, request: Request) -> None:
    """One event behind the token, on whichever connection."""
    name, after = request["params"]["subscriptionId"], int(request["params"].get("after", "e-1")[2:])
    connection.result(request, {"subscriptionId": name, "resume": f"e-{after}"})
    connection.deliver(name, f"e-{after + 1}", event=event(after + 1))


@pytest.mark.parametrize("road", ("", "http+"))
def test_a_process_that_is_forked_off_has_a_connection_of_its_own(serve: Serve, road: str) -> None:
    """It neither hears the answers of the other nor ends its connection; it does end its own."""
    server = serve(VM_get=repeat)
    changes: list[aio.Link] = []
    client = sync.connect(road + server.url, on_state=lambda state: changes.append(state.link))
    client.open()

    def use() -> None:
        assert [client.call("VM.get", {"n": n}) for n in range(3)] == [{"was": n} for n in range(3)]
        client.close()

    before = server.connections
    assert succeeds_in_a_child(use)
    assert succeeds_in_a_child(client.close)
    assert server.connections == before + 1
    assert client.call("VM.get", {"n": 7}) == {"was": 7}
    client.close()
    assert server.connections == before + 1
    assert changes == [aio.Link.UP, aio.Link.CLOSED]


def test_a_lock_that_another_thread_held_is_held_by_nobody_there(serve: Serve) -> None:
    server = serve(VM_get=repeat)
    held, over = threading.Event(), threading.Event()
    with sync.connect(server.url) as client:

        def hold() -> None:
            with client.line._connecting:
                held.set()
                over.wait(2 * PATIENCE_S)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(PATIENCE_S)
        assert succeeds_in_a_child(lambda: client.call("VM.get", {"n": 1}))
        over.set()
        thread.join()


def test_who_comes_while_another_thread_there_lets_go_waits_for_it(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is made by one is let go of by the other."""
    server = serve(VM_get=repeat)
    with sync.connect(server.url) as client:
        connection = client.line._connection
        assert connection is not None
        seen: list[bool] = []
        coming, there = threading.Event(), threading.Event()

        def come() -> None:
            coming.set()
            client.call("VM.get", {"n": 1})
            there.set()

        def abandon(really: Callable[[], None] = connection.abandon) -> None:
            threading.Thread(target=come, daemon=True).start()
            assert coming.wait(PATIENCE_S)
            seen.append(there.wait(0.2))
            really()

        def use() -> None:
            assert client.call("VM.get", {"n": 2}) == {"was": 2}
            assert there.wait(PATIENCE_S)
            assert seen == [False]

        with monkeypatch.context() as patch:
            patch.setattr(connection, "abandon", abandon)
            assert succeeds_in_a_child(use)


def test_a_stream_goes_on_in_both_processes(serve: Serve) -> None:
    server = serve(Event_subscribe=follow, Event_unsubscribe=empty)
    with sync.connect(server.url) as client, client.events() as stream:
        assert stream.receive(PATIENCE_S).resume == "e-2"

        def go_on() -> None:
            assert stream.receive(PATIENCE_S).resume == "e-3"

        assert succeeds_in_a_child(go_on)
        assert [request["params"].get("after") for request in server.requests] == [None, "e-2"]
        assert client.state.is_up


def test_a_stream_that_was_being_renewed_is_renewed_there_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was at it is a thread of the other process."""
    server = serve(Event_subscribe=follow, Event_unsubscribe=empty)
    over = threading.Event()
    with sync.connect(server.url) as client, client.events() as stream:
        assert stream.receive(PATIENCE_S).resume == "e-2"
        with monkeypatch.context() as patch:
            patch.setattr(stream, "_renew", lambda _limit_s=None: over.wait(3 * PATIENCE_S))
            stream.lost()
            with pytest.raises(TimeoutError):
                stream.receive(0.01)

        def go_on() -> None:
            assert stream.receive(PATIENCE_S).resume == "e-3"

        there = succeeds_in_a_child(go_on)
        over.set()
        assert there


def test_what_was_closed_before_the_fork_is_closed(serve: Serve) -> None:
    client = sync.connect(serve(VM_get=repeat).url)
    client.open()
    client.close()

    def use() -> None:
        with pytest.raises(NotSentError, match="closed"):
            client.call("VM.get", {"n": 1})
        assert client.state.link is aio.Link.CLOSED

    assert succeeds_in_a_child(use)


def test_a_client_stays_with_its_loop(serve: Serve) -> None:
    """On another nothing is sent: the answer would come to the first."""
    server = serve(VM_get=repeat)
    client = aio.connect(server.url)

    async def use() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.call("VM.get", {"n": 1})

    with asyncio.Runner() as first:
        first.run(client.open())
        with asyncio.Runner() as second:
            # Python lets no loop run inside another: the first one rests meanwhile.
            second.run(use())
        assert server.methods == []
        assert first.run(client.call("VM.get", {"n": 2})) == {"was": 2}
        first.run(client.close())
