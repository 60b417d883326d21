"""One program under the supervisor: forked, watched by its heartbeat, reaped.

Standard library only. The child keeps nothing of the supervisor but the descriptors that it is given.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from libvdsm.daemon import kernel

_log = logging.getLogger(__name__)

#: Exit status of a program that failed with an exception.
FAILED = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnds:
    """What a child gets; all of it is its own."""

    heartbeat: int  # the writing end, non-blocking: a byte each second
    control: socket.socket | None = None  # the front's end towards the supervisor
    frames: socket.socket | None = None  # a worker's end towards the front ...
    side: socket.socket | None = None  # ... and the one for descriptors
    listeners: tuple[socket.socket, ...] = ()  # the front's

    def descriptors(self) -> set[int]:
        """All of them as numbers."""
        streams = [each for each in (self.control, self.frames, self.side, *self.listeners) if each is not None]
        return {self.heartbeat, *(stream.fileno() for stream in streams)}


@dataclass(frozen=True, slots=True)
class Program:
    """What can be forked: ``run`` is called in the child and answers its exit status."""

    name: str
    role: Literal["front", "worker", "world"]
    run: Callable[[ChildEnds], int]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended."""

    exit_status: int | None
    signal: int | None

    def __str__(self) -> str:
        """In words."""
        if self.signal is None:
            return f"its process ended with status {self.exit_status}"
        with contextlib.suppress(ValueError):
            return f"its process was killed by {signal.Signals(self.signal).name}"
        return f"its process was killed by signal {self.signal}"


class Process:
    """A running child."""

    def __init__(self, pid: int, heartbeat: int, now: float) -> None:
        self.pid = pid
        self.heartbeat = heartbeat  # the reading end
        self.started_at = now
        self.last_beat = now
        self.is_degraded = False
        self.kill_at: float | None = None

    def read_beats(self, now: float) -> None:
        """Take what the heartbeat's pipe holds."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.heartbeat, 512):
                self.last_beat = now

    def reap(self) -> Ending | None:
        """How it ended, if it has."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return None
        os.close(self.heartbeat)
        return Ending(None, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else Ending(os.waitstatus_to_exitcode(status), None)

    def send_signal(self, number: int) -> None:
        """Send a signal; it is ours and not reaped, so the number cannot be another's."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def launch(program: Program, ends: Callable[[int], ChildEnds], keep: Sequence[int], now: float) -> Process:
    """Fork ``program``; raises ``OSError`` and leaves nothing open if the host has no room for it.

    ``ends`` is given the heartbeat's writing end. ``keep`` are further descriptors that stay open in the child.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        _become_child(program, ends(writing), keep, parent)
    os.close(writing)
    return Process(pid, reading, now)


def _become_child(program: Program, ends: ChildEnds, keep: Sequence[int], parent: int) -> None:
    status = FAILED
    try:
        signal.set_wakeup_fd(-1)
        # A service manager may send SIGTERM to all at once; workers go on until the front has flushed and is gone.
        signal.signal(signal.SIGTERM, signal.SIG_IGN if program.role == "worker" else signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to all; the supervisor decides
        kernel.die_with(parent)
        kernel.set_name(f"vdsmd-{program.name}")
        close_all_but({0, 1, 2, *keep, *ends.descriptors()})
        gc.disable()  # while the program loads its code, of which nothing is garbage; ``loaded`` ends that
        status = program.run(ends)
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else FAILED
    except BaseException:  # noqa: BLE001 - a process's top
        _log.exception("%s failed", program.name)
    finally:
        os._exit(status)


def loaded() -> None:
    """A program's code and lasting objects are there: collect from now on, but never look at those again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def close_all_but(keep: set[int]) -> None:
    """Close every other descriptor of this process."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, not paths
        if descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)
