"""The same work by servers that are known for it, in the same run: RabbitMQ (STOMP), mosquitto (MQTT) and nats-server.

    python benchmarks/peers.py            those that are installed, beside vdsmd

Each listens on the loopback alone, keeps what it must in a folder of its own, and ends with the run. What is compared is CPU: a message of
300 octets to 100 subscribers, one at a time and 32 at once, and 100 octets through a queue, 16 clients with one outstanding each.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import cpu_s
from messaging import CONNECTIONS, EVENT, SMALL, Load, Place, build, create_queue, sample, send, subscribe

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from tests.daemon_process import start_vdsmd  # noqa: E402 - found by the line above

SUBSCRIBERS = 100
ROUNDS = 3
MILLISECONDS = 500
PATIENCE_S = 60.0
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_END = b"\0"  # of a message's body, where the protocol has no other: what comes is counted by it


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that runs."""

    name: str
    port: int
    pids: Sequence[int]
    loads: Sequence[Load]


def fan(login: bytes, publisher: bytes, message: bytes, answers: tuple[int, int] | None = None) -> list[Load]:
    """To many: one at a time, and 32 at once."""
    return [
        Load(f"to {SUBSCRIBERS}{words}", "fan", SUBSCRIBERS, depth, login, message, publisher, answers=answers)
        for words, depth in (("", 1), (", 32 at once", 32))
    ]


def stomp(host: str, *login: str) -> list[Load]:
    """By STOMP, with a queue."""
    words = "".join(f"{each}\n" for each in (f"host:{host}", *login))
    connect = f"CONNECT\naccept-version:1.2\n{words}\n\0".encode()
    in_and_out = Load("queue", "queue", CONNECTIONS, 1, connect + subscribe("/queue/bench"), send("/queue/bench", SMALL))
    return [*fan(connect + subscribe("/topic/bench.peers"), connect, send("/topic/bench.peers", EVENT)), in_and_out]


def mqtt() -> list[Load]:
    """By MQTT 3.1.1 at QoS 0. A NUL in each message is that of its topic's length; CONNACK has two, SUBACK too."""
    connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"
    topic = b"\x00\x05bench"
    length = len(topic) + len(EVENT)
    message = bytes((0x30, length & 0x7F | 0x80, length >> 7)) + topic + EVENT
    return fan(connect + b"\x82\x0a\x00\x01" + topic + b"\x00", connect, message, answers=(4, 2))


def nats() -> list[Load]:
    """By the protocol of NATS; its greeting has no NUL."""
    connect = b'CONNECT {"verbose":false,"pedantic":false}\r\n'
    message = b"PUB bench %d\r\n" % len(EVENT) + EVENT[:-1] + _END + b"\r\n"
    return fan(connect + b"SUB bench 1\r\n", connect, message, answers=(0, 0))


def free_port() -> int:
    """Nobody's for now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], port: int, environment: Mapping[str, str] | None = None) -> Iterator[list[int]]:
    """A server of this command, with all that it starts; the pids when it accepts connections."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **(environment or {})}
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not serve")
            time.sleep(0.1)
        yield of_session(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def of_session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == leader:
                    found.append(int(entry.name))
    return found


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Peer]:
    """Eclipse mosquitto."""
    port, config = free_port(), folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n", "utf-8")
    with running([program("mosquitto"), "-c", str(config)], port) as pids:
        yield Peer("mosquitto, MQTT", port, pids, mqtt())


@contextlib.contextmanager
def nats_server(folder: Path) -> Iterator[Peer]:
    """nats-server."""
    del folder
    port = free_port()
    with running([program("nats-server"), "-a", "127.0.0.1", "-p", str(port)], port) as pids:
        yield Peer("nats-server", port, pids, nats())


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[Peer]:
    """RabbitMQ with its STOMP, and a port mapper of Erlang's of its own."""
    port, mapper, distribution = free_port(), free_port(), free_port()
    (folder / "plugins").write_text("[rabbitmq_stomp].\n", "utf-8")
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{port}\n", "utf-8")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    try:
        with running([str(_RABBITMQ)], port, environment) as pids:
            yield Peer("RabbitMQ, STOMP", port, pids, stomp("/", "login:guest", "passcode:guest"))
    finally:
        mapper_program = shutil.which("epmd")
        if mapper_program is not None:
            subprocess.run([mapper_program, "-port", str(mapper), "-kill"], stdout=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def vdsmd(folder: Path) -> Iterator[Peer]:
    """Ours."""
    config = folder / "vdsmd.toml"
    config.write_text("[limits]\nrequests_per_second = 0\n", "utf-8")
    daemon = start_vdsmd(folder / "vdsmd", "--config", str(config), hypervisor="simulator:1", verify=False)
    try:
        assert daemon.port is not None
        create_queue(daemon.port, "bench", durable=False)
        yield Peer("vdsmd, STOMP", daemon.port, [daemon.front], stomp("bench"))
    finally:
        daemon.stop()


def program(name: str) -> str:
    """Where it is, also if the path of this user leads to none of the system's."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return found or name


def installed() -> list[Callable[[Path], contextlib.AbstractContextManager[Peer]]]:
    """Ours first."""
    found: list[Callable[[Path], contextlib.AbstractContextManager[Peer]]] = [vdsmd]
    for name, peer, is_here in (
        ("rabbitmq-server", rabbitmq, _RABBITMQ.exists()),
        ("mosquitto", mosquitto, Path(program("mosquitto")).exists()),
        ("nats-server", nats_server, Path(program("nats-server")).exists()),
    ):
        if is_here:
            found.append(peer)
        else:
            print(f"{name} is not installed")
    return found


def main() -> None:
    """Round by round, all of them."""
    with tempfile.TemporaryDirectory(prefix="vdsm-peers-") as name, contextlib.ExitStack() as stack:
        load_program = build(Path(name))
        peers = []
        for number, start in enumerate(installed()):
            folder = Path(name) / str(number)
            folder.mkdir()
            peers.append(stack.enter_context(start(folder)))
        for number in range(ROUNDS + 1):
            for peer in peers:
                for load in peer.loads:
                    place = Place(peer.port, peer.pids, None, 0, [])
                    sample(load_program, place, load, cpu_s, MILLISECONDS if number else 100)
                    if not number:
                        load.samples_us.clear()
        print(f"{'CPU µs':20}" + "".join(f"{peer.name:>18}" for peer in peers))
        for row in ("to 100", "to 100, 32 at once", "queue"):
            print(f"{row:20}" + "".join(f"{_figure(peer, row):>18}" for peer in peers))


def _figure(peer: Peer, row: str) -> str:
    found = [statistics.median(load.samples_us) for load in peer.loads if load.name == row]
    return f"{found[0]:.2f}" if found else "–"


if __name__ == "__main__":
    main()
