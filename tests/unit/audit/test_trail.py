"""Every deed and every refusal is in the trail, in the deed's own transaction, chained to what was before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.audit.chain import GENESIS, Chain, Tip, UnsoundError, shown
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.audit import Actor
from libvdsm.interfaces.generated.types import AuditRecord
from libvdsm.interfaces.store import Logged
from tests.unit.audit.chain_records import ALICE, MALLORY, VM, World, done, refused


@pytest.fixture
def world() -> World:
    return World()


def test_a_deed_is_told_whole(world: World) -> None:
    world.trail.deed(done(operation_id="op", flow_id="flow", changed=("config.memory", "name")))
    [told] = world.told()
    monotonic, life, hash = told.pop("monotonic"), told.pop("life"), told.pop("hash")
    assert told == {
        "sequence": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "identity": "user:alice",
        "source": "certificate",
        "address": "192.0.2.7",
        "method": "VM.start",
        "object": {"type": "vm", "id": VM[1]},
        "project": "web",
        "changed": ["config.memory", "name"],
        "outcome": "done",
        "operationId": "op",
        "flowId": "flow",
        "count": 1,
        "previous": GENESIS,
    }
    assert monotonic == world.clock.monotonic()
    assert len(life) == 8
    assert len(hash) == 64


def test_what_is_shown_is_the_schemas_record(world: World) -> None:
    world.trail.deed(done(flow_id='","previous":"x', method='a","hash":"b'))
    [record] = world.kept()
    told = json.loads(shown(record.data))
    assert set(told) <= {one.encode_name for one in msgspec.structs.fields(AuditRecord)}
    assert told["flowId"] == '","previous":"x'
    assert told["method"] == 'a","hash":"b'


def test_a_deed_is_in_the_transaction_of_its_turn(world: World) -> None:
    world.store.put("vm", "1", b"{}")
    world.trail.deed(done())
    assert world.store.committed("audit") == 0
    world.store.become("failed")
    world.end_turn()
    assert not world.kept()
    assert not world.store.load("vm")


async def test_a_deed_whose_audit_cannot_be_committed_fails() -> None:
    world = World()
    world.trail.deed(done())
    committed = world.store.commit()
    world.store.become("failed")
    world.end_turn()
    with pytest.raises(ApiError, match="as the test says"):
        await committed


def test_deletions_and_their_audit_go_on_when_the_disk_is_full(world: World) -> None:
    world.store.put("vm", "1", b"{}")
    world.end_turn()
    world.store.become("full")
    world.store.check(deletes=True)
    world.store.remove("vm", "1")
    world.trail.deed(done("VM.delete"))
    assert [told["method"] for told in world.told()] == ["VM.delete"]
    world.trail.deed(done("VM.create", outcome="failed", error="StateFull"))
    assert [told["method"] for told in world.told()] == ["VM.delete", "VM.create"], "what only tells goes on as well"


def chain(world: World, expected: Tip | None = None) -> Chain:
    """All that is kept, checked; raises if it is unsound."""
    found = Chain(expected)
    for record in world.kept():
        found.take(record.sequence, record.data)
    return found


def test_the_chain_goes_on_after_a_restart(world: World) -> None:
    for _ in range(3):
        world.trail.deed(done())
        world.end_turn()
    before = world.trail.tip
    trail = world.open()
    assert trail.tip == before
    trail.deed(done("VM.stop"))
    assert chain(world).tip == trail.tip
    lives = {told["life"] for told in world.told()}
    assert len(lives) == 2, "a monotonic reading means something in its own life only"


def test_the_chain_goes_on_when_all_of_it_was_trimmed(world: World) -> None:
    world.trail.deed(done())
    world.trail.close()
    world.end_turn()
    world.store._logs["audit"].clear()
    world.store._spans["audit"] = (2, 1)
    trail = world.open()
    trail.deed(done())
    [told] = world.told()
    assert told["sequence"] == 2
    assert told["previous"] != GENESIS


def test_a_gap_of_what_could_not_be_committed_is_attested(world: World) -> None:
    """F-15, F-17: a disk that refuses leaves a chain that is whole, because the next record says what was lost."""
    world.trail.deed(done("VM.start"))
    world.end_turn()
    world.store.become("failed")
    for method in ("VM.stop", "VM.reset"):
        world.trail.deed(done(method))
        world.end_turn()
    assert [(one.first, one.last) for one in world.trail.lost] == [(2, 3)]
    world.store.become("ok")
    world.trail.deed(done("VM.pause"))
    assert [told["sequence"] for told in world.told()] == [1, 4]
    found = chain(world)
    assert found.first_gap() is None
    assert found.tip == world.trail.tip
    assert not world.trail.lost
    world.trail.deed(done("VM.resume"))
    assert "lost" in world.told()[1]
    assert "lost" not in world.told()[2]


def test_what_attests_a_gap_may_be_lost_itself(world: World) -> None:
    world.trail.deed(done())
    world.end_turn()
    world.store.become("failed")
    world.trail.deed(done())
    world.end_turn()
    world.trail.deed(done())  # it attests, and is lost as well
    world.end_turn()
    world.store.become("ok")
    world.trail.deed(done())
    assert chain(world).first_gap() is None


def test_a_gap_that_nobody_attests_is_found(world: World) -> None:
    for _ in range(4):
        world.trail.deed(done())
        world.end_turn()
    del world.store._logs["audit"][1:3]
    assert chain(world).first_gap() == 4


@given(place=st.integers(0, 4), data=st.data())
def test_no_octet_of_a_record_can_be_changed(place: int, data: st.DataObject) -> None:
    world = World()
    for number in range(5):
        world.trail.deed(done(f"VM.verb{number}"))
    records = list(world.kept())
    record = records[place]
    at = data.draw(st.integers(0, len(record.data) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != record.data[at]))
    records[place] = replace(record, data=record.data[:at] + bytes((octet,)) + record.data[at + 1 :])
    with pytest.raises(UnsoundError):
        taken(records)


def taken(records: Sequence[Logged]) -> None:
    found = Chain()
    for one in records:
        found.take(one.sequence, one.data)


@given(order=st.permutations(range(5)))
def test_no_order_but_the_right_one_is_sound(order: list[int]) -> None:
    world = World()
    for number in range(5):
        world.trail.deed(done(f"VM.verb{number}"))
    records = world.kept()
    found = Chain()
    try:
        for place, number in enumerate(order):
            found.take(place + 1, records[number].data)
    except UnsoundError:
        assert order != sorted(order)
    else:
        assert order == sorted(order)


# --- refusals


def test_refusals_alike_are_one_record_at_once_and_one_at_the_end(world: World) -> None:
    for _ in range(100):
        world.trail.refusal(refused())
        world.advance(0.125)
    assert [told["count"] for told in world.told()] == [1]
    world.advance(60)
    first, rest = world.told()
    assert (first["count"], rest["count"]) == (1, 99)
    assert rest["until"] == "2026-01-01T00:00:12.375Z"
    assert "until" not in first
    world.advance(600)
    assert len(world.told()) == 2, "nothing more came"


def test_after_a_window_the_next_one_is_told_at_once(world: World) -> None:
    world.trail.refusal(refused())
    world.advance(61)
    world.trail.refusal(refused())
    assert [told["count"] for told in world.told()] == [1, 1]


@pytest.mark.parametrize(
    "other",
    (
        refused(actor=ALICE),
        refused(actor=Actor(MALLORY.identity, MALLORY.source, "192.0.2.67")),
        refused("VM.stop"),
        refused(object=("vm", "another")),
        refused(error="ObjectNotFound"),
    ),
)
def test_unlike_refusals_are_told_apart(world: World, other: Any) -> None:
    world.trail.refusal(refused())
    world.trail.refusal(other)
    assert len(world.told()) == 2


def test_what_was_counted_is_recorded_before_the_end(world: World) -> None:
    for _ in range(5):
        world.trail.refusal(refused())
    world.trail.close()
    assert [told["count"] for told in world.told()] == [1, 4]


def test_a_flood_of_unlike_refusals_is_few_records_and_none_is_lost() -> None:
    world = World()
    for number in range(10_000):
        world.trail.refusal(refused(object=("vm", str(number))))
    assert len(world.told()) == 65
    world.advance(61)
    assert sum(told["count"] for told in world.told()) == 10_000
    assert len(world.told()) <= 130
    assert world.told()[-1]["method"] == "*"


def test_windows_are_bounded_in_all() -> None:
    world = World()
    trail = world.open(most=50)
    for number in range(2_000):
        trail.refusal(refused(actor=Actor(f"user:{number}", "token", f"192.0.2.{number}")))
    assert len(world.told()) == 51
    trail.close()
    assert sum(told["count"] for told in world.told()) == 2_000


def test_refusals_are_counted_while_nothing_can_be_recorded(world: World) -> None:
    world.store.become("full")
    for _ in range(3):
        world.trail.refusal(refused())
    world.advance(61)
    assert not world.told()
    world.store.become("ok")
    world.advance(61)
    assert [told["count"] for told in world.told()] == [3]


@given(text=st.text(st.characters(), max_size=400))
def test_a_strangers_words_are_bounded_and_chained(text: str) -> None:
    world = World()
    world.trail.refusal(refused(text, object=(text, text), flow_id=text, actor=Actor(text, "anonymous", text)))
    assert chain(world).tip == world.trail.tip
    assert len(world.told()[0]["method"]) <= 256
