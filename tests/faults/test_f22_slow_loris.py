"""F-22: clients that send ever so slowly, in each phase. Each has its time and no more; nobody else notices."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import calling
from tests.lab.own_time import OwnTime

EACH = 40
#: What a stranger has, and what a request has from its first octet to its last; and the sweep, and a machine that is busy.
PHASE_S, SLACK_S = 10.0, 30.0
DRIP_S = 0.5
HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(500)
HEAD = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 500
BODY = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n" + b" " * 500
#: What is sent at once, and what then drips, octet by octet; by phase.
PHASES: dict[str, tuple[bytes, bytes]] = {
    "the TLS handshake": (b"", HELLO),
    "the first octet": (b"", b""),
    "the first word": (b"P", b""),
    "the headers": (HEAD[:20], HEAD[20:]),
    "the body": (BODY[:62], BODY[62:]),
}


@dataclass
class Dripper:
    """One slow client."""

    phase: str
    sock: socket.socket
    rest: bytes
    since: float
    ended_after: float | None = None
    answer: bytes = b""

    def drip(self, now: float) -> None:
        """Send one octet more; see whether it is over."""
        try:
            if self.rest:
                self.sock.send(self.rest[:1])
                self.rest = self.rest[1:]
            while data := self.sock.recv(4096):
                self.answer += data
        except BlockingIOError:
            return
        except OSError:
            pass
        self.ended_after = now - self.since


def dripper(phase: str, address: Path | tuple[str, int]) -> Dripper:
    """A client that has begun to be slow."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET)
    sock.connect(str(address) if isinstance(address, Path) else address)
    sock.setblocking(False)
    at_once, rest = PHASES[phase]
    if at_once:
        sock.send(at_once)
    return Dripper(phase, sock, rest, time.monotonic())


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    return vdsmd("--listen", "127.0.0.1:0", hypervisor="simulator:1", listen=None)


@pytest.fixture
def drippers(daemon: VdsmdProcess) -> Iterator[list[Dripper]]:
    """Many in every phase; over TLS those that never come further than its handshake."""
    assert daemon.port is not None
    tls = ("127.0.0.1", daemon.port)
    with ExitStack() as opened:
        made = [
            dripper(phase, tls if phase in ("the TLS handshake", "the first octet") else daemon.socket)
            for phase in PHASES
            for _ in range(EACH)
        ]
        for each in made:
            opened.enter_context(each.sock)
        yield made


def test_f22_each_phase_has_its_time_and_nobody_else_notices(daemon: VdsmdProcess, drippers: list[Dripper]) -> None:
    """All are gone in their time, requests with 408; meanwhile a ping takes no longer than else, and a drip costs next to nothing."""
    pings: list[float] = []
    next_drip = 0.0
    with calling(daemon) as caller:
        deadline = time.monotonic() + PHASE_S + SLACK_S
        while (left := [each for each in drippers if each.ended_after is None]) and time.monotonic() < deadline:
            before = time.monotonic()
            if before >= next_drip:
                next_drip = before + DRIP_S
                for each in left:
                    each.drip(time.monotonic())
            clock = OwnTime(lambda: (daemon.front,))
            caller.call("Host.ping")
            pings.append(clock.seconds())
            time.sleep(0.02)
    for phase in PHASES:
        ended = [each.ended_after for each in drippers if each.phase == phase]
        assert None not in ended, f"{phase}: {ended.count(None)} of {EACH} are still there"
        assert min(each for each in ended if each is not None) >= PHASE_S - 1, phase
    for each in drippers:
        if each.phase in ("the headers", "the body"):
            assert each.answer.startswith(b"HTTP/1.1 408 "), each
    pings.sort()
    assert len(pings) > 50
    assert pings[int(len(pings) * 0.99)] < 0.1, f"p99 of pings {pings[int(len(pings) * 0.99)]:.3f} s"
