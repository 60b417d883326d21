"""Events are shown to those who could read their object, by the same rule; whoever sees the same is asked about once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Raw

from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import PermissionDenied
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.messages import Observed
from libvdsm.interfaces.place import Place
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import DAEMON, HOST, VM_1, VM_2, FakeSink, Front

ALICE = "unix:1000"


@pytest.fixture
def front() -> Front:
    made = Front(verify=True)
    place_vm(made, VM_1, "web")
    place_vm(made, VM_2, "db")
    made.seen()
    return made


def heard(front: Front, sink: FakeSink) -> list[tuple[str, str]]:
    """What was delivered since the last look: changes and ids."""
    front.run_scheduled()
    events: list[Any] = [delivery["event"] for delivery in sink.deliveries if "event" in delivery]
    sink.deliveries.clear()
    return [(event["change"], event["object"]["id"]) for event in events]


async def follow(front: Front, uid: int = 1000, **params: object) -> tuple[Caller, FakeSink]:
    sink = FakeSink()
    caller = user(front, uid, sink)
    await ask(front, caller, "Event.subscribe", {"topics": ["vm.#", "task.#", "host"], **params})
    return caller, sink


async def test_a_subscriber_hears_of_his_project_alone(front: Front) -> None:
    """Live, by snapshot, by replay and by reading: the same objects as a list shows."""
    await grant(front, ALICE, "reader", project="web")
    alice, live = await follow(front)
    _, shown = await follow(front, snapshot=True)
    _, replayed = await follow(front, after=f"{front.journal.epoch}-0")
    assert heard(front, shown) == [("added", VM_1)]
    assert heard(front, replayed) == [("added", VM_1)]
    front.observe(VM_1, state="running")
    front.observe(VM_2, state="running")
    for sink in (live, shown, replayed):
        assert heard(front, sink) == [("changed", VM_1)]
    read = await ask(front, alice, "Event.read", {"after": f"{front.journal.epoch}-0"})
    assert {event["object"]["id"] for event in read["items"]} == {VM_1}
    assert {event["object"]["project"] for event in read["items"]} == {"web"}


async def test_a_grant_for_one_object_shows_its_events_to_the_end(front: Front) -> None:
    """Also its removal, although the grant goes with it."""
    await grant(front, ALICE, "reader", vm=VM_2)
    _, sink = await follow(front)
    front.observe(VM_1, state="running")
    front.observe(VM_2, state="running")
    front.inventory.removed("vm", VM_2, DAEMON)
    assert heard(front, sink) == [("changed", VM_2), ("removed", VM_2)]


async def test_who_moves_is_removed_there_and_added_here(front: Front) -> None:
    """Each side hears what it is to it; who sees both hears both; replay tells the same."""
    await grant(front, ALICE, "reader", project="web")
    await grant(front, "unix:1001", "reader", project="db")
    await grant(front, "unix:1002", "reader")
    (_, web), (_, db), (_, both) = [await follow(front, uid) for uid in (1000, 1001, 1002)]
    place_vm(front, VM_1, "db")
    assert heard(front, web) == [("removed", VM_1)]
    assert heard(front, db) == [("added", VM_1)]
    assert heard(front, both) == [("removed", VM_1), ("added", VM_1)]
    _, replayed = await follow(front, after=f"{front.journal.epoch}-0")
    assert heard(front, replayed) == [("added", VM_1), ("removed", VM_1)]


async def test_subscriptions_follow_the_rights_of_their_caller(front: Front) -> None:
    """A grant opens an open subscription, a revocation closes it, without a new one."""
    web = await grant(front, ALICE, "reader", project="web")
    _, sink = await follow(front)
    await grant(front, ALICE, "reader", project="db")
    assert heard(front, sink) == [("added", VM_2)]
    front.observe(VM_2, state="running")
    assert heard(front, sink) == [("changed", VM_2)]
    await ask(front, front.admin, "Access.revoke", {"grantId": web})
    assert heard(front, sink) == [("removed", VM_1)]
    front.observe(VM_1, state="running")
    front.observe(VM_2, state="stopped")
    assert heard(front, sink) == [("changed", VM_2)]


async def test_what_was_not_delivered_before_a_revocation_is_not_delivered_after(front: Front) -> None:
    """Neither of a snapshot that waits for room, nor of records."""
    id = await grant(front, ALICE, "reader")
    sink = FakeSink(room=1)
    await ask(front, user(front, sink=sink), "Event.subscribe", {"topics": ["vm.#"], "snapshot": True})
    front.run_scheduled()
    await ask(front, front.admin, "Access.revoke", {"grantId": id})
    sink.drain()
    assert heard(front, sink) == [("added", VM_1), ("removed", VM_1)]


async def test_without_the_right_to_follow_nothing_is_heard(front: Front) -> None:
    """To see an object is not enough for its events; a long poll ends empty when the right goes."""
    await ask(front, front.admin, "Access.defineRole", {"name": "viewer", "permissions": ["vm.read", "event.read"]})
    await grant(front, ALICE, "viewer")
    alice, sink = await follow(front)
    await ask(front, front.admin, "Access.defineRole", {"name": "viewer", "permissions": ["vm.read"]})
    assert heard(front, sink) == [("removed", VM_1), ("removed", VM_2)]
    front.observe(VM_1, state="running")
    assert heard(front, sink) == []
    with pytest.raises(PermissionDenied):
        await ask(front, alice, "Event.read")


async def test_the_host_is_shown_to_those_who_may_read_it_everywhere(front: Front) -> None:
    """A role in a project does not reach it."""
    front.inventory.changed("host", Observed(id=HOST, document=Raw(b'{"hostname":"here"}')), DAEMON)
    await grant(front, ALICE, "reader", project="web")
    await grant(front, "unix:1001", "reader")
    (_, some), (_, all_of_it) = [await follow(front, uid, topics=["host"], snapshot=True) for uid in (1000, 1001)]
    assert heard(front, some) == []
    assert heard(front, all_of_it) == [("added", HOST)]


async def test_a_task_is_shown_with_its_object_and_to_its_owner(front: Front) -> None:
    """By the project that its object had; by a grant for the object; and to whoever asked for it."""
    await ask(front, front.admin, "Access.defineRole", {"name": "starter", "permissions": ["vm.power", "event.read"]})
    await grant(front, ALICE, "starter", project="web")
    await grant(front, "unix:1001", "reader", project="web")
    await grant(front, "unix:1002", "reader", vm=VM_1)
    await grant(front, "unix:1003", "reader", project="db")
    sinks = [(await follow(front, uid))[1] for uid in range(1000, 1004)]
    front.tasks.create(
        id="44444444-4444-4444-8444-444444444444",
        method="VM.start",
        subject=("vm", VM_1),
        subsystem="virt",
        identity=ALICE,
        flow_id=None,
        unit="percent",
        project="web",
    )
    added = [("added", "44444444-4444-4444-8444-444444444444")]
    assert [heard(front, sink) for sink in sinks] == [added, added, added, []]
    for uid, shown in ((1000, 0), (1001, 1), (1002, 1), (1003, 0)):
        if uid != 1000:
            assert len((await ask(front, user(front, uid), "Task.list"))["items"]) == shown
    assert (await ask(front, user(front), "Task.get", {"taskId": added[0][1]}))["identity"] == ALICE


async def test_tasks_and_queues_come_and_go_with_the_rights_to_them(front: Front) -> None:
    """By the project, by the object that a task is about, and by whose it is; what is one's own stays."""
    own, other = (f"{number}4444444-4444-4444-8444-444444444444" for number in (1, 2))
    for id, identity in ((own, ALICE), (other, "unix:1001")):
        front.tasks.create(
            id=id, method="VM.start", subject=("vm", VM_1), subsystem="virt", identity=identity, flow_id=None, unit="percent", project="web"
        )
    await ask(front, front.admin, "Queue.create", {"name": "jobs", "project": "web"})
    front.run_scheduled()
    await grant(front, ALICE, "reader", project="db")
    _, sink = await follow(front, topics=["#"], snapshot=True)
    assert set(heard(front, sink)) == {("added", VM_2), ("added", own)}
    web = await grant(front, ALICE, "reader", project="web")
    assert set(heard(front, sink)) == {("added", VM_1), ("added", other), ("added", "jobs")}
    vm = await grant(front, ALICE, "reader", vm=VM_1)
    await ask(front, front.admin, "Access.revoke", {"grantId": web})
    assert heard(front, sink) == [("removed", "jobs")]
    await ask(front, front.admin, "Access.revoke", {"grantId": vm})
    assert set(heard(front, sink)) == {("removed", VM_1), ("removed", other)}
    front.tasks.progress(own, 50)
    front.tasks.progress(other, 50)
    assert heard(front, sink) == [("changed", own)]


