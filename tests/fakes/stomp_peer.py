"""A STOMP client of a session without a socket: frames in, frames out, over a broker in memory and hands of the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from libvdsm.bindings.stomp.beats import Sweep
from libvdsm.bindings.stomp.config import SessionLimits
from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.bindings.stomp.session import StompSession
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import SERVER_COMMANDS, Frame, StompLimits
from libvdsm.wire.stomp.frames import encode
from tests.fakes.exchange import FakeExchange

#: More than any limit of a turn.
UNITS = 1_000_000


@dataclass
class FakeLine:
    """See ``Line``."""

    is_secure: bool = False
    pager: None = None
    written: list[bytes] = field(default_factory=list)
    alone: list[bytes] = field(default_factory=list)
    is_stuffed: bool = False
    resumes: list[Callable[[], None]] = field(default_factory=list)
    wakes: int = 0
    is_finished: bool = False
    is_aborted: bool = False
    protocol: str = ""

    def is_full(self) -> bool:
        return self.is_stuffed

    def agreed(self, protocol: str, beat_s: float | None) -> None:
        self.protocol = protocol

    def put(self, data: bytes) -> None:
        assert not self.is_finished, "nothing is written behind the end"
        self.written.append(data)

    def put_now(self, data: bytes) -> None:
        self.alone.append(data)
        self.put(data)

    def when_drained(self, resume: Callable[[], None]) -> None:
        self.resumes.append(resume)

    def wake(self) -> None:
        self.wakes += 1

    def finish(self) -> None:
        self.is_finished = True

    def abort(self) -> None:
        self.is_aborted = True


class FakeRpc:
    """See ``StreamEndpoint`` and ``StreamSession``: answers ``<body>`` in brackets, or later if it says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes | None]] = []
        self.later: list[asyncio.Future[bytes]] = []
        self.is_closed = False

    def open(self, caller: Caller) -> FakeRpc:
        return self

    def take(self, message: bytes) -> bytes | asyncio.Future[bytes] | None:
        return None if message.startswith(b"slow") else self.answer(message)

    def answer(self, message: bytes, options: bytes | None = None) -> bytes | asyncio.Future[bytes]:
        self.asked.append((message, options))
        if message.startswith(b"note"):
            return b""
        if not message.startswith(b"slow"):
            return b"[" + message + b"]"
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.later.append(answer)
        return answer

    def refuse(self, reason: str) -> bytes:
        raise AssertionError(reason)

    def decline(self, failure: Exception) -> bytes:
        raise AssertionError(failure)

    def event(self, delivery: bytes) -> bytes:
        raise AssertionError(delivery)

    def close(self) -> None:
        self.is_closed = True


class Clock:
    """A clock that a test turns, and what it is to call."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.due.append((self.now + delay_s, call))

    def advance(self, seconds: float) -> None:
        """Let time pass, in steps as small as what is due."""
        end = self.now + seconds
        while self.due and min(self.due, key=lambda each: each[0])[0] <= end:
            first = min(self.due, key=lambda each: each[0])
            self.due.remove(first)
            self.now = max(self.now, first[0])
            first[1]()
        self.now = end


def login(caller: Caller, token: str) -> None:
    """See ``Access.login``: the token ``token-of-<identity>``, over a certificate of the same identity."""
    if caller.only is not None:
        raise NotAuthenticated(reason="this connection needs a certificate first")
    owner = token.removeprefix("token-of-")
    if owner == token or (caller.source == "certificate" and owner != caller.identity):
        raise NotAuthenticated(reason="the token is not valid")
    caller.become(owner, "token", (), Rights())


#: Small, so that a test reaches them.
SMALL = SessionLimits(
    frame=StompLimits(command_octets=32, line_octets=200, headers=10, head_octets=600, body_octets=1_000),
    stranger=StompLimits(command_octets=32, line_octets=100, headers=6, head_octets=300, body_octets=1),
    subscriptions=3,
    transactions=2,
    transaction_frames=3,
    transaction_octets=100,
    prefetch=5,
    pending=4,
)


class World:
    """A broker, an answerer and a clock, shared by peers."""

    def __init__(self, *, limits: SessionLimits | None = None, is_slow: bool = False, server: str | None = "libvdsm/1.0") -> None:
        self.exchange = FakeExchange(is_slow=is_slow)
        self.rpc = FakeRpc()
        self.clock = Clock()
        self.sweep = Sweep(now=self.clock.time, later=self.clock.later)
        self.endpoint = StompEndpoint(
            exchange=self.exchange,
            rpc=self.rpc,
            login=login,
            limits=limits,
            server=server,
            now=self.clock.time,
            sweep=self.sweep,
        )

    def peer(
        self,
        *,
        is_strict: bool = False,
        is_secure: bool = False,
        identity: str = "anonymous",
        source: str = "anonymous",
        versions: tuple[str, ...] = (),
    ) -> Peer:
        """Somebody who has connected and said nothing."""
        caller = Caller(identity=identity, source=source, roles=(), rights=Rights())
        line = FakeLine(is_secure=is_secure)
        session = self.endpoint.open(caller, line, is_strict=is_strict, versions=versions)
        return Peer(self, caller, line, session)

    def connected(self, version: str = "1.2", *, is_strict: bool = False, command: str = "CONNECT") -> Peer:
        """Somebody who has said CONNECT."""
        peer = self.peer(is_strict=is_strict)
        peer.send(command, ("accept-version", version), ("host", "here"))
        assert peer.frame().command == "CONNECTED"
        return peer


class Peer:
    """The client's end."""

    def __init__(self, world: World, caller: Caller, line: FakeLine, session: StompSession) -> None:
        self.world = world
        self.caller = caller
        self.line = line
        self.session = session
        self.version = "1.2"

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.session.receive(data)
        while self.session.has_more and not self.session.is_waiting and not self.line.is_stuffed:
            if not self.session.work(UNITS):
                break
        self.session.work(UNITS)

    def send(self, command: str, *headers: tuple[str, str], body: bytes = b"") -> None:
        """Send a frame."""
        self.raw(encode(command, headers, body, version=self.version))

    def frames(self) -> list[Frame]:
        """All that was written since the last look, after the broker has delivered what it has."""
        self.world.exchange.run()
        stream = StompStream(commands=SERVER_COMMANDS, limits=StompLimits(body_octets=10**8))
        stream.set_rules(version=self.version, is_strict=True)
        data = b"".join(self.line.written)
        self.line.written.clear()
        stream.receive_data(data)
        found = list(stream.events())
        assert not stream.is_partial
        return found

    def frame(self) -> Frame:
        """The only frame that was written."""
        (found,) = self.frames()
        return found

    def error(self) -> Frame:
        """The ERROR that was the last word."""
        found = self.frames()
        assert found, "nothing was said"
        assert found[-1].command == "ERROR", found
        assert self.line.is_finished
        return found[-1]

    def subscribe(self, destination: str, id: str = "s", *headers: tuple[str, str]) -> None:
        """Subscribe, and see that it is well."""
        self.send("SUBSCRIBE", ("destination", destination), ("id", id), *headers)
        assert not self.line.is_finished, self.frames()
