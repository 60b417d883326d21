"""A little STOMP client that blocks: frames out, frames in, nothing else. Standard library only."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Frame:
    """What came."""

    command: str
    headers: dict[str, str]
    body: bytes


class LineError(Exception):
    """The line is down, or nothing came in time."""


class StompLine:
    """One connection over a daemon's unix socket, logged in."""

    def __init__(self, path: Path, timeout_s: float = 10.0, **login: str) -> None:
        self._timeout_s = timeout_s
        self._buffer = b""
        self._frames: deque[Frame] = deque()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self.write(frame("CONNECT", {"accept-version": "1.2", "host": "localhost", **login}))
        first = self.read()
        if first.command != "CONNECTED":
            raise LineError(f"{first}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send octets."""
        try:
            self._socket.sendall(data)
        except OSError as failure:
            raise LineError(str(failure)) from failure

    def send(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        """Send a frame."""
        self.write(frame(command, headers, body))

    def read(self, timeout_s: float | None = None) -> Frame:
        """The next frame; raises ``LineError`` if none comes."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while not self._frames:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LineError("nothing came in time")
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(262144)
            except OSError as failure:
                raise LineError(str(failure)) from failure
            if not data:
                raise LineError("the daemon hung up")
            self._buffer += data
            self._split()
        return self._frames.popleft()

    def has_frame(self) -> bool:
        """Whether a frame is here already."""
        return bool(self._frames)

    def call(self, method: str, params: dict[str, object]) -> Any:
        """A call by request and reply; the connection must have no other traffic."""
        text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        self.send("SUBSCRIBE", {"destination": "own-replies", "id": "calls"})
        self.send("SEND", {"destination": "/exchange/requests", "reply-to": "own-replies"}, text)
        answer = self.read()
        self.send("UNSUBSCRIBE", {"id": "calls", "receipt": "calls"})
        self.read()
        if answer.command != "MESSAGE":
            raise LineError(f"{answer}")
        return json.loads(answer.body)

    def _split(self) -> None:
        while True:
            self._buffer = self._buffer.lstrip(b"\n")
            head, found, rest = self._buffer.partition(b"\n\n")
            if not found:
                return
            lines = head.decode().split("\n")
            headers: dict[str, str] = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers.setdefault(name, value.replace("\\c", ":").replace("\\n", "\n").replace("\\\\", "\\"))
            length = int(headers["content-length"]) if "content-length" in headers else rest.find(b"\0")
            if length < 0 or len(rest) <= length:
                return
            self._frames.append(Frame(lines[0], headers, rest[:length]))
            self._buffer = rest[length + 1 :]


def frame(command: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """An encoded frame."""
    lines = [command, *(f"{name}:{value}" for name, value in headers.items())]
    if body:
        lines.append(f"content-length:{len(body)}")
    return "\n".join(lines).encode() + b"\n\n" + body + b"\0"
