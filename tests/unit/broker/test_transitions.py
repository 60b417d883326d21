"""Who follows events hears what a change of his rights shows him and takes from him: all of it, nothing else, and in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.broker.reading import TURN
from libvdsm.broker.transitions import STEPS
from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.messaging import Ack, Wish
from libvdsm.journal.memory import MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.stored import StoredJournal
from libvdsm.journal.turns import Bounds
from tests.fakes.asking import place_vm
from tests.fakes.front import DAEMON, FakeSink, Front
from tests.fakes.messaging import FakeConsumer

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
            for _ in range(chance.choice([1, 1, 3])):
                world.entitle(some_rights(chance))
                for _ in range(chance.randrange(6)):
                    world.commit()
                    world.turn()
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


@pytest.mark.parametrize(
    ("filter", "kept"),
    (
        ({"projects": ["web", "db"]}, lambda id, document: document["project"] != "mail"),
        ({"objectIds": IDS[:3]}, lambda id, document: id in IDS[:3]),
        ({"types": ["host"]}, lambda id, document: False),
    ),
)
@pytest.mark.parametrize("seed", range(10))
async def test_filters_hold(seed: int, filter: dict[str, object], kept: Callable[[str, Any], bool]) -> None:
    """What he does not want he is not told of, whatever becomes of his rights."""
    chance = random.Random(seed)
    world = World(room=chance.choice([3, 1_000_000]))
    for id in IDS:
        world.put(id, chance.choice(PROJECTS))
    world.commit()
    world.entitle(rights("web"))
    world.subscribe(snapshot=True, filter=filter)
    for number in range(150):
        happen(world, chance, number)
    world.settle()
    assert world.sink.has == {id: document for id, document in world.visible().items() if kept(id, document)}


def many(world: World, count: int) -> None:
    """So many machines, by turns in two projects."""
    for number in range(count):
        world.put(f"{number:08d}-2222-4222-8222-222222222222", PROJECTS[number % 2])
    world.settle()


def test_what_is_lost_comes_first_and_the_last_token_stands_for_the_rights_that_are_new() -> None:
    """Until then a token leads to a gap."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    before = world.subscribe(snapshot=True)
    world.settle()
    whole = world.sink.resume
    assert before.partition(".")[0] == whole.partition(".")[0] != "0"
    world.sink.log.clear()
    world.sink.deliveries.clear()
    world.entitle(rights("db"))
    world.settle()
    assert [change for change, _ in world.sink.log] == ["removed"] * 3 + ["added"] * 3
    *halves, last = [str(each["resume"]).partition(".")[0] for each in world.sink.deliveries]
    assert set(halves) == {"0"}
    assert last not in {"0", whole.partition(".")[0]}
    told: Any = [each["event"] for each in world.sink.deliveries]
    assert all(each["cause"] == {"kind": "daemon", "detail": "rights"} for each in told)
    assert [set(each) & {"patch"} for each in told] == [set()] * 3 + [{"patch"}] * 3


def test_rights_that_show_nothing_else_change_nothing() -> None:
    """To be allowed more with what he sees is no event, and his token stays good."""
    world = World()
    many(world, 4)
    world.entitle(rights("web"))
    world.subscribe(snapshot=True)
    world.settle()
    told, token = len(world.sink.deliveries), world.sink.resume
    world.entitle(Rights(projects={"web": SEES | {"vm.power"}}))
    world.settle()
    assert len(world.sink.deliveries) == told
    world.subscribe(after=token)
    world.settle()
    assert world.sink.gaps == []


@pytest.mark.parametrize("kept", (rights("web"), Rights(everywhere=SEES), Rights(everywhere=frozenset(PERMISSIONS))))
def test_who_was_away_when_his_rights_changed_has_a_gap(kept: Rights) -> None:
    """Then he reads anew; with the same rights as before he misses nothing and hears of no gap."""
    world = World()
    many(world, 4)
    world.entitle(kept)
    world.subscribe(snapshot=True)
    world.settle()
    token = world.sink.resume
    world.front.bridge.release(world.sink)
    world.put(IDS[0], "web")
    world.commit()
    world.subscribe(after=token)
    world.settle()
    assert (world.sink.gaps, world.sink.log[-1]) == ([], ("added", IDS[0]))
    world.front.bridge.release(world.sink)
    world.entitle(rights("web", "mail"))
    told = len(world.sink.log)
    answer = world.subscribe(after=token)
    assert answer.startswith("0.")
    world.settle()
    assert world.sink.gaps == [{"reason": "rights"}]
    assert len(world.sink.log) == told, "he reads all of that anew"
    later = world.sink.resume
    world.front.bridge.release(world.sink)
    world.subscribe(after=answer, subscriptionId="lost-the-answer-alone")
    world.settle()
    assert world.sink.gaps == [{"reason": "rights"}] * 2
    world.subscribe(after=later)
    world.settle()
    assert len(world.sink.gaps) == 2


