"""A bridge that records calls, and a listener that serves it: all that bindings and transports need to be tested."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcLimits
from libvdsm.bindings.jsonrpc.http import JsonRpcHttpEndpoint
from libvdsm.interfaces.caller import Caller, Rights, Sink
from libvdsm.interfaces.endpoint import CallEndpoint, Endpoints, HttpEndpoint, PeerCertificate
from libvdsm.interfaces.generated.errors import (
    InvalidParams,
    MethodNotFound,
    NeedsConnection,
    NotAuthenticated,
    ObjectNotFound,
    PermissionDenied,
)
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.method import MethodEntry
from libvdsm.transports.config import Limits, ListenerPolicy
from libvdsm.transports.listener import Listener
from libvdsm.wire.http.connection import HttpLimits


class _Nothing(Struct):
    """No parameters, no result."""


def entry(name: str, kind: str) -> MethodEntry:
    """A verb that exists."""
    return MethodEntry(
        name=name,
        attribute=name.lower(),
        kind=kind,
        subsystem="front",
        permission=None,
        object_param=None,
        object_type=None,
        params=_Nothing,
        param_names=(),
        result=_Nothing,
        timeout_s=10,
        idempotent=True,
        cost="low",
        probe=None,
        progress_unit=None,
        paged=False,
        errors=(),
        uncacheable=False,
    )


def _subtract(values: Any) -> object:
    left, right = values if isinstance(values, list) else (values["minuend"], values["subtrahend"])
    return left - right


_ANSWERS: dict[str, Callable[[Any], object]] = {
    "subtract": _subtract,
    "sum": sum,
    "update": lambda _values: None,
    "notify_hello": lambda _values: None,
    "notify_sum": lambda _values: None,
    "get_data": lambda _values: ["hello", 5],
    "echo": lambda values: values,
    "Schema.discover": lambda _values: {"openrpc": "1.3.2"},
}


@dataclass
class Call:
    """What the bridge was asked."""

    caller: Caller
    method: str
    params: bytes
    options: bytes | None
    had_sink: bool  # when it was asked: who is gone has none


@dataclass
class RecordingBridge:
    """Answers a few verbs: those of the JSON-RPC specification's examples, slow ones and failing ones."""

    calls: list[Call] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)  # what slow calls wait for, by their word
    begun: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    released: list[Sink] = field(default_factory=list)
    streams: dict[str, socket.socket] = field(default_factory=dict)
    running: int = 0
    most_running: int = 0

    def methods(self) -> list[str]:
        """The verbs that were called, in order."""
        return [call.method for call in self.calls]

    def call(self, caller: Caller, method: str, params: bytes = b"{}", options: bytes | None = None) -> bytes | Awaitable[bytes]:
        """See ``Bridge``."""
        self.calls.append(Call(caller, method, params, options, caller.sink is not None))
        values = json.loads(params)
        if method in ("slow", "slow.change"):
            return self._slow(str(values["word"]))
        if method == "crash.later":
            return self._crash()
        return json.dumps(self._answer(caller, method, values), separators=(",", ":")).encode()

    def _answer(self, caller: Caller, method: str, values: Any) -> object:
        if method in _ANSWERS:
            return _ANSWERS[method](values)
        if method == "crash":
            msg = "a secret of the inside"
            raise RuntimeError(msg)
        if method == "fit":
            raise InvalidParams(path="$.size", reason="Expected `int`, got `str`")
        if method != "Event.subscribe":
            raise MethodNotFound(method=method)
        if caller.sink is None:
            raise NeedsConnection(method=method)
        return {"subscriptionId": "s1"}

    async def _slow(self, word: str) -> bytes:
        self.begun.append(word)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gates.setdefault(word, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(word)
            raise
        finally:
            self.running -= 1
        self.finished.append(word)
        return json.dumps(word).encode()

    async def _crash(self) -> bytes:
        await asyncio.sleep(0)
        msg = "a secret of the inside"
        raise RuntimeError(msg)

    def open_gate(self, word: str) -> None:
        """Let a slow call end."""
        self.gates.setdefault(word, asyncio.Event()).set()

    async def wait(self, caller: Caller, task_id: str, timeout_s: float) -> bytes:
        """See ``Bridge``."""
        raise ObjectNotFound(type="task", id=f"{task_id} for {caller.identity} within {timeout_s}")

    def subscribe(
        self,
        caller: Caller,
        sink: Sink,
        topics: Sequence[str] = ("#",),
        *,
        after: str | None = None,
        snapshot: bool = False,
        subscription_id: str | None = None,
        filter: EventFilter | None = None,
        coalesce_s: float = 0.0,
    ) -> bytes:
        """See ``Bridge``."""
        return json.dumps([caller.identity, sink is None, topics, after, snapshot, subscription_id, repr(filter), coalesce_s]).encode()

    def release(self, sink: Sink) -> None:
        """See ``Bridge``."""
        self.released.append(sink)

    def redeem(self, caller: Caller, ticket: str) -> socket.socket:
        """See ``Bridge``."""
        if ticket not in self.streams:
            raise ObjectNotFound(type="ticket", id=f"{ticket} of {caller.identity}")
        return self.streams.pop(ticket)

    def describe(self) -> Mapping[str, MethodEntry]:
        """See ``Bridge``."""
        return {"slow": entry("slow", "query"), "slow.change": entry("slow.change", "command")}


@dataclass
class RecordingAuthenticator:
    """Lets everybody in, or nobody."""

    refuses: bool = False
    unix_peers: list[tuple[int, int, int]] = field(default_factory=list)
    certificates: list[PeerCertificate] = field(default_factory=list)
    bearers: list[tuple[str, str]] = field(default_factory=list)
    known: dict[str, Caller] = field(default_factory=dict)

    def unix(self, *, uid: int, gid: int, pid: int, address: str, sink: Sink | None) -> Caller:
        """See ``Authenticator``."""
        self.unix_peers.append((uid, gid, pid))
        return self._admit(f"uid:{uid}", "unix", address, sink)

    def anonymous(self, *, address: str, sink: Sink | None) -> Caller:
        """See ``Authenticator``."""
        return self._admit("anonymous", "anonymous", address, sink)

    def certificate(self, *, certificate: PeerCertificate, address: str, sink: Sink | None) -> Caller:
        """See ``Authenticator``."""
        self.certificates.append(certificate)
        return self._admit(certificate.subject, "certificate", address, sink)

    def bearer(self, *, token: str, address: str, own: Caller) -> Caller:
        """See ``Authenticator``; a token is good if it begins with ``good``."""
        if not token.startswith("good"):
            raise NotAuthenticated(reason="the token is not valid")
        self.bearers.append((token, own.identity))
        return self.known.setdefault(token, self._admit(f"user:{token}", "token", address, None))

    def _admit(self, identity: str, source: str, address: str, sink: Sink | None) -> Caller:
        if self.refuses:
            raise PermissionDenied(identity=identity, permission="connect")
        return Caller(identity=identity, source=source, roles=(), rights=Rights(), address=address, sink=sink)


#: Who has proved nothing may send what others may.
GENEROUS = Limits(login_octets=Limits().message_octets, http=HttpLimits(stranger_octets=HttpLimits().body_octets))


@dataclass
class Served:
    """A bridge behind a TCP and a unix listener, and the hands of their clocks."""

    bridge: RecordingBridge
    authenticator: RecordingAuthenticator
    endpoint: JsonRpcEndpoint
    tcp: Listener
    unix: Listener
    port: int
    path: Path
    clock: list[float]

    async def connect(self, road: str = "tcp") -> Client:
        """A client over ``tcp`` or ``unix``."""
        if road == "unix":
            return Client(*await asyncio.open_unix_connection(str(self.path)))
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, road: str, message: bytes) -> bytes:
        """The answer's bytes over ``tcp``, ``unix`` or ``http``; empty if there is none."""
        if road != "http":
            client = await self.connect(road)
            client.send(message if message.endswith(b"\n") else message + b"\n")
            client.end()
            answer = await client.rest()
        else:
            client = await self.connect()
            client.send(post(message))
            answer = (await client.response()).body
        client.close()
        return answer

    def pass_time(self, seconds: float) -> None:
        """Let time pass for both listeners, and look at it."""
        self.clock[0] += seconds
        self.tcp.sweep(self.clock[0])
        self.unix.sweep(self.clock[0])