async def test_an_ended_subscription_leaves_nothing_with_its_caller(front: Front) -> None:
    """Neither by unsubscribing nor by going away."""
    await grant(front, ALICE, "reader")
    alice, sink = await follow(front, subscriptionId="one")
    await ask(front, alice, "Event.subscribe")
    assert len(alice.on_change) == 2
    await ask(front, alice, "Event.unsubscribe", {"subscriptionId": "one"})
    front.bridge.release(sink)
    assert alice.on_change == []


class CountedRights(Rights):
    """Counts how often it is asked."""

    asked = 0

    def allows(self, permission: str, *, type: str | None = None, id: str | None = None, project: str | None = None) -> bool:
        CountedRights.asked += 1
        return super().allows(permission, type=type, id=id, project=project)


class Nowhere:
    """No object has an owner here."""

    def find(self, type: str, id: str) -> Place | None:
        del type, id
        return None


def entries() -> Iterator[Entry]:
    for sequence in range(1, 1000):
        yield Entry(sequence, f"vm.{sequence}", "vm", str(sequence), b"{}", "web" if sequence % 2 else "db")


def test_a_class_is_asked_once_for_each_record() -> None:
    """However many callers and subscriptions it has; and what is remembered is bounded."""
    visibility = Visibility(Nowhere())
    rights = CountedRights(projects={"web": frozenset({"vm.read", "event.read"})})
    callers = [Caller(identity="user:a", source="token", roles=(), rights=CountedRights(projects=dict(rights.projects))) for _ in range(50)]
    views = {visibility.view(caller) for caller in callers}
    assert len(views) == 1
    view = views.pop()
    CountedRights.asked = 0
    for entry in entries():
        answers = {visibility.view(caller).sees(entry) for caller in callers}
        assert answers == {entry.project == "web"}
    assert CountedRights.asked == 999
    assert len(view._answers) <= 512


