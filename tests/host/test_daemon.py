"""The whole daemon over a real libvirtd that hangs, dies and comes back, and a real guest that does not survive."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pytest

from libvdsm.subsystems.virt.config import VirtConfig
from tests.daemon_process import VdsmdProcess, start_vdsmd
from tests.lab.libvirtd import Libvirtd
from tests.lab.real import tiny_config
from tests.roads import Caller

pytestmark = [pytest.mark.guest, pytest.mark.timeout(300)]
#: What has not come true by then never does; a busy machine is slow.
PATIENCE_S: Final = 60.0
#: How often libvirtd is killed; ``make test-all`` asks for a hundred times.
KILLS: Final = int(os.environ.get("LIBVDSM_LIBVIRTD_KILLS", "10"))


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


def until(promise: Callable[[], bool]) -> None:
    """Look until it is so."""
    end = time.monotonic() + PATIENCE_S
    while not promise():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def state(caller: Caller, vm_id: str) -> Any:
    return caller.call("VM.get", {"vmId": vm_id})["state"]


def whys(caller: Caller, vm_id: str, state: str, resume: str) -> list[str]:
    """The causes of all that told of this state; there is at least one.

    What is shown in the inventory is told when it is on disk, a moment later.
    """
    found: list[str] = []

    def is_told() -> bool:
        events = caller.call("Event.read", {"after": resume, "topics": [f"vm.{vm_id}"]})["items"]
        found[:] = [event["cause"]["kind"] for event in events if event["patch"].get("state") == state]
        return bool(found)

    until(is_told)
    return found


def ping_s(caller: Caller) -> float:
    began = time.monotonic()
    caller.call("Host.ping")
    return time.monotonic() - began


def test_a_frozen_libvirtd_costs_one_typed_error_and_no_pings(lab: Libvirtd, daemon: VdsmdProcess, caller: Caller) -> None:
    """The call fails by name; no ping waits for libvirtd; all is well when libvirtd goes on, even after the worker was changed."""
    vm_id = started(caller)
    lab.freeze_daemon()
    with Caller(daemon.socket) as other:
        error = other.error("VM.pause", {"vmId": vm_id})
        assert error["data"]["error"] in {"HypervisorUnavailable", "GuestUnresponsive", "OutcomeUnknown"}
    until(lambda: state(caller, vm_id) == "unknown")
    pings = sorted(ping_s(caller) for _ in range(200))
    assert pings[-3] < VirtConfig().calls.ask_s, pings[-5:]
    time.sleep(6)  # the opening that is not answered ends the worker
    lab.thaw_daemon()
    until(lambda: state(caller, vm_id) == "running")
    until(lambda: "result" in caller.answer("VM.pause", {"vmId": vm_id}))
    assert state(caller, vm_id) == "paused"


def test_what_happened_while_libvirtd_was_dead_is_told_as_found(lab: Libvirtd, daemon: VdsmdProcess, caller: Caller) -> None:
    """One guest was killed meanwhile, one lives: the inventory is right about both, and the event says how it knows."""
    del daemon
    lost, kept = started(caller), started(caller)
    pid = lab.qemu_pid(lost)
    lab.kill_daemon()
    os.kill(pid, signal.SIGKILL)
    until(lambda: state(caller, kept) == "unknown")
    resume = caller.call("Event.read")["resume"]
    lab.start_daemon()
    until(lambda: (state(caller, lost), state(caller, kept)) == ("stopped", "running"))
    assert whys(caller, lost, "stopped", resume) == ["resync"]


#: How a call may end while libvirtd goes and comes; the second line is of what another call of the traffic has done.
TOLERABLE = {"HypervisorUnavailable", "SubsystemUnavailable", "GuestUnresponsive", "OutcomeUnknown", "Interrupted", "DeadlineExceeded"}
TOLERABLE |= {"WrongState", "ResourceBusy"}


class Traffic:
    """Calls that change another machine, all the time; ``failures`` are those whose end is not one that was promised."""

    def __init__(self, daemon: VdsmdProcess, vm_id: str) -> None:
        self.calls = 0
        self.failures: list[object] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(daemon, vm_id), name="traffic")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self, daemon: VdsmdProcess, vm_id: str) -> None:
        with Caller(daemon.socket) as caller:
            for number in itertools.count():
                if self._ended.wait(0.05):
                    return
                name = f"name {number}"
                for method, more in (("VM.pause", {}), ("VM.resume", {}), ("VM.update", {"name": name})):
                    answer = caller.answer(method, {"vmId": vm_id, **more}, timeout=20)
                    self.calls += 1
                    if "result" not in answer and answer["error"]["data"]["error"] not in TOLERABLE:
                        self.failures.append(answer)


def states_told(caller: Caller, vm_id: str, resume: str) -> list[str]:
    """The states of a machine that were told, in their order, one for each change of state."""
    told, after = [], resume
    while True:
        page = caller.call("Event.read", {"after": after, "topics": [f"vm.{vm_id}"]})
        told += [event["patch"]["state"] for event in page["items"] if "state" in event["patch"]]
        if not page["items"] or page["resume"] == after:
            return [state for state, _ in itertools.groupby(told)]
        after = page["resume"]


@pytest.mark.timeout(300 + 20 * KILLS)
def test_f07_guests_are_never_said_to_have_stopped_when_libvirtd_is_killed_and_restarted(
    lab: Libvirtd, daemon: VdsmdProcess, caller: Caller
) -> None:
    """Under traffic, killed and ended in turns; the state is unknown in between, and what it was afterwards."""
    kept, busy = started(caller), started(caller)
    pid = lab.qemu_pid(kept)
    resume = caller.call("Event.read")["resume"]
    with Traffic(daemon, busy) as traffic:
        for number in range(KILLS):
            (lab.kill_daemon if number % 2 else lab.end_daemon)()
            until(lambda: state(caller, kept) == "unknown")
            lab.start_daemon()
            until(lambda: state(caller, kept) == "running")
    assert traffic.failures == []
    assert traffic.calls  # there was traffic, however busy the machine
    until(lambda: states_told(caller, kept, resume)[-1:] == ["running"])  # the last is on disk
    assert states_told(caller, kept, resume) == ["unknown", "running"] * KILLS
    assert "stopped" not in states_told(caller, busy, resume)
    assert lab.qemu_pid(kept) == pid
    until(lambda: state(caller, busy) in {"running", "paused"})


@pytest.mark.parametrize("is_killed", (False, True))
def test_f11_a_guest_that_died_while_everybody_was_away_is_told_after_the_restart(
    lab: Libvirtd, tmp_path: Path, *, is_killed: bool
) -> None:
    """Neither libvirtd nor we were there. Who has followed the events until then, and asks for what came after, hears of it."""
    first = start_vdsmd(tmp_path / "vdsmd", hypervisor=lab.uri)
    try:
        with Caller(first.socket) as caller:
            lost, kept = started(caller), started(caller)
            resume = caller.call("Event.read")["resume"]
            if is_killed:
                first.kill()
        first.stop()
        pid = lab.qemu_pid(lost)
        lab.kill_daemon()
        os.kill(pid, signal.SIGKILL)
        lab.start_daemon()
        second = start_vdsmd(tmp_path / "vdsmd", hypervisor=lab.uri)
        try:
            with Caller(second.socket) as caller:
                until(lambda: (state(caller, lost), state(caller, kept)) == ("stopped", "running"))
                assert caller.call("VM.get", {"vmId": kept})["desired"] == "recorded"
                assert whys(caller, lost, "stopped", resume) == ["resync"]
                assert states_told(caller, kept, resume)[-1:] in ([], ["running"])
        finally:
            second.stop()
    finally:
        first.stop()


def stopped_process(daemon: VdsmdProcess) -> int:
    """The process of the daemon that has stopped itself at a fault point."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for pid in daemon.family():
            with suppress(OSError, IndexError):
                if Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "T":
                    return pid
        time.sleep(0.01)
    raise AssertionError("nobody has stopped")


