"""F-23: many idle TLS connections, and all of them come again at once. The local socket answers meanwhile.

``LIBVDSM_IDLE=10000`` in ``make test-all``; 500 else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import calling
from tests.lab.own_time import OwnTime, await_rest

NUMBER = int(os.environ.get("LIBVDSM_IDLE", "500"))
#: DESIGN 11, for large numbers; for small ones what is there once and for all counts as well.
MOST_KIB = 30 if NUMBER >= 5_000 else 40
#: A ping over the local socket while all handshakes are under way, on two cores that the clients share.
SLOWEST_S = 1.0
ROOMY = f"""
[limits]
connections = {2 * NUMBER + 100}
connections_per_identity = {2 * NUMBER + 100}
strangers_per_address = {NUMBER + 100}
stranger_seconds = 60
"""


def rss_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0])


class Pinger(threading.Thread):
    """Asks over the local socket, ten times a second, until it is stopped."""

    def __init__(self, daemon: VdsmdProcess) -> None:
        super().__init__()
        self.served = daemon
        self.stopped = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        from tests.roads import ask_stream

        while not self.stopped.wait(0.1):
            clock = OwnTime(lambda: (self.served.front,))
            assert b"pong" in ask_stream(self.served.socket, b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}')
            self.seconds.append(clock.seconds())


@contextmanager
def pinging(daemon: VdsmdProcess) -> Iterator[list[float]]:
    """How long each ping took, also those over new connections, as long as the body runs."""
    pinger = Pinger(daemon)
    pinger.start()
    try:
        yield pinger.seconds
    finally:
        pinger.stopped.set()
        pinger.join()


@pytest.mark.timeout(300 + NUMBER // 20)
def test_f23_many_idle_connections_come_again_at_once(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """All are held, at little memory and no CPU; when all come again, all are served, and the administrator is answered all the while."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(ROOMY)
    daemon = vdsmd("--config", str(file), "--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)
    script = Path(__file__).with_name("idle_clients.py")
    before = rss_kib(daemon.front)
    clients = subprocess.Popen(
        [sys.executable, str(script), str(daemon.port), str(NUMBER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert clients.stdin is not None
    assert clients.stdout is not None
    try:
        with pinging(daemon) as seconds:
            first = clients.stdout.readline()
        assert first, "the clients have failed"
        assert max(seconds, default=0.0) < SLOWEST_S
        with calling(daemon) as local:
            page = local.call("Connection.list", {"limit": 1, "filter": {"address": "127.0.0.1"}})
            assert page["items"][0]["cipher"].startswith("TLSv1.3 ")
            await_rest(daemon.front, 0.05 + NUMBER / 100_000)
        each_kib = (rss_kib(daemon.front) - before) / NUMBER
        assert each_kib <= MOST_KIB
        with pinging(daemon) as seconds:
            clients.stdin.write("again\n")
            clients.stdin.flush()
            again = clients.stdout.readline()
        assert again, "the clients have failed"
        assert max(seconds, default=0.0) < SLOWEST_S
        slowest_ms = 1000 * max(seconds, default=0.0)
        sys.stdout.write(
            f"{NUMBER} connections: {each_kib:.1f} KiB each; slowest ping {slowest_ms:.0f} ms; {first.strip()}; {again.strip()}\n"
        )
        assert daemon.log.count("refused") < NUMBER / 10
    finally:
        clients.stdin.close()
        clients.kill()
        clients.wait()
        clients.stdout.close()