def test_an_unscoped_caller_is_not_asked_about_objects() -> None:
    """Its type alone decides."""
    rights = CountedRights(frozenset(entry.permission for entry in OBJECTS.values()) | {"event.read"})
    visibility = Visibility(Nowhere())
    view = visibility.view(Caller(identity="user:a", source="token", roles=(), rights=rights))
    other = visibility.view(Caller(identity="user:b", source="token", roles=(), rights=rights))
    CountedRights.asked = 0
    assert all(view.sees(entry) for entry in entries())
    assert CountedRights.asked == 0
    assert view is other


def test_a_mark_stands_for_what_is_seen() -> None:
    """It is the same for the same, in every life; what shows nothing more does not change it, a name only where what is one's own is seen."""
    visibility = Visibility(Nowhere())

    def mark(rights: Rights, identity: str = "user:a", *, is_limited: bool = False) -> str:
        caller = Caller(identity=identity, source="token", roles=(), rights=rights)
        caller.is_limited = is_limited
        return visibility.view(caller).mark

    reads, everything = frozenset({"vm.read", "event.read"}), frozenset(entry.permission for entry in OBJECTS.values()) | {"event.read"}
    web = Rights(projects={"web": reads})
    assert (
        mark(web)
        == mark(Rights(projects={"web": reads | {"vm.power"}}))
        == Visibility(Nowhere()).view(Caller(identity="user:a", source="unix", roles=(), rights=web)).mark
    )
    others = [
        Rights(),
        Rights(everywhere=reads),
        Rights(everywhere=reads | {"host.read"}),
        Rights(projects={"db": reads}),
        Rights(projects={"web": reads, "db": reads}),
        Rights(projects={"web": reads | {"task.read"}}),
        Rights(objects={("vm", VM_1): reads}),
        Rights(placed={("vm", VM_1, "web"): reads}),
    ]
    marks = {mark(web), mark(web, "user:b"), mark(web, is_limited=True), *map(mark, others)}
    assert len(marks) == 3 + len(others)
    assert mark(Rights(everywhere=everything)) == mark(Rights(everywhere=everything | {"vm.power"}), "user:b") == ""
    assert mark(Rights()) == mark(Rights(), "user:b") != ""
    caller = Caller(identity="user:a", source="token", roles=(), rights=web)
    assert Visibility(Nowhere(), {"vm": OBJECTS["vm"]}).view(caller).mark == "97fabca06aa5"
