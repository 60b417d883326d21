"""The listener: who may come in, for how long unknown, and how it ends."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401 - not to be looked for when no descriptor is left
import json
import os
import resource
import socket

import pytest

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
from libvdsm.interfaces.endpoint import Endpoints
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.transports.detector import Door
from libvdsm.transports.listener import Listener
from libvdsm.wire.detect import Protocol
from tests.fakes.recording_bridge import RecordingAuthenticator, RecordingBridge, serve, until

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'


def make_listener(host: str, policy: ListenerPolicy) -> Listener:
    """A listener on a TCP socket."""
    bridge = RecordingBridge()
    with socket.socket() as sock:
        sock.bind((host, 0))
        return Listener(
            sock, bridge=bridge, authenticator=RecordingAuthenticator(), endpoints=Endpoints(stream=JsonRpcEndpoint(bridge)), policy=policy
        )


def test_tcp_without_tls_is_loopback_only_and_said_aloud() -> None:
    """No anonymous TCP unless the policy says so, and nowhere but on loopback."""
    with pytest.raises(ValueError, match="must allow anonymous"):
        make_listener("127.0.0.1", ListenerPolicy())
    with pytest.raises(ValueError, match="on loopback only"):
        make_listener("0.0.0.0", ListenerPolicy(anonymous=True))
    assert make_listener("127.0.0.1", ListenerPolicy(anonymous=True)).connections == 0


async def test_one_port_speaks_both_protocols() -> None:
    """The same port, JSON and HTTP, octet by octet."""
    async with serve() as served:
        for data, expected in ((PING, PONG), (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 404")):
            client = await served.connect()
            for octet in data:
                client.send(bytes([octet]))
                await client.writer.drain()
            assert (await client.reader.readexactly(len(expected))) == expected
            client.close()
        assert served.tcp.counters.by_protocol == {"json": 1, "http": 1}


@pytest.mark.parametrize(
    "greeting", (b"AMQP\x00\x01\x00\x00", b"CONNECT\naccept-version:1.2\n\n\x00", b"\x16\x03\x01\x02", b"SSH-2.0\r\n", b"\x00" * 100)
)
async def test_other_protocols_are_closed_at_once(greeting: bytes) -> None:
    """STOMP and AMQP are known and counted, though not served; the rest is nobody's."""
    async with serve() as served:
        client = await served.connect()
        client.send(greeting)
        assert await client.rest() == b""
        known = greeting[:4] in {b"AMQP", b"CONN"}
        assert served.tcp.counters.refused_protocol == int(known)
        assert not served.bridge.calls
        client.close()


async def test_a_policy_may_switch_a_protocol_off() -> None:
    """What is not enabled is closed."""
    async with serve(policy=ListenerPolicy(anonymous=True, protocols=frozenset({"http"}))) as served:
        assert await served.ask("tcp", PING) == b""
        assert await served.ask("http", PING) == PONG


async def test_strangers_have_ten_seconds() -> None:
    """Whoever says nothing, or not enough, is closed; a detected connection stays."""
    async with serve(Limits(login_s=1_000)) as served:
        silent, slow, known = [await served.connect() for _ in range(3)]
        slow.send(b"GE")
        known.send(PING)
        assert await known.line() == PONG
        served.pass_time(9.9)
        assert served.tcp.connections == 3
        served.pass_time(0.1)
        assert await silent.rest() == await slow.rest() == b""
        assert served.tcp.counters.detect_timeouts == 2
        known.send(PING)
        assert await known.line() == PONG
        for client in (silent, slow, known):
            client.close()


async def test_connections_are_bounded() -> None:
    """In all, and for strangers of one address; the others are served, and a free place is used again."""
    async with serve(Limits(connections=2)) as served:
        first, second = await served.connect(), await served.connect()
        for client in (first, second):
            client.send(PING)
            assert await client.line() == PONG
        third = await served.connect()
        with pytest.raises((ConnectionError, AssertionError)):
            assert await third.rest() == b"anything"
        first.close()
        await until(lambda: served.tcp.connections == 1)
        assert await served.ask("tcp", PING) == PONG
        assert served.tcp.counters.refused_limit == 1
        second.close()
        third.close()
    async with serve(Limits(strangers_per_address=1)) as served:
        stranger = await served.connect()
        await until(lambda: served.tcp.connections == 1)
        refused = await served.connect()
        with pytest.raises((ConnectionError, AssertionError)):
            assert await refused.rest() == b"anything"
        stranger.send(PING)
        assert await stranger.line() == PONG
        assert await served.ask("tcp", PING) == PONG
        stranger.close()
        refused.close()


async def test_a_unix_peer_is_whom_the_kernel_says_it_is() -> None:
    """SO_PEERCRED, on a stream and over HTTP; TCP is anonymous."""
    async with serve() as served:
        await served.ask("unix", PING)
        assert served.authenticator.unix_peers == [(os.getuid(), os.getgid(), os.getpid())]
        await served.ask("tcp", PING)
        await served.ask("http", PING)
        callers = [call.caller for call in served.bridge.calls]
        assert [(caller.identity, caller.address) for caller in callers] == [
            (f"uid:{os.getuid()}", "unix"),
            ("anonymous", "127.0.0.1"),
            ("anonymous", "127.0.0.1"),
        ]
        assert [call.had_sink for call in served.bridge.calls] == [True, True, False]
        assert [caller.sink for caller in callers] == [None, None, None]  # nothing can be sent to who is gone


