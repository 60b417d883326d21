"""F-24: descriptors run out. Accepting pauses without spinning, the local socket keeps working, and all of it recovers."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import calling
from tests.lab.own_time import await_rest

PING = b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n'
LIMIT = 80
PATIENCE_S = 60.0


def open_descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - numbers


def await_descriptors(daemon: VdsmdProcess, number: int) -> None:
    """All that was opened for clients is closed."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := open_descriptors(daemon.front)) > number:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def ping(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock, sock.makefile("rb") as reader:
        sock.sendall(PING)
        return reader.readline()


def wait_for(daemon: VdsmdProcess, word: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while word not in daemon.log:
        assert time.monotonic() < deadline, daemon.log[-2000:]
        time.sleep(0.02)


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    """A daemon all of whose processes have few descriptors."""
    return vdsmd(hypervisor="simulator:1", descriptors=LIMIT)


def test_f24_accepting_pauses_and_recovers(daemon: VdsmdProcess) -> None:
    """Three times as many clients as there are descriptors: those beyond wait, the unix socket answers, nothing spins."""
    assert daemon.port is not None
    assert b"pong" in ping(daemon.port)
    with ExitStack() as opened:
        for _ in range(3 * LIMIT):
            opened.enter_context(socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE_S))
        wait_for(daemon, "accepting pauses: hardly a descriptor is left")
        assert open_descriptors(daemon.front) < LIMIT
        with calling(daemon) as local:  # needs a descriptor itself
            for _ in range(20):
                assert local.call("Host.ping") == {"pong": True}
                time.sleep(0.05)
            await_rest(daemon.front, 0.2)
            (vm,) = local.call("VM.list", {})["items"]
            told = local.call("Event.read", {"topics": ["vm.#"]})["resume"]
            local.call("VM.update", {"vmId": vm["id"], "config": {"metadata": {"written": "yes"}}})
            assert local.call("Event.read", {"topics": ["vm.#"], "after": told, "timeout": PATIENCE_S})["items"]  # the journal works
    assert b"pong" in ping(daemon.port)
    wait_for(daemon, "accepts again")
    assert daemon.log.count("accepting pauses") < 10


def test_f24_with_not_one_descriptor_left_the_front_waits_and_recovers(daemon: VdsmdProcess) -> None:
    """Even what is kept free can be gone: EMFILE from accept itself. Who is there already is served."""
    with calling(daemon) as local:
        with ExitStack() as opened:
            for _ in range(LIMIT):
                opened.enter_context(socket.socket(socket.AF_UNIX)).connect(str(daemon.socket))
            wait_for(daemon, "accepting pauses: Too many open files")
            await_rest(daemon.front, 0.2)
            assert local.call("Host.ping") == {"pong": True}
        with calling(daemon) as other:
            assert other.call("Host.ping") == {"pong": True}
    wait_for(daemon, "accepts again")
