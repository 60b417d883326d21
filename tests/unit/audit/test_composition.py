"""Applying what many changes come to gives what applying all of them gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.audit.composition import NOTHING, Change, apply, compose, follow

scalars = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b"])
names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    scalars | st.lists(st.integers(0, 2), max_size=2), lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=8
)
patches = st.dictionaries(names, values, max_size=3)
documents = patches.map(lambda patch: apply(patch, {}))  # no document has null members


@given(document=documents, first=patches, then=patches)
def test_a_composed_patch_does_what_both_do(document: Any, first: Any, then: Any) -> None:
    both = compose(first, then)
    if both is not None:
        assert apply(both, document) == apply(then, apply(first, document))


@pytest.mark.parametrize(
    ("first", "then", "both"),
    (
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": 1}, {"a": 1}),
        ({"a": None}, {"a": {"b": 1}}, None),
        ({"a": [1]}, {"a": {"b": 1}}, None),
        ({"a": {"b": 5}}, {"a": {"b": {}}}, None),
        ({}, {}, {}),
    ),
)
def test_what_two_patches_come_to(first: Any, then: Any, both: Any) -> None:
    assert compose(first, then) == both


def test_compose_refuses_only_where_no_patch_would_do() -> None:
    """What an object held before it was replaced is not known: two documents need different patches."""
    first, then = {"a": None}, {"a": {"b": 1}}
    for document in ({"a": {"x": 1}}, {"a": {"y": 1}}):
        assert apply(then, apply(first, document)) == {"a": {"b": 1}}
        assert apply({"a": {"b": 1}}, document) != {"a": {"b": 1}}


@given(data=st.data(), document=documents | st.none(), count=st.integers(1, 12))
def test_all_changes_are_told_by_few(data: st.DataObject, document: Any, count: int) -> None:
    """From any history of an object: replaying what is told ends where replaying everything ends."""
    state: Any = document
    told: list[Change] = []
    for _ in range(count):
        if state is None:
            state = data.draw(documents)
            change = Change("added", state)
        elif data.draw(st.integers(0, 4)) == 0:
            state, change = None, Change("removed")
        else:
            patch = data.draw(patches)
            state, change = apply(patch, state), Change("changed", patch)
        both = follow(told[-1], change) if told else None
        if both is None:
            told.append(change)
        else:
            told[-1] = both
    assert replay(told, document) == state
    assert len(told) <= count


def replay(changes: list[Change], state: Any) -> Any:
    for change in changes:
        if change == NOTHING:
            continue
        match change.kind:
            case "added":
                assert state is None
                state = change.patch
            case "removed":
                assert state is not None
                state = None
            case "changed":
                assert state is not None
                state = apply(change.patch, state)
    return state


def test_what_came_and_went_is_nothing() -> None:
    assert follow(Change("added", {"a": 1}), Change("removed")) == NOTHING
    assert follow(NOTHING, Change("added", {"b": 1})) == Change("added", {"b": 1})
    assert follow(Change("changed", {"a": 1}), Change("removed")) == Change("removed")
    assert follow(Change("removed"), Change("added", {})) is None
