"""F-13 and F-14 in a whole daemon: its state's disk is full, or fails; callers hear it, reads go on, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon_process import PROGRAMS, VdsmdProcess, start_vdsmd
from tests.faults.caller import Caller, RefusedError, calling, pulse

MEBIBYTE = 1024 * 1024


def create(caller: Caller, name: str) -> str:
    made: str = caller.call("VM.create", {"name": name, "config": {"memory": 64 * MEBIBYTE, "vcpus": 1}})["vmId"]
    return made


@pytest.fixture
def small(tmp_path: Path) -> Iterator[VdsmdProcess]:
    """A daemon whose front keeps its state on a file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "vdsmd"
    state = folder / "state" / "front"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(state)], check=True)
    try:
        daemon = start_vdsmd(folder, hypervisor="simulator:3", listen=None)
        try:
            yield daemon
        finally:
            daemon.stop()
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def ready(caller: Caller) -> None:
    caller.await_(lambda: caller.condition("virt") == caller.condition("host") == "ready", "the subsystems are ready")


def test_f13_a_daemon_on_a_full_disk_deletes_and_heals(small: VdsmdProcess) -> None:
    """Growth is refused with a typed error and nothing is created; deletions and reads go on; room comes back by itself."""
    hog = small.socket.parent / "state" / "front" / "hog"
    with calling(small) as caller:
        ready(caller)
        made = create(caller, "before")
        with pulse(small):
            with hog.open("wb", buffering=0) as stream:
                try:
                    while True:
                        stream.write(bytes(65536))
                except OSError:
                    pass
            caller.await_(lambda: refusal(caller) == "StateFull", "growth is refused")
            count = len(caller.states())
            assert refusal(caller) == "StateFull"
            assert len(caller.states()) == count
            task = caller.run("VM.delete", {"vmId": made})
            assert task["state"] == "done", task
            assert made not in caller.states()
            hog.unlink()
            caller.await_(lambda: refusal(caller) == "", "growth is accepted again")


def refusal(caller: Caller) -> str:
    """The error of an attempt to make the state larger; empty if it succeeded."""
    try:
        create(caller, f"more-{len(caller.states())}")
    except RefusedError as error:
        return error.error
    return ""


def test_f14_a_daemon_whose_disk_fails_begins_again_with_what_is_on_it(tmp_path: Path) -> None:
    """The call that could not be recorded is refused or cut off; the front begins anew, with everything acknowledged, in the same epoch."""
    strace = shutil.which("strace")
    assert strace is not None, "strace makes system calls fail (make setup installs it)"
    if os.geteuid() != 0:
        pytest.skip("to make another process's calls fail needs root")
    daemon = start_vdsmd(tmp_path / "vdsmd", hypervisor="simulator:3", listen=None)
    try:
        with calling(daemon) as caller:
            ready(caller)
            made = create(caller, "kept")
            token = str(caller.call("Event.read", {})["resume"])
            command = [strace, "-f", "-qq", "-o", "/dev/null", "--trace=fdatasync,fsync", "--inject=fdatasync,fsync:error=EIO"]
            with subprocess.Popen([*command, "-p", str(daemon.front)]) as tracer:
                caller.await_(lambda: f"TracerPid:\t{tracer.pid}" in Path(f"/proc/{daemon.front}/status").read_text("utf-8"), "traced")
                with pytest.raises((RefusedError, AssertionError)) as caught:
                    create(caller, "lost")
                assert not isinstance(caught.value, RefusedError) or caught.value.error == "StateUnavailable"
                tracer.wait(30)  # it ends with the front
        with calling(daemon) as caller:
            ready(caller)
            caller.await_(lambda: len(caller.states()) == 4, "all machines are known")
            assert caller.vm(made)["name"] == "kept"
            page = caller.call("Event.read", {"after": token})
            assert "gap" not in page
        assert "begins again with what is on disk" in daemon.log
    finally:
        daemon.stop()
    checked = subprocess.run([str(PROGRAMS / "vdsmd"), "--check-state", "--state-dir", str(tmp_path / "vdsmd" / "state")], check=False)
    assert checked.returncode == 0


def test_f15_events_and_their_epoch_survive_restarts(tmp_path: Path) -> None:
    """After kill -9 of the front and after a stop, a token resumes where it was, without a gap."""
    daemon = start_vdsmd(tmp_path / "vdsmd", hypervisor="simulator:3", listen=None)
    try:
        with calling(daemon) as caller:
            ready(caller)
            token = str(caller.call("Event.read", {})["resume"])
            made = create(caller, "web")
        os.kill(daemon.front, 9)
        with calling(daemon) as caller:
            ready(caller)
            page = caller.call("Event.read", {"after": token, "topics": ["vm.#"]})
            assert "gap" not in page
            assert any(event["object"]["id"] == made and event["change"] == "added" for event in page["items"])
        refused = subprocess.run(
            [str(PROGRAMS / "vdsmd"), "--check-state", "--state-dir", str(tmp_path / "vdsmd" / "state")], check=False, capture_output=True
        )
        assert refused.returncode == 2
        assert b"a daemon is using the state" in refused.stderr
    finally:
        daemon.stop()
    daemon = start_vdsmd(tmp_path / "vdsmd", hypervisor="simulator:3", listen=None)
    try:
        with calling(daemon) as caller:
            ready(caller)
            page = caller.call("Event.read", {"after": token, "topics": ["vm.#"]})
            assert "gap" not in page
            assert any(event["object"]["id"] == made and event["change"] == "added" for event in page["items"])
    finally:
        daemon.stop()
