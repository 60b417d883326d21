"""A small daemon that says what a test tells it to: JSON-RPC on lines, HTTP, byte streams, on one unix socket.

It runs in a thread of its own, so that clients of both kinds can be tested against it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeAlias

Json: TypeAlias = Any
#: Gets the connection and the request; answers by ``connection.result`` and its like, or not at all.
Script: TypeAlias = "Callable[[Connection, Mapping[str, Any]], Awaitable[None]]"

VM_ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
TASK_ID = "0b8f6b5e-5a54-4d6d-9c3a-1d3b9f6f2a11"


def task(state: str = "running", value: float = 0, **more: Json) -> dict[str, Json]:
    """A task as the daemon shows it."""
    return {
        "id": TASK_ID,
        "method": "VM.start",
        "object": {"type": "vm", "id": VM_ID},
        "subsystem": "virt",
        "state": state,
        "progress": {"value": value, "unit": "percent"},
        "cancellable": False,
        "createdAt": "2026-01-01T00:00:00Z",
        "revision": 1,
        **more,
    }


def event(sequence: int, state: str = "running") -> dict[str, Json]:
    """A change of a virtual machine's state."""
    return {
        "epoch": "e",
        "sequence": sequence,
        "time": "2026-01-01T00:00:00Z",
        "topic": f"vm.{VM_ID}",
        "object": {"type": "vm", "id": VM_ID, "revision": sequence},
        "change": "changed",
        "patch": {"state": state},
        "cause": {"kind": "hypervisor"},
    }


class Connection:
    """One client, as the script sees it."""

    def __init__(self, server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.is_http = False

    def send(self, message: Json) -> None:
        """One message, ended by LF; over HTTP the body of an answer."""
        body = json.dumps(message).encode()
        if self.is_http:
            self.post(b"200 OK", body)
        else:
            self.writer.write(body + b"\n")

    def post(self, status: bytes, body: bytes) -> None:
        """An answer of HTTP."""
        head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        self.writer.write(head + body)

    def result(self, request: Mapping[str, Json], result: Json) -> None:
        """Answer a request."""
        self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    def error(self, request: Mapping[str, Json], code: int, name: str, **params: Json) -> None:
        """Answer a request with an error."""
        data = {"error": name, "params": params, "fault": "client", "retryable": False, "remedy": "Do it otherwise."}
        if "path" in params:
            data["path"] = params["path"]
        self.send({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": f"{name}!", "data": data}})

    def deliver(self, subscription: str, resume: str, **members: Json) -> None:
        """Send a delivery."""
        params = {"subscriptionId": subscription, "resume": resume, **members}
        self.send({"jsonrpc": "2.0", "method": "Event.deliver", "params": params})

    def drop(self) -> None:
        """End the connection now."""
        self.writer.transport.abort()


class ScriptedServer:
    """Answers pings by itself; every other request goes to the script of its method."""

    def __init__(self, path: Path, scripts: Mapping[str, Script] | None = None) -> None:
        self.path = path
        self.scripts = dict(scripts or {})
        self.requests: list[dict[str, Json]] = []  # all but pings
        self.connections = 0
        self.http_heads: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self.path}"

    @property
    def methods(self) -> list[str]:
        """What was asked, but pings."""
        return [request["method"] for request in self.requests]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_unix_server(self._accept, self.path)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        connection = Connection(self, reader, writer)
        with suppress(ConnectionError, EOFError):
            first = await reader.readexactly(1)
            await (self._lines(connection, first) if first == b"{" else self._http(connection, first))
        writer.close()
        self._writers.discard(writer)

    async def _lines(self, connection: Connection, first: bytes) -> None:
        while line := first + await connection.reader.readline():
            first = b""
            await self._answer(connection, json.loads(line))

    async def _http(self, connection: Connection, first: bytes) -> None:
        while True:
            head = (first + await connection.reader.readuntil(b"\r\n\r\n")).decode()
            first = b""
            self.http_heads.append(head)
            if head.startswith("GET /stream/good "):
                connection.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: vdsm-stream\r\n\r\nhello")
                connection.writer.write(b"you said " + await connection.reader.readexactly(4))
                return
            if head.startswith("GET "):
                error = {
                    "error": {"code": 2, "message": "no", "data": {"error": "ObjectNotFound", "params": {"type": "ticket", "id": "bad"}}}
                }
                connection.post(b"404 Not Found", json.dumps(error).encode() if "/bad " in head else b"not json")
                continue
            length = int(next(line for line in head.lower().split("\r\n") if line.startswith("content-length:")).partition(":")[2])
            request = json.loads(await connection.reader.readexactly(length))
            connection.is_http = True
            await self._answer(connection, request)

    async def _answer(self, connection: Connection, request: dict[str, Json]) -> None:
        if request["method"] == "Host.ping":
            connection.result(request, {"pong": True})
            return
        self.requests.append(request)
        await self.scripts[request["method"]](connection, request)
