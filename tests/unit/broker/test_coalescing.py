"""Filters and merging: less is told, and what is told says the same."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.broker.coalescing import Changes, Filter, Merger, can_compose, compose
from libvdsm.broker.reading import TURN, Gap
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.journal import Entry
from libvdsm.journal.memory import MemoryJournal
from libvdsm.journal.recorder import merge_patch
from tests.fakes.front import VM_1, VM_2, FakeSink, Front
from tests.unit.broker.test_broker import connected

members = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=1),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abc"), members, max_size=3)


def apply(document: Any, patch: Any) -> Any:
    """RFC 7396, as it is written there."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@given(documents, documents, documents)
def test_two_patches_as_one_say_the_same(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]) -> None:
    """Where two patches can be made one, the one has the effect of both."""
    one, two = merge_patch(first, second), merge_patch(second, third)
    if can_compose(one, two):
        both = json.loads(json.dumps(one))
        compose(both, json.loads(json.dumps(two)))
        assert apply(first, both) == third


def entry(sequence: int, id: str = "1", change: str = "changed", project: str = "p", **patch: object) -> Entry:
    event = {"sequence": sequence, "object": {"type": "vm", "id": id}, "change": change, "patch": {**patch, "revision": sequence}}
    return Entry(sequence, f"vm.{id}", "vm", id, msgspec.json.encode(event), project)


def merged(*entries: Entry) -> list[tuple[int, int, dict[str, Any]]]:
    """The sequence, how many, and the patch of what is told."""
    merger = Merger(Changes())
    for each in entries:
        merger.add(each)
    assert merger.count == len(entries)
    told = merger.take()
    assert merger.count == 0
    events = [(last.sequence, msgspec.json.decode(event)) for last, event in told]
    assert all(sequence == event["sequence"] for sequence, event in events)
    return [(sequence, event.get("merged", 1), event["patch"]) for sequence, event in events]


def test_changes_of_one_object_become_one() -> None:
    """The last value of each member, in the place of the last change; other objects have their own."""
    told = merged(entry(1, a=1, b=1), entry(2, id="2", a=9), entry(3, a=2), entry(4, c=None))
    assert told == [(2, 1, {"a": 9, "revision": 2}), (4, 3, {"a": 2, "b": 1, "c": None, "revision": 4})]


def test_never_across_a_change_of_state() -> None:
    """A change of the state stands alone, between what was before and what came after."""
    told = merged(entry(1, a=1), entry(2, a=2), entry(3, state="running", a=3), entry(4, a=4), entry(5, a=5))
    assert [(sequence, count) for sequence, count, _ in told] == [(2, 2), (3, 1), (5, 2)]


@pytest.mark.parametrize("change", ("added", "removed"))
def test_never_across_birth_and_death(change: str) -> None:
    """An object that was removed and is there again is another."""
    told = merged(entry(1, a=1), entry(2, change=change, a=2), entry(3, a=3), entry(4, a=4))
    assert [(sequence, count) for sequence, count, _ in told] == [(1, 1), (2, 1), (4, 2)]


def test_what_one_patch_cannot_say_stays_two() -> None:
    """An object in the place of something else cannot be merged with what is in it."""
    told = merged(entry(1, a=None), entry(2, a={"x": 1}), entry(3, a={"y": 1}))
    assert [(sequence, count) for sequence, count, _ in told] == [(1, 1), (3, 2)]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    (
        ({}, True),
        ({"types": ["vm"]}, True),
        ({"types": ["task"]}, False),
        ({"object_ids": ["1", "2"]}, True),
        ({"object_ids": ["2"]}, False),
        ({"projects": ["p"]}, True),
        ({"projects": ["q"]}, False),
        ({"fields": ["a"]}, True),
        ({"fields": ["b", "a.x"]}, True),
        ({"fields": ["a.z"]}, False),
        ({"fields": ["gone.inner"]}, True),
        ({"fields": ["b"]}, False),
        ({"fields": ["a"], "types": ["task"]}, False),
        ({"types": []}, False),
    ),
)
def test_filters(wanted: dict[str, Any], *, fits: bool) -> None:
    """Every member of a filter must fit; a field fits if it, a part of it or what it is in was changed."""
    assert Filter(EventFilter(**wanted), Changes()).fits(entry(1, a={"x": 1}, gone=None)) is fits


def test_what_is_added_or_removed_always_fits_fields() -> None:
    """Who waits for a field wants to know of the object."""
    wanted = Filter(EventFilter(fields=["b"]), Changes())
    assert wanted.fits(entry(1, change="added", a=1))
    assert wanted.fits(entry(2, change="removed", a=1))


