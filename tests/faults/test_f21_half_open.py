"""F-21: the peer's power fails: no end of file, no reset, nothing. It is found, and all that it held is released."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.faults.caller import Caller, calling
from tests.faults.test_f24_descriptors_run_out import await_descriptors, open_descriptors

#: What a TCP peer that speaks a protocol without heart-beats may be silent for, here.
DEAD_S = 4
BEAT_S = 1.0
#: Of a loaded machine, and of the sweep.
SLACK_S = 30.0

#: A client in the daemon's network: says its words, tells when it was answered, and holds the line until it is killed.
CLIENT = """
import socket, sys, time
stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
stream.sendall(bytes.fromhex(sys.argv[2]))
stream.recv(65536)
print("answered", flush=True)
beat = float(sys.argv[3])
while True:
    time.sleep(beat / 2 if beat else 60)
    if beat:
        stream.sendall(b"\\n")
"""
SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe","params":{"topics":["task.#"]}}\n'
CONNECT = b"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:%d,%d\n\n\0" % (BEAT_S * 1000, BEAT_S * 1000)
CONNECT += b"SUBSCRIBE\nid:1\ndestination:/topic/task.#\n\n\0"

if os.geteuid() != 0:
    pytest.skip("network namespaces need root", allow_module_level=True)


class Network:
    """A network of its own, held by a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def enter(self, *command: str) -> list[str]:
        """A command that runs in it."""
        return ["nsenter", "--net", "--target", str(self.pid), *command]

    def run(self, *command: str) -> None:
        """Run a command in it."""
        subprocess.run(self.enter(*command), check=True, timeout=60)

    def drop_all(self, port: int) -> None:
        """From now on nothing reaches this port or leaves it, in any connection."""
        self.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "DROP")
        self.run("iptables", "-A", "INPUT", "-p", "tcp", "--sport", str(port), "-j", "DROP")


@pytest.fixture
def network() -> Iterator[Network]:
    """A loopback without anybody on it."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 300"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"up\n"
        yield Network(holder.pid)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@pytest.fixture
def daemon(network: Network, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[VdsmdProcess]:
    """A daemon in that network; its unix socket is reached from everywhere. The parameter is the kernel's patience."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[limits]\ndead_peer_seconds = {getattr(request, 'param', DEAD_S)}\n")
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{network.pid}/ns/net", os.O_RDONLY)
    try:
        _enter(there)
        try:
            made = start_vdsmd(tmp_path / "d", "--config", str(file), hypervisor="simulator:1")
        finally:
            _enter(own)
    finally:
        os.close(own)
        os.close(there)
    yield made
    made.stop()


def _enter(namespace: int) -> None:
    """setns(2); Python has it from 3.12 on."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def connected(network: Network, port: int, said: bytes, beat_s: float = 0.0) -> Iterator[None]:
    """A client that was answered."""
    command = network.enter(sys.executable, "-c", CLIENT, str(port), said.hex(), str(beat_s))
    client = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert client.stdout is not None
    try:
        assert client.stdout.readline() == b"answered\n"
        yield
    finally:
        client.kill()
        client.wait()
        client.stdout.close()


def others(local: Caller) -> list[dict[str, object]]:
    return [each for each in local.call("Connection.list", {})["items"] if each["address"] != "unix"]


def seconds_until_gone(local: Caller, begin: float, patience_s: float) -> float:
    while others(local):
        assert time.monotonic() - begin < patience_s + SLACK_S, others(local)
        time.sleep(0.05)
    return time.monotonic() - begin


@pytest.mark.parametrize(("protocol", "daemon"), (("json", DEAD_S), ("stomp", 600)), indirect=("daemon",))
def test_f21_a_peer_whose_power_failed_is_found(network: Network, daemon: VdsmdProcess, protocol: str) -> None:
    """Within two beats where there are beats, and by the kernel's own probes where there are none; nothing of it is left."""
    assert daemon.port is not None
    with calling(daemon) as local:
        assert local.call("Host.ping", {}) == {"pong": True}
        opened = open_descriptors(daemon.front)
        said, beat_s = (SUBSCRIBE, 0.0) if protocol == "json" else (CONNECT, BEAT_S)
        with connected(network, daemon.port, said, beat_s):
            local.await_(lambda: [each["subscriptions"] for each in others(local)] == [1], "it has subscribed")
            assert [str(each["protocol"]).partition("/")[0] for each in others(local)] == [protocol]
            time.sleep(DEAD_S + 1.0 if protocol == "json" else 2 * BEAT_S + 1.0)
            assert len(others(local)) == 1  # it is quiet, and it is there
            begin = time.monotonic()
            network.drop_all(daemon.port)
            lasted = seconds_until_gone(local, begin, DEAD_S if protocol == "json" else 2 * BEAT_S)
            assert lasted >= 0.9 * (1.0 if protocol == "json" else BEAT_S)
        await_descriptors(daemon, opened)


def test_f21_what_was_sent_to_a_dead_peer_is_not_kept_for_ever(network: Network, daemon: VdsmdProcess) -> None:
    """Events go on while nobody acknowledges them: without TCP_USER_TIMEOUT the kernel would try for a quarter of an hour."""
    assert daemon.port is not None
    with calling(daemon) as local, connected(network, daemon.port, SUBSCRIBE.replace(b"task.#", b"vm.#")):
        local.await_(lambda: len(others(local)) == 1, "it has connected")
        (vm,) = local.call("VM.list", {})["items"]
        network.drop_all(daemon.port)
        begin = time.monotonic()
        number = 0
        while others(local):
            number += 1
            local.call("VM.update", {"vmId": vm["id"], "config": {"metadata": {"number": str(number)}}})
            assert time.monotonic() - begin < DEAD_S + SLACK_S
            time.sleep(0.1)
