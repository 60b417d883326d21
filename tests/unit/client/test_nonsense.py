"""A daemon that says what nobody can understand, or takes nothing more: no call waits for ever, and nobody else pays for it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from libvdsm.client import ApiError, ConnectionLostError, ProtocolError, aio, sync
from libvdsm.client.runtime import policy
from libvdsm.client.runtime.aio import connection as aio_connection
from libvdsm.client.runtime.core import Core
from libvdsm.client.runtime.lines import LineWire
from libvdsm.client.runtime.sync import connection as sync_connection
from libvdsm.client.runtime.sync.tls import send_until
from tests.unit.client.conftest import Serve
from tests.unit.client.scripted import VM_ID, Connection, Json, Script, event
from tests.unit.client.test_aio import Request, empty, stats

#: What hangs is found out by this, long before an answer would be given up.
PATIENCE_S = 30
UNDERSTOOD = b'{"id":%d,"result":{"n":1}}\n'
EMPTY = b'{"id":%d}\n'


def say(line: bytes) -> Script:
    """Answers with ``line``, in which the id of the call is put."""

    async def answer(connection: Connection, request: Request) -> None:
        connection.writer.write(line.replace(b"ID", b"%d" % request["id"]))

    return answer


class Both:
    """Two calls, which are answered at once: the one as it should be, the other with nothing."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    async def answer(self, connection: Connection, request: Request) -> None:
        self.ids.append(request["id"])
        if len(self.ids) == 2:
            connection.writer.write(UNDERSTOOD % self.ids[0] + EMPTY % self.ids[1])


async def subscribe(connection: Connection, request: Request) -> None:
    name = request["params"]["subscriptionId"]
    connection.result(request, {"subscriptionId": name, "resume": "e-1"})
    connection.send({"method": "Event.deliver", "params": {"subscriptionId": name}})
    connection.send({"method": "Event.deliver", "params": {"subscriptionId": name, "resume": 7, "event": event(2)}})
    connection.send(
        {"method": "Event.deliver", "params": {"subscriptionId": name, "resume": "e-3", "event": {**event(3), "sequence": "x"}}}
    )
    connection.send({"method": "Event.deliver", "params": {"subscriptionId": name, "resume": "e-4", "event": event(4)}})


def test_who_was_answered_beside_nonsense_learns_of_the_end() -> None:
    calls = Core[str]()
    first, _ = calls.request("first", "VM.get", {}, {})
    second, _ = calls.request("second", "VM.get", {}, {})
    with pytest.raises(ProtocolError):
        calls.receive(UNDERSTOOD % first + EMPTY % second)
    assert sorted(calls.lost()) == ["first", "second"]


async def test_no_call_of_an_aio_client_outlives_the_nonsense(serve: Serve) -> None:
    async with aio.connect(serve(VM_reset=Both().answer).url) as client, asyncio.timeout(PATIENCE_S):
        found = await asyncio.gather(client.vm.reset(VM_ID), client.vm.reset(VM_ID), return_exceptions=True)
    assert [type(one) for one in found] == [ProtocolError] * 2


def test_no_call_of_a_sync_client_outlives_the_nonsense(serve: Serve) -> None:
    with sync.connect(serve(VM_reset=Both().answer).url) as client, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(client.vm.reset, VM_ID) for _ in range(2)]
        assert [type(one.exception(PATIENCE_S)) for one in asked] == [ProtocolError] * 2


@pytest.mark.parametrize("code", ('"x"', "null", "[]", "1.5"))
async def test_an_errors_code_that_is_no_number_is_none(serve: Serve, code: str) -> None:
    url = serve(VM_reset=say(b'{"id":ID,"error":{"code":%b,"message":"no"}}\n' % code.encode())).url
    async with aio.connect(url) as client, asyncio.timeout(PATIENCE_S):
        with pytest.raises(ApiError, match="no") as caught:
            await client.vm.reset(VM_ID)
    assert caught.value.code == 0
    with sync.connect(url) as there, pytest.raises(ApiError, match="no"):
        there.vm.reset(VM_ID)


