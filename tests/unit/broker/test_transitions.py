"""Who follows events hears what a change of his rights shows him and takes from him: all of it, nothing else, and in order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.caller import Rights
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.stored import StoredJournal
from libvdsm.journal.turns import Bounds
from tests.fakes.asking import place_vm
from tests.fakes.front import DAEMON, FakeSink, Front

PROJECTS = ("web", "db", "mail")
IDS = [f"{number:08d}-1111-4111-8111-111111111111" for number in range(8)]
SEES = frozenset({"vm.read", "event.read"})


def rights(*projects: str, objects: tuple[str, ...] = ()) -> Rights:
    return Rights(projects=dict.fromkeys(projects, SEES), objects={("vm", id): SEES for id in objects})


class World:
    """A front whose records are committed when the test says so, and one caller who follows it."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.ends: list[Callable[[], None]] = []
        store = MemoryStore(logs={"event": Bounds(most_records=100_000)}, schedule=self._end_later)
        self.front = Front(journal=StoredJournal(store, ManualClock(), most_records=100_000))
        self.sink = Watch(self, room)
        self.caller = self.front.access.unix(1000, 1000, 1, sink=self.sink)
        self.projects: dict[str, str] = {}

    def _end_later(self, end: Callable[[], None]) -> None:
        self.ends.append(end)

    def put(self, id: str, project: str, name: str = "x") -> None:
        self.projects[id] = project
        place_vm(self.front, id, project, name)

    def remove(self, id: str) -> None:
        if self.projects.pop(id, None) is not None:
            self.front.inventory.removed("vm", id, DAEMON)

    def entitle(self, new: Rights) -> None:
        self.caller.entitle((), new)

    def commit(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            end()

    def turn(self) -> None:
        """One turn of the loop."""
        scheduled, self.front.scheduled[:] = list(self.front.scheduled), []
        for each in scheduled:
            each()

    def settle(self) -> None:
        """Until nothing is left to be done."""
        self.sink.drain()
        while self.ends or self.front.scheduled or self.front.later:
            self.commit()
            self.front.run_scheduled()
            later, self.front.later[:] = list(self.front.later), []
            for _, call in later:
                call()

    def visible(self) -> dict[str, Any]:
        """What a list shows the caller."""
        allows = self.caller.rights.allows
        return {
            item.id: item.document()
            for item in self.front.inventory.vms
            if allows("event.read", type="vm", id=item.id, project=item.project)
        }

    def subscribe(self, **params: object) -> str:
        answer = self.front.now("Event.subscribe", {"topics": ["vm.#"], **params}, self.caller)
        return str(answer["resume"])


class Watch(FakeSink):
    """A client that keeps what it is told; it is told of nothing that it may not see, and of no end of what it does not have."""

    def __init__(self, world: World, room: int) -> None:
        super().__init__(room=room)
        self.world = world
        self.has: dict[str, Any] = {}
        self.gaps: list[object] = []
        self.log: list[tuple[str, str]] = []
        self.resume = ""

    def deliver(self, delivery: bytes) -> None:
        super().deliver(delivery)
        told: Any = json.loads(delivery)
        self.resume = told["resume"]
        if "gap" in told:
            self.gaps.append(told["gap"])
            return
        event = told["event"]
        id, change, project = event["object"]["id"], event["change"], event["object"]["project"]
        self.log.append((change, id))
        if change == "removed":
            assert id in self.has, "he does not know it"
            del self.has[id]
            return
        assert self.world.caller.rights.allows("vm.read", type="vm", id=id, project=project), "he may not see it"
        if change == "added":
            self.has[id] = event["patch"]
        else:
            self.has[id] = merged(self.has[id], event["patch"])

    __hash__ = object.__hash__


def merged(old: object, patch: object) -> object:
    """By RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    made = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


def some_rights(chance: random.Random) -> Rights:
    projects = [project for project in PROJECTS if chance.random() < 0.5]
    return rights(*projects, objects=tuple(id for id in IDS if chance.random() < 0.15))


def happen(world: World, chance: random.Random, number: int) -> None:
    """Something."""
    id = chance.choice(IDS)
    match chance.randrange(8):
        case 0 | 1:
            world.put(id, chance.choice(PROJECTS), f"n{number}")
        case 2:
            world.remove(id)
        case 3 | 4:
            if id in world.projects:
                world.front.observe(id, state=chance.choice(["running", "stopped", "paused"]), stateReason=f"r{number}")
        case 5:
            world.entitle(some_rights(chance))
        case 6:
            world.commit()
        case _:
            world.turn()
            if world.sink.is_full() and chance.random() < 0.5:
                world.sink.drain(chance.randrange(1, 6))


@pytest.mark.parametrize("wish", ({}, {"snapshot": True}, {"coalesce": 1}, {"snapshot": True, "coalesce": 1}))
@pytest.mark.parametrize("seed", range(25))
async def test_whatever_happens_he_has_what_he_may_see(seed: int, wish: dict[str, object]) -> None:
    """Objects come, change, move and go, rights come and go, commits lag, and he reads slowly: in the end he has what a list shows."""
    chance = random.Random(seed)
    world = World(room=chance.choice([2, 5, 1_000_000]))
    for id in IDS[:5]:
        world.put(id, chance.choice(PROJECTS))
    world.commit()
    world.entitle(rights("web", *some_rights(chance).projects))
    if "snapshot" not in wish:
        world.sink.has.update(world.visible())
    world.subscribe(**wish)
    for number in range(chance.choice([10, 60, 300])):
        happen(world, chance, number)
    world.settle()
    assert world.sink.has == world.visible()
    assert world.sink.gaps == []
    assert len(world.front.broker.transitions) == 0
