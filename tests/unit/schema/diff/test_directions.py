"""The same change in a request, in a response, and in what goes both ways."""

from __future__ import annotations

import pytest

from tests.unit.schema.diff.profiles import Edit, Told, told

FIELD = "{type: string, max_length: 12, optional: true, summary: X.}"
#: A member x in a record that is sent, in one that is answered, in one that is both.
SENT: Edit = ("Body", "{must:", f"{{x: {FIELD}, must:")
ANSWERED: Edit = ("Answer", "{gone:", f"{{x: {FIELD}, gone:")
BOTH: Edit = ("Round", "{radius:", f"{{x: {FIELD}, radius:")
#: Round is answered only; this makes it sent as well.
SENDS_SHAPES: Edit = (
    "create",
    "config: {type: Config, summary: What it is.}",
    "config: {type: Config, summary: W.}, s: {type: Shape, optional: true, summary: S.}",
)


def found(before: str, after: str) -> dict[str, set[Told]]:
    """What is found in each of the three places; that an example lacks a member is no news here."""
    places: dict[str, tuple[str, tuple[Edit, ...]]] = {
        "sent": ("Body", (SENT,)),
        "answered": ("Answer", (ANSWERED,)),
        "both": ("Round", (BOTH, SENDS_SHAPES)),
    }
    return {
        place: {each for each in told((entry, before, after), before=edits) if each[0] != "example-invalid"}
        for place, (entry, edits) in places.items()
    }


@pytest.mark.parametrize(
    ("before", "after", "in_request", "in_response"),
    (
        (f"x: {FIELD}, ", "", "entry-removed", "response-field-removed"),
        ("max_length: 12, optional: true", "max_length: 12", "request-made-required", "response-narrowed"),
        ("max_length: 12", "max_length: 5", "request-constraint-tightened", "response-narrowed"),
        ("max_length: 12", "max_length: 20", "request-relaxed", "response-constraint-relaxed"),
        ("{type: string, max_length: 12, optional", "{type: json, optional", "type-changed", "response-type-widened"),
        ("{type: string, max_length: 12, optional", "{type: uuid, optional", "type-changed", "type-changed"),
        (f"x: {FIELD}", f"x: {FIELD}, y: {FIELD}", "field-added", "field-added"),
        (f"x: {FIELD}", f"x: {FIELD}, y: {{type: string, summary: Y.}}", "request-required-added", "field-added"),
    ),
)
def test_directions_are_kept_apart(before: str, after: str, in_request: str, in_response: str) -> None:
    result = found(before, after)
    name = "y" if "y:" in after else "x"
    assert result["sent"] == {(in_request, f"Body.{name}")}
    assert result["answered"] == {(in_response, f"Answer.{name}")}
    added = {"request-required-added", "field-added"}  # what came is told of once, by its worst
    both = {in_request} if in_request in added else {in_request, in_response}
    assert result["both"] == {(rule, f"Round.{name}") for rule in both}


def test_required_made_optional_is_relaxed_in_requests_and_broken_in_responses() -> None:
    assert told(("Body", "slow: {type: boolean", "slow: {type: boolean, optional: true")) == {("request-relaxed", "Body.slow")}
    assert told(("Answer", "size: {type: integer", "size: {type: integer, optional: true")) == {("response-made-optional", "Answer.size")}
    both = told(("Config", "size: {type: integer", "size: {type: integer, optional: true"))
    assert both == {("request-relaxed", "Config.size"), ("response-made-optional", "Config.size")}


def test_optional_by_direction_is_judged_by_direction() -> None:
    """``optional: input`` lets clients leave out what is always answered."""
    assert told(("Config", "size: {type: integer", "size: {type: integer, optional: input")) == {("request-relaxed", "Config.size")}
    assert told(("Config", "size: {type: integer", "size: {type: integer, optional: output")) == {("response-made-optional", "Config.size")}


def test_a_closed_enum_that_is_only_sent_may_grow() -> None:
    closed = ("Word", "{kind: enum,", "{kind: enum, open: false,")
    assert told(("Word", "nay: {summary: No.}", "nay: {summary: No.}, hum: {summary: Hm.}"), before=[closed]) == {
        ("value-added", "Word.hum")
    }