def test_who_breaks_off_in_the_middle_has_a_gap_even_with_the_rights_of_before() -> None:
    """What was removed for him meanwhile is there again, and no record says so."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    world.subscribe(snapshot=True)
    world.settle()
    world.sink.room = 1
    world.entitle(rights("db"))
    world.front.run_scheduled()
    assert world.sink.log[-1][0] == "removed"
    world.front.bridge.release(world.sink)
    world.entitle(rights("web"))
    world.subscribe(after=world.sink.resume)
    world.settle()
    assert world.sink.gaps == [{"reason": "rights"}]


def test_a_gap_ends_it_because_all_is_read_anew() -> None:
    """Also what was lost or won, and nothing of it is told after that."""
    world = World(room=0)
    front = Front(journal=MemoryJournal(most_records=3))
    caller = front.access.unix(1000, 1000, 1, sink=world.sink)
    caller.entitle((), rights("web"))
    front.now("Event.subscribe", {}, caller)
    front.run_scheduled()
    for id in IDS:
        place_vm(front, id, "web")
    caller.entitle((), rights("db"))
    front.run_scheduled()
    world.sink.drain()
    front.run_scheduled()
    assert world.sink.gaps == [{"reason": "trimmed", "missed": 5}]
    assert world.sink.log == []
    assert len(front.broker.transitions) == 0


def test_a_gap_from_before_comes_first() -> None:
    """He comes back with rights that are not those of his token, and they change once more before he is told anything."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    token = world.subscribe(subscriptionId="before")
    world.front.bridge.release(world.sink)
    world.entitle(rights("db"))
    world.subscribe(after=token)
    world.entitle(rights("db", "web"))
    world.settle()
    assert (world.sink.gaps, world.sink.log) == ([{"reason": "rights"}], [])


