"""What one event costs the front for each of many subscribers, beside a bare server that writes as many bytes to as many.

Events are caused one at a time by pausing and resuming a simulated virtual machine. That is a command of its own, with its records on
disk, and costs many times what one delivery does; so the same is done for one subscriber as well, and what is more for many is theirs.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUBSCRIBERS = 1000
EVENTS = 50
ROUNDS = 3
TIMEOUT_S = 20.0


class Readers:
    """Connections that are read by a thread, which counts the lines."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self._selector = selectors.DefaultSelector()
        self._changed = threading.Condition()
        self._is_closed = False
        self.lines = self.octets = 0
        for connection in connections:
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, lines: int) -> None:
        """Until so many have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.lines >= lines, TIMEOUT_S):
                raise SystemExit(f"fan-out: {self.lines} lines came, not {lines}")

    def close(self) -> None:
        """Read no more."""
        self._is_closed = True
        self._thread.join()
        self._selector.close()

    def _read(self) -> None:
        while not self._is_closed:
            lines = octets = 0
            for key, _events in self._selector.select(0.2):
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(65536)
                lines, octets = lines + data.count(b"\n"), octets + len(data)
            with self._changed:
                self.lines, self.octets = self.lines + lines, self.octets + octets
                self._changed.notify_all()


@contextlib.contextmanager
def connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """So many, closed in the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) for _ in range(count)]


class Caller:
    """Calls in lock-step on a connection of its own."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rwb")

    def call(self, method: str, params: object) -> dict[str, object]:
        """The result."""
        self._stream.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        self._stream.flush()
        answer = json.loads(self._stream.readline())
        if "result" not in answer:
            raise SystemExit(f"fan-out: {method}: {answer}")
        return dict(answer["result"])


def measure_events(port: int, cpu_s: Callable[[], float]) -> tuple[float, float, int]:
    """CPU microseconds of one delivery, and of all that causes an event and delivers it once; and the octets of one event."""
    each, once, octets = [], [], 0
    for _ in range(ROUNDS):
        few_us, few, _ = _measure(port, cpu_s, 1)
        many_us, many, octets = _measure(port, cpu_s, SUBSCRIBERS)
        each.append((many_us - few_us) / (many - few))
        once.append(few_us / few)
    return statistics.median(each), statistics.median(once), octets


def _measure(port: int, cpu_s: Callable[[], float], count: int) -> tuple[float, int, int]:
    """CPU microseconds of some events for so many, how often one was delivered, and its octets."""
    with connections(port, count + 1) as opened:
        caller, subscribers = Caller(opened[0]), opened[1:]
        vm = str(caller.call("VM.create", {"name": f"fan-out-{time.monotonic_ns()}", "config": {"memory": 1 << 28}})["vmId"])
        task = caller.call("VM.start", {"vmId": vm})["task"]
        assert isinstance(task, dict)
        caller.call("Task.wait", {"taskId": task["id"]})
        for subscriber in subscribers:
            Caller(subscriber).call("Event.subscribe", {"topics": [f"vm.{vm}"]})
        readers = Readers(subscribers)
        before = cpu_s()
        for number in range(EVENTS):
            caller.call("VM.resume" if number % 2 else "VM.pause", {"vmId": vm})
            readers.wait_for((number + 1) * count)
        used = cpu_s() - before
        readers.close()
        return used * 1e6, readers.lines, readers.octets // readers.lines


def measure_floor(port: int, octets: int, cpu_s: Callable[[], float]) -> float:
    """The same of a server that writes what one connection says to all others."""
    with connections(port, SUBSCRIBERS + 1) as opened:
        line = b"x" * (octets - 1) + b"\n"
        readers = Readers(opened[1:])
        opened[-1].sendall(line)  # connections are accepted in order: when the last is served, all are
        readers.wait_for(SUBSCRIBERS - 1)
        before = cpu_s()
        for number in range(EVENTS):
            opened[0].sendall(line)
            readers.wait_for((number + 2) * SUBSCRIBERS - 1)
        used = cpu_s() - before
        readers.close()
        return used / (EVENTS * SUBSCRIBERS) * 1e6
