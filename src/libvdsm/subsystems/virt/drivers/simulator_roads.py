"""Connections to the simulator's world, for its driver and for tests: calls from many threads, each with a deadline."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import HypervisorError, HypervisorUnavailable, restore
from libvdsm.subsystems.virt.driver import NotComeBackError
from libvdsm.subsystems.virt.drivers.simulator_frames import HEADER_SIZE, Answer, Event, FrameError, Request, body_size, pack

_SEND_TIMEOUT = struct.pack("ll", 5, 0)
_OPEN_TIMEOUT_S = 3.0
_decoder = msgspec.json.Decoder(Answer)


class SimulatorRoad:
    """One connection; a thread of its own takes the answers."""

    def __init__(
        self, path: Path, name: str, *, on_event: Callable[[Event], None] | None = None, on_end: Callable[[str], None] | None = None
    ) -> None:
        """Connect; raises ``HypervisorUnavailable``. ``on_end`` is called once when the connection ends without ``close``."""
        self._socket = connect(path)
        self._ids = itertools.count(1)
        self._lock = threading.Lock()  # guards _waiting and the order of what is sent
        self._waiting: dict[int, Future[Raw]] = {}
        self._on_event = on_event
        self._on_end = on_end
        self._is_closed = False
        self._is_retired = False
        self._thread = threading.Thread(target=self._receive, name=f"simulator-{name}", daemon=True)
        self._thread.start()

    def call(self, call: str, params: dict[str, Any], timeout_s: float) -> Raw:
        """The raw JSON of the result; raises what the world says, ``HypervisorUnavailable``, or ``NotComeBackError`` for a machine's call."""
        id = next(self._ids)
        future: Future[Raw] = Future()
        with self._lock:
            if self._is_closed:
                raise HypervisorUnavailable(reason="the connection to the simulator is closed")
            self._waiting[id] = future
            try:
                self._socket.sendall(pack(Request(id, call, params)))
            except OSError as error:
                raise HypervisorUnavailable(reason=f"cannot write to the simulator: {error}").because(error) from error
        try:
            return future.result(timeout_s)
        except FutureTimeout as error:
            raise _no_answer(call, params, timeout_s) from error
        finally:
            with self._lock:
                self._waiting.pop(id, None)
            self._leave()

    def retire(self) -> None:
        """Close when the calls that are under way have ended; no more events come from here. Never raises."""
        self._on_event = self._on_end = None
        self._is_retired = True
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            is_idle = self._is_retired and not self._waiting
        if is_idle:
            self.close()

    def close(self) -> None:
        """End the connection; calls that wait fail with ``HypervisorUnavailable``. Never raises."""
        self._on_end = None
        self._end("the connection was closed")
        if threading.current_thread() is not self._thread:
            self._thread.join(1.0)

    def _receive(self) -> None:
        reason = "the simulator has closed the connection"
        try:
            while answer := receive(self._socket):
                self._take(answer)
        except (OSError, FrameError, msgspec.DecodeError) as error:
            reason = f"the connection to the simulator failed: {error}"
        self._end(reason)

    def _take(self, answer: Answer) -> None:
        if answer.event is not None:
            if self._on_event is not None:
                self._on_event(answer.event)
            return
        with self._lock:
            future = self._waiting.pop(answer.id, None)
        if future is None:
            return  # nobody waits any more
        if answer.error is None:
            future.set_result(answer.result)
        else:
            future.set_exception(translated(answer))

    def _end(self, reason: str) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            waiting, self._waiting = list(self._waiting.values()), {}
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for future in waiting:
            future.set_exception(HypervisorUnavailable(reason=reason))
        if self._on_end is not None:
            self._on_end(reason)


def connect(path: Path) -> socket.socket:
    """A blocking socket to the world; raises ``HypervisorUnavailable``."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_OPEN_TIMEOUT_S)
        connection.connect(str(path))
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
    except OSError as error:
        connection.close()
        raise HypervisorUnavailable(reason=f"no simulator at {path}: {error}").because(error) from error
    return connection


def receive(connection: socket.socket) -> Answer | None:
    """The next message and not a byte more; ``None`` at the end."""
    header = _exactly(connection, HEADER_SIZE)
    if header is None:
        return None
    body = _exactly(connection, body_size(header))
    return None if body is None else _decoder.decode(body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if not count:
            return None
        got += count
    return bytes(buffer)


def open_stream(path: Path, call: str, params: dict[str, Any], timeout_s: float) -> socket.socket:
    """A connection that carries a console's bytes; raises as ``SimulatorRoad.call`` does."""
    connection = connect(path)
    try:
        connection.settimeout(timeout_s)
        connection.sendall(pack(Request(1, call, params)))
        answer = receive(connection)
        if answer is None:
            raise HypervisorUnavailable(reason="the simulator has closed the connection")
        if answer.error is not None:
            raise translated(answer)
    except TimeoutError as error:
        connection.close()
        raise _no_answer(call, params, timeout_s) from error
    except OSError as error:
        connection.close()
        raise HypervisorUnavailable(reason=f"the connection to the simulator failed: {error}").because(error) from error
    except ApiError:
        connection.close()
        raise
    connection.settimeout(None)
    return connection


def translated(answer: Answer) -> ApiError:
    """The schema's error that an answer holds."""
    error = answer.error
    if error is None:
        return HypervisorError(call="simulator", number=0, reason="an answer without a result")
    try:
        return restore(error.name, error.params)
    except (KeyError, TypeError):
        return HypervisorError(call="simulator", number=0, reason=f"{error.name} {error.params}")


def _no_answer(call: str, params: dict[str, Any], timeout_s: float) -> ApiError:
    reason = f"{call} was not answered within {timeout_s:g} s"
    id = params.get("id")
    return NotComeBackError(id=id, reason=reason) if isinstance(id, str) else HypervisorUnavailable(reason=reason)
