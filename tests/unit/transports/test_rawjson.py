"""Raw JSON-RPC on a stream: order, bounds, back-pressure, events and ends."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcLimits
from libvdsm.transports.config import Limits
from libvdsm.transports.rawjson import JsonConnection
from tests.fakes.recording_bridge import Client, Served, serve, until

if TYPE_CHECKING:
    from libvdsm.interfaces.caller import Sink

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'


def slow(word: str) -> bytes:
    """A call that waits for its gate."""
    return json.dumps({"jsonrpc": "2.0", "method": "slow", "params": {"word": word}, "id": word}).encode() + b"\n"


async def sink_of(served: Served, client: Client) -> Sink:
    """The sending half of ``client``'s connection, as the broker sees it."""
    client.send(PING)
    await client.line()
    sink = served.bridge.calls[-1].caller.sink
    assert sink is not None
    return sink


async def test_thousands_of_pipelined_calls_are_answered_in_order() -> None:
    """Calls that are answered at once keep their order."""
    async with serve() as served:
        client = await served.connect()
        client.send(b"".join(b'{"jsonrpc":"2.0","method":"sum","params":[%d],"id":%d}\n' % (index, index) for index in range(5_000)))
        client.end()
        answers = [json.loads(line) for line in (await client.rest()).splitlines()]
        assert [answer["result"] for answer in answers] == [answer["id"] for answer in answers] == list(range(5_000))
        client.close()


async def test_a_slow_call_does_not_hold_up_the_others() -> None:
    """Later answers overtake."""
    async with serve() as served:
        client = await served.connect()
        client.send(slow("a") + PING)
        assert await client.line() == PONG
        served.bridge.open_gate("a")
        assert json.loads(await client.line())["id"] == "a"
        client.close()


async def test_half_closed_clients_get_what_is_due() -> None:
    """A client that has sent all it wants (nc -N) reads every answer, also the late one, and then the end."""
    async with serve() as served:
        for road in ("tcp", "unix"):
            client = await served.connect(road)
            client.send(slow(road) + PING.rstrip())
            client.end()
            assert await client.line() == PONG
            served.bridge.open_gate(road)
            assert json.loads(await client.rest())["id"] == road
            client.close()


async def test_an_unfinished_message_at_the_end_is_an_error() -> None:
    """What is cut off is said to be so."""
    async with serve() as served:
        answers = (await served.ask("tcp", PING + b'{"jsonrpc":')).splitlines()
        assert json.loads(answers[1])["error"]["code"] == -32700


async def test_calls_in_flight_are_bounded() -> None:
    """The call above the bound has a typed answer at once; when one has ended there is room again."""
    async with serve(rpc_limits=JsonRpcLimits(in_flight=3)) as served:
        client = await served.connect()
        client.send(b"".join(slow(f"w{index}") for index in range(4)))
        refused = json.loads(await client.line())
        assert refused["id"] == "w3"
        assert refused["error"]["data"]["error"] == "LimitExceeded"
        served.bridge.open_gate("w0")
        assert json.loads(await client.line())["id"] == "w0"
        client.send(slow("w4"))
        await until(lambda: served.bridge.begun == ["w0", "w1", "w2", "w4"])
        client.close()


async def test_too_long_a_message_ends_the_connection() -> None:
    """It is said why, what was asked before is answered, and nothing after it is read."""
    async with serve(Limits(message_octets=1_000)) as served:
        client = await served.connect()
        client.send(PING + b'{"' + b"x" * 2_000 + b'":1}\n' + PING)
        answers = [json.loads(line) for line in (await client.rest()).splitlines()]
        assert [answer.get("result", answer.get("error", {}).get("code")) for answer in answers] == [1, -32700]
        client.close()


async def test_a_stranger_must_log_in_in_time() -> None:
    """Also if he calls all the while what everybody may; who is known may take his time."""
    async with serve() as served:
        stranger, known, local = await served.connect(), await served.connect(), await served.connect("unix")
        for client in (stranger, local, known):
            client.send(PING)
            await client.line()
        caller = served.bridge.calls[-1].caller
        caller.become("user:known", "token", (), caller.rights)
        served.pass_time(served.tcp.limits.login_s - 0.1)
        stranger.send(PING)
        assert await stranger.line() == PONG
        served.pass_time(0.2)
        assert json.loads(await stranger.rest())["error"]["data"]["error"] == "NotAuthenticated"
        assert served.tcp.counters.detect_timeouts == 1
        for client in (known, local):
            client.send(PING)
            assert await client.line() == PONG
        for client in (stranger, known, local):
            client.close()


