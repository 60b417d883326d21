"""A task has exactly one final state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.interfaces.generated.errors import Cancelled, HypervisorError, InvalidParams, OutcomeUnknown
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import FINAL_STATES, Task
from tests.fakes.front import Front

ENDS = ("done", "fail", "cancelled", "unknown", "progress", "cancelling")


def make(front: Front, number: int = 1) -> Task:
    id = f"{number:08x}-0000-4000-8000-000000000000"
    return front.tasks.create(id=id, method="VM.start", subject=None, subsystem="virt", identity="unix:0", flow_id=None, unit="percent")


def do(front: Front, task: Task, what: str) -> None:
    match what:
        case "done":
            front.tasks.done(task, b"{}")
        case "fail":
            front.tasks.fail(task, HypervisorError(call="create", number=1, reason="no"))
        case "cancelled":
            front.tasks.fail(task, Cancelled(method="VM.start"))
        case "unknown":
            front.tasks.fail(task, OutcomeUnknown(method="VM.start", reason="lost"))
        case "progress":
            front.tasks.progress(task.id, 50)
        case _:
            front.tasks.cancelling(task)


@given(st.lists(st.sampled_from(ENDS), max_size=8))
def test_the_first_end_is_the_only_one(steps: list[str]) -> None:
    """Whatever comes in whatever order: after the first final state nothing changes."""
    front = Front()
    task = make(front)
    final = None
    for step in steps:
        do(front, task, step)
        if final is None and task.state in FINAL_STATES:
            final = task.fragment
        assert final is None or task.fragment == final
    events: Any = front.now("Event.read", {"after": f"{front.journal.epoch}-0", "limit": 1000})["items"]
    assert sum(event.get("patch", {}).get("state") in FINAL_STATES for event in events) == (final is not None)


def test_list_is_newest_first_and_paged() -> None:
    """Pages join up to the whole."""
    front = Front()
    tasks = []
    for number in range(1, 6):
        front.clock.advance(1)
        tasks.append(make(front, number))
    do(front, tasks[0], "done")
    first: Any = front.now("Task.list", {"limit": 3})
    second: Any = front.now("Task.list", {"limit": 3, "after": first["next"]})
    assert [t["id"] for t in first["items"] + second["items"]] == [t.id for t in reversed(tasks)]
    done: Any = front.now("Task.list", {"filter": {"states": ["done"]}})
    assert [t["id"] for t in done["items"]] == [tasks[0].id]
    with pytest.raises(InvalidParams):
        front.now("Task.list", {"after": "nowhere"})


def test_tasks_of_one_instant_are_all_listed() -> None:
    """Paging does not lose tasks that were made at the same time."""
    front = Front()
    made = {make(front, number).id for number in range(1, 6)}
    found: set[str] = set()
    after: dict[str, object] = {}
    for _ in range(5):
        page: Any = front.now("Task.list", {"limit": 1} | after)
        found |= {task["id"] for task in page["items"]}
        after = {"after": page.get("next")}
    assert found == made


async def test_wait_leaves_nothing_behind() -> None:
    """A wait that is cancelled or runs out is forgotten by the task."""
    front = Front()
    task = make(front)
    assert json.loads(await wait_for_end(task, 0.001))["state"] == "running"
    waiting = asyncio.ensure_future(wait_for_end(task, 30))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert task.on_end == []


def test_ended_tasks_are_forgotten_by_age_and_number() -> None:
    """Memory stays bounded; running tasks are never forgotten."""
    front = Front()
    running = make(front, 1)
    do(front, make(front, 2), "done")
    front.clock.advance(90_000)
    do(front, make(front, 3), "done")
    assert [task.id[:8] for task in front.tasks] == ["00000003", running.id[:8]]
    for number in range(4, 1100):
        do(front, make(front, number), "done")
    assert len(list(front.tasks)) == 1001


async def test_a_later_life_shows_what_events_have_told() -> None:
    """Progress included: who follows the events and who reads the task know the same."""
    store = MemoryStore()
    front = Front(store=store)
    task = make(front)
    for step in ("progress", "cancelling"):
        do(front, task, step)
        await store.commit()
        again = Front(store=store).tasks.get(task.id)
        assert json.loads(again.fragment) == json.loads(task.fragment)
