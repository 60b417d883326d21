"""JSON-RPC 2.0 without I/O: requests out, answers and notifications in, who waits for what.

Bytes come in as they come; messages are JSON objects ended by LF. An answer that nobody waits for
(late, or never asked) is counted and dropped.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from libvdsm.client.runtime.errors import ApiError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The longest message that is accepted, in bytes.
MAX_MESSAGE: Final = 256 * 1024 * 1024

_W = TypeVar("_W")
_FLOW: ContextVar[str | None] = ContextVar("libvdsm_flow", default=None)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer."""

    code: int
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer(Generic[_W]):
    """An answer with whoever waits for it."""

    waiter: _W
    result: Any = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that the daemon says by itself."""

    method: str
    params: Mapping[str, Any]


Received: TypeAlias = "Answer[_W] | Notification"


class Framer:
    """Cuts a stream into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The complete messages that ``data`` has ended."""
        *complete, rest = data.split(b"\n")
        if complete:
            complete[0] = b"".join([*self._parts, complete[0]])
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > MAX_MESSAGE:
                message = f"a message is longer than {MAX_MESSAGE} bytes"
                raise ProtocolError(message)
        return [line for line in complete if line.strip()]


class Core(Generic[_W]):
    """The calls of one connection; ``_W`` is what waits for an answer (a future)."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._ids = count(1)
        self._waiting: dict[int, _W] = {}
        self.dropped = 0  # answers that nobody waited for

    def request(self, waiter: _W, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[int, bytes]:
        """The id of a new call and its bytes; ``waiter`` is handed back with the answer."""
        number = next(self._ids)
        data = encode_request(number, method, params, options)
        self._waiting[number] = waiter
        return number, data

    def forget(self, number: int) -> None:
        """Nobody waits for this call any more."""
        self._waiting.pop(number, None)

    def receive(self, data: bytes) -> list[Received[_W]]:
        """What the bytes say, in order; raises ``ProtocolError`` if they are not JSON-RPC."""
        found = (self._message(line) for line in self._framer.feed(data))
        return [one for one in found if one is not None]

    def lost(self) -> list[_W]:
        """The connection is gone: everyone who still waited."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting

    def _message(self, line: bytes) -> Received[_W] | None:
        message = decode(line)
        if "method" in message:
            params = message.get("params")
            return Notification(str(message["method"]), params if isinstance(params, dict) else {})
        waiter = self._waiting.pop(message["id"], None) if isinstance(message.get("id"), int) else None
        if waiter is None:
            self.dropped += 1
            return None
        return Answer(waiter, message.get("result"), failure(message))


def encode_request(number: int, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """A request as bytes, ended by LF."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    if options:
        message["meta"] = options
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(data: bytes) -> dict[str, Any]:
    """A message; anything but a JSON object is a ``ProtocolError``."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        text = f"the answer is not JSON: {error}"
        raise ProtocolError(text) from error
    if not isinstance(message, dict):
        text = "the answer is not a JSON object"
        raise ProtocolError(text)
    return message


def failure(message: Mapping[str, Any]) -> Failure | None:
    """The error of an answer, if it is one."""
    error = message.get("error")
    if error is None:
        if "result" not in message:
            text = "the answer has neither result nor error"
            raise ProtocolError(text)
        return None
    if not isinstance(error, dict):
        text = "the answer's error is not a JSON object"
        raise ProtocolError(text)
    data = error.get("data")
    return Failure(int(error.get("code", 0)), str(error.get("message", "")), data if isinstance(data, dict) else {})


def typed(error: Failure) -> ApiError:
    """The exception of an error answer."""
    from libvdsm.client.generated.errors import ERRORS

    kind = ERRORS.get(str(error.data.get("error")), ApiError)
    return kind(error.code, error.message, error.data)


def options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Member ``meta``: the options that are there, and the flow around the call."""
    found = {name: value for name, value in given.items() if value is not None}
    flow = _FLOW.get()
    if flow is not None:
        found.setdefault("flowId", flow)
    return found


@contextmanager
def flow(flow_id: str) -> Iterator[None]:
    """All calls inside carry ``flow_id``."""
    token = _FLOW.set(flow_id)
    try:
        yield
    finally:
        _FLOW.reset(token)
