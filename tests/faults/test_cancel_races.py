"""A cancel races with the end of a task (F-37): exactly one final state, and to cancel what has ended changes nothing.

Every interleaving of a worker, two that cancel, the loss of the worker, and the disk; then real ones, through a daemon.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import Cancelled, HypervisorError, OutcomeUnknown
from libvdsm.interfaces.generated.types import TaskCancelParams
from libvdsm.tasks.service import TaskService
from libvdsm.tasks.tasks import FINAL_STATES, Task, Tasks
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, calling

ENDS: dict[str, ApiError | None] = {
    "done": None,
    "failed": HypervisorError(call="create", number=1, reason="no"),
    "cancelled": Cancelled(method="VM.start"),
}


class Told:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self._revision = 0

    def next_revision(self) -> int:
        self._revision += 1
        return self._revision

    def record(self, *, patch: Mapping[str, object] | None, **_rest: object) -> None:
        if patch is not None and "state" in patch:
            self.states.append(str(patch["state"]))


T = TypeVar("T")


class Disk:
    """A store whose commits end when the test says so."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []

    def understood(self, _kind: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        return {key: decode(data) for key, data in self.records.items()}

    def put(self, _kind: str, key: str, data: bytes) -> None:
        self.records[key] = data

    def remove(self, _kind: str, key: str) -> None:
        self.records.pop(key, None)

    def commit(self) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def turn(self) -> None:
        """What was asked for until now is on disk."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(None)


class Race:
    """One task, and those that race for its end."""

    def __init__(self, end: ApiError | None) -> None:
        self.told, self.disk, self._end = Told(), Disk(), end
        self.tasks = Tasks(recorder=self.told, clock=ManualClock(), store=self.disk)  # type: ignore[arg-type]
        self.asked = 0
        self.ended: list[str] = []
        self.task: Task = self.tasks.create(
            id="00000001-0000-4000-8000-000000000000",
            method="VM.start",
            subject=None,
            subsystem="virt",
            identity="unix:0",
            flow_id=None,
            unit="percent",
        )
        self.task.cancel = self._ask
        self.task.on_end.append(lambda: self.ended.append(self.task.state))
        self._service = TaskService(self.tasks)

    def _ask(self) -> None:
        self.asked += 1

    def step(self, word: str) -> None:
        """One of the racers does its next thing."""
        steps: dict[str, Callable[[], object]] = {
            "progress": lambda: self.tasks.progress(self.task.id, 50),
            "end": self._finish,
            "late": lambda: self.tasks.progress(self.task.id, 90),
            "cancel": self._cancel,
            "lost": lambda: self.tasks.fail(self.task, OutcomeUnknown(method="VM.start", reason="lost")),
            "disk": self.disk.turn,
        }
        steps[word]()

    def _finish(self) -> None:
        if self._end is None:
            self.tasks.done(self.task, b"{}")
        else:
            self.tasks.fail(self.task, self._end)

    def _cancel(self) -> None:
        before = self.task.state
        answer = json.loads(self._service.task_cancel(None, TaskCancelParams(task_id=self.task.id)))  # type: ignore[arg-type]
        assert answer["id"] == self.task.id
        if before in FINAL_STATES:
            assert self.task.state == before, "to cancel what has ended changes nothing"


WORKER = ("progress", "end", "late")
OTHERS = ("cancel", "cancel", "lost", "disk", "disk")
#: In ``make test-all`` 100,000: orders by chance of more racers, of which there are too many to play all.
SAMPLE = int(os.environ.get("LIBVDSM_INTERLEAVINGS", "3000"))
SEED = int(os.environ.get("LIBVDSM_SEED", "37"))
MORE = ("cancel", "cancel", "cancel", "lost", "lost", "disk", "disk", "disk")


def woven(worker: Sequence[str], places: Sequence[int], rest: Sequence[str]) -> tuple[str, ...]:
    """The worker's steps at their places, in their order, and the others between."""
    words, free = iter(worker), iter(rest)
    return tuple(next(words) if place in places else next(free) for place in range(len(worker) + len(rest)))


def interleavings() -> Iterator[tuple[str, ...]]:
    """The worker's three steps stay in their order; all else may come at any time."""
    for places in itertools.combinations(range(len(WORKER) + len(OTHERS)), len(WORKER)):
        for rest in sorted(set(itertools.permutations(OTHERS))):
            yield woven(WORKER, places, rest)


async def play(end: str, order: Sequence[str], pauses: Sequence[bool]) -> None:
    """One race, and its judgement; the loop runs on after the steps with a pause."""
    race = Race(ENDS[end])
    for word, pause in zip(order, pauses, strict=True):
        race.step(word)
        if pause:
            await asyncio.sleep(0)
    race.disk.turn()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [state for state in race.told.states if state in FINAL_STATES] == [race.task.state], order
    assert race.ended == [race.task.state], f"who waits is told once: {order}"
    assert race.task.end_is_told
    assert json.loads(race.task.fragment)["state"] == race.task.state
    assert json.loads(race.disk.records[race.task.id])["document"]["state"] == race.task.state
    ended = min(order.index("end"), order.index("lost"))
    assert race.task.state == (end if order[ended] == "end" else "unknown"), order
    assert race.asked == order[:ended].count("cancel"), "the work is asked to stop while there is work"


@pytest.mark.parametrize("end", ENDS)
async def test_f37_every_interleaving_has_one_final_state(end: str) -> None:
    count = 0
    for order in interleavings():
        await play(end, order, [True] * len(order))
        count += 1
    assert count == 56 * 30


@pytest.mark.timeout(300 + SAMPLE // 100)
async def test_f37_interleavings_of_many_racers_have_one_final_state() -> None:
    """More cancels, a worker that is lost twice, more turns of the disk, and steps without a turn of the loop between them."""
    dice = random.Random(SEED)
    for number in range(SAMPLE):
        end = dice.choice(tuple(ENDS))
        total = len(WORKER) + len(MORE)
        order = woven(WORKER, dice.sample(range(total), len(WORKER)), dice.sample(MORE, len(MORE)))
        pauses = [dice.random() < 0.7 for _ in order]
        try:
            await play(end, order, pauses)
        except AssertionError as failure:
            failure.add_note(f"LIBVDSM_SEED={SEED}, number {number}: {end} {order} {pauses}")
            raise


def race_through(daemon: VdsmdProcess, vm: str, delay_s: float) -> tuple[str, str]:
    """Cancel a shutdown that ends by itself at about the same time; the task's state as it was answered, and at last."""
    answers: list[str] = []
    with calling(daemon) as caller, calling(daemon) as rival:
        task = caller.call("VM.shutdown", {"vmId": vm, "guestTimeout": 20})["task"]

        def cancel() -> None:
            answers.append(str(rival.call("Task.cancel", {"taskId": task["id"]})["state"]))

        timer = threading.Timer(delay_s, cancel)
        timer.start()
        ended = caller.call("Task.wait", {"taskId": task["id"], "seconds": 45})
        timer.join()
        assert caller.call("Task.cancel", {"taskId": task["id"]}) == caller.call("Task.get", {"taskId": task["id"]}) == ended
    return answers[0], str(ended["state"])


def test_f37_real_cancels_race_with_real_ends(daemon: VdsmdProcess, caller: Caller) -> None:
    """A guest goes down at about the time when its shutdown looks whether it was cancelled; the cancel comes before, then, or after."""
    dice = random.Random(37)
    vm = caller.of_state("running")[0]
    caller.call("VM.update", {"vmId": vm, "config": {"metadata": {"simulator.shutdown_seconds": "1.1"}}})
    caller.run("VM.stop", {"vmId": vm})
    caller.run("VM.start", {"vmId": vm})
    time.sleep(0.6)  # it boots before it listens
    caller.call("Event.subscribe", {"topics": ["task.#"]})
    finals = []
    for number in range(8):
        near = dice.uniform(0.5, 0.9) if number % 2 else dice.uniform(1.0, 1.3)
        _, final = race_through(daemon, vm, {0: 5.0, 1: 0.0}.get(number, near))  # two are no race, so that both ends are seen
        assert final in {"done", "cancelled"}
        finals.append(final)
        _start_again(caller, vm)
    assert len(set(finals)) == 2, f"only one side has ever won: {finals}"
    caller.call("Host.ping")
    ends: dict[str, list[Any]] = {}
    for delivery in caller.events:
        event = delivery["event"]
        if event["object"]["type"] == "task" and event.get("patch", {}).get("state") in FINAL_STATES:
            ends.setdefault(event["object"]["id"], []).append(event["patch"]["state"])
    assert [len(found) for found in ends.values()] == [1] * len(ends)


def _start_again(caller: Caller, vm: str) -> None:
    """A guest that was asked to go down does so, even if nobody waits for it any more; one that was not runs on."""
    deadline = time.monotonic() + 2
    while caller.vm(vm)["state"] != "stopped":
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    assert caller.run("VM.start", {"vmId": vm})["state"] == "done"
    time.sleep(0.6)  # it boots before it listens
