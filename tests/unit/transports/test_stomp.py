"""STOMP on a socket: turns, bounds and ends that only a transport can show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.wire.stomp.frames import encode
from tests.fakes.exchange import FakeExchange
from tests.fakes.recording_bridge import Client, Served, serve, until
from tests.fakes.stomp_peer import FakeRpc, login

GREETING = b"STOMP\naccept-version:1.2\nhost:h\n\n\0"


@contextlib.asynccontextmanager
async def serving(exchange: FakeExchange, limits: Limits | None = None, *, is_strict: bool = False) -> AsyncIterator[Served]:
    """A listener that speaks STOMP."""
    endpoint = StompEndpoint(exchange=exchange, rpc=FakeRpc(), login=login)
    async with serve(limits, policy=ListenerPolicy(anonymous=True, strict_stomp=is_strict), stomp=endpoint) as served:
        yield served


async def greeted(served: Served) -> Client:
    """Somebody who has connected."""
    client = await served.connect()
    client.send(GREETING)
    assert (await client.reader.readuntil(b"\0")).startswith(b"CONNECTED\n")
    return client


async def test_many_frames_in_one_read_are_all_carried_out_in_order() -> None:
    exchange = FakeExchange()
    async with serving(exchange) as served:
        client = await greeted(served)
        frames = [encode("SEND", [("destination", "/queue/a"), ("number", str(number))], b"x" * 50) for number in range(5_000)]
        client.send(b"".join(frames) + encode("SEND", [("destination", "/queue/a"), ("receipt", "last")]))
        assert b"receipt-id:last" in await client.reader.readuntil(b"\0")
        assert [kept.message.headers.get("number") for kept in exchange.queues["/queue/a"]][:-1] == [str(number) for number in range(5_000)]
        client.close()


async def test_who_does_not_read_is_not_read_and_loses_nothing() -> None:
    async with serving(FakeExchange(), Limits(write_octets=100_000)) as served:
        client = await greeted(served)
        call = encode("SEND", [("destination", "/exchange/requests"), ("reply-to", "/temp-queue/r")], b"x" * 40_000)
        for _ in range(400):
            client.send(call)
        (connection,) = served.tcp._connections
        await until(connection.is_full)
        assert connection.unsent_octets() < 1_000_000
        for _ in range(400):
            assert (await client.reader.readuntil(b"]\0")).startswith(b"MESSAGE\n")
        client.close()


async def test_a_refused_frame_is_told_and_half_closed() -> None:
    async with serving(FakeExchange()) as served:
        client = await greeted(served)
        client.send(b"HELLO\n\n\0" + b"x" * 1_000_000)
        said = await client.rest()
        assert (said.startswith(b"ERROR\n"), said.count(b"\0")) == (True, 1)
        client.close()


async def test_the_login_has_its_time() -> None:
    async with serving(FakeExchange()) as served:
        client = await served.connect()
        client.send(b"CONNECT\nhost:h\n")
        await until(lambda: bool(served.tcp._connections))
        (connection,) = served.tcp._connections
        connection.check_time(10**9)
        assert (await client.rest()).startswith(b"ERROR\n")
        client.close()


async def test_who_has_greeted_and_is_nobody_has_no_more_time_than_that() -> None:
    """CONNECT without a passcode proves nothing; who logs in with it, or is known by the kernel, may stay."""
    async with serving(FakeExchange()) as served:
        stranger, known = await greeted(served), await served.connect()
        local = await served.connect("unix")
        for client in (known, local):
            client.send(GREETING.replace(b"host:h\n", b"host:h\npasscode:token-of-user:known\n") if client is known else GREETING)
            assert (await client.reader.readuntil(b"\0")).startswith(b"CONNECTED\n")
        served.pass_time(served.tcp.limits.login_s - 0.1)
        stranger.send(b"SEND\ndestination:/topic/a\nreceipt:1\n\nx\0")
        assert (await stranger.reader.readuntil(b"\0")).startswith(b"RECEIPT\n")
        served.pass_time(0.2)
        assert b"nobody logged in" in await stranger.rest()
        assert served.tcp.counters.detect_timeouts == 1
        for client in (known, local):
            client.send(b"SEND\ndestination:/topic/a\nreceipt:1\n\nx\0")
            assert (await client.reader.readuntil(b"\0")).startswith(b"RECEIPT\n")
        for client in (stranger, known, local):
            client.close()


async def test_who_has_greeted_and_is_nobody_sends_nothing_long() -> None:
    """Once the daemon knows who it is, also by a login in a call, frames may be as long as they may be."""
    long = b"SEND\ndestination:/topic/a\nreceipt:1\n\n" + b"x" * 100_000 + b"\0"
    async with serving(FakeExchange()) as served:
        for knows in (False, True):
            before = set(served.tcp._connections)
            client = await greeted(served)
            (connection,) = served.tcp._connections - before
            if knows:
                assert connection.caller is not None
                connection.caller.become("user:known", "token", (), Rights())
            client.send(long)
            assert (await client.reader.readuntil(b"\0")).startswith(b"RECEIPT\n" if knows else b"ERROR\n")
            client.close()


async def test_a_login_does_not_lead_past_the_number_of_connections() -> None:
    """Whoever is one too many by his login is told so, and goes; a change of his rights alone is no login."""
    async with serving(FakeExchange()) as served:
        most = served.tcp.accounts.of(Caller(identity="user:known", source="token", roles=(), rights=Rights())).connections
        most.maximum = 2
        clients = [await served.connect() for _ in range(3)]
        for client in clients[:2]:
            client.send(GREETING.replace(b"host:h\n", b"host:h\npasscode:token-of-user:known\n"))
            assert (await client.reader.readuntil(b"\0")).startswith(b"CONNECTED\n")
        assert most.used == 2
        clients[2].send(GREETING.replace(b"host:h\n", b"host:h\npasscode:token-of-user:known\n"))
        assert b"\nerror:LimitExceeded\n" in await clients[2].rest()
        assert (most.used, served.tcp.counters.refused_limit) == (2, 1)
        for connection in served.tcp._connections:
            if connection.caller is not None:
                connection.caller.entitle(("reader",), Rights())
        assert most.used == 2
        clients[0].send(b"SEND\ndestination:/topic/a\nreceipt:1\n\nx\0")
        assert (await clients[0].reader.readuntil(b"\0")).startswith(b"RECEIPT\n")
        clients[0].close()
        await until(lambda: most.used == 1)
        for client in clients[1:]:
            client.close()


async def test_a_strict_listener_is_strict() -> None:
    for is_strict, begins in ((True, b"ERROR"), (False, b"CONNECTED")):
        async with serving(FakeExchange(), is_strict=is_strict) as served:
            client = await served.connect()
            client.send(b"CONNECT\naccept-version:1.2\n\n\0")
            assert (await client.reader.readuntil(b"\0")).startswith(begins)
            client.close()


async def test_when_the_daemon_stops_answers_that_are_due_are_given() -> None:
    exchange = FakeExchange(is_slow=True)
    async with serving(exchange) as served:
        client = await greeted(served)
        client.send(encode("SEND", [("destination", "/queue/a"), ("receipt", "r")], b"x"))
        await until(lambda: bool(exchange.waiting))
        stopping = asyncio.ensure_future(served.tcp.stop(5))
        await asyncio.sleep(0)
        exchange.store()
        assert b"receipt-id:r" in await client.rest()
        await stopping
        client.close()


async def test_who_says_goodbye_and_goes_is_gone_at_once() -> None:
    """Nobody waits for a peer that has ended its half after our last word: neither the book of connections nor a stop."""
    async with serving(FakeExchange()) as served:
        client = await greeted(served)
        (connection,) = served.tcp._connections
        client.send(encode("DISCONNECT", [("receipt", "bye")]))
        assert b"receipt-id:bye" in await client.rest()
        assert connection.is_lingering
        client.close()
        await until(lambda: not served.tcp._connections)


async def test_how_far_it_is_behind_is_told() -> None:
    exchange = FakeExchange()
    async with serving(exchange) as served:
        client = await greeted(served)
        client.send(encode("SUBSCRIBE", [("destination", "/topic/vm.#"), ("id", "v"), ("receipt", "r")]))
        await client.reader.readuntil(b"\0")
        (connection,) = served.tcp._connections
        exchange.sessions[-1].lag = 5
        assert connection.behind() == (1, 5)
        client.close()
