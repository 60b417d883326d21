"""The book of connections, as real ones are entered in it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from libvdsm.transports.config import Limits, ListenerPolicy
from tests.fakes.recording_bridge import post, serve, until

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'


async def test_who_is_connected_is_in_the_book_until_he_goes() -> None:
    """Strangers are not; what was read, written and asked is counted."""
    async with serve(policy=ListenerPolicy(name="here", anonymous=True), wall=lambda: 1234.5) as served:
        registry = served.tcp.registry
        stranger, client = await served.connect(), await served.connect()
        client.send(PING * 2)
        assert await client.reader.readexactly(2 * len(PONG)) == PONG * 2
        (entry,) = registry.after(0)
        assert (entry.number, entry.protocol, entry.listener, entry.connected_at) == (1, "json", "here", 1234.5)
        assert (entry.received_octets, entry.sent_octets, entry.calls, entry.unsent_octets()) == (2 * len(PING), 2 * len(PONG), 2, 0)
        assert entry.address == "127.0.0.1"
        assert entry.caller is not None
        assert entry.caller.identity == "anonymous"
        assert entry.cipher is None
        assert registry.find(1) is entry
        assert registry.find(2) is None
        assert list(registry.after(1)) == []
        client.close()
        await until(lambda: len(registry) == 0)
        stranger.close()


async def test_http_is_counted_as_well() -> None:
    """Two requests over one connection, the second on the hot path."""
    async with serve() as served:
        client = await served.connect("unix")
        written = 0
        for _ in range(3):
            client.send(post(PING))
            answer = await client.response()
            assert answer.body == PONG
            written += len(answer.body)
        (entry,) = served.unix.registry.after(0)
        assert (entry.protocol, entry.address, entry.calls) == ("http/1.1", "unix", 3)
        assert entry.received_octets == 3 * len(post(PING))
        assert entry.sent_octets > written
        client.close()


async def test_a_tunnel_is_the_connection_that_it_was() -> None:
    """The number stays when HTTP becomes a tunnel, and so do the counts."""
    async with serve() as served:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        served.bridge.streams["word"] = theirs
        with ours:
            client = await served.connect()
            asked = b"GET /stream/word HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: vdsm-stream\r\n\r\n"
            client.send(asked)
            assert (await client.response(has_body=False)).status == 101
            client.send(b"12345")
            (entry,) = served.tcp.registry.after(0)
            await until(lambda: entry.received_octets == len(asked) + 5)
            assert (entry.number, entry.protocol, entry.calls) == (1, "tunnel", 1)
            assert entry.caller is not None
            assert ours.recv(5) == b"12345"
            ours.send(b"6")
            assert await client.reader.readexactly(1) == b"6"
            assert entry.sent_octets > len(b"6")
        client.close()
        await until(lambda: len(served.tcp.registry) == 0)


async def test_a_connection_is_ended_at_once() -> None:
    """Also one whose client takes nothing: what it has not taken is dropped."""
    async with serve(Limits(write_octets=1024 * 1024, message_octets=4 * 1024 * 1024, login_octets=4 * 1024 * 1024)) as served:
        quiet, full = await served.connect(), socket.socket()
        with full:
            quiet.send(PING)
            assert await quiet.line() == PONG
            full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            full.connect(("127.0.0.1", served.port))
            full.setblocking(False)
            loop = asyncio.get_running_loop()
            message = f'{{"jsonrpc":"2.0","method":"echo","params":["{"x" * 3_000_000}"],"id":1}}\n'.encode()
            asking = loop.create_task(loop.sock_sendall(full, message * 8))
            registry = served.tcp.registry
            await until(lambda: any(entry.unsent_octets() > 0 for entry in registry.after(1)))
            for entry in tuple(registry.after(0)):
                entry.end()
            assert await quiet.rest() == b""
            await until(lambda: len(registry) == 0)
            with pytest.raises(OSError, match=r"reset|Broken"):
                await asking
        quiet.close()