def test_a_word_that_is_only_answered_leaves_by_the_rule_for_entries() -> None:
    assert told(("Color", ", blue: {summary: Blue.}", "")) == {("entry-removed", "Color.blue")}


def test_a_closed_union_that_is_answered_may_not_grow() -> None:
    closed = ("Shape", "{kind: union,", "{kind: union, open: false,")
    grown = (
        "Shape",
        "square: {record: Square, summary: Square.}",
        "square: {record: Square, summary: S.}, none: {record: Nothing, summary: N.}",
    )
    assert told(grown, before=[closed]) == {("response-closed-grew", "Shape.none")}


@pytest.mark.parametrize(("entry", "kind"), (("Shade", "enum"), ("Shape", "union")))
def test_opening_what_is_answered_breaks_its_readers(entry: str, kind: str) -> None:
    closed, opened = f"{{kind: {kind}, open: false", f"{{kind: {kind}, open: true"
    first = [] if entry == "Shade" else [(entry, f"{{kind: {kind}", closed)]
    assert told((entry, closed, opened), before=first) == {("response-type-widened", entry)}
    closing = told((entry, opened, closed), before=[*first, (entry, closed, opened)])
    assert closing == {("response-narrowed", entry)}


def test_a_member_of_a_patch_is_told_of_at_the_patch_if_its_record_is_not_sent() -> None:
    """Here configurations are changed, but not given."""
    only_patched = ("create", "config: {type: Config,", "config: {type: json,")
    assert told(("Config", "unit: bytes", "unit: bytes, min: 1"), before=[only_patched]) == {
        ("request-constraint-tightened", "ConfigPatch.size"),
        ("response-narrowed", "Config.size"),
    }


def test_a_member_of_a_view_is_told_of_at_the_record_if_that_is_answered() -> None:
    assert told(("Thing", "number: {type: Count,", "number: {type: Count, optional: true,")) == {("response-made-optional", "Thing.number")}


def test_a_default_that_comes_goes_or_changes_is_a_change_and_words_of_json_differ() -> None:
    flag = "flag: {type: boolean, default: true"
    assert told(("Body", flag, "flag: {type: boolean, optional: true")) == {("request-default-changed", "Body.flag")}
    assert told(("Body", "maybe: {type: string, optional: true", "maybe: {type: string, default: a")) == {
        ("request-default-changed", "Body.maybe")
    }
    number = ("Body", "flag: {type: boolean, default: true", "flag: {type: json, default: 1")
    assert told(("Body", "default: 1", "default: true"), before=[number]) == {("request-default-changed", "Body.flag")}
    assert told(("Body", "slow: {type: boolean", "slow: {type: boolean, default: true")) == {("request-relaxed", "Body.slow")}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    (
        ("min: 1", "min: 2", "request-constraint-tightened"),
        ("min: 2", "min: 1", "request-relaxed"),
        ("min: 1", "", "request-relaxed"),
        ("", "max: 9", "request-constraint-tightened"),
        ("max: 9", "max: 10", "request-relaxed"),
        ("multiple_of: 4", "multiple_of: 2", "request-relaxed"),
        ("multiple_of: 2", "multiple_of: 4", "request-constraint-tightened"),
        ("multiple_of: 2", "multiple_of: 3", "request-constraint-tightened"),
        ("pattern: a", "pattern: b", "request-constraint-tightened"),
        ("pattern: a", "", "request-relaxed"),
        ("min_items: 1, max_items: 2", "min_items: 1, max_items: 1", "request-constraint-tightened"),
        ("min_length: 3", "min_length: 2", "request-relaxed"),
    ),
)
def test_bounds_of_requests_may_only_give_way(old: str, new: str, expected: str) -> None:
    def text(bound: str) -> str:
        return f"flag: {{type: json, optional: true, unit: none, {bound}{', ' if bound else ''}summary"

    base = ("Body", "flag: {type: boolean, default: true, summary", text(old))
    assert told(("Body", text(old), text(new)), before=[base]) == {(expected, "Body.flag")}