async def test_a_stranger_must_be_brief_until_he_has_logged_in() -> None:
    """A message of his is bounded, however many there are of them; who has proved something may say what is said to everybody."""
    long = b'{"jsonrpc":"2.0","method":"echo","params":["' + b"x" * 2_000 + b'"],"id":1}\n'
    async with serve(Limits(login_octets=1_000)) as served:
        stranger, known, local = await served.connect(), await served.connect(), await served.connect("unix")
        for client in (stranger, known):
            client.send(PING * 100)
            for _ in range(100):
                assert await client.line() == PONG
        caller = served.bridge.calls[-1].caller
        caller.become("user:known", "token", (), caller.rights)
        for client in (known, local):
            client.send(long)
            assert len(json.loads(await client.line())["result"][0]) == 2_000
        stranger.send(long[:1_500])
        assert b"the message is longer than 1000 octets" in await stranger.rest()
        for client in (stranger, known, local):
            client.close()


async def test_slow_senders_are_closed() -> None:
    """A message must be finished in 30 s, however its octets trickle; idling between messages is free."""
    async with serve(Limits(login_s=1e9)) as served:
        idle, slow_loris = await served.connect(), await served.connect()
        for client in (idle, slow_loris):
            client.send(PING)
            await client.line()
        slow_loris.send(b'{"jsonrpc"')
        await until(lambda: any(connection._partial_since for connection in served.tcp._connections))  # type: ignore[attr-defined]
        for _ in range(3):
            served.pass_time(9.9)
            slow_loris.send(b" ")
            await slow_loris.writer.drain()
        assert served.tcp.connections == 2
        served.pass_time(0.4)
        assert json.loads(await slow_loris.rest())["error"]["code"] == -32700
        served.pass_time(1_000_000)
        idle.send(PING)
        assert await idle.line() == PONG
        assert served.tcp.counters.slow_senders == 1
        idle.close()
        slow_loris.close()


async def test_each_message_has_its_own_thirty_seconds() -> None:
    """A client that never ends a write with a message, and goes on for longer than one may take."""
    async with serve(Limits(login_s=1e9)) as served:
        client = await served.connect()
        client.send(PING[:10])
        for _ in range(4):
            client.send(PING[10:] + PING[:10])
            assert await client.line() == PONG
            await until(lambda: any(getattr(each, "_partial_since", 0) == served.clock[0] for each in served.tcp._connections))
            served.pass_time(20)
        assert served.tcp.counters.slow_senders == 0
        served.pass_time(10)
        assert json.loads(await client.rest())["error"]["code"] == -32700
        client.close()


async def test_who_does_not_read_is_not_read_from_and_in_the_end_closed() -> None:
    """The write buffer is bounded: no call is carried out for a client whose answers pile up; after 30 s it goes."""
    async with serve(Limits(write_octets=100_000)) as served:
        client = await served.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        echo = b'{"jsonrpc":"2.0","method":"echo","params":["' + b"x" * 10_000 + b'"],"id":1}\n'
        for _ in range(2_000):
            client.send(echo)
        await until(lambda: any(connection.is_full() for connection in served.tcp._connections))
        (connection,) = served.tcp._connections
        carried_out = len(served.bridge.calls)
        assert carried_out < 2_000
        assert connection.buffered_octets() < 200_000
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(served.bridge.calls) == carried_out
        served.pass_time(29.9)
        assert served.tcp.connections == 1
        served.pass_time(0.2)
        await until(lambda: served.tcp.connections == 0)
        assert served.tcp.counters.slow_readers == 1
        client.vanish()


async def test_who_reads_again_gets_everything() -> None:
    """Back-pressure loses nothing and keeps the order."""
    async with serve(Limits(write_octets=50_000)) as served:
        client = await served.connect()
        body = b"x" * 5_000
        sent = asyncio.create_task(_send_many(client, body))
        await until(lambda: any(connection.is_full() for connection in served.tcp._connections))
        for index in range(3_000):
            answer = await client.line()
            assert answer.startswith(b'{"jsonrpc":"2.0","id":%d,' % index)
        await sent
        client.close()


