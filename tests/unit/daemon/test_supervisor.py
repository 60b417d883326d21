"""The process tree under every kind of ending, with tiny children and short times (``little_tree``)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("little_tree.py")
LONG_S = 60.0


class Tree:
    """A running supervisor and what its children print."""

    def __init__(self, *words: str, ready_file: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(ready_file or "-"), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout.fileno()
        self._rest = b""
        self.lines: list[dict[str, Any]] = []
        self._unseen: list[dict[str, Any]] = []

    def wait(self, who: str, what: str, **more: object) -> dict[str, Any]:
        """The first line that fits and was not asked for before; processes print in any order."""
        wanted = {"who": who, "what": what, **more}
        for number, line in enumerate(self._unseen):
            if wanted.items() <= line.items():
                return self._unseen.pop(number)
        while (read := self._next()) is not None:
            if wanted.items() <= read.items():
                return read
            self._unseen.append(read)
        raise AssertionError(f"the tree ended without {who} {what}; {self.lines[-10:]}")

    def wait_end(self) -> list[dict[str, Any]]:
        """All lines until no process of the tree is left."""
        found = []
        while (line := self._next()) is not None:
            found.append(line)
        return found

    def _next(self) -> dict[str, Any] | None:
        while b"\n" not in self._rest:
            assert select.select([self._output], [], [], LONG_S)[0], f"nothing happens; {self.lines[-10:]}"
            data = os.read(self._output, 65536)
            if not data:
                return None
            self._rest += data
        text, self._rest = self._rest.split(b"\n", 1)
        line: dict[str, Any] = json.loads(text)
        self.lines.append(line)
        return line

    def children(self) -> list[str]:
        """The states of the supervisor's children, zombies (Z) among them."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = []
        for pid in pids:
            with suppress(OSError):  # it was reaped meanwhile
                found.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        return found

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def fewest_descriptors(self, *, most: int) -> int:
        """How many are left once those of a start that has just been told are closed: looked at until they are ``most``, or for long."""
        deadline = time.monotonic() + LONG_S
        found = self.descriptors()
        while found > most and time.monotonic() < deadline:
            time.sleep(0.01)
            found = min(found, self.descriptors())
        return found


@contextmanager
def tree(*words: str, ready_file: Path | None = None) -> Iterator[Tree]:
    running = Tree(*words, ready_file=ready_file)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def test_workers_start_after_the_front_is_ready_and_reach_it_by_descriptors() -> None:
    with tree("steady") as running:
        running.wait("front", "start")
        worker = running.wait("steady", "start")
        attached = running.wait("front", "attach", name="steady")
        assert attached["worker"] == worker["pid"]
        assert attached["descriptors"] == 2


def test_a_child_keeps_no_descriptor_but_its_own() -> None:
    with tree("steady") as running:
        assert running.wait("steady", "start")["descriptors"] == 3 + 3 + 1  # stdio; heartbeat, frames, side; the listing itself


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT))
def test_a_killed_worker_is_replaced_and_the_others_stay(number: signal.Signals) -> None:
    with tree("steady", "silent") as running:
        first = running.wait("steady", "start")["pid"]
        running.wait("front", "attach", name="steady")
        os.kill(first, number)
        again = running.wait("steady", "start")["pid"]
        assert running.wait("front", "attach", name="steady")["worker"] == again
        assert sum(line["who"] == "front" and line["what"] == "start" for line in running.lines) == 1


@pytest.mark.parametrize("word", ("crashing", "leaving"))
def test_a_worker_that_ends_too_often_is_held_down_and_tried_again_now_and_then(word: str) -> None:
    with tree(word, "steady") as running:
        held = running.wait("front", "held", name=word)
        assert "too often" in held["reason"]
        assert sum(line["who"] == word for line in running.lines) == 5
        began = time.monotonic()
        running.wait("front", "held", name=word)
        assert time.monotonic() - began > 0.15
        assert not any(line["who"] == "steady" and line["what"] == "end" for line in running.lines)


def test_a_worker_without_its_hypervisor_is_never_held_down() -> None:
    with tree("unreachable") as running:
        for _ in range(12):
            running.wait("unreachable", "start")
        assert not any(line["what"] == "held" for line in running.lines)


