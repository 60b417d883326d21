"""Server CPU per request beside the echo floor of the same run (DESIGN 11): a table, and ``bench.json``.

CPU is user and system time of the server's processes, by the kernel's own count. The load is a small C program, so that
it leaves the machine to the server. Rounds are interleaved and medians taken, so that a busy machine harms all rows alike.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import crowd  # noqa: E402 - beside this file
import fanout  # noqa: E402 - likewise
import messaging  # noqa: E402 - likewise
import secure  # noqa: E402 - likewise
import writes  # noqa: E402 - likewise
from tests.daemon_process import VdsmdProcess, start_vdsmd  # noqa: E402 - found by the line above

CONNECTIONS = 16
PIPELINE = 16
VMS = 100
IDLE = 1000
MAX_IDLE_RATIO = 1.2
MAX_START_S = {0: 0.3, 1000: 0.5}


@dataclass(slots=True)
class Row:
    """A kind of request, and what it cost."""

    name: str
    request: bytes
    port: int
    pids: Sequence[int]  # whose CPU counts
    depth: int = 1
    floor: Row | None = None
    hops: Row | None = None  # another floor: of what two processes answer
    max_us: float | None = None  # the budgets of DESIGN 11
    max_ratio: float | None = None
    login: bytes = b""  # what a connection says before
    mark: bytes = b"\n"  # an answer holds it so often:
    marks: int = 1
    login_marks: int = 0
    samples_us: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of one request."""
        return statistics.median(self.samples_us)

    @property
    def ratio(self) -> float:
        """How many floors that is; taken round by round, so that slow rounds cancel."""
        return 1.0 if self.floor is None else self.over(self.floor)

    def over(self, other: Row) -> float:
        """How many of another row that is, likewise."""
        return statistics.median(own / theirs for own, theirs in zip(self.samples_us, other.samples_us, strict=True))

    @property
    def is_within(self) -> bool:
        """Whether its budgets hold."""
        return (self.max_us is None or self.cpu_us <= self.max_us) and (self.max_ratio is None or self.ratio <= self.max_ratio)


def raw(method: str, params: str = "{}") -> bytes:
    """A request of the stream road."""
    return f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}\n'.encode()


def http(method: str) -> bytes:
    """The same by HTTP."""
    body = raw(method)
    head = f"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


PING = raw("Host.ping").rstrip()
WEBSOCKET_LOGIN = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: jsonrpc\r\n\r\n"
)
WEBSOCKET_PING = bytes((0x81, 0x80 | len(PING))) + bytes(4) + PING  # masked, by zeros
STOMP_LOGIN = b"CONNECT\naccept-version:1.2\nhost:bench\n\n\0" + messaging.subscribe("/temp-queue/answers")
STOMP_PING = messaging.send("/exchange/requests", PING, "reply-to:/temp-queue/answers", "correlation-id:1", f"content-length:{len(PING)}")


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time of processes, by their CPU clocks (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def build_load(folder: Path) -> Path:
    """Compile the load program."""
    program = folder / "load"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "load.c")], check=True)
    return program


