"""What a change costs with all that keeps it: one client alone, then many, each changing machines of its own."""

from __future__ import annotations

import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator

CLIENTS = 16
_SECONDS = 2.0


class _Client:
    """One connection that switches the autostart of its own machines on and off, so that every call is a change."""

    def __init__(self, port: int, vms: list[str]) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._stream = self._connection.makefile("rb")
        self._requests = self._changes(vms)
        self.milliseconds: list[float] = []

    def _changes(self, vms: list[str]) -> Iterator[bytes]:
        is_on = True
        while True:
            for vm in vms:
                params = {"vmId": vm, "config": {"autostart": is_on}}
                yield json.dumps({"jsonrpc": "2.0", "id": 1, "method": "VM.update", "params": params}).encode() + b"\n"
            is_on = not is_on

    def change(self) -> None:
        request = next(self._requests)
        begun = time.perf_counter()
        self._connection.sendall(request)
        answer = self._stream.readline()
        self.milliseconds.append((time.perf_counter() - begun) * 1e3)
        if b'"result"' not in answer:
            raise SystemExit(f"raw mutation: {answer[:500]!r}")

    def change_until(self, end: float) -> None:
        while time.monotonic() < end:
            self.change()

    def close(self) -> None:
        self._stream.close()
        self._connection.close()


def measure(port: int, cpu_s: Callable[[], float]) -> dict[str, float]:
    """p50 and p99 of a change in milliseconds, its CPU, and changes per second: alone and with many clients."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as stream:
        connection.sendall(b'{"jsonrpc":"2.0","id":1,"method":"VM.list","params":{"limit":1000}}\n')
        vms = [vm["id"] for vm in json.loads(stream.readline())["result"]["items"]]
    return _measure(port, cpu_s, vms, 1, "alone") | _measure(port, cpu_s, vms, CLIENTS, "crowd")


def _measure(port: int, cpu_s: Callable[[], float], vms: list[str], count: int, name: str) -> dict[str, float]:
    clients = [_Client(port, vms[number::count]) for number in range(count)]
    for client in clients:
        client.change()
        client.milliseconds.clear()
    used, begun = cpu_s(), time.monotonic()
    threads = [threading.Thread(target=client.change_until, args=(begun + _SECONDS,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.monotonic() - begun, cpu_s() - used
    samples = [sample for client in clients for sample in client.milliseconds]
    for client in clients:
        client.close()
    if len(samples) < 2:  # noqa: PLR2004 - what a quantile needs
        raise SystemExit("raw mutation: the daemon carried out next to nothing")
    return {
        f"{name}_p50_ms": round(statistics.median(samples), 3),
        f"{name}_p99_ms": round(statistics.quantiles(samples, n=100)[98], 3),
        f"{name}_cpu_us": round(used / len(samples) * 1e6, 1),
        f"{name}_per_s": round(len(samples) / seconds, 1),
    }


def report(figures: dict[str, float]) -> list[str]:
    """Its lines of the table."""
    return [
        f"{name:24}{figures[f'{key}_cpu_us']:9.2f}{'':9}{figures[f'{key}_per_s']:12.0f}  "
        f"p50 {figures[f'{key}_p50_ms']:.2f} ms, p99 {figures[f'{key}_p99_ms']:.2f} ms, on disk"
        for name, key in (("raw mutation", "alone"), (f"raw mutation, {CLIENTS} clients", "crowd"))
    ]
