"""The whole daemon over a real libvirtd that hangs, dies and comes back, and a real guest that does not survive."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.libvirtd import Libvirtd
from tests.lab.real import tiny_config
from tests.roads import Caller

pytestmark = [pytest.mark.guest, pytest.mark.timeout(120)]


@pytest.fixture
def daemon(lab: Libvirtd, tmp_path: Path) -> Iterator[VdsmdProcess]:
    made = start_vdsmd(tmp_path / "vdsmd", hypervisor=lab.uri)
    yield made
    made.stop()


@pytest.fixture
def caller(daemon: VdsmdProcess) -> Iterator[Caller]:
    with Caller(daemon.socket) as made:
        yield made


def started(caller: Caller) -> str:
    """A running guest of a few megabytes."""
    config = msgspec.to_builtins(tiny_config())
    vm_id: str = caller.call("VM.create", {"name": "guest", "config": config})["vmId"]
    caller.done("VM.start", {"vmId": vm_id})
    return vm_id


def until(promise: Callable[[], bool], seconds: float) -> None:
    """Look until it is so."""
    end = time.monotonic() + seconds
    while not promise():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def state(caller: Caller, vm_id: str) -> Any:
    return caller.call("VM.get", {"vmId": vm_id})["state"]


def ping_s(caller: Caller) -> float:
    began = time.monotonic()
    caller.call("Host.ping")
    return time.monotonic() - began


def test_a_frozen_libvirtd_costs_one_typed_error_and_no_pings(lab: Libvirtd, daemon: VdsmdProcess, caller: Caller) -> None:
    """Within five seconds the call fails by name; pings go on; all is well when libvirtd goes on, even after the worker was changed."""
    vm_id = started(caller)
    lab.freeze_daemon()
    with Caller(daemon.socket) as other:
        began = time.monotonic()
        error = other.error("VM.pause", {"vmId": vm_id})
        assert time.monotonic() - began < 5
        assert error["data"]["error"] in {"HypervisorUnavailable", "GuestUnresponsive"}
    until(lambda: state(caller, vm_id) == "unknown", 10)
    pings = sorted(ping_s(caller) for _ in range(200))
    assert pings[-3] < 0.1, pings[-5:]
    time.sleep(6)  # the opening that is not answered ends the worker
    lab.thaw_daemon()
    until(lambda: state(caller, vm_id) == "running", 15)
    until(lambda: "result" in caller.answer("VM.pause", {"vmId": vm_id}), 10)
    assert state(caller, vm_id) == "paused"


def test_what_happened_while_libvirtd_was_dead_is_told_as_found(lab: Libvirtd, daemon: VdsmdProcess, caller: Caller) -> None:
    """One guest was killed meanwhile, one lives: the inventory is right about both, and the event says how it knows."""
    del daemon
    lost, kept = started(caller), started(caller)
    pid = lab.qemu_pid(lost)
    lab.kill_daemon()
    os.kill(pid, signal.SIGKILL)
    until(lambda: state(caller, kept) == "unknown", 10)
    resume = caller.call("Event.read")["resume"]
    lab.start_daemon()
    until(lambda: (state(caller, lost), state(caller, kept)) == ("stopped", "running"), 15)
    events = caller.call("Event.read", {"after": resume, "topics": [f"vm.{lost}"]})["items"]
    found = [event for event in events if event["patch"].get("state") == "stopped"]
    assert [event["cause"]["kind"] for event in found] == ["resync"]
