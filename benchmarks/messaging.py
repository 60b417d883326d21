"""What a message costs the front: to many subscribers, through queues, as a reply; over STOMP, and through a queue over AMQP.

The load is ``messages.c``. The floor of a fan-out is a bare server that writes the same octets to as many connections, one
message at a time, as the load waits for all of it; rounds alternate.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sqlite3
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import amqp_engines

HERE = Path(__file__).resolve().parent
CONNECTIONS = 16
PIPELINE = 16
EVENT = b"x" * 300
SMALL = b"x" * 100
_CONNECT = b"CONNECT\naccept-version:1.2\nhost:bench\n\n\0"

CpuS = Callable[[Sequence[int]], float]


def subscribe(destination: str, *headers: str) -> bytes:
    """A SUBSCRIBE that is answered when it is in force."""
    words = "".join(f"{each}\n" for each in headers)
    return f"SUBSCRIBE\nid:0\ndestination:{destination}\n{words}receipt:s\n\n\0".encode()


def send(destination: str, body: bytes, *headers: str) -> bytes:
    """A SEND."""
    words = "".join(f"{each}\n" for each in headers)
    return f"SEND\ndestination:{destination}\n{words}\n".encode() + body + b"\0"


@dataclass(slots=True)
class Load:
    """One kind of load, and what it cost."""

    name: str
    kind: str
    connections: int
    depth: int
    login: bytes
    message: bytes
    other: bytes = b""
    answers: tuple[int, int] | None = None  # NULs that answer the logins; None: as many as these have
    max_us: float | None = None
    floor: Load | None = None
    is_to_floor: bool = False
    is_durable: bool = False
    samples_us: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    per_commit: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU microseconds for each."""
        return statistics.median(self.samples_us)

    @property
    def ratio(self) -> float | None:
        """How many floors that is, round by round."""
        if self.floor is None:
            return None
        return statistics.median(own / floor for own, floor in zip(self.samples_us, self.floor.samples_us, strict=True))

    @property
    def is_within(self) -> bool:
        """Whether its budgets hold."""
        ratio = self.ratio
        return (self.max_us is None or self.cpu_us <= self.max_us) and (ratio is None or ratio <= MAX_RATIO)


MAX_RATIO = 1.1


def loads() -> list[Load]:
    """All of them; a floor stands before what is compared with it."""
    found: list[Load] = []
    for count in (100, 1000):
        told = f"MESSAGE\nsubscription:0\nmessage-id:0123456789abcdef-1\ndestination:/topic/bench.{count}\nuser-id:anonymous\n".encode()
        floor = Load(f"write to {count}", "fan", count, 1, b"", told + b"content-length:300\n\n" + EVENT + b"\0", is_to_floor=True)
        login, message = _CONNECT + subscribe(f"/topic/bench.{count}"), send(f"/topic/bench.{count}", EVENT)
        found += [
            floor,
            Load(f"topic to {count}", "fan", count, 1, login, message, _CONNECT, max_us=5.5, floor=floor),
            Load(f"topic to {count}, 32 at once", "fan", count, 32, login, message, _CONNECT, max_us=0.6),
        ]
    return found + _queues()


def _queues() -> list[Load]:
    """Through a queue and out; acknowledged as a client does that wants to be quick, and one by one.

    With ``ack:client`` an acknowledgement stands for all deliveries before it (STOMP 1.2, "SUBSCRIBE"). It is chosen by clients that
    acknowledge what they have read when they are done with all of it, so that is what "with ack" measures: one ACK for all that one
    read brought, in one write with what is sent next. One by one (``client-individual``) every message costs a frame more, however
    many came together; that has rows of its own, and no budget.
    """
    found = []
    kinds = (
        ("queue", "queue", ()),
        ("queue with ack", "batch", ("ack:client",)),
        ("queue, ack each", "queue", ("ack:client-individual",)),
    )
    for words, depth, budgets in (("", 1, (12, 16, None)), (", pipelined", PIPELINE, (4, 5, None))):
        for (name, kind, headers), budget in zip(kinds, budgets, strict=True):
            login = _CONNECT + subscribe("/queue/bench", *headers)
            found.append(Load(name + words, kind, CONNECTIONS, depth, login, send("/queue/bench", SMALL), max_us=budget))
    for words, depth in (("", 1), (", pipelined", PIPELINE)):
        login = _CONNECT + subscribe("/queue/bench-durable", "ack:client-individual")
        message = send("/queue/bench-durable", SMALL, "persistent:true")
        found.append(Load(f"durable queue{words}", "queue", CONNECTIONS, depth, login, message, is_durable=True))
    asked = send("/queue/bench-asked", SMALL, "reply-to:/temp-queue/answers")
    login, other = _CONNECT + subscribe("/temp-queue/answers"), _CONNECT + subscribe("/queue/bench-asked")
    return [*found, Load("request and reply", "reply", CONNECTIONS, 1, login, asked, other, max_us=15)]


