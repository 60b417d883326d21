"""The broker over a journal on disk: what the ring has lost is read from there, in order, beside what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.bridge.places import ObjectPlaces
from libvdsm.bridge.snapshots import ObjectSnapshots
from libvdsm.broker.broker import Broker
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import StateUnavailable
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder
from libvdsm.journal.stored import StoredJournal
from libvdsm.journal.turns import Bounds
from libvdsm.tasks.tasks import Tasks
from tests.fakes.front import RESYNC, VM_1, VM_2, FakeSink, Front


class World:
    """A front over a store whose turns end with the broker's."""

    def __init__(self, *, held: int = 5, kept: int = 10_000) -> None:
        self.ends: list[Callable[[], None]] = []
        self.store = MemoryStore(logs={"event": Bounds(most_records=kept)}, schedule=self._ends)
        self.front = Front(journal=StoredJournal(self.store, ManualClock(), most_records=held))
        self.journal = self.front.journal

    def _ends(self, end: Callable[[], None]) -> None:
        self.ends.append(end)

    def happen(self, count: int) -> None:
        """So many changes, committed."""
        for _ in range(count):
            self.front.observe(name=f"n{self.journal.next_sequence()}")
        self.commit()

    def commit(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            end()

    async def settle(self, sink: FakeSink, last: int) -> None:
        """Until ``sink`` has heard of record ``last``."""
        async with asyncio.timeout(60):
            while not sink.deliveries or sequences(sink)[-1:] != [last]:
                self.front.run_scheduled()
                await asyncio.sleep(0)

    def caller(self, sink: FakeSink | None = None) -> Caller:
        return self.front.access.unix(0, 0, 1, sink=sink)

    def token(self, sequence: int) -> str:
        return f"{self.journal.epoch}-{sequence}"


def sequences(sink: FakeSink) -> list[int]:
    return [delivery["event"]["sequence"] for delivery in sink.deliveries if "event" in delivery]  # type: ignore[index]


async def test_a_subscription_resumes_far_back_in_order() -> None:
    """A thousand records from the disk, more in the ring, and those that are made meanwhile: each once, in order."""
    world = World()
    world.happen(1000)
    sink = FakeSink()
    world.front.now("Event.subscribe", {"after": world.token(0)}, world.caller(sink))
    world.front.run_scheduled()
    world.happen(20)
    await world.settle(sink, 1020)
    assert sequences(sink) == list(range(1, 1021))


async def test_a_slow_reader_far_back_misses_nothing() -> None:
    """A sink that is full in the middle of what came from the disk goes on where it was."""
    world = World()
    world.happen(40)
    sink = FakeSink(room=7)
    world.front.now("Event.subscribe", {"after": world.token(3)}, world.caller(sink))
    async with asyncio.timeout(60):
        while len(sequences(sink)) < 37:
            world.front.run_scheduled()
            await asyncio.sleep(0)
            if sink.is_full():
                sink.drain(7)
    assert sequences(sink) == list(range(4, 41))


async def test_a_page_is_read_far_back() -> None:
    """``Event.read`` pages through all of the journal."""
    world = World()
    world.happen(595)
    found: list[int] = []
    after = world.token(0)
    while len(found) < 595:
        page: Any = await world.front.later_answer("Event.read", {"after": after, "limit": 119})
        assert "gap" not in page
        found += [event["sequence"] for event in page["items"]]
        after = page["resume"]
    assert found == list(range(1, 596))


async def test_numbers_left_out_are_a_gap() -> None:
    """What could not be recorded is told as missed, to those who follow and to those who resume."""
    world = World(held=100)
    world.happen(3)
    sink = FakeSink()
    world.front.now("Event.subscribe", {"after": world.token(0)}, world.caller(sink))
    world.front.run_scheduled()
    world.store.become("failed")
    world.happen(2)
    world.store.become("ok")
    world.happen(2)
    await world.settle(sink, 7)
    assert sequences(sink) == [1, 2, 3, 6, 7]
    assert [delivery["gap"] for delivery in sink.deliveries if "gap" in delivery] == [{"reason": "trimmed", "missed": 2}]
    first: Any = await world.front.later_answer("Event.read", {"after": world.token(0)})
    assert [event["sequence"] for event in first["items"]] == [1, 2, 3]
    rest: Any = await world.front.later_answer("Event.read", {"after": first["resume"]})
    assert rest["gap"] == {"reason": "trimmed", "missed": 2}
    assert [event["sequence"] for event in rest["items"]] == [6, 7]


async def test_a_gap_is_only_what_was_trimmed() -> None:
    """Who resumes before the oldest record hears how much is gone, and then all that is there."""
    world = World(kept=50)
    world.happen(200)
    first = world.journal.first
    assert 100 < first < 200
    sink = FakeSink()
    world.front.now("Event.subscribe", {"after": world.token(10)}, world.caller(sink))
    await world.settle(sink, 200)
    assert sink.deliveries[0]["gap"] == {"reason": "trimmed", "missed": first - 11}
    assert sequences(sink) == list(range(first, 201))


async def test_a_disk_that_cannot_be_read_is_an_error_or_a_gap() -> None:
    """A call is refused; a subscription is told of a gap and goes on with what is in memory."""
    world = World()
    world.happen(20)
    world.store.become("failed")
    with pytest.raises(StateUnavailable):
        await world.front.later_answer("Event.read", {"after": world.token(0)})
    sink = FakeSink()
    world.front.now("Event.subscribe", {"after": world.token(0)}, world.caller(sink))
    await world.settle(sink, 20)
    assert sink.deliveries[0]["gap"] == {"reason": "trimmed", "missed": 15}
    assert sequences(sink) == [16, 17, 18, 19, 20]


async def test_a_snapshot_tells_no_token_of_what_is_not_committed() -> None:
    """After a crash other records may have those numbers; who follows on gets each later record once."""
    world = World()
    world.happen(2)
    world.front.observe(VM_1, name="not yet")
    sink = FakeSink()
    world.front.now("Event.subscribe", {"snapshot": True, "topics": ["vm.#"]}, world.caller(sink))
    world.front.run_scheduled()
    shown: Any = sink.deliveries[0]
    assert shown["event"]["patch"]["name"] == "not yet"
    assert shown["resume"] == world.token(2)
    world.happen(1)
    await world.settle(sink, 4)
    assert sequences(sink) == [2, 4]


async def test_a_snapshot_while_a_task_ends_misses_no_end() -> None:
    """The task is shown as running, because its end is not on disk; so its end follows, once, and nothing else twice."""
    world = World()
    front = world.front
    tasks = Tasks(recorder=Recorder(world.journal, front.clock), clock=front.clock, store=world.store)
    broker = Broker(
        journal=world.journal,
        visibility=Visibility(ObjectPlaces(front.inventory, tasks)),
        snapshots=ObjectSnapshots(inventory=front.inventory, tasks=tasks, journal=world.journal, clock=front.clock),
        schedule=front.scheduled.append,
    )
    front.observe(VM_1)
    task = tasks.create(
        id="00000001-0000-4000-8000-000000000000",
        method="VM.start",
        subject=None,
        subsystem="virt",
        identity="unix:0",
        flow_id=None,
        unit="percent",
    )
    world.commit()
    front.observe(VM_1, name="not yet")
    tasks.done(task, b"{}")
    front.observe(VM_2)
    front.inventory.removed("vm", VM_2, RESYNC)
    sink, late = FakeSink(), FakeSink()
    broker.subscribe(front.admin, sink, ["#"], after=None, snapshot=True, subscription_id=None)
    front.run_scheduled()
    shown: Any = [delivery["event"] for delivery in sink.deliveries]
    assert [(event["object"]["type"], event["patch"].get("state")) for event in shown][-1] == ("task", "running")
    assert shown[-1]["object"]["revision"] == shown[-1]["patch"]["revision"]
    world.commit()
    await asyncio.sleep(0)
    front.run_scheduled()
    followed: Any = [delivery["event"] for delivery in sink.deliveries[len(shown) :]]
    assert [(event["object"]["type"], event["patch"]["state"]) for event in followed] == [("task", "done")]
    world.happen(1)
    await world.settle(sink, world.journal.last)
    assert sequences(sink)[len(shown) :] == [4, 7]
    broker.subscribe(front.admin, late, ["task.#"], after=None, snapshot=True, subscription_id=None)
    front.run_scheduled()
    ended: Any = [delivery["event"] for delivery in late.deliveries]
    assert [(event["patch"]["state"], event["patch"]["revision"]) for event in ended] == [("done", 4)]