def measure(load: Path, row: Row, milliseconds: int) -> None:
    """Add one sample to a row."""
    arguments = [str(load), str(row.port), str(CONNECTIONS), str(row.depth), str(milliseconds), str(row.marks)]
    arguments += [str(ord(row.mark)), str(len(row.login)), str(row.login_marks)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(row.login + row.request)
        process.stdin.close()
        if process.stdout.readline() != b"ready\n":
            raise SystemExit(f"{row.name}: the server does not answer")
        before = cpu_s(row.pids)
        process.send_signal(signal.SIGUSR1)
        words = process.stdout.readline().split()
        used = cpu_s(row.pids) - before
        process.send_signal(signal.SIGTERM)
    if len(words) != 2:  # noqa: PLR2004 - answers and nanoseconds
        raise SystemExit(f"{row.name}: the load was not carried")
    answers, nanoseconds = map(int, words)
    row.samples_us.append(used / answers * 1e6)
    row.rates.append(answers / nanoseconds * 1e9)


def probe(row: Row) -> bytes:
    """One answer, to see that it is a success and how many marks it has; those of the answer to the login are noted."""
    with socket.create_connection(("127.0.0.1", row.port), timeout=10) as connection:
        if row.login:
            connection.sendall(row.login)
            time.sleep(0.3)
            row.login_marks = connection.recv(1 << 16).count(row.mark)
        connection.sendall(row.request)
        answer = connection.recv(1 << 16)
        with contextlib.suppress(TimeoutError):
            connection.settimeout(0.3)
            while more := connection.recv(1 << 20):
                answer += more
    if b'"error"' in answer or not answer:
        raise SystemExit(f"{row.name}: {answer[:500]!r}")
    return answer


@contextlib.contextmanager
def floor_server(program: str = "echo.py") -> Iterator[tuple[int, int, int]]:
    """The floors: their pid, and the ports of echo and fan-out; of ``hops.py`` the port and the pid behind it."""
    with subprocess.Popen([sys.executable, str(HERE / program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            first, second = map(int, process.stdout.readline().split())
            yield process.pid, first, second
        finally:
            process.terminate()


def build_rows(echo: tuple[int, int, int], hops: tuple[int, int, int], daemon: VdsmdProcess) -> tuple[list[Row], list[Row]]:
    """Floors and our rows."""
    assert daemon.port is not None
    port, front, both = daemon.port, [daemon.front], [daemon.front, daemon.worker("virt")]
    raw_floor = Row("raw floor", raw("Host.ping"), echo[1], [echo[0]])
    http_floor = Row("http floor", http("Host.ping"), echo[1], [echo[0]])
    websocket_floor = Row("websocket floor", WEBSOCKET_PING + b"\n", echo[1], [echo[0]])
    stomp_floor = Row("stomp floor", STOMP_PING, echo[1], [echo[0]], mark=b"\0")
    hops_floor = Row("two hops floor", raw("Host.getCapabilities"), hops[1], [hops[0], hops[2]], floor=raw_floor)
    rows = [
        Row("raw ping", raw("Host.ping"), port, front, floor=raw_floor, max_ratio=1.6),
        Row("http ping", http("Host.ping"), port, front, floor=http_floor, max_ratio=1.8),
        Row("raw pipelined ping", raw("Host.ping"), port, front, depth=PIPELINE, floor=raw_floor, max_us=5),
        Row("raw stats 100", raw("VM.getStats"), port, front, floor=raw_floor, max_us=100),
        Row("raw worker query", raw("Host.getCapabilities"), port, both, floor=raw_floor, hops=hops_floor, max_ratio=4.8),  # docs/adr/0045
        Row("websocket ping", WEBSOCKET_PING, port, front, floor=websocket_floor, max_ratio=2.6, login=WEBSOCKET_LOGIN),
        Row("stomp ping", STOMP_PING, port, front, floor=stomp_floor, max_ratio=2.2, login=STOMP_LOGIN, mark=b"\0"),
        Row("stomp pipelined ping", STOMP_PING, port, front, depth=PIPELINE, floor=stomp_floor, max_us=5, login=STOMP_LOGIN, mark=b"\0"),
    ]
    return [raw_floor, http_floor, websocket_floor, stomp_floor, hops_floor], rows


def measure_start(folder: Path, vms: int) -> dict[str, float]:
    """The median of several starts, as of an installed daemon: its modules are compiled, whatever the environment says."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    startup(folder / f"compile-{vms}", vms)
    found = sorted((startup(folder / f"start-{vms}-{number}", vms) for number in range(3)), key=lambda each: each["first_answer_s"])
    return found[1]


def startup(folder: Path, vms: int) -> dict[str, float]:
    """Seconds from the start to the first answer, and the front's memory at rest."""
    begun = time.monotonic()
    daemon = start_vdsmd(folder, hypervisor=f"simulator:{vms}", verify=False)
    try:
        assert daemon.port is not None
        probe_row = Row(f"start {vms}", raw("Host.ping"), daemon.port, [daemon.front])
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as connection:
            connection.sendall(probe_row.request)
            connection.recv(4096)
        seconds = time.monotonic() - begun
        time.sleep(2)  # the workers report, and the front comes to rest
        return {"vms": vms, "first_answer_s": round(seconds, 3), "front_rss_mib": round(rss_mib(daemon.front), 1)}
    finally:
        daemon.stop()


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure_fanout(echo: tuple[int, int, int], daemon: VdsmdProcess) -> dict[str, float]:
    """One event to many subscribers, beside the same bytes to as many connections."""
    assert daemon.port is not None
    cpu_us, cause_us, octets = fanout.measure_events(daemon.port, lambda: cpu_s([daemon.front]))
    floor_us = fanout.measure_floor(echo[2], octets, lambda: cpu_s([echo[0]]))
    return {
        "subscribers": fanout.SUBSCRIBERS,
        "octets": octets,
        "cpu_us": round(cpu_us, 3),
        "cause_us": round(cause_us, 3),
        "floor_us": round(floor_us, 3),
        "ratio": round(cpu_us / floor_us, 3),
    }


def measure_idle(load: Path, row: Row, rounds: int, milliseconds: int) -> dict[str, float]:
    """A ping beside many idle connections, and without; in turns."""
    alone, beside = dataclasses.replace(row, samples_us=[], rates=[]), dataclasses.replace(row, samples_us=[], rates=[])
    for _ in range(rounds):
        measure(load, alone, milliseconds)
        with fanout.connections(row.port, IDLE) as idle:
            for connection in idle:
                connection.sendall(row.request)
                connection.recv(4096)
            measure(load, beside, milliseconds)
    ratio = statistics.median(one / other for one, other in zip(beside.samples_us, alone.samples_us, strict=True))
    return {"connections": IDLE, "cpu_us": round(beside.cpu_us, 3), "alone_us": round(alone.cpu_us, 3), "ratio": round(ratio, 3)}


def report_idle(figures: dict[str, float]) -> list[str]:
    """Its row of the table."""
    name, ratio = f"ping beside {figures['connections']:.0f} idle", figures["ratio"]
    verdict = "" if ratio <= MAX_IDLE_RATIO else "  exceeded"
    return [f"{name:24}{figures['cpu_us']:9.2f}{ratio:9.2f}{'':12}  ≤ {MAX_IDLE_RATIO} × ping with none{verdict}"]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was measured."""

    floors: Sequence[Row]
    rows: Sequence[Row]
    fanout: dict[str, float]
    tls: dict[str, float]
    starts: Sequence[dict[str, float]]
    messages: tuple[Sequence[messaging.Load], float]
    idle: dict[str, float]
    writes: dict[str, float] = field(default_factory=dict)
    flood: dict[str, float] = field(default_factory=dict)


def report(figures: Figures) -> str:
    """The table."""
    lines = [f"{'':24}{'CPU µs':>9}{'× floor':>9}{'requests/s':>12}  budget"]
    for row in [*figures.floors, *figures.rows]:
        budget = f"≤ {row.max_ratio} × floor" if row.max_ratio else f"≤ {row.max_us} µs" if row.max_us else ""
        if row.hops is not None:
            budget += f"; {row.over(row.hops):.2f} × two hops"
        verdict = "" if row.is_within else "  exceeded"
        lines.append(f"{row.name:24}{row.cpu_us:9.2f}{row.ratio:9.2f}{statistics.median(row.rates):12.0f}  {budget}{verdict}")
    spread = figures.fanout
    name = f"event to {spread['subscribers']:.0f}, each"
    lines.append(
        f"{name:24}{spread['cpu_us']:9.2f}{spread['ratio']:9.2f}{'':12}  of {spread['octets']:.0f} octets; its cause {spread['cause_us']:.0f} µs"
    )
    lines += report_idle(figures.idle)
    lines += messaging.report(*figures.messages)
    lines += writes.report(figures.writes) if figures.writes else []
    lines += secure.report(figures.tls)
    lines += crowd.report(figures.flood) if figures.flood else []
    lines.append("")
    for start in figures.starts:
        words = f"start with {start['vms']:.0f} simulated VMs"
        bound = MAX_START_S[int(start["vms"])]
        beside = f"≤ {bound} s" + ("  exceeded" if start["first_answer_s"] > bound else "")
        lines.append(f"{words:33}{start['first_answer_s']:6.3f} s to the first answer, front {start['front_rss_mib']:.1f} MiB   {beside}")
    return "\n".join(lines)


def document(figures: Figures) -> dict[str, object]:
    """``bench.json``."""
    results = [
        {"name": row.name, "cpu_us": round(row.cpu_us, 3), "ratio": round(row.ratio, 3), "within": row.is_within}
        | ({"hops_ratio": round(row.over(row.hops), 3)} if row.hops is not None else {})
        for row in figures.rows
    ]
    floor, http_floor, *_ = (round(row.cpu_us, 3) for row in figures.floors)
    return {
        "floor_us": floor,
        "http_floor_us": http_floor,
        "results": results,
        "fanout": figures.fanout,
        "tls": figures.tls,
        "mutation": figures.writes,
        "flood": figures.flood,
        "starts": figures.starts,
        "messages": messaging.document(*figures.messages),
        "idle": figures.idle,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Server CPU per request beside the echo floor.")
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (default: 7)")
    parser.add_argument("--milliseconds", type=int, default=500, help="length of one sample (default: 500)")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="where the figures go (default: bench.json)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vdsm-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        load = build_load(folder)
        starts = [measure_start(folder, vms) for vms in (0, 1000)]
        echo, hops = stack.enter_context(floor_server()), stack.enter_context(floor_server("hops.py"))
        unbounded = folder / "vdsmd.toml"
        unbounded.write_text("[limits]\nrequests_per_second = 0\nconnections_per_identity = 10000\n", "utf-8")
        daemon = start_vdsmd(folder / "vdsmd", "--config", str(unbounded), hypervisor=f"simulator:{VMS}", verify=False)
        stack.callback(daemon.stop)
        floors, rows = build_rows(echo, hops, daemon)
        settle(rows)
        for row in [*floors, *rows]:
            row.marks = probe(row).count(row.mark)
            measure(load, row, 200)  # to warm up
            row.samples_us.clear()
            row.rates.clear()
        for _round in range(arguments.rounds):
            for row in [*floors, *rows]:
                measure(load, row, arguments.milliseconds)
        spread = measure_fanout(echo, daemon)
        tls = secure.measure(folder / "tls", cpu_s, rss_mib, arguments.rounds, arguments.milliseconds)
        changes = writes.measure(rows[0].port, lambda: cpu_s([daemon.front, daemon.worker("virt")]))
        idle = measure_idle(load, rows[0], arguments.rounds, arguments.milliseconds)
        database = folder / "vdsmd" / "state" / "front" / "queues.db"
        place = messaging.Place(rows[0].port, [daemon.front], database, echo[2], [echo[0]])
        messages = messaging.measure(messaging.build(folder), place, cpu_s, min(arguments.rounds, 4), arguments.milliseconds)
        figures = Figures(floors, rows, spread, tls, starts, messages, idle, changes, crowd.measure(daemon))
    print(report(figures))
    arguments.output.write_text(json.dumps(document(figures), indent=2) + "\n", "utf-8")


def settle(rows: Sequence[Row]) -> None:
    """Wait until the workers answer and the statistics of all VMs are there."""
    deadline = time.monotonic() + 20
    stats = next(row for row in rows if row.name == "raw stats 100")
    while time.monotonic() < deadline:
        with contextlib.suppress(SystemExit):
            if probe(stats).count(b'"cpu"') >= VMS // 2:
                return
        time.sleep(0.2)


if __name__ == "__main__":
    main()
