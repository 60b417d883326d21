"""A daemon whose processes are stopped, killed and started again: the tree as the kernel shows it, not as the daemon tells.

``LIBVDSM_FAULT`` (``libvdsm.testing.faults``) makes a process stop at its fault point; ``await_stopped`` finds it, ``kill``
ends the victims, ``go_on`` wakes who survived. ``again`` starts the daemon anew on the same state after its supervisor died.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from tests.daemon_process import MARK, PROGRAMS, marked_processes

PATIENCE_S: Final = 90.0
#: Crashes here are the test's own: nobody is held down for them, and the wait for the next try is short.
PACE: Final = "crashes=1000000,first_s=0.02,limit_s=0.05,unreachable_limit_s=0.05,look_s=0.2"
#: Names of processes by which victims are told.
FRONT: Final = "front"
WORLD: Final = "simulator"


class Closable(Protocol):
    """What is open."""

    def close(self) -> None:
        """End it."""


ClosableT = TypeVar("ClosableT", bound=Closable)


class Daemon:
    """A daemon over the simulator in a folder of its own."""

    def __init__(self, folder: Path, *, faults: str = "", machines: int = 3, pace: str = PACE) -> None:
        self.folder = folder
        self.socket = folder / "vdsmd.sock"
        self.log_path = folder / "vdsmd.log"
        self.ready_file = folder / "ready.json"
        self._world_file = folder / "state" / "simulator" / "world.json"
        self._machines = machines
        self._pace = pace
        self._mark = uuid.uuid4().hex
        self._kept = contextlib.ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self._process = self._start(faults)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        """Whatever is left is killed; whether it ends well is a matter of other tests."""
        self._kept.close()
        self.destroy()
        if error is not None:
            error.add_note(f"the daemon's log ends:\n{self.log[-6000:]}")

    def keep(self, line: ClosableT) -> ClosableT:
        """Have ``line`` closed with the test."""
        self._kept.callback(line.close)
        return line

    # --- its life

    def again(self, faults: str = "") -> None:
        """Start it anew after its supervisor has died, with all that it had started."""
        self._process.wait(PATIENCE_S)
        until(lambda: not marked_processes(self._mark), "everything of the former life is gone")
        self._process = self._start(faults)

    def stop(self) -> int:
        """Ask it to end as a service manager does; its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(90)

    def destroy(self) -> None:
        """End all of it at once."""
        self._process.kill()
        self._process.wait()
        for pid in marked_processes(self._mark):
            _send(pid, signal.SIGKILL)
        until(lambda: not marked_processes(self._mark), "everything is gone")

    @property
    def supervisor(self) -> int:
        """Its pid."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """All that it has written, in all its lives."""
        return self.log_path.read_text("utf-8", "replace")

    def children(self) -> dict[str, int]:
        """The supervisor's living children: pids by name (``front``, ``virt``, …)."""
        found = {}
        for pid in _words(Path(f"/proc/{self.supervisor}/task/{self.supervisor}/children")):
            name, state = _name_and_state(int(pid))
            if name.startswith("vdsmd-") and state not in {"Z", "X"}:
                found[name.removeprefix("vdsmd-")] = int(pid)
        return found

    # --- faults

    def await_stopped(self, patience_s: float = PATIENCE_S) -> tuple[str, int]:
        """Name and pid of the child that has stopped itself at a fault point."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            for name, pid in self.children().items():
                if _name_and_state(pid)[1] == "T":
                    return name, pid
            if not self.is_alive:
                break
            time.sleep(0.003)
        raise AssertionError(f"no process has stopped at its fault point; its log ends:\n{self.log[-3000:]}")

    def kill(self, victim: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End ``front``, a worker by its name, ``supervisor`` or ``all``; returns when they are gone."""
        children = self.children()
        # With the supervisor first nobody can be started again between two kills.
        pids = {"supervisor": [self.supervisor], "all": [self.supervisor, *children.values()]}.get(victim)
        for pid in [children[victim]] if pids is None else pids:
            _send(pid, number)
        if pids is not None:
            self._process.wait(PATIENCE_S)
            until(lambda: not any(map(_lives, children.values())), "its children die with the supervisor")
        else:
            until(lambda: not _lives(children[victim]), f"{victim} is dead")

    @staticmethod
    def go_on(pid: int) -> None:
        """Wake a process that stopped itself, if it still is there."""
        _send(pid, signal.SIGCONT)

    # --- the truth

    def world(self) -> dict[str, dict[str, Any]]:
        """The machines that differ from how they were made, as the simulator keeps them: what has really happened."""
        found: dict[str, Any] = json.loads(self._world_file.read_bytes())
        machines: dict[str, dict[str, Any]] = found.get("machines", {})
        return machines | {id: {"removed": True} for id in found.get("removed", ())}

    def _start(self, faults: str) -> subprocess.Popen[bytes]:
        self.ready_file.unlink(missing_ok=True)
        command = [str(PROGRAMS / "vdsmd"), "--state-dir", str(self.folder / "state"), "--socket", str(self.socket)]
        command += ["--hypervisor", f"simulator:{self._machines}", "--ready-file", str(self.ready_file), "--verify-results"]
        environment = os.environ | {MARK: self._mark, "LIBVDSM_FAULT": faults, "LIBVDSM_PACE": self._pace}
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=environment
            )


def until(is_so: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> float:
    """Look until it is so; the seconds that it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < patience_s, f"not within {patience_s} s: {what}"
        time.sleep(0.005)
    return time.monotonic() - began


@contextlib.contextmanager
def frozen(pids: Collection[int]) -> Iterator[None]:
    """These processes are stopped meanwhile."""
    for pid in pids:
        _send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _name_and_state(pid: int) -> tuple[str, str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return "", "X"
    name, _, rest = text.partition("(")[2].rpartition(")")
    return name, rest.split()[0]


def _lives(pid: int) -> bool:
    return _name_and_state(pid)[1] not in {"Z", "X"}


def _words(path: Path) -> list[str]:
    try:
        return path.read_text("ascii").split()
    except OSError:
        return []


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