def test_what_is_taken_back_in_the_middle_is_not_done() -> None:
    """He was about to hear of the first machine when it was his again; what he has heard of is put right."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    world.subscribe(snapshot=True)
    world.settle()
    first, *_, last = sorted(world.sink.has)
    for room in range(1, 7):
        world.sink.room = room
        world.entitle(rights("db"))
        world.front.run_scheduled()
        world.entitle(rights("db", objects=(first, last)))
        world.settle()
        assert world.sink.has == world.visible()
        world.sink.room = room
        world.entitle(rights("web"))
        world.front.run_scheduled()
        world.entitle(rights("mail"))
        world.settle()
        assert world.sink.has == {}
        world.entitle(rights("web"))
        world.settle()
        assert world.sink.has == world.visible()


def test_who_moves_away_when_it_is_to_be_added_is_found_where_it_is() -> None:
    """Its move is not on disk yet when its turn comes, and the rights change again before they have all had theirs."""
    world = World()
    for id in IDS[:3]:
        world.put(id, "mail")
    world.entitle(rights("db"))
    world.settle()
    world.subscribe()
    world.sink.room = 0
    world.entitle(rights("mail"))
    world.front.run_scheduled()
    world.put(IDS[0], "db")
    world.sink.drain(1)
    world.front.run_scheduled()
    assert world.sink.log == [("added", IDS[1])]
    world.entitle(rights("mail", "db"))
    world.settle()
    assert world.sink.has == world.visible()
    assert set(world.sink.has) == set(IDS[:3])


def test_what_has_gathered_comes_before() -> None:
    """A follower who merges is in the midst of many changes: they are told in their order."""
    world = World()
    world.put(IDS[0], "web")
    world.put(IDS[1], "db")
    world.entitle(rights("web", "db"))
    world.subscribe(snapshot=True, coalesce=1)
    world.settle()
    for number in range(TURN + 10):
        world.put(IDS[0], "web", f"n{number}")
    world.commit()
    world.turn()
    assert world.sink.has[IDS[0]]["name"] == "x", "nothing of it was told yet"
    world.entitle(rights("web"))
    world.settle()
    assert world.sink.has == world.visible()
    assert world.sink.has[IDS[0]]["name"] == f"n{TURN + 9}"


def test_thousands_are_found_and_told_by_turns() -> None:
    """No turn of the loop looks at more than a slice or tells more than its share, however many follow; records come between."""
    world = World()
    many(world, 2000)
    others = [Watch(world, 1_000_000) for _ in range(3)]
    world.entitle(rights("web"))
    callers = [world.front.access.unix(1000 + number % 2, 1, 1, sink=sink) for number, sink in enumerate(others)]
    for caller in callers:
        caller.entitle((), rights("web"))
        world.front.now("Event.subscribe", {"topics": ["vm.#"]}, caller)
    for sink in others:
        sink.has.update(world.visible())
    world.front.run_scheduled()
    world.entitle(rights("db"))
    for caller in callers:
        caller.entitle((), rights("db"))
    most = turns = 0
    while world.front.scheduled:
        before = sum(len(sink.log) for sink in others)
        world.turn()
        turns += 1
        most = max(most, sum(len(sink.log) for sink in others) - before)
        if turns == 40:
            world.put(IDS[0], "db", "between")
            world.commit()
    assert [sink.has == world.visible() for sink in others] == [True] * 3
    assert most <= STEPS + len(others)
    assert turns >= 3 * 2000 // STEPS
    assert [sink.log.index(("added", IDS[0])) < 1990 for sink in others] == [True] * 3


def test_nothing_is_kept_of_who_goes_away_or_is_shut_out() -> None:
    """Neither while it is found out what differs, nor while it is told; who is shut out hears nothing more at all."""
    world = World()
    many(world, 600)
    transitions = world.front.broker.transitions
    for turns in (0, 1, 2, 4, 6, 8):
        world.entitle(rights("web"))
        world.front.run_scheduled()
        world.sink.has = world.visible()
        world.subscribe()
        world.entitle(rights("db"))
        for _ in range(turns):
            world.turn()
        (subscription,) = world.front.broker._by_sink[world.sink].values()
        world.front.bridge.release(world.sink)
        subscription.see_anew()  # as if the same change had ended it
        assert len(transitions) == 0
        world.front.run_scheduled()
        assert world.caller.on_change == []
    world.entitle(rights("web"))
    world.sink.has = world.visible()
    world.subscribe()
    world.entitle(rights("db"))
    for _ in range(6):
        world.turn()
    told = len(world.sink.log)
    world.caller.revoke("his token was")
    world.front.run_scheduled()
    assert (len(world.sink.log), len(transitions)) == (told, 0)


async def test_a_reader_who_waits_hears_of_it_at_once() -> None:
    """By a gap; so does who reads on with a token of before, and a page that was begun before is not mixed up."""
    world = World()
    many(world, 4)
    world.entitle(rights("web"))
    token = world.front.now("Event.read", {}, world.caller)["resume"]
    waiting = asyncio.ensure_future(world.front.later_answer("Event.read", {"after": token, "timeout": 30}, caller=world.caller))
    await world.front.turns()
    world.entitle(rights("web", "db"))
    answer = await waiting
    assert (answer["items"], answer["gap"]) == ([], {"reason": "rights"})
    assert world.caller.on_change == []
    again = world.front.now("Event.read", {"after": token}, world.caller)
    assert (again["gap"], again["resume"]) == (answer["gap"], answer["resume"])
    world.put(IDS[0], "db")
    world.commit()
    after: Any = world.front.now("Event.read", {"after": again["resume"]}, world.caller)
    assert ([each["object"]["id"] for each in after["items"]], after.get("gap")) == ([IDS[0]], None)


async def test_messages_tell_the_same() -> None:
    """A subscription of a messaging session: the same events, with tokens in their headers; credit holds them."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    consumer = FakeConsumer()
    session = world.front.exchange.open(world.caller)
    wish = Wish(destination="/topic/vm.#", id="s", ack=Ack.INDIVIDUAL, is_exact=True, snapshot=True)
    subscription = session.subscribe(wish, consumer)
    subscription.credit(3)
    world.front.run_scheduled()
    assert [json.loads(body)["change"] for body in consumer.bodies()] == ["added"] * 3
    world.entitle(rights("db"))
    world.front.run_scheduled()
    assert len(consumer.deliveries) == 3
    subscription.credit(4)
    world.front.run_scheduled()
    assert [json.loads(body)["change"] for body in consumer.bodies()[3:]] == ["removed"] * 3 + ["added"]
    subscription.credit(10)
    world.front.run_scheduled()
    assert [json.loads(body)["object"]["project"] for body in consumer.bodies()[6:]] == ["db"] * 3
    resumes = [str(each.resume) for each in consumer.deliveries]
    assert [each.message.headers["resume"] for each in consumer.deliveries] == resumes
    assert {resume.partition(".")[0] for resume in resumes[3:-1]} == {"0"}
    other = FakeConsumer()
    world.front.exchange.open(world.front.admin).subscribe(Wish(destination="/topic/vm.#", id="o"), other)
    world.front.run_scheduled()
    world.put(IDS[0], "db")
    world.commit()
    world.front.run_scheduled()
    mine, his = consumer.deliveries.pop(), other.deliveries.pop()
    assert mine.message.body == his.message.body
    assert str(mine.resume).partition(".")[2] == his.resume == his.message.headers["resume"]
    later = FakeConsumer()
    for after in (resumes[2], resumes[-1]):
        session.subscribe(Wish(destination="/topic/vm.#", id=after, after=after), later)
        world.front.run_scheduled()
    assert later.bodies() == ['{"reason":"rights"}', mine.message.body.decode()]


def test_another_identity_on_the_connection_sees_what_is_its_own() -> None:
    """Who logs in as somebody else hears what that changes."""
    world = World()
    many(world, 6)
    world.entitle(rights("web"))
    world.subscribe(snapshot=True)
    world.settle()
    world.caller.become("user:bob", "token", (), rights("db"))
    world.settle()
    assert world.sink.has == world.visible()
    assert {document["project"] for document in world.sink.has.values()} == {"db"}
