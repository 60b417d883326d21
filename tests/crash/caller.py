"""A client as a careful manager writes it: every command has a key, and is sent again until its end is known.

What may be sent again is what the API itself calls retryable, and what was never answered because the line broke.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PATIENCE_S: Final = 90.0
_ANSWER_S: Final = 90.0
#: Seconds that an operation is waited for in one call.
WAIT_S: Final = 10.0

Json = dict[str, Any]


class LostError(Exception):
    """The line broke before the answer."""


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.document = error
        self.data: Json = error.get("data", {})
        self.name = str(self.data.get("error"))
        self.is_retryable = self.data.get("retryable") is True


@dataclass(frozen=True)
class Command:
    """A call with its key: the same however often it is sent."""

    method: str
    params: Json
    key: str
    is_operation: bool

    def options(self) -> Json:
        """What travels beside the parameters."""
        return {"idempotencyKey": self.key, **({"wait": WAIT_S} if self.is_operation else {})}


@dataclass(frozen=True)
class End:
    """What became of a command."""

    outcome: str  # done | the error's name
    result: Json | None = None  # when done
    task: Json | None = None  # of an operation
    is_retryable: bool = False
    error: Json | None = None


@dataclass
class Story:
    """All ends that one command was told, in order; the last one is final."""

    command: Command
    ends: list[End] = field(default_factory=list)
    lost: int = 0  # how often the line broke

    def told(self) -> str:
        """Its ends in short, each kind counted, and the last one."""
        counts = collections.Counter(end.outcome for end in self.ends)
        return f"{dict(counts)}, lost {self.lost} times, at last {self.ends[-1:]}"

    @property
    def final(self) -> End:
        """The last end."""
        return self.ends[-1]


class Connection:
    """One line to the daemon; calls one after the other, or sent now and answered later."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self._socket = _connect(path, patience_s)
        self._file = self._socket.makefile("rb")
        self._ids = itertools.count(1)

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def send(self, method: str, params: Json | None = None, options: Json | None = None) -> int:
        """Send a call; its id."""
        id = next(self._ids)
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}, **({"meta": options} if options else {})}
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise LostError from error
        return id

    def answer(self, id: int) -> Any:
        """The answer of a call that was sent; raises ``RefusedError`` or ``LostError``."""
        while True:
            try:
                line = self._file.readline()
            except TimeoutError:
                raise AssertionError(f"no answer within {_ANSWER_S} s") from None
            except OSError as error:
                raise LostError from error
            if not line.endswith(b"\n"):
                raise LostError
            message = json.loads(line)
            if message.get("id") == id:
                break
        if "error" in message:
            raise RefusedError(message["error"])
        return message["result"]

    def call(self, method: str, params: Json | None = None, options: Json | None = None) -> Any:
        """The result; raises ``RefusedError`` or ``LostError``."""
        return self.answer(self.send(method, params, options))


def _connect(path: Path, patience_s: float) -> socket.socket:
    """The socket is there before anybody serves it, and may be away between two lives."""
    deadline = time.monotonic() + patience_s
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(_ANSWER_S)
        try:
            client.connect(str(path))
        except OSError:
            client.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return client


class Caller:
    """A client that survives the daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The present line; a new one if there is none."""
        if self._connection is None:
            self._connection = Connection(self._path)
        return self._connection

    def ask(self, method: str, params: Json | None = None) -> Any:
        """A query, or the preparation of a test: asked again whenever the line breaks or the daemon says that it may be."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.connection.call(method, params)
            except LostError:
                self.close()
            except RefusedError as refused:
                if not refused.is_retryable or time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, f"{method} is not answered"
            time.sleep(0.02)

    def begin(self, command: Command) -> int:
        """Send a command and return at once."""
        return self.connection.send(command.method, command.params, command.options())

    def finish(
        self, command: Command, sent: int | None = None, *, between: Callable[[End], None] | None = None, patience_s: float = PATIENCE_S
    ) -> Story:
        """Learn the command's end, sending it again as often as that is needed. ``between`` is told of ends that were not final."""
        story = Story(command)
        deadline = time.monotonic() + patience_s
        while True:
            try:
                id = self.begin(command) if sent is None else sent
                story.ends.append(self._end_of(command, self.connection.answer(id)))
            except LostError:
                story.lost += 1
                self.close()
            except RefusedError as refused:
                story.ends.append(_refused(refused))
            sent = None
            if story.ends and not story.ends[-1].is_retryable:
                return story
            if story.ends and between is not None:
                between(story.ends[-1])
            assert time.monotonic() < deadline, f"the end of {command} is not known: {story.told()}"
            time.sleep(0.02)

    def _end_of(self, command: Command, result: Json) -> End:
        if not command.is_operation:
            return End("done", result)
        task = result["task"]
        while "endedAt" not in task:
            task = self.connection.call("Task.wait", {"taskId": task["id"], "seconds": WAIT_S})
        if task["state"] == "done":
            return End("done", task.get("result"), task)
        data = task["error"]["data"]
        return End(data["error"], None, task, data["retryable"] is True, task["error"])

    def pages(self, method: str, params: Json | None = None) -> list[Json]:
        """All items of a list."""
        items: list[Json] = []
        after: Json = {}
        while True:
            page = self.ask(method, {**(params or {}), "limit": 1000, **after})
            items += page["items"]
            if "next" not in page:
                return items
            after = {"after": page["next"]}

    def refused(self, method: str, params: Json, options: Json) -> str:
        """The name of the error that a call ends in; ``done`` if it does not."""
        with contextlib.suppress(LostError):
            try:
                self.connection.call(method, params, options)
            except RefusedError as refused:
                return refused.name
            return "done"
        raise AssertionError(f"{method}: the line broke")


def _refused(error: RefusedError) -> End:
    return End(error.name, is_retryable=error.is_retryable, error=error.document)
