"""Nothing of the description escapes the comparison: each attribute has a rule, or a reason why it has none."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from libvdsm.schema import ir
from libvdsm.schema.diff import RULES

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "guide" / "compatibility.md"
ENTRY = {
    "name": "entry-removed",
    "summary": "documentation-removed",
    "lifecycle": "lifecycle-order",
    "position": "where it is written is nobody's business",
}
TYPE = ENTRY | {
    "interface": "types have one space of names; the file they are written in is not part of it",
    "is_input": "follows from its users, which are judged",
    "is_output": "follows from its users, which are judged",
}
#: Class -> attribute -> a rule that judges it, or why none does.
ATTRIBUTES: dict[type, dict[str, str]] = {
    ir.Api: {
        "version": "version-backwards",
        "digest": "differs if anything does",
        **dict.fromkeys(("interfaces", "types", "errors", "permissions", "roles"), "entry-removed"),
    },
    ir.Interface: ENTRY | {"methods": "entry-removed", "events": "entry-removed", "types": "as for the interface of a type"},
    ir.Method: ENTRY
    | {
        "interface": "entry-removed",
        "description": "documentation-removed",
        "kind": "kind-changed",
        "subsystem": "who answers is not seen by clients",
        "permission": "permission-raised",
        "object_param": "key-changed",
        "object_type": "key-changed",
        "params": "request-required-added",
        "result": "result-changed",
        "errors": "error-added",
        "idempotent": "idempotent-lost",
        "cost": "cost-raised",
        "timeout_s": "timeout-lowered",
        "probe": "probe-weakened",
        "progress_unit": "progress-unit-changed",
        "paged": "paging-changed",
        "requires": "requires-tightened",
        "works_in": "states-narrowed",
        "done_in": "states-narrowed",
        "examples": "example-removed",
        "params_record": "follows from the name",
        "names": "names-changed",
    },
    ir.Field: ENTRY
    | {
        "type": "type-changed",
        "on_input": "request-made-required",
        "on_output": "response-made-optional",
        "default": "request-default-changed",
        "unit": "unit-changed",
        "constraints": "request-constraint-tightened",
        "change": "change-worsened",
        "requires": "requires-tightened",
        "names": "names-changed",
    },
    ir.Record: TYPE
    | {
        "fields": "response-field-removed",
        "writable": "change-worsened",
        "protocol": "says only that no verb uses it",
        "object_type": "key-changed",
    },
    ir.Patch: TYPE | {"of": "type-changed", "fields": "request-constraint-tightened"},
    ir.View: TYPE | {"of": "type-changed", "key": "key-changed", "fields": "response-field-removed"},
    ir.Enum: TYPE | {"open": "response-type-widened", "values": "value-added"},
    ir.EnumValue: ENTRY | {"number": "enum-number-changed"},
    ir.Union: TYPE | {"discriminator": "discriminator-changed", "open": "response-type-widened", "branches": "branch-added"},
    ir.Branch: {key: ENTRY[key] for key in ("summary", "lifecycle", "position")} | {"tag": "tag-changed", "record": "type-changed"},
    ir.Event: ENTRY
    | {"interface": "entry-removed", "topic": "topic-changed", "document": "type-changed", "permission": "permission-raised"},
    ir.Error: ENTRY
    | {
        "number": "error-number-changed",
        "message": "documentation-removed",
        "remedy": "documentation-removed",
        "fault": "error-fault-changed",
        "retryable": "error-retryable-changed",
        "params": "error-params-changed",
    },
    ir.Permission: ENTRY | {"write": "permission-raised", "demanded_by": "words for people: what it names is judged where it is described"},
    ir.Role: ENTRY | {"permissions": "role-narrowed"},
    ir.Lifecycle: {
        "stage": "lifecycle-order",
        "since": "since-changed",
        "deprecated": "deprecation-incomplete",
        "replacement": "deprecation-incomplete",
        "sunset": "sunset-too-short",
        "removed": "when a removed entry went is history",
    },
    ir.Constraints: dict.fromkeys(
        ("minimum", "maximum", "multiple_of", "min_length", "max_length", "pattern", "min_items", "max_items"),
        "request-constraint-tightened",
    ),
    ir.Example: {"params": "example-invalid", "result": "golden-changed"},
}
REFERENCES = {ir.ScalarRef, ir.NamedRef, ir.ListRef, ir.MapRef, ir.Position}  # compared as wholes, or not at all


def test_every_node_of_the_description_is_thought_of() -> None:
    nodes = {one for one in vars(ir).values() if isinstance(one, type) and dataclasses.is_dataclass(one)}
    assert nodes == {*ATTRIBUTES, *REFERENCES}


@pytest.mark.parametrize("node", tuple(ATTRIBUTES), ids=lambda node: node.__name__)
def test_every_attribute_has_a_rule_or_a_reason(node: type) -> None:
    assert {f.name for f in dataclasses.fields(node)} == set(ATTRIBUTES[node])
    assert all(" " in word or word in RULES for word in ATTRIBUTES[node].values())


def test_the_guide_explains_every_rule_with_its_class() -> None:
    rows = re.findall(r"^\| ([BDS]) \| `([a-z-]+)` \| (.+?) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {(grade, rule, reason) for grade, rule, reason in rows} == {(r.grade.value, name, r.reason) for name, r in RULES.items()}