def test_a_silent_worker_is_told_of_then_killed_and_replaced() -> None:
    with tree("silent") as running:
        first = running.wait("silent", "start")["pid"]
        degraded = running.wait("front", "degraded", name="silent")
        assert "no heartbeat" in degraded["reason"]
        assert running.wait("silent", "start")["pid"] != first


def test_a_stopped_worker_that_goes_on_is_well_again() -> None:
    with tree("steady") as running:
        pid = running.wait("steady", "start")["pid"]
        os.kill(pid, signal.SIGSTOP)
        assert running.wait("front", "degraded", name="steady")["reason"]
        os.kill(pid, signal.SIGCONT)
        assert not running.wait("front", "degraded", name="steady")["reason"]


def test_when_the_front_dies_its_workers_end_and_everything_begins_again() -> None:
    with tree("steady") as running:
        front = running.wait("front", "start")["pid"]
        running.wait("front", "attach", name="steady")
        os.kill(front, signal.SIGKILL)
        running.wait("steady", "end")
        running.wait("front", "start")
        running.wait("front", "attach", name="steady")
        assert sum(line["who"] == "world" for line in running.lines) == 1


def test_a_new_front_waits_until_no_worker_of_the_old_one_runs() -> None:
    with tree("stubborn") as running:
        front = running.wait("front", "start")["pid"]
        stubborn = running.wait("stubborn", "start")["pid"]
        running.wait("front", "attach")
        os.kill(front, signal.SIGKILL)
        running.wait("front", "start")
        with pytest.raises(ProcessLookupError):
            os.kill(stubborn, 0)


def test_a_front_that_never_becomes_ready_ends_it_all() -> None:
    with tree("front-crashing", "steady") as running:
        lines = running.wait_end()
        assert running.process.wait(LONG_S) == 1
        assert sum(line["who"] == "front" for line in lines) == 5


def test_it_stops_in_order_the_front_first() -> None:
    with tree("steady") as running:
        running.wait("world", "start")
        running.wait("steady", "start")
        running.wait("front", "attach", name="steady")
        running.process.terminate()
        lines = [(line["who"], line["what"]) for line in running.wait_end()]
        assert lines == [("front", "stop"), ("steady", "end")]
        assert running.process.wait(LONG_S) == 0


def test_whoever_does_not_stop_is_killed_and_it_still_counts_as_stopped() -> None:
    with tree("front-deaf", "stubborn") as running:
        running.wait("front", "attach", name="stubborn")
        running.process.send_signal(signal.SIGINT)
        running.wait_end()
        assert running.process.wait(LONG_S) == 0


def test_nothing_outlives_a_killed_supervisor() -> None:
    with tree("steady", "stubborn", "silent") as running:
        for name in ("steady", "stubborn", "silent"):
            running.wait("front", "attach", name=name)
        running.process.kill()
        running.wait_end()  # the end of file: nobody is left who could print


def test_restarts_leave_no_zombie_and_no_descriptor() -> None:
    with tree("steady") as running:
        running.wait("front", "attach", name="steady")
        before = running.fewest_descriptors(most=10)
        for _ in range(4):
            os.kill(running.wait("steady", "start")["pid"], signal.SIGKILL)
            running.wait("front", "attach", name="steady")
        assert running.fewest_descriptors(most=before) <= before
        assert "Z" not in running.children()


def test_the_ready_file_follows_the_pids_and_goes_in_the_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with tree("steady", "crashing", ready_file=ready) as running:
        first = running.wait("front", "attach", name="steady")["worker"]
        running.wait("front", "held", name="crashing")
        told = json.loads(ready.read_text())
        assert told["pid"] == running.process.pid
        assert told["port"] is None
        assert told["workers"]["steady"] == first
        assert told["workers"]["world"] > 0
        os.kill(first, signal.SIGKILL)
        again = running.wait("front", "attach", name="steady")["worker"]
        while json.loads(ready.read_text())["workers"].get("steady") != again:
            running.wait("front", "held", name="crashing")  # some turns later it is told
        running.process.terminate()
        running.wait_end()
        running.process.wait(LONG_S)
        assert list(tmp_path.iterdir()) == []
