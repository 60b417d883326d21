"""The plainest clients: one request, the bytes of its answer, over each road."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Self

from tests.canary import record

#: Members of answers whose values are secrets of whoever asked.
_GIVEN = ("token", "ticket")

Address = Path | tuple[str, int]


def connect(address: Address, timeout_s: float = 100) -> socket.socket:
    """A connected stream socket."""
    if isinstance(address, Path):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(timeout_s)
        made.connect(str(address))
        return made
    return socket.create_connection(address, timeout=timeout_s)


def ask_stream(address: Address, request: bytes) -> bytes:
    """The answer on a stream: everything up to and with the final LF."""
    with connect(address) as stream, stream.makefile("rb") as reader:
        stream.sendall(request + b"\n")
        return noted(reader.readline())


def ask_http(address: Address, request: bytes) -> bytes:
    """The body of the answer to POST /rpc."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = connect(address)
    try:
        connection.request("POST", "/rpc", request, {"Content-Type": "application/json"})
        return noted(connection.getresponse().read())
    finally:
        connection.close()


def noted(answer: bytes) -> bytes:
    """The same, noted for the canary run: tokens and tickets that were given, and all that may hold no secret."""
    if record.folder() is not None:
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        result = found.get("result") if isinstance(found, dict) else None
        given = [result[name] for name in _GIVEN if isinstance(result, dict) and isinstance(result.get(name), str)]
        for secret in given:
            record.register("token or ticket", secret)
        keys = [text for text in result.values() if isinstance(text, str) and "PRIVATE KEY" in text] if isinstance(result, dict) else []
        for key in keys:
            record.register_key(key)
        if not given and not keys:
            record.seen("answers", answer)
    return answer


class Caller:
    """A stream connection for calls one after the other; events are kept aside."""

    def __init__(self, address: Address) -> None:
        self._stream = connect(address)
        self._reader = self._stream.makefile("rb")
        self._id = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._stream.close()

    def answer(self, method: str, params: object = None, **meta: object) -> dict[str, Any]:
        """The whole response."""
        self._id += 1
        request = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": {} if params is None else params}
        self._stream.sendall(json.dumps(request | ({"meta": meta} if meta else {})).encode() + b"\n")
        while True:
            message = self.read()
            if message.get("id") == self._id:
                return message

    def call(self, method: str, params: object = None, **meta: object) -> dict[str, Any]:
        """The result; an error answer fails the test."""
        answer = self.answer(method, params, **meta)
        assert "result" in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    def error(self, method: str, params: object = None, **meta: object) -> dict[str, Any]:
        """The error; a result fails the test."""
        answer = self.answer(method, params, **meta)
        assert "error" in answer, answer
        found: dict[str, Any] = answer["error"]
        return found

    def done(self, method: str, params: object = None) -> dict[str, Any]:
        """The result of an operation that ends well within 45 seconds."""
        task = self.call(method, params, wait=45)["task"]
        assert task["state"] == "done", task
        found: dict[str, Any] = task["result"]
        return found

    def read(self) -> dict[str, Any]:
        """The next message; notifications are kept too."""
        line = self._reader.readline()
        assert line, "the daemon closed the connection"
        message: dict[str, Any] = json.loads(noted(line))
        if message.get("method") == "Event.deliver":
            self.events.append(message["params"])
        return message