@dataclass
class HttpAnswer:
    """A response over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    def end(self) -> None:
        """Close the sending half."""
        self.writer.write_eof()

    async def line(self) -> bytes:
        """The next line."""
        return await self.reader.readline()

    async def rest(self) -> bytes:
        """All until the end."""
        return await self.reader.read()

    async def response(self, *, has_body: bool = True) -> HttpAnswer:
        """The next HTTP response."""
        status, headers = await self.head()
        if has_body and headers.get("transfer-encoding") == "chunked":
            return HttpAnswer(status, headers, b"".join([chunk async for chunk in self.chunks()]))
        length = int(headers.get("content-length", "0")) if has_body else 0
        return HttpAnswer(status, headers, await self.reader.readexactly(length))

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next HTTP response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(head[0].split()[1]), dict(line.lower().split(": ", 1) for line in head[1:] if line)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The chunks of a body, to its end."""
        while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
            data = await self.reader.readexactly(size + 2)
            assert data.endswith(b"\r\n")
            yield data[:-2]
        assert await self.reader.readexactly(2) == b"\r\n"

    def close(self) -> None:
        """Go away."""
        self.writer.close()

    def vanish(self) -> None:
        """Go away without a word: over TCP the peer sees a reset (over a unix socket merely the end of what we send)."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cast("asyncio.Transport", self.writer.transport).abort()


def post(body: bytes, *headers: str, path: str = "/rpc", host: str = "localhost", content_type: str = "application/json") -> bytes:
    """A POST request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@contextlib.asynccontextmanager
