"""The trail is read newest first and checked whole; what changed is told object by object, to who may see it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from libvdsm.audit import service
from libvdsm.audit.service import AuditService
from libvdsm.audit.trail import AuditTrail
from libvdsm.base.clock import timestamp
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated import types
from libvdsm.interfaces.generated.errors import InvalidParams, PermissionDenied
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.journal import Entry
from libvdsm.journal.stored import StoredJournal
from libvdsm.journal.turns import Bounds
from tests.unit.audit.chain_records import MALLORY, VM, Spoiled, World, administrator, done, refused


@pytest.fixture
def world() -> World:
    return World()


def made(world: World, trail: AuditTrail | None = None) -> AuditService:
    journal = StoredJournal(world.store, world.clock)
    return AuditService(store=world.store, trail=trail or world.trail, journal=journal, clock=world.clock, objects=OBJECTS)


async def listed(world: World, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
    decoded = msgspec.convert(params, types.AuditListParams)
    answer = await made(world).audit_list(caller or administrator(), decoded)
    msgspec.json.decode(answer, type=types.AuditList)
    found: dict[str, Any] = json.loads(answer)
    return found


async def verified(world: World, trail: AuditTrail | None = None) -> dict[str, Any]:
    world.end_turn()
    answer = await made(world, trail).audit_verify(administrator(), types.AuditVerifyParams())
    msgspec.json.decode(answer, type=types.AuditVerdict)
    found: dict[str, Any] = json.loads(answer)
    return found


async def changed(world: World, since: str = "2026-01-01T00:00:00Z", caller: Caller | None = None, **more: Any) -> dict[str, Any]:
    decoded = msgspec.convert({"since": since} | more, types.AuditChangesParams)
    world.end_turn()
    answer = await made(world).audit_changes(caller or administrator(), decoded)
    msgspec.json.decode(answer, type=types.AuditChanges)
    found: dict[str, Any] = json.loads(answer)
    return found


# --- list


async def test_pages_are_newest_first_and_complete(world: World) -> None:
    for number in range(600):
        world.trail.deed(done(f"VM.verb{number}"))
        world.end_turn()
    seen: list[str] = []
    after: dict[str, Any] = {}
    for _ in range(20):
        page = await listed(world, limit=77, **after)
        seen += [item["method"] for item in page["items"]]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert seen == [f"VM.verb{number}" for number in reversed(range(600))]


async def test_a_page_that_is_just_full_has_the_right_end(world: World) -> None:
    for _ in range(3):
        world.trail.deed(done())
    world.end_turn()
    assert "next" not in await listed(world, limit=3)
    assert (await listed(world, limit=2))["next"] == "2"


async def test_records_that_come_meanwhile_do_not_move_pages(world: World) -> None:
    for number in range(5):
        world.trail.deed(done(f"VM.verb{number}"))
    world.end_turn()
    page = await listed(world, limit=2)
    world.trail.deed(done("VM.later"))
    world.end_turn()
    rest = await listed(world, after=page["next"])
    assert [item["method"] for item in rest["items"]] == ["VM.verb2", "VM.verb1", "VM.verb0"]


@pytest.mark.parametrize(
    ("filter", "found"),
    (
        ({}, [3, 2, 1]),
        ({"identity": "user:mallory"}, [2]),
        ({"method": "VM.stop"}, [3]),
        ({"objectId": VM[1]}, [2, 1]),
        ({"objectId": "no such"}, []),
        ({"outcomes": ["refused"]}, [2]),
        ({"outcomes": ["refused", "done"]}, [2, 1]),
        ({"since": "2026-01-01T00:00:10Z"}, [3, 2]),
        ({"until": "2026-01-01T00:00:10Z"}, [1]),
        ({"identity": "user:alice", "method": "VM.stop", "outcomes": ["failed"]}, [3]),
    ),
)
async def test_all_members_of_a_filter_must_fit(world: World, filter: dict[str, Any], found: list[int]) -> None:
    world.trail.deed(done("VM.start"))
    world.advance(10)
    world.trail.refusal(refused())
    world.advance(10)
    world.trail.deed(done("VM.stop", outcome="failed", object=("vm", "other"), error="WrongState"))
    world.end_turn()
    assert [item["sequence"] for item in (await listed(world, filter=filter))["items"]] == found


async def test_a_rare_record_is_looked_for_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_LOOKED_AT", 10)
    world.trail.refusal(refused())
    for _ in range(25):
        world.trail.deed(done())
    world.end_turn()
    filter = {"outcomes": ["refused"]}
    first = await listed(world, filter=filter)
    assert (first["items"], first["next"]) == ([], "17")
    second = await listed(world, filter=filter, after=first["next"])
    third = await listed(world, filter=filter, after=second["next"])
    assert [item["sequence"] for item in third["items"]] == [1]
    assert "next" not in third


@pytest.mark.parametrize("after", ("", "x", "-1", "1" * 17, "\u0661"))
async def test_what_is_no_cursor_is_refused(world: World, after: str) -> None:
    with pytest.raises(InvalidParams, match="cursor"):
        await listed(world, after=after)


async def test_a_day_that_never_was_is_refused(world: World) -> None:
    with pytest.raises(InvalidParams) as refusal:
        await listed(world, filter={"since": "2026-02-30T00:00:00Z"})
    assert refusal.value.path == "$.filter.since"


async def test_who_may_read_a_projects_trail_reads_no_other(world: World) -> None:
    world.trail.deed(done())
    world.trail.deed(done("VM.stop", project="shop", object=("vm", "other")))
    world.trail.deed(done("Access.grant", project=None, object=None))
    world.end_turn()
    rights = Rights(projects={"web": frozenset({"audit.read"})})
    bob = Caller(identity="user:bob", source="token", roles=(), rights=rights)
    assert [item["method"] for item in (await listed(world, bob))["items"]] == ["VM.start"]
    carol = Caller(identity="user:carol", source="token", roles=(), rights=Rights(objects={("vm", "other"): frozenset({"audit.read"})}))
    assert [item["method"] for item in (await listed(world, carol))["items"]] == ["VM.stop"]


# --- verify


async def test_an_empty_chain_is_sound(world: World) -> None:
    assert await verified(world) == {"sound": True, "first": 0, "last": 0}


async def test_a_whole_chain_is_sound(world: World) -> None:
    for _ in range(600):
        world.trail.deed(done())
        world.end_turn()
    assert await verified(world) == {"sound": True, "first": 1, "last": 600, "hash": world.trail.tip.hash}


async def test_a_trimmed_chain_is_sound() -> None:
    world = World()
    world.store._bounds["audit"] = Bounds(most_records=10)
    for _ in range(50):
        world.trail.deed(done())
        world.end_turn()
    verdict = await verified(world)
    assert (verdict["sound"], verdict["last"]) == (True, 50)
    assert verdict["first"] > 38


async def test_a_change_is_found_and_where(world: World) -> None:
    for _ in range(5):
        world.trail.deed(done())
    world.end_turn()
    record = world.store._logs["audit"][2]
    world.store._logs["audit"][2] = replace(record, data=record.data.replace(b"alice", b"carol"))
    verdict = await verified(world)
    assert (verdict["sound"], verdict["firstUnsound"], verdict["reason"]) == (False, 3, "it was changed")


@pytest.mark.parametrize(
    ("gone", "place", "reason"), ((slice(1, 3), 4, "records before it are missing"), (slice(3, 5), 4, "the records up to 5 are missing"))
)
async def test_what_is_taken_away_is_found(world: World, gone: slice, place: int, reason: str) -> None:
    for _ in range(5):
        world.trail.deed(done())
    world.end_turn()
    del world.store._logs["audit"][gone]
    verdict = await verified(world)
    assert (verdict["sound"], verdict["firstUnsound"], verdict["reason"]) == (False, place, reason)


async def test_a_chain_made_anew_is_another_one(world: World) -> None:
    """Who can write the file can make a chain that fits; the daemon that runs, or a hash kept elsewhere, tells."""
    for _ in range(3):
        world.trail.deed(done())
    world.end_turn()
    forged = World()
    for _ in range(3):
        forged.trail.deed(done("VM.stop"))
    world.store._logs["audit"][:] = forged.kept()
    verdict = await verified(world)
    assert (verdict["sound"], verdict["firstUnsound"], verdict["reason"]) == (False, 3, "it is another one than was recorded")


async def test_an_end_that_was_cut_while_nobody_looked_is_found(world: World) -> None:
    for _ in range(5):
        world.trail.deed(done())
    world.trail.close()
    kept = world.kept()[:3]
    cut = World()
    cut.store = Spoiled(kept, {"audit": dict(world.store.load("audit"))})
    trail = cut.open()
    verdict = await verified(cut, trail)
    assert (verdict["sound"], verdict["firstUnsound"]) == (False, 4)
    trail.deed(done())
    verdict = await verified(cut, trail)
    assert (verdict["sound"], verdict["firstUnsound"], verdict["reason"]) == (False, 4, "it does not follow the record before it")


async def test_what_could_not_be_committed_is_not_missed(world: World) -> None:
    world.trail.deed(done())
    world.end_turn()
    world.store.become("failed")
    world.trail.deed(done())
    world.end_turn()
    world.store.become("ok")
    assert (await verified(world))["sound"] is True
    world.trail.deed(done())
    verdict = await verified(world)
    assert (verdict["sound"], verdict["last"]) == (True, 3)


async def test_a_projects_reader_does_not_verify_all(world: World) -> None:
    bob = Caller(identity="user:bob", source="token", roles=(), rights=Rights(projects={"web": frozenset({"audit.read"})}))
    with pytest.raises(PermissionDenied):
        await made(world).audit_verify(bob, types.AuditVerifyParams())


# --- changes


def event(world: World, id: str, change: str, patch: Any = None, *, project: str = "web", type: str = "vm", **cause: str) -> None:
    sequence = world.store.span("event")[1] + 1
    told: dict[str, Any] = {
        "epoch": "e",
        "sequence": sequence,
        "time": timestamp(world.clock.time()),
        "topic": f"{type}.{id}",
        "object": {"type": type, "id": id, "revision": sequence, "project": project},
        "change": change,
        "cause": {"kind": "hypervisor"} | cause,
    }
    if patch is not None:
        told["patch"] = patch
    journal = StoredJournal(world.store, world.clock)
    journal.append(Entry(sequence, told["topic"], type, id, msgspec.json.encode(told), project))
    world.end_turn()


async def test_changes_of_an_object_are_one(world: World) -> None:
    event(world, "a", "changed", {"state": "starting"}, kind="call", method="VM.start")
    world.advance(1)
    event(world, "b", "added", {"id": "b", "state": "stopped"})
    event(world, "a", "changed", {"state": "running"})
    event(world, "b", "changed", {"state": "running"})
    event(world, "a", "changed", {"agent": {"connected": True}})
    assert await changed(world) == {
        "items": [
            {
                "object": {"type": "vm", "id": "a"},
                "change": "changed",
                "patch": {"state": "running", "agent": {"connected": True}},
                "events": 3,
                "causes": [{"kind": "call", "method": "VM.start"}, {"kind": "hypervisor"}],
            },
            {
                "object": {"type": "vm", "id": "b"},
                "change": "added",
                "patch": {"id": "b", "state": "running"},
                "events": 2,
                "causes": [{"kind": "hypervisor"}],
            },
        ],
        "complete": True,
    }


async def test_what_came_and_went_is_not_told(world: World) -> None:
    event(world, "a", "added", {"id": "a"})
    event(world, "a", "removed")
    event(world, "b", "removed")
    assert [(item["object"]["id"], item["change"]) for item in (await changed(world))["items"]] == [("b", "removed")]


async def test_an_object_made_anew_is_told_twice(world: World) -> None:
    event(world, "a", "removed")
    event(world, "a", "added", {"id": "a", "name": "new"})
    event(world, "a", "changed", {"name": "newer"})
    told = await changed(world)
    assert [(item["change"], item.get("patch"), item["events"]) for item in told["items"]] == [
        ("removed", None, 1),
        ("added", {"id": "a", "name": "newer"}, 2),
    ]


async def test_the_time_is_from_since_until_just_before_until(world: World) -> None:
    for number in range(5):
        event(world, str(number), "added", {})
        world.advance(10)
    told = await changed(world, "2026-01-01T00:00:10Z", until="2026-01-01T00:00:30Z")
    assert [item["object"]["id"] for item in told["items"]] == ["1", "2"]


async def test_a_clock_that_jumps_back_hides_nothing(world: World) -> None:
    event(world, "a", "added", {})
    world.clock.advance(-1000)
    event(world, "b", "added", {})
    world.clock.advance(990)
    event(world, "c", "added", {})
    told = await changed(world, "2025-12-31T23:59:45Z")
    assert [item["object"]["id"] for item in told["items"]] == ["a", "c"], "the record ahead of the clock is not lost"
    told = await changed(world, "2025-12-31T23:00:00Z")
    assert [item["object"]["id"] for item in told["items"]] == ["a", "b", "c"]


async def test_only_who_sees_an_object_hears_of_its_changes(world: World) -> None:
    event(world, "a", "added", {})
    event(world, "b", "added", {}, project="shop")
    event(world, "c", "added", {}, type="task")
    event(world, "d", "added", {}, type="certificate")
    event(world, "e", "added", {}, type="of a later version")
    rights = Rights(projects={"web": frozenset({"vm.read"})}, objects={("task", "c"): frozenset({"task.read"})})
    bob = Caller(identity="user:bob", source="token", roles=(), rights=rights)
    assert [item["object"]["id"] for item in (await changed(world, caller=bob))["items"]] == ["a", "c"]
    assert [item["object"]["id"] for item in (await changed(world))["items"]] == ["a", "b", "c"]


async def test_one_object_alone(world: World) -> None:
    for id in "aba":
        event(world, id, "changed", {"x": id})
    told = await changed(world, object={"type": "vm", "id": "a"})
    assert [(item["object"]["id"], item["events"]) for item in told["items"]] == [("a", 2)]


async def test_more_objects_than_asked_for_are_said(world: World) -> None:
    for id in "abca":
        event(world, id, "changed", {"x": id})
    told = await changed(world, limit=2)
    assert [(item["object"]["id"], item["events"]) for item in told["items"]] == [("a", 2), ("b", 1)]
    assert told["complete"] is False


async def test_a_trimmed_journal_is_said() -> None:
    world = World()
    world.store._bounds["event"] = Bounds(most_records=3)
    for number in range(10):
        event(world, str(number), "added", {})
        world.advance(10)
    assert (await changed(world))["complete"] is False
    assert (await changed(world, "2026-01-01T00:01:35Z"))["complete"] is True


async def test_an_empty_journal_has_all_of_nothing(world: World) -> None:
    assert await changed(world) == {"items": [], "complete": True}


async def test_causes_are_bounded(world: World) -> None:
    for number in range(150):
        event(world, "a", "changed", {"n": number}, kind="call", operationId=str(number))
    [item] = (await changed(world))["items"]
    assert (item["events"], len(item["causes"])) == (150, 100)


async def test_refusals_of_the_trail_are_told_with_their_number(world: World) -> None:
    for _ in range(3):
        world.trail.refusal(refused(actor=MALLORY))
    world.advance(61)
    counted, first = (await listed(world))["items"]
    assert (first["count"], counted["count"]) == (1, 2)
    assert counted["until"] == "2026-01-01T00:00:00.000Z"
