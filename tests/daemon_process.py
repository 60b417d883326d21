"""A real vdsmd as a process of its own, for tests, benchmarks and the demonstration.

``start_vdsmd`` returns when calls are answered; ``VdsmdProcess.stop`` ends the daemon by its pid and fails if
anything that it started is still there. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Every process that a daemon starts inherits this variable, also those that leave its process tree.
MARK = "LIBVDSM_TEST_MARK"
PROGRAMS = Path(sys.executable).parent
READY_TIMEOUT_S = 90.0
#: Called with each daemon when it is ready, and again before it is stopped.
WATCHERS: list[Callable[[VdsmdProcess], None]] = []
STOP_TIMEOUT_S = 60.0
GONE_TIMEOUT_S = 30.0


class Ready(TypedDict):
    """The ready file."""

    pid: int
    front: int
    port: int | None
    socket: str
    workers: dict[str, int]


class DaemonError(AssertionError):
    """The daemon did not start, or left something behind; the message ends with its log."""


@dataclass(slots=True)
class VdsmdProcess:
    """A running daemon, as its ready file tells."""

    pid: int  # the supervisor
    front: int
    port: int | None  # of the loopback listener; None if it has none
    socket: Path
    workers: dict[str, int]
    log_path: Path
    process: subprocess.Popen[bytes]
    ready_file: Path
    mark: str
    _stopped: bool = field(default=False, init=False)

    @property
    def log(self) -> str:
        """All that the daemon has written so far."""
        return self.log_path.read_text("utf-8", "replace")

    @property
    def url(self) -> str:
        """The address of the unix socket for clients."""
        return f"unix://{self.socket}"

    def family(self) -> dict[int, str]:
        """The processes that live because of this daemon: command lines by pid."""
        return marked_processes(self.mark)

    def worker(self, name: str) -> int:
        """The pid of a worker as it is now, also after a restart; falls back to the ready file."""
        found = json.loads(self.ready_file.read_text("utf-8")).get("workers", {})
        return int(found.get(name, self.workers[name]))

    def stop(self) -> None:
        """End the daemon and see that it ended cleanly and alone. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        _watch(self)
        code = _end(self.process)
        left = _wait_gone(self.mark)
        for pid in left:
            _kill(pid)
        if left:
            raise DaemonError(f"vdsmd left processes behind: {left}\n{self.log[-4000:]}")
        if code not in {0, -signal.SIGKILL}:
            raise DaemonError(f"vdsmd ended with {code}\n{self.log[-4000:]}")

    def kill(self) -> None:
        """Kill the supervisor; whatever it started has to notice by itself, which ``stop`` then checks."""
        self.process.kill()
        self.process.wait()


def start_vdsmd(
    folder: Path,
    *arguments: str,
    hypervisor: str = "simulator:3",
    listen: str | None = "127.0.0.1:0",
    verify: bool = True,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = READY_TIMEOUT_S,
    descriptors: int | None = None,
) -> VdsmdProcess:
    """Start vdsmd with its state, socket, ready file and log in ``folder``.

    It listens on a free loopback port (``--insecure``) unless ``listen`` is None, and checks every result against
    the schema unless ``verify`` is false. Further ``arguments`` go to vdsmd as they are. Each of its processes may have
    so many ``descriptors``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready_file, log_path = folder / "ready.json", folder / "vdsmd.log"
    ready_file.unlink(missing_ok=True)
    mark = uuid.uuid4().hex
    command = [str(PROGRAMS / "vdsmd"), "--state-dir", str(folder / "state"), "--socket", str(folder / "vdsmd.sock")]
    command += ["--hypervisor", hypervisor, "--ready-file", str(ready_file)]
    if listen is not None:
        command += ["--listen", listen, "--insecure"]
    if verify:
        command.append("--verify-results")
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*(["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []), *command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C at a terminal is for whoever started it
            env={**os.environ, **(environment or {}), MARK: mark},
        )
    try:
        ready = _wait_ready(process, ready_file, log_path, timeout_s)
    except BaseException:
        _end(process)
        for pid in _wait_gone(mark):
            _kill(pid)
        raise
    started = VdsmdProcess(
        pid=ready["pid"],
        front=ready["front"],
        port=ready.get("port"),
        socket=Path(ready["socket"]),
        workers=ready.get("workers", {}),
        log_path=log_path,
        process=process,
        ready_file=ready_file,
        mark=mark,
    )
    _watch(started)
    return started


def _watch(daemon: VdsmdProcess) -> None:
    for watch in WATCHERS:
        watch(daemon)


def marked_processes(mark: str) -> dict[int, str]:
    """The living processes that carry ``mark`` in their environment: command lines by pid."""
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted not in (entry / "environ").read_bytes():
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:  # it ended meanwhile, or is not ours to look at
            continue
        if command:  # a zombie has none
            found[int(entry.name)] = command
    return found


def _wait_ready(process: subprocess.Popen[bytes], ready_file: Path, log_path: Path, timeout_s: float) -> Ready:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DaemonError(f"vdsmd ended with {process.returncode}\n{log_path.read_text('utf-8', 'replace')[-4000:]}")
        try:
            return cast("Ready", json.loads(ready_file.read_text("utf-8")))
        except (OSError, ValueError):
            time.sleep(0.005)
    raise DaemonError(f"vdsmd was not ready after {timeout_s} s\n{log_path.read_text('utf-8', 'replace')[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -1
    return process.returncode


def _wait_gone(mark: str) -> dict[int, str]:
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
