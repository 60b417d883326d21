"""Event.read over HTTP: waits, is given up with its client, and holds back nobody."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.lab.own_time import OwnTime
from tests.roads import Address, Caller, connect

PATIENCE_S = 60.0


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    return vdsmd(hypervisor="simulator:0")


class Poller:
    """One connection for one call after the other."""

    def __init__(self, address: Address) -> None:
        self.sock = connect(address)
        self._connection = http.client.HTTPConnection("localhost", timeout=60)
        self._connection.sock = self.sock

    def ask(self, **params: object) -> None:
        """Begin to wait."""
        request = {"jsonrpc": "2.0", "id": 1, "method": "Event.read", "params": params}
        self._connection.request("POST", "/rpc", json.dumps(request), {"Content-Type": "application/json"})

    def answer(self) -> dict[str, Any]:
        """What it has waited for."""
        answer = json.loads(self._connection.getresponse().read())
        assert "result" in answer, answer
        found: dict[str, Any] = answer["result"]
        return found

    def close(self) -> None:
        """Go away."""
        self._connection.close()

    def read(self, **params: object) -> dict[str, Any]:
        """A page."""
        self.ask(**params)
        return self.answer()


def waiting(daemon: VdsmdProcess) -> int:
    """How many connections over HTTP the figures tell of, beside the one that asks."""
    poller = http.client.HTTPConnection("localhost", timeout=60)
    poller.sock = connect(daemon.socket)
    poller.request("GET", "/metrics")
    text = poller.getresponse().read().decode()
    poller.close()
    found = re.search(r'libvdsm_connections\{protocol="http/1.1"\} (\d+)', text)
    assert found is not None
    return int(found.group(1)) - 1


def await_waiting(daemon: VdsmdProcess, number: int) -> None:
    """Until it is so many."""
    deadline = time.monotonic() + PATIENCE_S
    while (there := waiting(daemon)) != number:
        assert time.monotonic() < deadline, there


def create(admin: Caller, name: str) -> str:
    return str(admin.call("VM.create", {"name": name, "config": {"memory": 268435456}})["vmId"])


def test_who_polls_gets_each_event_once(daemon: VdsmdProcess) -> None:
    """From token to token, waiting or not, in pages of any size."""
    with Caller(daemon.socket) as admin, ExitStack() as stack:
        poller = Poller(daemon.socket)
        stack.callback(poller.sock.close)
        token = poller.read(topics=["vm.#"])["resume"]
        poller.ask(topics=["vm.#"], after=token, timeout=60)
        made = [create(admin, f"vm-{number}") for number in range(7)]
        seen: list[str] = []
        page = poller.answer()
        while True:
            seen += [each["object"]["id"] for each in page["items"] if each["change"] == "added"]
            if len(seen) >= len(made):
                break
            page = poller.read(topics=["vm.#"], after=page["resume"], limit=2, timeout=5)
            assert len(page["items"]) <= 2
        assert seen == made
        began = time.monotonic()
        assert poller.read(topics=["vm.#"], after=page["resume"], timeout=0.5)["items"] == []
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("road", ("unix", "tcp"))
def test_clients_that_go_away_give_up_their_waiting(daemon: VdsmdProcess, road: str) -> None:
    """100 of them: their connections and what they waited for are let go at once; others still wait."""
    address: Address = daemon.socket if road == "unix" else ("127.0.0.1", daemon.port or 0)
    with ExitStack() as opened:
        pollers = [Poller(address) for _ in range(100)]
        stays = Poller(daemon.socket)
        for poller in (*pollers, stays):
            opened.callback(poller.sock.close)
            poller.ask(topics=["vm.#"], timeout=60)
        await_waiting(daemon, 101)
        for poller in pollers:
            # Over TCP the end of what a client sends may be followed by its reading: only a reset tells that it is gone.
            poller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            poller.close()
        await_waiting(daemon, 1)
        with Caller(daemon.socket) as admin:
            vm = create(admin, "one")
        assert stays.answer()["items"][0]["object"]["id"] == vm


def test_pages_that_are_not_read_hold_back_their_reader_alone(daemon: VdsmdProcess) -> None:
    """A client that asks for page upon page and reads none is read from no further; what it has asked for is not all made."""
    with Caller(daemon.socket) as admin:
        for number in range(30):
            create(admin, f"vm-{number}")
        greedy = connect(daemon.socket)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "Event.read", "params": {"after": "x", "limit": 1000}}).encode()
        token = admin.call("Event.read")["resume"]
        body = body.replace(b'"x"', json.dumps(token.split("-")[0] + "-0").encode())
        request = (
            b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        greedy.settimeout(1)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                sent += greedy.send(request * 10)
        except TimeoutError:
            pass
        assert 0 < sent < 16 * 1024 * 1024
        clock = OwnTime(lambda: (daemon.front,))
        admin.call("Host.ping")
        assert clock.seconds() < 1
        greedy.settimeout(60)
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < 5:
            answers += greedy.recv(1 << 20)
        greedy.close()
