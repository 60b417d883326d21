"""A real daemon over the simulator while parts of it die, hang and stop (F-05, F-06, F-40, F-41)."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.own_time import OwnTime

Answer = dict[str, Any]


def call(daemon: VdsmdProcess, method: str, params: Answer | None = None, timeout_s: float = 60.0) -> Answer:
    """One call on a connection of its own."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_s)
        client.connect(str(daemon.socket))
        client.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode() + b"\n")
        with client.makefile("rb") as stream:
            line = stream.readline()
    if not line:
        raise ConnectionError("no answer")
    found: Answer = json.loads(line)
    return found


def until(condition: Callable[[], object], within_s: float = 60) -> float:
    """Seconds until ``condition`` held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s} s"
        time.sleep(0.01)
    return time.monotonic() - began


def is_well(daemon: VdsmdProcess) -> bool:
    """Whether the virt worker answers."""
    return "result" in call(daemon, "Host.getCapabilities")


def parts(daemon: VdsmdProcess) -> dict[str, Answer]:
    return {each["name"]: each for each in call(daemon, "Host.getInfo")["result"]["subsystems"]}


def zombies(daemon: VdsmdProcess) -> list[str]:
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    found = []
    for pid in children:
        with suppress(OSError):  # it was reaped meanwhile
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                found.append(pid)
    return found


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def ready(daemon: VdsmdProcess) -> Answer:
    found: Answer = json.loads(daemon.ready_file.read_text())
    return found


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    running = vdsmd(hypervisor="simulator:3")
    until(lambda: is_well(running))
    return running


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGSEGV))
def test_f05_a_killed_worker_is_back_within_a_second_and_others_are_undisturbed(daemon: VdsmdProcess, number: signal.Signals) -> None:
    before = ready(daemon)
    clock = OwnTime(daemon.family)
    os.kill(before["workers"]["virt"], number)
    assert call(daemon, "Host.ping")["result"] == {"pong": True}
    assert len(call(daemon, "VM.list")["result"]["items"]) == 3
    failures = []

    def answers() -> bool:
        answer = call(daemon, "Host.getCapabilities")
        if "error" in answer:
            failures.append(answer["error"]["data"])
        return "result" in answer

    until(answers)
    assert clock.seconds() < 1.0
    assert all(failure["error"] in {"SubsystemUnavailable", "HypervisorUnavailable"} and failure["retryable"] for failure in failures)
    after = ready(daemon)
    assert after["workers"]["virt"] != before["workers"]["virt"]
    assert after["workers"]["host"] == before["workers"]["host"]
    assert after["front"] == before["front"]
    until(lambda: parts(daemon)["virt"]["state"] == "ready")
    assert parts(daemon)["virt"]["restarts"] == 1


def kill_and_wait(daemon: VdsmdProcess, name: str) -> None:
    """Until another worker has taken the place of the one that is killed, and says that it is well."""
    pid = ready(daemon)["workers"][name]
    os.kill(pid, signal.SIGKILL)
    until(lambda: ready(daemon)["workers"].get(name, pid) != pid)
    until(lambda: parts(daemon)[name]["state"] == "ready")


def test_f41_many_restarts_leave_no_zombie_and_no_descriptor(daemon: VdsmdProcess) -> None:
    kill_and_wait(daemon, "host")
    counts = [descriptors(pid) for pid in (daemon.pid, daemon.front)]
    for _ in range(3):
        kill_and_wait(daemon, "host")
    until(lambda: zombies(daemon) == [])
    until(lambda: [descriptors(pid) for pid in (daemon.pid, daemon.front)] <= counts)


def test_f05_a_worker_that_dies_again_and_again_is_held_down_and_said_so(daemon: VdsmdProcess) -> None:
    def is_held() -> bool:
        pid = ready(daemon)["workers"].get("virt")
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(parts(daemon)["virt"]["state"] == "held")

    until(is_held, 50)  # five crashes within a minute
    answer = call(daemon, "Host.getCapabilities")["error"]["data"]
    assert answer["error"] == "SubsystemUnavailable"
    assert "too often" in answer["params"]["reason"]
    assert call(daemon, "Host.getStats")["result"]


def test_f05_the_front_is_replaced_and_the_sockets_stay_open(daemon: VdsmdProcess) -> None:
    before = ready(daemon)
    os.kill(daemon.front, signal.SIGKILL)
    assert call(daemon, "Host.ping")["result"] == {"pong": True}  # waits in the socket's queue
    until(lambda: ready(daemon)["front"] != before["front"])
    until(lambda: is_well(daemon))
    after = ready(daemon)
    assert after["port"] == before["port"]
    assert set(after["workers"].values()).isdisjoint({before["workers"]["virt"], before["workers"]["host"]})
    assert after["workers"]["simulator"] == before["workers"]["simulator"]
    assert len(call(daemon, "VM.list")["result"]["items"]) == 3
    until(lambda: zombies(daemon) == [])


def test_f06_a_stopped_worker_is_degraded_after_a_while_and_well_again_when_it_goes_on(daemon: VdsmdProcess) -> None:
    pid = ready(daemon)["workers"]["virt"]
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: parts(daemon)["virt"]["state"] == "degraded")
        assert "no heartbeat" in parts(daemon)["virt"]["reason"]
        clock = OwnTime(lambda: (daemon.front,))
        assert call(daemon, "Host.ping")["result"] == {"pong": True}
        assert clock.seconds() < 0.1
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: parts(daemon)["virt"]["state"] == "ready")
    assert ready(daemon)["workers"]["virt"] == pid


def test_f05_the_world_is_replaced_too(daemon: VdsmdProcess) -> None:
    before = ready(daemon)["workers"]
    os.kill(before["simulator"], signal.SIGKILL)
    until(lambda: ready(daemon)["workers"].get("simulator", before["simulator"]) != before["simulator"])
    until(lambda: is_well(daemon))
    assert ready(daemon)["workers"]["host"] == before["host"]


def test_f40_it_stops_cleanly_under_traffic(vdsmd: StartVdsmd) -> None:
    daemon = vdsmd(hypervisor="simulator:20")
    until(lambda: is_well(daemon))
    ids = [each["id"] for each in call(daemon, "VM.list")["result"]["items"]]
    stopping = threading.Event()

    def make_traffic() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            with suppress(OSError, ValueError):
                call(daemon, "VM.start" if number % 2 else "VM.stop", {"vmId": ids[number % len(ids)]}, timeout_s=20)

    threads = [threading.Thread(target=make_traffic) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0
    assert time.monotonic() - began < 30
    stopping.set()
    for thread in threads:
        thread.join()
    assert not daemon.socket.exists()
    assert not daemon.ready_file.exists()
    assert "Traceback" not in daemon.log


def test_f05_nothing_outlives_a_killed_supervisor_and_the_next_one_starts(tmp_path: Path) -> None:
    first = start_vdsmd(tmp_path / "d")
    first.kill()
    first.stop()  # fails if anything is left
    second = start_vdsmd(tmp_path / "d")
    try:
        assert call(second, "Host.ping")["result"] == {"pong": True}
    finally:
        second.stop()


def test_a_second_daemon_on_the_same_socket_is_refused(daemon: VdsmdProcess, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="vdsmd ended with 3"):
        start_vdsmd(tmp_path / "other", "--socket", str(daemon.socket))
    assert call(daemon, "Host.ping")["result"] == {"pong": True}


def test_the_socket_is_for_its_group_only(daemon: VdsmdProcess) -> None:
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give rights away")
def test_the_front_has_no_rights_when_it_serves(daemon: VdsmdProcess) -> None:
    told = dict(line.split(":\t", 1) for line in Path(f"/proc/{daemon.front}/status").read_text().splitlines() if ":\t" in line)
    assert "0" not in told["Uid"].split()
    assert "0" not in told["Gid"].split()
    assert told["Groups"].split() == []
    assert told["NoNewPrivs"] == "1"
    assert all(int(told[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert call(daemon, "Identity.whoAmI")["result"]["identity"] == "unix:0"


def test_the_front_has_loaded_all_its_code_before_it_loses_the_right_to(daemon: VdsmdProcess) -> None:
    with socket.create_connection(("127.0.0.1", daemon.port or 0), 60) as client:
        client.sendall(b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        assert client.recv(100).startswith(b"HTTP/1.1 ")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(daemon.socket))
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Event.subscribe","params":{"snapshot":true}}\nnonsense\n[1,2]\n\xff\n')
        client.settimeout(60)
        assert client.recv(100)
    vm = call(daemon, "VM.list")["result"]["items"][0]["id"]
    for method, params in (
        ("rpc.discover", {}),
        ("VM.getStats", {}),
        ("VM.screenshot", {"vmId": vm}),
        ("VM.start", {"vmId": vm}),
        ("Task.list", {}),
        ("Event.read", {"timeout": 0}),
        ("VM.fly", {}),
        ("VM.get", {"vmId": 5}),
        ("Console.open", {"vmId": vm, "kind": "serial"}),
    ):
        call(daemon, method, params)
    os.kill(ready(daemon)["workers"]["virt"], signal.SIGKILL)
    until(lambda: is_well(daemon))
    late = [line for line in daemon.log.splitlines() if "loaded late" in line]
    assert late == []


def test_subsystems_inside_the_front_answer_the_same(vdsmd: StartVdsmd) -> None:
    separate, together = vdsmd(hypervisor="simulator:3"), vdsmd("--in-process", hypervisor="simulator:3")
    for each in (separate, together):
        until(lambda each=each: is_well(each))  # type: ignore[misc]  # a default is no argument
    assert set(ready(together)["workers"]) == {"simulator"}
    for method in ("Host.getCapabilities", "VM.list"):
        one, other = call(separate, method)["result"], call(together, method)["result"]
        assert set(one) == set(other)
    assert len(call(together, "VM.list")["result"]["items"]) == 3


def test_a_plain_port_serves_the_same(daemon: VdsmdProcess) -> None:
    assert daemon.port is not None
    with socket.create_connection(("127.0.0.1", daemon.port), 60) as client:
        client.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n')
        with client.makefile("rb") as stream:
            assert json.loads(stream.readline())["result"] == {"pong": True}
