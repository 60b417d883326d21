"""Forking, and a host that has no room for it."""

from __future__ import annotations

import errno
import os
import select
import signal
from pathlib import Path

import pytest

from libvdsm.daemon.child import FAILED, ChildEnds, Ending, Process, Program, close_all_but, launch

#: Test runners may have threads; the children made here run nothing that could wait for them.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def ended(process: Process) -> Ending:
    """Wait for the end: the heartbeat's last writer is gone."""
    poll = select.poll()
    poll.register(process.heartbeat, select.POLLHUP)
    assert poll.poll(10_000)
    while (ending := process.reap()) is None:
        pass
    return ending


def start(run: Program) -> Process:
    return launch(run, lambda heartbeat: ChildEnds(heartbeat=heartbeat), (), 0.0)


def test_when_the_host_has_no_room_for_a_process_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(errno.EAGAIN, "no room")

    monkeypatch.setattr(os, "fork", fork)
    before = descriptors()
    with pytest.raises(OSError, match="no room"):
        start(Program("x", "world", lambda _ends: 0))
    assert descriptors() == before


def test_a_status_and_a_signal_are_told_apart() -> None:
    assert ended(start(Program("x", "world", lambda _ends: 75))) == Ending(75, None)

    def die(_ends: ChildEnds) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    killed = ended(start(Program("x", "world", die)))
    assert killed == Ending(None, signal.SIGKILL)
    assert str(killed) == "its process was killed by SIGKILL"
    assert str(Ending(3, None)) == "its process ended with status 3"


def test_a_program_that_raises_ends_with_a_status_of_its_own_and_never_runs_our_code() -> None:
    def fail(_ends: ChildEnds) -> int:
        raise ZeroDivisionError

    def leave(_ends: ChildEnds) -> int:
        raise SystemExit(4)

    assert ended(start(Program("x", "world", fail))) == Ending(FAILED, None)
    assert ended(start(Program("x", "world", leave))) == Ending(4, None)


def test_beats_are_read_without_waiting() -> None:
    def beat(ends: ChildEnds) -> int:
        os.write(ends.heartbeat, b"...")
        return 0

    process = start(Program("x", "world", beat))
    poll = select.poll()
    poll.register(process.heartbeat, select.POLLHUP)
    poll.poll(10_000)
    process.read_beats(7.0)
    assert process.last_beat == 7.0
    ended(process)


def test_a_child_closes_what_is_not_its_own() -> None:
    spare = os.open("/dev/null", os.O_RDONLY)

    def count(ends: ChildEnds) -> int:
        close_all_but({0, 1, 2, ends.heartbeat})
        return len(list(Path("/proc/self/fd").iterdir()))

    assert ended(start(Program("x", "world", count))).exit_status == 3 + 1 + 1  # and the listing itself
    os.close(spare)