async def serve(
    limits: Limits | None = None,
    *,
    policy: ListenerPolicy | None = None,
    rpc_limits: JsonRpcLimits | None = None,
    refuses: bool = False,
    tls: ssl.SSLContext | None = None,
    wall: Callable[[], float] = time.time,
    stomp: CallEndpoint | None = None,
    http: Mapping[str, HttpEndpoint] | None = None,
) -> AsyncIterator[Served]:
    """A bridge behind two listeners, over which a test has the clock; with ``tls`` nothing is served in plain over TCP.

    Nobody has rights here, so strangers may send as much as others unless ``limits`` are given. ``http``: what is served beside ``/rpc``.
    """
    bridge = RecordingBridge()
    authenticator = RecordingAuthenticator(refuses)
    endpoint = JsonRpcEndpoint(bridge, limits=rpc_limits)
    endpoints = Endpoints(stream=endpoint, http={"/rpc": JsonRpcHttpEndpoint(endpoint), **(http or {})}, stomp=stomp)
    clock = [1_000.0]

    def listen(sock: socket.socket) -> Listener:
        return Listener(
            sock,
            bridge=bridge,
            authenticator=authenticator,
            endpoints=endpoints,
            policy=policy or ListenerPolicy(anonymous=tls is None),
            tls=tls,
            wall=wall,
            limits=limits or GENEROUS,
            now=lambda: clock[0],
        )

    with tempfile.TemporaryDirectory() as folder:
        tcp, unix = socket.socket(), socket.socket(socket.AF_UNIX)
        path = Path(folder) / "s"
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        unix.bind(str(path))
        tcp.listen()
        unix.listen()
        served = Served(bridge, authenticator, endpoint, listen(tcp), listen(unix), port, path, clock)
        await served.tcp.start()
        await served.unix.start()
        try:
            yield served
        finally:
            await served.tcp.stop(grace_s=0)
            await served.unix.stop(grace_s=0)
            for word in bridge.begun:
                bridge.open_gate(word)
            await until(lambda: not endpoint.work)


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until ``condition`` holds; a bounded number of turns, most of them without waiting."""
    for turn in itertools.count():
        if condition():
            return
        if turn >= 31_000:
            msg = "it never came to be"
            raise TimeoutError(msg)
        await asyncio.sleep(0 if turn < 1_000 else 0.002)
