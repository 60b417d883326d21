"""The automaton of lifecycles, and what it excuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from libvdsm.schema import check
from libvdsm.schema.diff.life import STEPS
from libvdsm.schema.ir import Stage
from tests.unit.schema.diff.profiles import Edit, edited, texts, told, write

STAGES = {
    Stage.PROTOTYPE: "lifecycle: prototype",
    Stage.PUBLISHED: "lifecycle: published",
    Stage.DEPRECATED: 'lifecycle: {stage: deprecated, deprecated: "1.5", replacement: Thing.get, sunset: "1.7"}',
    Stage.REMOVED: 'lifecycle: {stage: removed, deprecated: "1.1", replacement: Thing.get, sunset: "1.9", removed: "1.5"}',
}


def at(stage: Stage) -> tuple[Edit, ...]:
    """Put the verb ``steady`` at a stage."""
    return () if stage is Stage.PUBLISHED else (("steady", STAGES[Stage.PUBLISHED], STAGES[stage]),)


@pytest.mark.parametrize(("before", "after"), tuple(itertools.product(Stage, repeat=2)))
def test_the_automaton(before: Stage, after: Stage) -> None:
    """Prototype, published, deprecated, removed: a step at a time and never back; only prototypes vanish."""
    rules = {rule for rule, _ in told(("steady", STAGES[before], STAGES[after]), before=at(before))} if before is not after else set()
    if before is after:
        assert rules == set()
    elif before is Stage.REMOVED:
        assert rules == {"name-reused"}
    elif after is Stage.REMOVED:
        assert rules == {"prototype-changed" if before is Stage.PROTOTYPE else "entry-removed"}
    else:
        assert rules == {"stage-advanced" if (before, after) in STEPS else "lifecycle-order"}


def deprecated(**life: str) -> Edit:
    """Deprecate the verb ``steady``."""
    words = {"deprecated": "1.5", "replacement": "Thing.get", "sunset": "1.7"} | life
    text = ", ".join(f'{name}: "{value}"' for name, value in words.items() if value)
    return ("steady", STAGES[Stage.PUBLISHED], f"lifecycle: {{stage: deprecated, {text}}}")


@pytest.mark.parametrize(
    ("life", "rule"),
    (
        ({}, "stage-advanced"),
        ({"sunset": "2.1"}, "stage-advanced"),
        ({"sunset": "1.6"}, "sunset-too-short"),
        ({"sunset": "2.0"}, "sunset-too-short"),
        ({"replacement": ""}, "deprecation-incomplete"),
        ({"deprecated": ""}, "deprecation-incomplete"),
        ({"sunset": ""}, "deprecation-incomplete"),
        ({"replacement": "Thing.nothing"}, "deprecation-incomplete"),
        ({"replacement": "Thing.tomb"}, "deprecation-incomplete"),
        ({"deprecated": "1.4"}, "deprecation-incomplete"),
    ),
)
def test_who_leaves_says_since_when_where_to_and_until_when(life: dict[str, str], rule: str) -> None:
    assert told(deprecated(**life)) == {(rule, "Thing.steady")}


def test_an_announced_sunset_is_not_brought_forward() -> None:
    assert told(("staying", 'sunset: "1.9"', 'sunset: "1.8"')) == {("sunset-too-short", "Thing.staying")}
    assert told(("staying", 'sunset: "1.9"', 'sunset: "2.5"')) == set()
    assert told(("staying", ", replacement: Thing.get", "")) == {("deprecation-incomplete", "Thing.staying")}


def test_a_deprecated_entry_goes_at_its_sunset_and_not_before() -> None:
    assert told(("staying", "", "")) == {("entry-removed", "Thing.staying")}
    assert told(("staying", "", ""), ("version", '"1.5"', '"1.9"')) == {("removed-in-order", "Thing.staying")}


def test_a_member_leaves_a_response_at_its_sunset() -> None:
    edit = (
        'early: {type: string, lifecycle: {stage: deprecated, deprecated: "1.5", replacement: Answer.kind, sunset: "1.7"}, summary: J.}',
        "",
    )
    assert told(("Answer", f", {edit[0]}", edit[1])) == {("response-field-removed", "Answer.early")}
    later = told(("Answer", f", {edit[0]}", edit[1]), ("version", '"1.5"', '"1.7"'), ("create", ", early: a", ""))
    assert later == {("removed-in-order", "Answer.early"), ("golden-changed", "Thing.create")}


def test_members_leave_with_their_owner_and_need_not_say_so(tmp_path: Path) -> None:
    write(tmp_path, edited(texts(), [("swap", "lifecycle: published", deprecated()[2])]))
    swap = check.checked(tmp_path, with_lock=False).methods["Thing.swap"]
    assert [param.lifecycle for param in swap.params] == [swap.lifecycle, swap.lifecycle]
    assert swap.lifecycle.sunset == "1.7"


def test_what_members_inherit_is_said_of_the_owner_alone() -> None:
    assert told(("swap", "lifecycle: published", deprecated()[2])) == {("stage-advanced", "Thing.swap")}


def test_a_new_entry_is_not_deprecated_already() -> None:
    line = '  Fresh: {summary: New., since: "1.5", lifecycle: {stage: deprecated, deprecated: "1.5", replacement: Thing, sunset: "1.9"}, '
    new = line + "kind: record, fields: {}}\n"
    assert told(("Nothing", "  Nothing:", f"{new}  Nothing:")) == {("lifecycle-order", "Fresh"), ("entry-added", "Fresh")}


def test_a_tombstone_comes_and_goes_unseen() -> None:
    assert told(("tomb", "", "")) == set()


def test_nothing_is_promised_of_members_of_prototypes() -> None:
    first = ("swap", "lifecycle: published", "lifecycle: prototype")
    changed = told(("swap", "one: {type: uuid", "one: {type: boolean"), ("swap", "idempotent: true", "idempotent: false"), before=[first])
    assert changed == {("prototype-changed", "Thing.swap"), ("prototype-changed", "Thing.swap.one")}


def test_a_prototype_is_no_excuse_for_breaking_its_published_owner() -> None:
    """Who never used the prototype would have to, from now on."""
    prototype = "must: {type: string, lifecycle: prototype"
    optional = [("Body", "must: {type: string", f"{prototype}, optional: true")]
    made = told(("Body", f"{prototype}, optional: true", prototype), ("send", "must: a, ", ""), before=optional)
    assert ("request-made-required", "Body.must") in made
    added = told(("Body", "{must:", "{new: {type: string, lifecycle: prototype, summary: X.}, must:"))
    assert ("request-required-added", "Body.new") in added