async def test_whom_the_authenticator_refuses_is_closed() -> None:
    """Without a word, and counted."""
    async with serve(refuses=True) as served:
        for road in ("tcp", "unix"):
            assert await served.ask(road, PING) == b""
        assert served.tcp.counters.refused_identity == served.unix.counters.refused_identity == 1
        assert served.tcp.connections == served.unix.connections == 0


async def test_stopping_lets_due_answers_out() -> None:
    """New connections are refused, idle ones closed, a running call is answered."""
    async with serve() as served:
        busy, idle, web = [await served.connect() for _ in range(3)]
        busy.send(b'{"jsonrpc":"2.0","method":"slow","params":{"word":"a"},"id":1}\n')
        idle.send(PING)
        await idle.line()
        web.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await web.response()
        await until(lambda: served.bridge.begun == ["a"])
        served.tcp.loop.call_later(0.01, served.bridge.open_gate, "a")
        await served.tcp.stop(grace_s=30)
        assert json.loads(await busy.line())["result"] == "a"
        assert await busy.rest() == await idle.rest() == await web.rest() == b""
        with pytest.raises(ConnectionError):
            await served.connect()
        assert served.tcp.connections == 0
        for client in (busy, idle, web):
            client.close()


async def test_running_out_of_descriptors_does_not_end_us() -> None:
    """With no descriptor left, new clients are turned away or wait; with one again, they are served."""
    async with serve() as served:
        waiting = [await served.connect() for _ in range(3)]
        await until(lambda: served.tcp.connections == 3)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        late = socket.socket()
        late.setblocking(False)
        taken = os.open("/dev/null", os.O_RDONLY)
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken, limits[1]))
        try:
            await served.tcp.loop.sock_connect(late, ("127.0.0.1", served.port))
            waiting[0].send(PING)
            assert await waiting[0].line() == PONG
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            os.close(taken)
            late.close()
        assert await served.ask("tcp", PING) == PONG
        for client in waiting:
            client.close()


@pytest.mark.parametrize(
    ("said", "protocol"),
    (
        (b"\r\n \t\n{", Protocol.JSON),
        (b" " * 63 + b"[", Protocol.JSON),
        (b"AMQP", Protocol.AMQP),
        (b"CONNECT\n", Protocol.STOMP),
        (b"\n" * 54 + b"STOMP\r", Protocol.STOMP),
        (b"SUBSCRIBE\n", Protocol.STOMP),
        (b"CONNECT ", Protocol.HTTP),
        (b"\r\n\r\n\r\n\r\nOPTIONS ", Protocol.HTTP),
    ),
)
async def test_whoever_comes_octet_by_octet_loses_none(said: bytes, protocol: Protocol) -> None:
    """Nothing is decided before the octet that tells, and then all of them are handed over, in one piece and once."""
    near, far = socket.socketpair()
    with near, far:
        welcomed: list[tuple[Protocol, int]] = []
        received: list[bytes] = []
        left: list[Door] = []

        class Reactor:
            address, caller, expires_at = "", None, 0.0

            def connection_made(self, transport: object) -> None:
                assert transport is made

            def data_received(self, data: bytes) -> None:
                received.append(data)

        class Transport:
            def set_protocol(self, protocol: object) -> None:
                assert isinstance(protocol, Reactor)

        def welcome(_door: Door, found: Protocol) -> Reactor:
            welcomed.append((found, count))
            return Reactor()

        made = Transport()
        door = Door(near, address="a", since=0, welcome=welcome, leave=left.append)  # type: ignore[arg-type]  # stand-ins
        door.connection_made(made)  # type: ignore[arg-type]  # as much of a transport as it uses
        for count in range(1, len(said) + 1):
            assert not welcomed
            door.data_received(said[count - 1 : count])
        assert (welcomed, received, left) == ([(protocol, len(said))], [said], [door])


async def test_who_is_sent_away_while_coming_in_stays_out() -> None:
    """The transport may be made, and a request be there, before the task that is cancelled hears of it."""

    class Transport:
        is_aborted = False

        def abort(self) -> None:
            self.is_aborted = True

    near, far = socket.socketpair()
    taken: list[Door] = []
    with near, far:
        door = Door(near, address="a", since=0, welcome=lambda door, _protocol: taken.append(door), leave=taken.append)
        door.entering = asyncio.get_running_loop().create_future()  # type: ignore[assignment]
        door.abort()
        transport = Transport()
        door.connection_made(transport)  # type: ignore[arg-type]
        door.data_received(PING)
    assert transport.is_aborted
    assert not door.has_entered
    assert taken == []


async def test_who_is_sent_away_before_coming_in_is_closed() -> None:
    """Nothing of the task that would have taken it in has run."""
    async with serve() as served:
        near, far = socket.socketpair()
        near.setblocking(False)
        with far:
            served.tcp._arrive(near, ("127.0.0.1", 1))
            assert served.tcp.connections == 1
            next(iter(served.tcp._strangers)).abort()
            await until(lambda: served.tcp.connections == 0)
            assert near.fileno() == -1