@dataclass(frozen=True, slots=True)
class Place:
    """What is measured, and beside what."""

    port: int
    pids: Sequence[int]
    database: Path | None
    floor_port: int
    floor_pids: Sequence[int]


def measure(program: Path, place: Place, cpu_s: CpuS, rounds: int, milliseconds: int) -> tuple[list[Load], float]:
    """The loads with their figures, and what AMQP takes through a queue."""
    for name, durable in (("bench", False), ("bench-asked", False), ("bench-durable", True), ("bench-amqp", False)):
        create_queue(place.port, name, durable=durable)
    found = loads()
    amqp = []
    for number in range(rounds + 1):
        for load in found:
            sample(program, place, load, cpu_s, milliseconds if number else 100)
            if not number:  # to warm up
                load.samples_us.clear()
                load.rates.clear()
                load.per_commit.clear()
        amqp.append(amqp_engines.measure(place.pids[0], place.port, len(SMALL), "/queue/bench-amqp"))
    return found, statistics.median(amqp[1:])


def build(folder: Path) -> Path:
    """Compile the load program."""
    program = folder / "messages"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "messages.c")], check=True)
    return program


def create_queue(port: int, name: str, *, durable: bool) -> None:
    """By a call."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        params = {"name": name, "durable": durable}
        connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Queue.create", "params": params}).encode() + b"\n")
        answer = connection.recv(65536)
        if b'"result"' not in answer:
            raise SystemExit(f"Queue.create: {answer!r}")


def sample(program: Path, place: Place, load: Load, cpu_s: CpuS, milliseconds: int) -> None:
    """Add one sample to a load."""
    port, pids = (place.floor_port, place.floor_pids) if load.is_to_floor else (place.port, place.pids)
    answers = load.answers or (load.login.count(b"\0"), load.other.count(b"\0"))
    logins = (len(load.login), answers[0], len(load.other), answers[1])
    arguments = [str(program), load.kind, *map(str, (port, load.connections, load.depth, milliseconds, *logins))]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(load.login + load.other + load.message)
        process.stdin.close()
        if process.stdout.readline() != b"ready\n":
            raise SystemExit(f"{load.name}: the server does not answer")
        before, commits = cpu_s(pids), _commits(place) if load.is_durable else 0
        process.send_signal(signal.SIGUSR1)
        words = process.stdout.readline().split()
        used = cpu_s(pids) - before
        done = _commits(place) - commits if load.is_durable else 0
        process.send_signal(signal.SIGTERM)
    if len(words) != 2:  # noqa: PLR2004 - messages and nanoseconds
        raise SystemExit(f"{load.name}: the load was not carried")
    count, nanoseconds = map(int, words)
    load.samples_us.append(used / count * 1e6)
    load.rates.append(count / nanoseconds * 1e9)
    if done:
        load.per_commit.append(count / done)


def _commits(place: Place) -> int:
    """How often the store has written, by its own count."""
    if place.database is None:
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{place.database}?mode=ro", uri=True, timeout=5)) as connection:
        return int(connection.execute("SELECT count FROM totals WHERE name = 'commits'").fetchone()[0])


def report(found: Sequence[Load], amqp_us: float) -> list[str]:
    """Rows of the table."""
    lines = []
    for load in found:
        ratio = load.ratio
        words = [f"≤ {MAX_RATIO} × floor"] if ratio is not None else []
        words += [f"≤ {load.max_us:g} µs"] if load.max_us else []
        words += [f"{statistics.median(load.per_commit):.1f} messages in a commit"] if load.per_commit else []
        verdict = "" if load.is_within else "  exceeded"
        shown = f"{ratio:9.2f}" if ratio is not None else " " * 9
        lines.append(f"{load.name:24}{load.cpu_us:9.2f}{shown}{statistics.median(load.rates):12.0f}  {', '.join(words)}{verdict}")
    verdict = "" if amqp_us <= MAX_AMQP_US else "  exceeded"
    return [*lines, f"{'AMQP queue, 64 at once':24}{amqp_us:9.2f}{'':21}  ≤ {MAX_AMQP_US} µs{verdict}"]


MAX_AMQP_US = 10


def document(found: Sequence[Load], amqp_us: float) -> list[dict[str, object]]:
    """For ``bench.json``."""
    rows: list[dict[str, object]] = [
        {"name": load.name, "cpu_us": round(load.cpu_us, 3), "ratio": load.ratio and round(load.ratio, 3), "within": load.is_within}
        | ({"messages_per_commit": round(statistics.median(load.per_commit), 2)} if load.per_commit else {})
        for load in found
    ]
    return [*rows, {"name": "AMQP queue", "cpu_us": round(amqp_us, 3), "within": amqp_us <= MAX_AMQP_US}]