@pytest.mark.parametrize("failure", (RuntimeError("odd"), ValueError("odd"), TypeError("odd"), RecursionError("odd")))
async def test_whatever_cannot_be_read_ends_the_connection(serve: Serve, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """Also what the client itself did not think of: a reading that has died quietly would leave everybody waiting."""
    understood = LineWire.receive

    def receive(self: LineWire, data: bytes) -> list[dict[str, Json]]:
        if b"odd" in data:
            raise failure
        return understood(self, data)

    monkeypatch.setattr(LineWire, "receive", receive)
    url = serve(VM_reset=say(b"odd\n"), VM_getStats=stats).url
    async with aio.connect(url) as client, asyncio.timeout(PATIENCE_S):
        with pytest.raises(ProtocolError, match="odd"):
            await client.vm.reset(VM_ID)
        assert client.state.link is aio.Link.DOWN
        await client.vm.get_stats()  # on another connection
    with sync.connect(url) as there, ThreadPoolExecutor(1) as pool:
        assert isinstance(pool.submit(there.vm.reset, VM_ID).exception(PATIENCE_S), ProtocolError)
        there.vm.get_stats()


async def test_a_delivery_that_is_none_is_told_to_its_reader_alone(serve: Serve) -> None:
    url = serve(Event_subscribe=subscribe, Event_unsubscribe=empty, VM_getStats=stats).url
    async with aio.connect(url) as client, asyncio.timeout(PATIENCE_S), client.events() as stream:
        await client.vm.get_stats()
        for _ in range(3):
            with pytest.raises(ProtocolError):
                await anext(stream)
        told = await anext(stream)
        assert told.event is not None
        assert told.event.sequence == 4
        assert client.state.is_up
    with sync.connect(url) as there, there.events() as following:
        there.vm.get_stats()
        for _ in range(3):
            with pytest.raises(ProtocolError):
                following.receive(PATIENCE_S)
        assert following.receive(PATIENCE_S).resume == "e-4"
        assert there.state.is_up


class Mute:
    """Answers the first ping, and of what comes then takes the beginning."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.has_more = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await reader.readline()
        writer.write(b'{"id":1,"result":{"pong":true}}\n')
        await reader.read(1)
        self.has_more.set()


GREAT = {"text": "x" * 16_000_000}


async def sending(client: aio.Client, mute: Mute) -> asyncio.Task[Json]:
    """A call that has begun to be sent, and can never be sent whole."""
    task = asyncio.ensure_future(client.call("VM.reset", GREAT))
    await mute.has_more.wait()
    return task


async def test_closing_does_not_wait_for_a_daemon_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aio_connection, "_GOODBYE_S", 0.01)
    mute = Mute()
    server = await asyncio.start_unix_server(mute.serve, tmp_path / "s")
    client = aio.connect(f"unix://{tmp_path}/s", heartbeat=0)
    async with asyncio.timeout(PATIENCE_S):
        await client.open()
        task = await sending(client, mute)
        await client.close()
        with pytest.raises(ConnectionLostError):
            await task
    server.close()
    for writer in mute.writers:
        writer.transport.abort()


async def test_who_is_sending_when_the_daemon_ends_its_way_is_told(tmp_path: Path) -> None:
    mute = Mute()
    server = await asyncio.start_unix_server(mute.serve, tmp_path / "s")
    client = aio.connect(f"unix://{tmp_path}/s", heartbeat=0, retry=aio.Retry(keys=False))
    async with asyncio.timeout(PATIENCE_S):
        await client.open()
        task = await sending(client, mute)
        mute.writers[0].write_eof()
        with pytest.raises(ConnectionLostError):
            await task
        await client.close()
    server.close()
    for writer in mute.writers:
        writer.transport.abort()


class Taker:
    """A socket on which each send waits for one turn in vain, or takes so much."""

    def __init__(self, *turns: int) -> None:
        self.turns = list(turns)
        self.taken = b""

    def gettimeout(self) -> float:
        return 1.0

    def send(self, data: memoryview) -> int:
        size = self.turns.pop(0)
        if not size:
            raise TimeoutError
        self.taken += data[:size]
        return min(size, len(data))


def send(taker: Taker, data: bytes, until: float) -> None:
    send_until(cast("socket.socket", taker), data, until)


def test_a_daemon_that_takes_nothing_for_a_while_is_not_lost_before_the_calls_time() -> None:
    taker = Taker(0, 3, 0, 0, 2, 9)
    send(taker, b"0123456789", time.monotonic() + PATIENCE_S)
    assert (taker.taken, taker.turns) == (b"0123456789", [])


@pytest.mark.parametrize("turns", ((0, 9), (1, 9)))
def test_beyond_the_calls_time_nothing_more_is_sent(turns: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to who takes a little, again and again."""
    monkeypatch.setattr("libvdsm.client.runtime.sync.tls._has_room", lambda _sock, _seconds: True)
    taker = Taker(*turns)
    with pytest.raises(TimeoutError):
        send(taker, b"0123456789", time.monotonic() - 1)
    assert taker.turns == [9]
    whole = Taker(10)
    send(whole, b"0123456789", time.monotonic() - 1)  # what could be sent at once was
    assert whole.taken == b"0123456789"


def test_the_last_turn_is_no_longer_than_the_calls_time() -> None:
    """Whatever one wait for the network may be."""
    near, far = socket.socketpair()
    near.settimeout(10 * PATIENCE_S)
    told: list[BaseException] = []

    def send_all() -> None:
        try:
            send_until(near, bytes(1 << 24), time.monotonic() + 0.05)
        except OSError as error:
            told.append(error)

    thread = threading.Thread(target=send_all, daemon=True)
    with near, far:
        thread.start()
        thread.join(PATIENCE_S)
        assert [type(error) for error in told] == [TimeoutError]
    told.clear()
    send_all()  # on a socket that is closed
    assert [type(error) for error in told] == [ConnectionAbortedError]


async def test_a_call_that_cannot_be_sent_ends_in_its_time_without_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "GRACE_S", 0.01)
    monkeypatch.setattr(sync_connection, "_TURN_S", 0.01)
    mute = Mute()
    server = await asyncio.start_unix_server(mute.serve, tmp_path / "s")
    client = sync.connect(f"unix://{tmp_path}/s", heartbeat=0, retry=sync.Retry(keys=False))
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.to_thread(client.open)
        with pytest.raises(ConnectionLostError, match="takes nothing"):
            await asyncio.to_thread(client.call, "VM.reset", GREAT, timeout=0.01)
        await asyncio.to_thread(client.close)
    server.close()
    for writer in mute.writers:
        writer.transport.abort()