@pytest.mark.parametrize("point", ("after_call", "after_effect"))
def test_f03_a_worker_killed_right_after_its_deed_has_done_it(lab: Libvirtd, tmp_path: Path, point: str) -> None:
    """Two deeds, found by their probes in libvirt: the one by our metadata, the other by its state. Nothing is lost, and nothing runs twice."""
    faults = {"LIBVDSM_FAULT": f"VM.create:{point},VM.start:{point}"}
    daemon = start_vdsmd(tmp_path / "vdsmd", hypervisor=lab.uri, environment=faults)
    try:
        with Caller(daemon.socket) as caller, ThreadPoolExecutor(1) as threads:
            config = msgspec.to_builtins(tiny_config()) | {"metadata": {"owner": "me"}, "machine": "pc"}
            creating = threads.submit(caller.call, "VM.create", {"name": "guest", "config": config, "project": "shop"})
            os.kill(stopped_process(daemon), signal.SIGKILL)
            vm_id = creating.result(60)["vmId"]
            seen = caller.call("VM.get", {"vmId": vm_id})
            assert (seen["desired"], seen["project"], seen["generation"]) == ("recorded", "shop", 1)
            assert (seen["config"]["metadata"], seen["config"]["machine"]) == ({"owner": "me"}, "pc")
            starting = threads.submit(caller.call, "VM.start", {"vmId": vm_id}, wait=60)
            os.kill(stopped_process(daemon), signal.SIGKILL)
            task = starting.result(90)["task"]
            assert task["state"] == "done", task
            assert state(caller, vm_id) == "running"
            assert len([domain for domain in caller.call("VM.list")["items"] if domain["name"] == "guest"]) == 1
    finally:
        daemon.stop()
