"""TLS: what a ping, a handshake and an idle connection cost the front. Its load runs in processes of its own.

Handshakes are told twice: by the server's CPU, as if the client cost nothing (the budget), and by the clock, with the
client's half of the work on the same machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from libvdsm.base.tls import TlsKeys, server_context  # noqa: E402 - beside bench.py, which is run as a program
from tests.daemon_process import VdsmdProcess, start_vdsmd  # noqa: E402 - found by the line above

CONNECTIONS = 16
IDLE = 800
PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping","params":{}}\n'
MIN_HANDSHAKES = 500
MAX_IDLE_KIB = 30

CpuS = Callable[[Sequence[int]], float]
RssMib = Callable[[int], float]


def measure(folder: Path, cpu_s: CpuS, rss_mib: RssMib, rounds: int, milliseconds: int) -> dict[str, float]:
    """All figures, of a daemon of its own."""
    daemon = start_vdsmd(folder, "--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None, verify=False)
    try:
        assert daemon.port is not None
        pki = folder / "state" / "pki"
        with _echo(pki) as (echo_pid, echo_port):
            pings, floors, shakes, walls = [], [], [], []
            for _ in range(rounds):
                floors.append(_load("ping", pki, echo_port, [echo_pid], cpu_s, milliseconds)[0])
                pings.append(_load("ping", pki, daemon.port, [daemon.front], cpu_s, milliseconds)[0])
                cpu, rate = _load("handshake", pki, daemon.port, [daemon.front], cpu_s, milliseconds)
                shakes.append(cpu)
                walls.append(rate)
        return {
            "ping_us": round(statistics.median(pings), 3),
            "ping_floor_us": round(statistics.median(floors), 3),
            "ping_ratio": round(statistics.median(own / floor for own, floor in zip(pings, floors, strict=True)), 3),
            "handshake_us": round(statistics.median(shakes), 1),
            "handshakes_per_s": round(1e6 / statistics.median(shakes)),
            "handshakes_per_s_with_client": round(statistics.median(walls)),
            "idle_connections": IDLE,
            "idle_kib": round(_idle(daemon, pki, rss_mib), 1),
        }
    finally:
        daemon.stop()


def report(figures: dict[str, float]) -> list[str]:
    """Rows of the table."""
    shakes, idle = figures["handshakes_per_s"], figures["idle_kib"]
    client = figures["handshakes_per_s_with_client"]
    return [
        f"{'TLS ping':24}{figures['ping_us']:9.2f}{figures['ping_ratio']:9.2f}{'':12}  × the floor over TLS ({figures['ping_floor_us']:.2f} µs)",
        f"{'TLS handshake':24}{figures['handshake_us']:9.0f}",
        f"{'TLS handshakes per second':33}{shakes:6.0f} by the server's CPU, without the client  ≥ {MIN_HANDSHAKES}{_verdict(shakes >= MIN_HANDSHAKES)}",
        f"{'':33}{client:6.0f} by the clock, with the client on the same machine",
        f"{'idle TLS connection':33}{idle:6.1f} KiB, of {figures['idle_connections']:.0f}  ≤ {MAX_IDLE_KIB}{_verdict(idle <= MAX_IDLE_KIB)}",
    ]


def _verdict(is_within: bool) -> str:
    return "" if is_within else "  exceeded"


def _load(kind: str, pki: Path, port: int, pids: Sequence[int], cpu_s: CpuS, milliseconds: int) -> tuple[float, float]:
    """CPU microseconds of the server for each, and how many there were in a second."""
    with _running(kind, pki, port, milliseconds) as process:
        before = cpu_s(pids)
        count, seconds = map(float, _said(process))
        used = cpu_s(pids) - before
    return used / count * 1e6, count / seconds


def _idle(daemon: VdsmdProcess, pki: Path, rss_mib: RssMib) -> float:
    """KiB of the front for each of many connections that have said something once."""
    assert daemon.port is not None
    with _running("hold", pki, daemon.port, 50):  # what grows once is grown already
        pass
    time.sleep(1)
    before = rss_mib(daemon.front)
    with _running("hold", pki, daemon.port, IDLE):
        return (rss_mib(daemon.front) - before) * 1024 / IDLE


@contextlib.contextmanager
def _running(kind: str, pki: Path, port: int, amount: int) -> Iterator[subprocess.Popen[bytes]]:
    """The load as a process, ready to begin."""
    command = [sys.executable, str(HERE / "secure.py"), kind, str(pki), str(port), str(amount)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if _said(process) != [b"ready"]:
                raise SystemExit(f"TLS {kind}: the server does not answer")
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            yield process
        finally:
            process.terminate()


def _said(process: subprocess.Popen[bytes]) -> list[bytes]:
    assert process.stdout is not None
    return process.stdout.readline().split()


@contextlib.contextmanager
def _echo(pki: Path) -> Iterator[tuple[int, int]]:
    """A bare echo over TLS with the same loop and keys: its pid and port."""
    with subprocess.Popen([sys.executable, str(HERE / "secure.py"), "echo", str(pki), "0", "0"], stdout=subprocess.PIPE) as process:
        try:
            yield process.pid, int(_said(process)[0])
        finally:
            process.terminate()


# --- in processes of their own


def _client_context(pki: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pki / "ca.crt")


def _begin() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


class _Pinger(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self) -> None:
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        transport.write(PING)  # type: ignore[attr-defined]  # a stream's

    def data_received(self, data: bytes) -> None:
        del data
        self.answers += 1
        self._transport.write(PING)


async def _ping(pki: Path, port: int, milliseconds: int) -> None:
    loop = asyncio.get_running_loop()
    context = _client_context(pki)
    made = [await loop.create_connection(_Pinger, "127.0.0.1", port, ssl=context, server_hostname="localhost") for _ in range(CONNECTIONS)]
    await asyncio.sleep(0.2)
    await loop.run_in_executor(None, _begin)
    before, begun = sum(pinger.answers for _, pinger in made), time.monotonic()
    await asyncio.sleep(milliseconds / 1000)
    print(sum(pinger.answers for _, pinger in made) - before, time.monotonic() - begun, flush=True)


async def _handshake(pki: Path, port: int, milliseconds: int) -> None:
    """As many as there can be, four at a time; each connection says nothing and goes."""
    context = _client_context(pki)
    count = 0

    async def connect(until: float) -> None:
        nonlocal count
        while time.monotonic() < until:
            _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
            cast_transport: Any = writer.transport
            cast_transport.abort()
            count += 1

    await connect(time.monotonic() + 0.1)
    await asyncio.get_running_loop().run_in_executor(None, _begin)
    count, begun = 0, time.monotonic()
    await asyncio.gather(*(connect(begun + milliseconds / 1000) for _ in range(4)))
    print(count, time.monotonic() - begun, flush=True)


async def _hold(pki: Path, port: int, connections: int) -> None:
    context = _client_context(pki)
    held = []
    for _ in range(connections):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(PING)
        await reader.readline()
        held.append(writer)
    await asyncio.get_running_loop().run_in_executor(None, _begin)
    await asyncio.sleep(60)


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


async def _serve_echo(pki: Path, _port: int, _amount: int) -> None:
    keys = TlsKeys(certificate=(pki / "server.crt").read_bytes(), key=(pki / "server.key").read_bytes())
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", 0, ssl=server_context(keys))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


_KINDS: dict[str, Callable[[Path, int, int], Coroutine[Any, Any, None]]] = {
    "echo": _serve_echo,
    "handshake": _handshake,
    "hold": _hold,
    "ping": _ping,
}

if __name__ == "__main__":
    kind, folder, port, amount = sys.argv[1:]
    uvloop.run(_KINDS[kind](Path(folder), int(port), int(amount)))
