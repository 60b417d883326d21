"""JSON-RPC 2.0 without I/O: requests out, answers and notifications in, who waits for what, and whether the peer is there.

Bytes come in as they come, on any wire. An answer that nobody waits for (late, or never asked) is counted and dropped.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from libvdsm.client.runtime.errors import ApiError, ConnectionLostError, ProtocolError
from libvdsm.client.runtime.lines import LineWire
from libvdsm.client.runtime.wire import LIFE, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from libvdsm.client.runtime.wire import Wire

#: Of the interval of signs of life, how long the peer may be silent before the connection is given up.
PATIENCE: Final = 2.0

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


class Core(Generic[_W]):
    """The calls of one connection; ``_W`` is what waits for an answer (a future)."""

    def __init__(self, wire: Wire | None = None, *, beat_s: float = 0.0, now: float = 0.0) -> None:
        """``beat_s``: seconds of silence after which the peer is asked for a sign of life; 0: it is never asked."""
        self.wire: Wire = LineWire() if wire is None else wire
        self._beat_s = beat_s
        self._heard_at = self._beaten_at = now
        self._probed_at: float | None = None
        self._ids = count(1)
        self._waiting: dict[int, _W] = {}
        self.dropped = 0  # answers that nobody waited for

    def request(self, waiter: _W, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[int, bytes]:
        """The id of a new call and its bytes; ``waiter`` is handed back with the answer."""
        number = next(self._ids)
        data = self.wire.send(request(number, method, params, options))
        self._waiting[number] = waiter
        return number, data

    def forget(self, number: int) -> None:
        """Nobody waits for this call any more."""
        self._waiting.pop(number, None)

    def receive(self, data: bytes, now: float = 0.0) -> list[Received[_W]]:
        """What the bytes say, in order; raises ``ProtocolError`` if they are not what is spoken here, and then who waits still does."""
        self._heard_at, self._probed_at = now, None
        answered: dict[int, _W] = {}
        try:
            found = [self._message(message, answered) for message in self.wire.receive(data)]
        except BaseException:
            self._waiting.update(answered)  # they learn of the end by ``lost``
            raise
        return [one for one in found if one is not None]

    def tick(self, now: float) -> bytes:
        """What is to be sent because time has passed; raises ``ConnectionLostError`` if the peer has been silent for too long."""
        if not (self._beat_s and self.wire.is_ready):  # who is greeting is given the time to connect; a call then would come too early
            return b""
        if self._probed_at is not None and now - self._probed_at >= (PATIENCE - 1) * self._beat_s:
            message = f"the daemon has shown no life for {now - self._heard_at:.0f} s"
            raise ConnectionLostError(message)
        said = b""
        if now - self._beaten_at >= self._beat_s / 2:
            self._beaten_at = now
            said = self.wire.beat()
        if self._probed_at is None and now - self._heard_at >= self._beat_s:
            self._probed_at = now
            said += self.wire.probe()
        return said

    def lost(self) -> list[_W]:
        """The connection is gone: everyone who still waited."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting

    def _message(self, message: Mapping[str, Any], answered: dict[int, _W]) -> Received[_W] | None:
        """What it is; who is answered by it waits no more, and is in ``answered``."""
        if "method" in message:
            params = message.get("params")
            return Notification(str(message["method"]), params if isinstance(params, dict) else {})
        number = message.get("id")
        waiter = self._waiting.pop(number, None) if isinstance(number, int) else None
        if waiter is None or not isinstance(number, int):
            self.dropped += number != LIFE
            return None
        answered[number] = waiter
        return Answer(waiter, message.get("result"), failure(message))


def request(number: int, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A request."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    if options:
        message["meta"] = options
    return message


def encode_request(number: int, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> bytes:
    """A request as bytes, ended by LF."""
    return encode(request(number, method, params, options)) + b"\n"


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
    data, code = error.get("data"), error.get("code")
    return Failure(code if isinstance(code, int) else 0, str(error.get("message", "")), data if isinstance(data, dict) else {})


def typed(error: Failure) -> ApiError:
    """The exception of an error answer."""
    from libvdsm.client.generated.errors import ERRORS

    kind = ERRORS.get(str(error.data.get("error")), ApiError)
    return kind(error.code, error.message, error.data)


def options(given: Mapping[str, Any], *, flow_id: str | None = None, timeout: float | None = None) -> dict[str, Any]:
    """Member ``meta``: the options that are there, the flow around the call, and what is usual for this client."""
    found = {name: value for name, value in given.items() if value is not None}
    flow = _FLOW.get() or flow_id
    if flow is not None:
        found.setdefault("flowId", flow)
    if timeout is not None:
        found.setdefault("timeout", timeout)
    return found


@contextmanager
def flow(flow_id: str) -> Iterator[None]:
    """All calls inside carry ``flow_id``."""
    token = _FLOW.set(flow_id)
    try:
        yield
    finally:
        _FLOW.reset(token)
