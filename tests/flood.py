"""A client that sends as much as it can, as a process of its own at low priority, and a polite one that measures beside it.

usage: flood.py PORT KIND CONNECTIONS SECONDS - prints "ready" with the first answer.
Bounded in time, in connections and in what it keeps. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping","params":{}}\n'
HTTP_PING = b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(PING), PING)
#: What is sent again and again.
KINDS = {
    "pings": PING,
    "lists": b'{"jsonrpc":"2.0","id":1,"method":"VM.list","params":{"limit":1000}}\n',
    "refused": b'{"jsonrpc":"2.0","id":1,"method":"VM.get","params":{"vmId":"00000000-0000-4000-8000-000000000000"}}\n',
    "unknown": b'{"jsonrpc":"2.0","id":1,"method":"VM.dance","params":{}}\n',
    "junk": b'{"jsonrpc":"2.0","id":}\n[1,2\n"x"\n{"a":1,"a":2}\n',
    "http": HTTP_PING,
}
_CHUNK = 64 * 1024
_LONGEST_S = 60.0


class Flood:
    """One kind of message, again and again, on many connections."""

    def __init__(self, port: int, kind: str, connections: int) -> None:
        word = KINDS[kind]
        self._chunk = memoryview(word * max(1, _CHUNK // len(word)))
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[socket.socket, memoryview] = {}
        self.heard = 0
        for _ in range(connections):
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.setblocking(False)
            self._waiting[client] = self._chunk
            self._selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def send(self, seconds: float) -> None:
        """Send until the time is up, or the daemon has closed all of it."""
        until = time.monotonic() + min(seconds, _LONGEST_S)
        while self._waiting and time.monotonic() < until:
            for key, events in self._selector.select(0.1):
                assert isinstance(key.fileobj, socket.socket)
                try:
                    self._serve(key.fileobj, events)
                except BlockingIOError:
                    continue
                except OSError:
                    self._end(key.fileobj)
        for client in tuple(self._waiting):
            self._end(client)

    def _serve(self, client: socket.socket, events: int) -> None:
        if events & selectors.EVENT_READ:
            data = client.recv(1 << 18)
            if not data:
                raise ConnectionResetError
            if not self.heard:
                sys.stdout.write("ready\n")
                sys.stdout.flush()
            self.heard += len(data)
        if events & selectors.EVENT_WRITE:
            sent = client.send(self._waiting[client])
            self._waiting[client] = self._waiting[client][sent:] or self._chunk

    def _end(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._waiting[client]
        client.close()


@contextlib.contextmanager
def flooding(port: int, kind: str, *, connections: int, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """A flood beside what is done meanwhile; it runs when this begins, and has ended when it ends."""
    command = [sys.executable, str(Path(__file__).resolve()), str(port), kind, str(connections), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != b"ready\n":
                raise AssertionError(f"the flood of {kind} was not answered")
            yield process
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Pings:
    """How long single pings took, in milliseconds."""

    samples: tuple[float, ...]

    @property
    def p50(self) -> float:
        """Half were quicker."""
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        """All but one of a hundred were quicker."""
        return statistics.quantiles(self.samples, n=100)[98]


class Clock(Protocol):
    """What tells how long something has taken."""

    def seconds(self) -> float:
        """Since it was made."""
        ...


class WallClock:
    """One that never stands."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """See ``Clock``."""
        return time.perf_counter() - self._began


def ping_politely(path: Path, count: int, pause_s: float = 0.002, clock: Callable[[], Clock] = WallClock) -> Pings:
    """One ping after another on the unix socket, with a little pause between; each is timed by a new ``clock``."""
    samples = []
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        for _ in range(count):
            timer = clock()
            client.sendall(PING)
            answer = client.recv(4096)
            samples.append(timer.seconds() * 1e3)
            assert answer.endswith(b"}\n")
            time.sleep(pause_s)
    return Pings(tuple(samples))


if __name__ == "__main__":
    os.nice(10)
    Flood(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])).send(float(sys.argv[4]))