def test_a_filtered_subscription() -> None:
    """Only what fits is delivered, live, from the journal, by reading and in a snapshot."""
    front, sink = Front(), FakeSink()
    front.observe(VM_1)
    front.observe(VM_2)
    wanted = {"objectIds": [VM_2], "fields": ["state"]}
    front.now("Event.subscribe", {"topics": ["vm.#"], "filter": wanted, "snapshot": True}, connected(front, sink))
    front.observe(VM_1, state="running")
    front.observe(VM_2, name="other")
    front.observe(VM_2, state="running")
    front.run_scheduled()
    told: Any = sink.deliveries
    assert [(each["event"]["object"]["id"], each["event"]["change"]) for each in told] == [(VM_2, "added"), (VM_2, "changed")]
    read: Any = front.now("Event.read", {"after": f"{front.journal.epoch}-0", "filter": wanted})
    assert [item["object"]["id"] for item in read["items"]] == [VM_2, VM_2]


def test_a_subscription_that_lets_changes_gather() -> None:
    """The first change comes at once; what follows within the time comes as one; half of what gathered resumes from before it."""
    front, sink = Front(), FakeSink()
    front.observe(VM_1)
    front.observe(VM_2)
    front.now("Event.subscribe", {"topics": ["vm.#"], "coalesce": 1}, connected(front, sink))
    front.observe(VM_1, name="n0")
    front.run_scheduled()
    assert len(sink.deliveries) == 1
    for number in range(1, 6):
        front.observe(VM_1, name=f"n{number}")
        front.observe(VM_2, name=f"m{number}")
    front.run_scheduled()
    assert len(sink.deliveries) == 1
    front.later.pop()[1]()
    front.run_scheduled()
    told: Any = sink.deliveries[1:]
    assert [(each["event"]["merged"], each["event"]["patch"]["name"]) for each in told] == [(5, "n5"), (5, "m5")]
    epoch = front.journal.epoch
    assert [each["resume"] for each in told] == [f"{epoch}-3", f"{epoch}-13"]


def test_what_gathered_is_told_before_the_gap_that_followed_it() -> None:
    """It has tokens from before the gap, so that who is cut off between the two hears of the gap as well."""
    front, sink = Front(journal=MemoryJournal(most_records=300)), FakeSink()
    front.observe(VM_1)
    front.observe(VM_2)
    epoch = front.journal.epoch
    front.now("Event.subscribe", {"topics": ["vm.#"], "coalesce": 1}, connected(front, sink))
    front.observe(VM_1, name="at once")
    front.run_scheduled()
    for number in range(145):
        front.observe(VM_1, name=f"n{number}")
        front.observe(VM_2, name=f"m{number}")
    front.later.pop()[1]()
    front.scheduled.pop(0)()  # one turn: these gather, and more follows
    assert len(sink.deliveries) == 1
    for number in range(300):
        front.observe(VM_1, name=f"o{number}")
    front.run_scheduled()
    told: Any = sink.deliveries[1:]
    assert [each.get("gap") for each in told] == [None, None, {"reason": "trimmed", "missed": 593 - 300 - 3 - TURN}, None]
    assert [each["event"]["patch"]["name"] for each in told if "event" in each] == ["n127", "m127", "o299"]
    assert [each["resume"] for each in told] == [f"{epoch}-{number}" for number in (3, 3 + TURN, 293, 593)]


def test_a_reader_that_is_full_gets_what_gathered_later() -> None:
    """What was merged waits for room, in order, and nothing is lost."""
    front, sink = Front(), FakeSink()
    front.observe(VM_1)
    front.now("Event.subscribe", {"topics": ["vm.#"], "coalesce": 1}, connected(front, sink))
    sink.room = 0
    front.observe(VM_1, name="a")
    front.observe(VM_1, state="running")
    front.observe(VM_1, name="b")
    front.run_scheduled()
    sink.drain(1)
    front.run_scheduled()
    sink.drain()
    front.run_scheduled()
    told: Any = sink.deliveries
    assert [each["event"]["sequence"] for each in told] == [2, 3, 4]


def test_gaps_that_were_not_told_yet_are_one() -> None:
    assert Gap("trimmed", 3).behind(Gap("trimmed", 2)) == Gap("trimmed", 5)
    assert Gap("trimmed", 3).behind(Gap("epoch")) == Gap("epoch")
    assert Gap("trimmed", 3).behind(None) == Gap("trimmed", 3)