async def _send_many(client: Client, body: bytes) -> None:
    for index in range(3_000):
        client.send(b'{"jsonrpc":"2.0","method":"echo","params":["' + body + b'"],"id":%d}\n' % index)
        await client.writer.drain()


async def test_events_are_notifications_and_are_written_together() -> None:
    """What is delivered in one turn of the loop goes out in order, among answers."""
    async with serve() as served:
        client = await served.connect()
        sink = await sink_of(served, client)
        for index in range(100):
            sink.deliver(b'{"n":%d}' % index)
        for index in range(100):
            assert await client.line() == b'{"jsonrpc":"2.0","method":"Event.deliver","params":{"n":%d}}\n' % index
        assert not sink.is_full()
        client.close()


async def test_who_cannot_be_written_hinders_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that have something to write are written in one call; what goes wrong with one is complained of, and the others go on."""
    async with serve() as served:
        clients = [await served.connect() for _ in range(3)]
        sinks = [await sink_of(served, client) for client in clients]
        complaints = list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context["exception"]))
        defect, flush = RuntimeError("defect"), JsonConnection.flush

        def fail(connection: JsonConnection) -> None:
            if connection is sinks[0]:
                raise defect
            flush(connection)

        monkeypatch.setattr(JsonConnection, "flush", fail)
        for sink in sinks:
            sink.deliver(b"{}")
        for client in clients[1:]:
            assert (await client.line()).endswith(b'"params":{}}\n')
        assert complaints == [defect]
        monkeypatch.undo()
        for client in clients:
            client.close()


async def test_a_page_goes_out_behind_what_was_put_before_it() -> None:
    """It is what its deliveries would be one by one, is counted as so many, and goes nowhere once the connection is gone."""
    async with serve() as served:
        client = await served.connect()
        sink = await sink_of(served, client)
        assert isinstance(sink, JsonConnection)
        before = sink.hub.counters.events
        sink.deliver_page(sink.page([b'{"n":0}', b'{"n":1}']), 2)
        sink.deliver(b'{"n":2}')
        sink.deliver_page(sink.page([b'{"n":3}']), 1)
        sink.deliver(b'{"n":4}')
        for index in range(5):
            assert await client.line() == b'{"jsonrpc":"2.0","method":"Event.deliver","params":{"n":%d}}\n' % index
        assert sink.hub.counters.events == before + 5
        client.vanish()
        await until(lambda: served.bridge.released[-1:] == [sink])
        sink.deliver_page(sink.page([b"{}"]), 1)
        assert sink.hub.counters.events == before + 5


async def test_a_full_sink_says_so_and_says_when_it_is_not() -> None:
    """The broker may ask, and is called once there is room."""
    async with serve(Limits(write_octets=100_000)) as served:
        client = await served.connect()
        sink = await sink_of(served, client)
        called: list[str] = []
        sink.when_drained(lambda: called.append("free"))
        await until(lambda: called == ["free"])
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        delivered = 0
        while not sink.is_full():
            sink.deliver(b'"' + b"x" * 10_000 + b'"')
            delivered += 1
            if delivered % 10 == 0:
                await asyncio.sleep(0)
        sink.when_drained(lambda: called.append("drained"))
        await asyncio.sleep(0)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(delivered):
            assert (await client.line()).endswith(b"}\n")
        await until(lambda: called == ["free", "drained"])
        assert not sink.is_full()
        client.close()


async def test_a_lost_connection_releases_its_sink() -> None:
    """Once, whatever way it ends; what is delivered afterwards goes nowhere and harms nobody."""
    async with serve() as served:
        for road in ("tcp", "unix"):
            client = await served.connect(road)
            sink = await sink_of(served, client)
            client.vanish()
            await until(lambda sink=sink: served.bridge.released[-1:] == [sink])  # type: ignore[misc]
            sink.deliver(b"{}")
            sink.when_drained(lambda: None)
        assert len(served.bridge.released) == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([PING, b"{", b"}", b"\n", b'"', b"\\", b"[1]", b"\xff", b"null", b" ", b'{"a":1,"a":1}\n']), max_size=30))
def test_garbage_between_messages_never_ends_us(pieces: list[bytes]) -> None:
    """Whatever comes, each answer is one line of JSON, and the next client is served."""

    async def attempt() -> None:
        async with serve() as served:
            answers = await served.ask("tcp", b"".join(pieces))
            assert all(json.loads(line) for line in answers.splitlines())
            assert await served.ask("tcp", PING) == PONG

    asyncio.run(attempt())
