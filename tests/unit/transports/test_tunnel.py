"""Byte tunnels: ``GET /stream/<ticket>`` becomes a stream of bytes both ways."""

from __future__ import annotations

import asyncio
import hashlib
import socket

import pytest

from libvdsm.transports.config import Limits
from libvdsm.transports.tunnel import TunnelConnection
from tests.fakes.recording_bridge import Client, Served, post, serve, until


def request(ticket: str = "t", *headers: str, method: str = "GET", upgrade: str = "vdsm-stream") -> bytes:
    """A request for a stream."""
    lines = [f"{method} /stream/{ticket} HTTP/1.1", "Host: localhost", "Connection: Upgrade", f"Upgrade: {upgrade}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def make_stream(served: Served, ticket: str = "t") -> Client:
    """A local stream behind ``ticket``; what is given is its other end."""
    near, far = socket.socketpair()
    near.setblocking(False)
    served.bridge.streams[ticket] = near
    return Client(*await asyncio.open_unix_connection(sock=far))


@pytest.mark.parametrize("road", ("tcp", "unix"))
async def test_bytes_go_both_ways(road: str) -> None:
    """Also those that come with the request, and any bytes at all."""
    async with serve() as served:
        far = await make_stream(served)
        client = await served.connect(road)
        client.send(request() + b"early ")
        answer = await client.response()
        assert answer.status == 101
        assert answer.headers["upgrade"] == "vdsm-stream"
        client.send(b"and late\n")
        assert await far.line() == b"early and late\n"
        noise = bytes(range(256)) * 4
        far.send(noise)
        assert await client.reader.readexactly(len(noise)) == noise
        client.close()
        assert await far.rest() == b""
        far.close()
        await until(lambda: served.tcp.connections + served.unix.connections == 0)


@pytest.mark.parametrize("road", ("tcp", "unix"))
async def test_all_that_comes_with_the_request_is_kept(road: str) -> None:
    """However much it is, and also if nothing comes behind it."""
    noise = bytes(range(256)) * 400
    async with serve() as served:
        far = await make_stream(served)
        client = await served.connect(road)
        client.send(request() + noise)
        client.end()
        assert await far.rest() == noise
        assert (await client.response()).status == 101
        far.send(b"heard")
        far.end()
        assert await client.rest() == b"heard"
        client.close()
        far.close()


async def test_an_end_that_was_said_before_the_tunnel_is_an_end_of_it() -> None:
    """The request waits behind a call, and meanwhile the client has said all that it has to say."""
    async with serve() as served:
        far = await make_stream(served)
        client = await served.connect()
        client.send(post(b'{"jsonrpc":"2.0","method":"slow","params":{"word":"a"},"id":1}') + request() + b"early")
        client.end()
        await until(lambda: served.bridge.begun == ["a"])
        await until(lambda: all(getattr(each, "_is_eof", False) for each in served.tcp._connections))
        served.bridge.open_gate("a")
        assert [(await client.response()).status for _ in range(2)] == [200, 101]
        assert await far.rest() == b"early"
        far.send(b"heard")
        far.end()
        assert await client.rest() == b"heard"
        client.close()
        far.close()


async def test_connect_opens_a_tunnel_too() -> None:
    """For clients that know CONNECT and no Upgrade, in HTTP/1.0 as well; a wrong ticket is no tunnel."""
    async with serve() as served:
        for version in ("1.1", "1.0"):
            far = await make_stream(served)
            client = await served.connect()
            client.send(f"CONNECT /stream/t HTTP/{version}\r\nHost: localhost\r\n\r\nearly\n".encode())
            assert (await client.head())[0] == 200
            assert await far.line() == b"early\n"
            far.send(b"\x00\xff\n")
            assert await client.line() == b"\x00\xff\n"
            client.close()
            far.close()
        client = await served.connect()
        client.send(b"CONNECT /stream/none HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.response()).status == 404
        client.send(b"CONNECT elsewhere.example:25 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await client.response()).status == 404
        client.close()


async def test_the_end_of_either_side_is_handed_on() -> None:
    """Half-closed, the other direction still delivers what is under way."""
    async with serve() as served:
        for ticket in ("a", "b"):
            far = await make_stream(served, ticket)
            client = await served.connect()
            client.send(request(ticket))
            await client.response()
            first, second = (client, far) if ticket == "a" else (far, client)
            first.send(b"the last words")
            first.end()
            assert await second.rest() == b"the last words"
            second.send(b"heard")
            second.end()
            assert await first.rest() == b"heard"
            await until(lambda: served.tcp.connections == 0)
            client.close()
            far.close()


async def test_a_ticket_works_once_and_only_for_a_stream() -> None:
    """Unknown and used tickets are 404; without the upgrade 426; by another method 405; none of them costs the ticket."""
    async with serve() as served:
        far = await make_stream(served)
        for data, status in (
            (request("unknown"), 404),
            (request("%2e%2e"), 404),
            (request(upgrade="websocket"), 426),
            (b"GET /stream/t HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
            (request().replace(b"HTTP/1.1", b"HTTP/1.0"), 426),
            (request(method="POST"), 405),
            (request("t", "Origin: https://evil.example"), 403),
            (request().replace(b"localhost", b"evil.example"), 421),
        ):
            client = await served.connect()
            client.send(data)
            assert (await client.response()).status == status, data
            client.close()
        client = await served.connect()
        client.send(request())
        assert (await client.response()).status == 101
        again = await served.connect()
        again.send(request())
        assert (await again.response()).status == 404
        again.close()
        client.close()
        far.close()


async def test_neither_side_is_read_faster_than_the_other_takes() -> None:
    """Several MiB each way through small buffers arrive whole; while nobody takes, little is held."""
    data = bytes(range(251)) * 20_000
    digest = hashlib.sha256(data).digest()
    async with serve(Limits(tunnel_octets=32_768)) as served:
        far = await make_stream(served)
        client = await served.connect()
        client.send(request())
        await client.response()
        for sender, receiver in ((client, far), (far, client)):
            sender.send(data)
            for _ in range(200):
                await asyncio.sleep(0)
            (tunnel,) = served.tcp._connections
            assert isinstance(tunnel, TunnelConnection)
            assert tunnel.held_octets() <= 32_768 + 256 * 1024  # the bound and one read
            assert hashlib.sha256(await receiver.reader.readexactly(len(data))).digest() == digest
        client.close()
        far.close()


@pytest.mark.parametrize("is_client", (True, False))
async def test_a_side_that_takes_nothing_is_closed_in_the_end(*, is_client: bool) -> None:
    """After 30 s with a full buffer; the other side is closed with it."""
    async with serve(Limits(tunnel_octets=32_768)) as served:
        far = await make_stream(served)
        client = await served.connect()
        client.send(request())
        await client.response()
        taker, sender = (client, far) if is_client else (far, client)
        taker.writer.transport.pause_reading()  # type: ignore[attr-defined]
        sender.send(bytes(20_000_000))
        (tunnel,) = served.tcp._connections
        assert isinstance(tunnel, TunnelConnection)
        await until(lambda: tunnel.held_octets() >= 32_768)
        served.pass_time(29)
        assert served.tcp.connections == 1
        served.pass_time(2)
        await until(lambda: served.tcp.connections == 0)
        assert served.tcp.counters.slow_readers == 1
        far.writer.transport.abort()
        client.vanish()


async def test_a_silent_tunnel_stays_and_ends_with_the_daemon() -> None:
    """No time-out on silence; when the listener stops, both ends are closed."""
    async with serve() as served:
        far = await make_stream(served)
        client = await served.connect()
        client.send(request())
        await client.response()
        served.pass_time(1_000_000)
        client.send(b"still here\n")
        assert await far.line() == b"still here\n"
        await served.tcp.stop(grace_s=5)
        assert await client.rest() == await far.rest() == b""
        client.close()
        far.close()
