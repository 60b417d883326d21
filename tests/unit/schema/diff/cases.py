"""The table of DESIGN 8, row by row: an edit of the older profile, and everything that is to be found then.

The first finding of a case is the one that it is there for. All edits together make
``pair/new.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.unit.schema.diff.profiles import Edit, Told


class Case(NamedTuple):
    """What is done, and what is found."""

    found: tuple[Told, ...]
    edits: tuple[Edit, ...]


def _one(rule: str, path: str, *edit: str) -> Case:
    entry, before, after = edit
    return Case(((rule, path),), ((entry, before, after),))


def _shown(verb: str, rule: str, path: str, before: str, after: str) -> Case:
    """A change that the example of a verb does not fit."""
    return Case(((rule, path), ("example-invalid", f"Thing.{verb}")), ((path.partition(".")[0], before, after),))


def _verb(name: str, rule: str, before: str, after: str) -> Case:
    return _one(rule, f"Thing.{name}", name, before, after)


_NEW_VERB: Final = (
    '  fresh: {summary: Is new., since: "1.5", lifecycle: published, kind: query, subsystem: front, permission: thing.read, params: {},'
    " result: Nothing, idempotent: true, cost: low, timeout: 5, example: {params: {}, result: {}}}\n"
)
_OVAL: Final = '  Oval: {kind: record, summary: Oval., since: "1.5", lifecycle: published, fields: {}}\n'

#: Row of the table -> its cases.
ROWS: Final[dict[str, tuple[Case, ...]]] = {
    "entry removed before its sunset; a removed name reused; wire type, unit, discriminator or tag changed": (
        _verb("doomed", "entry-removed", "", ""),
        _one("entry-removed", "Thing.staying", "staying", "", ""),
        _verb(
            "tomb", "name-reused", '{stage: removed, deprecated: "1.1", replacement: Thing.get, sunset: "1.3", removed: "1.3"}', "published"
        ),
        _shown("create", "type-changed", "Answer.kind", "kind: {type: string", "kind: {type: boolean"),
        _shown("send", "type-changed", "Body.slow", "slow: {type: boolean", "slow: {type: string"),
        _one("unit-changed", "Answer.size", "Answer", "size: {type: integer, unit: bytes", "size: {type: integer, unit: count"),
        Case(
            (("discriminator-changed", "Shape"), ("golden-changed", "Thing.get")),
            (("Shape", "discriminator: kind", "discriminator: form"), ("get", "shape: {kind: round", "shape: {form: round")),
        ),
        _one("tag-changed", "Shape.square", "Shape", "square: {record", "quad: {record"),
    ),
    "request: required field added, optional made required, constraint tightened, enum value removed, default changed": (
        _shown("send", "request-required-added", "Body.need", "must: {", "need: {type: string, summary: N.}, must: {"),
        _shown("send", "request-made-required", "Body.maybe", "maybe: {type: string, optional: true", "maybe: {type: string"),
        _shown("send", "request-constraint-tightened", "Body.text", "max_length: 10", "max_length: 5"),
        _one("request-enum-value-removed", "Word.nay", "Word", ", nay: {summary: No.}", ""),
        _one("request-default-changed", "Body.flag", "Body", "default: true", "default: false"),
    ),
    "response or event: field removed, required made optional, type widened, closed enum or union grew": (
        _one("response-field-removed", "Answer.gone", "Answer", "gone: {type: string, summary: A.}, ", ""),
        _one("response-made-optional", "Answer.sure", "Answer", "sure: {type: boolean", "sure: {type: boolean, optional: true"),
        _one("response-type-widened", "Answer.count", "Answer", "count: {type: integer", "count: {type: number"),
        _one("response-closed-grew", "Shade.grey", "Shade", "light: {summary: Light.}", "light: {summary: Light.}, grey: {summary: Grey.}"),
    ),
    "kind changed; operation result or progress unit changed; error id, parameters or retryable changed": (
        _verb("swap", "kind-changed", "kind: command", "kind: operation, progress_unit: percent"),
        _verb("update", "result-changed", "result: Nothing", "result: TaskAccepted"),
        _verb("update", "progress-unit-changed", "progress_unit: percent", "progress_unit: bytes"),
        _one("error-number-changed", "Full", "Full", "number: 8", "number: 88"),
        _one("error-params-changed", "Full.place", "Full", "place: {type: string", "place: {type: uuid"),
        _one("error-retryable-changed", "Full", "Full", "retryable: true", "retryable: false"),
    ),
    "permission raised, or a query now needs a write permission; idempotent lost; change effect worsened; topic, key or resume rule changed;"
    " pagination or sort changed": (
        Case(
            (("permission-raised", "thing.list"), ("query-needs-write", "Thing.doomed")), (("thing.list", "write: false", "write: true"),)
        ),
        _verb("steady", "query-needs-write", "permission: thing.read", "permission: thing.write"),
        _one("role-narrowed", "reader", "reader", "thing.look, ", ""),
        _verb("swap", "idempotent-lost", "idempotent: true", "idempotent: false"),
        _verb("update", "states-narrowed", "works_in: [red, blue]", "works_in: [red]"),
        Case(
            (("states-narrowed", "Thing.update"), ("states-widened", "Thing.update")),
            (("update", "done_in: [blue]", "done_in: [red]"),),
        ),
        _one("change-worsened", "Config.size", "Config", "change: live", "change: restart"),
        _one("topic-changed", "Thing.thing", "thing", "topic: thing.<id>", "topic: thing"),
        _one("key-changed", "ThingView", "ThingView", "key: id", "key: number"),
        _one("key-changed", "Thing.delete", "delete", "object: thing, ", ""),
        _verb("list", "paging-changed", ", paged: true", ""),
    ),
    "mapping in any binding changed (REST path, XML-RPC name, Xen class, address, CLI flag, C symbol, Java name)": (
        _verb("watch", "names-changed", "names: {c: stare}", "names: {c: gaze}"),
        _verb(
            "swap",
            "parameter-order-changed",
            "one: {type: uuid, summary: One.}, other: {type: uuid, summary: Another.}",
            "other: {type: uuid, summary: Another.}, one: {type: uuid, summary: One.}",
        ),
        Case(
            (("enum-number-changed", "Count.one"), ("enum-number-changed", "Count.two")),
            (("Count", "one: {summary: One.}, two: {summary: Two.}", "two: {summary: Two.}, one: {summary: One.}"),),
        ),
        _verb("calm", "since-changed", 'since: "1.1"', 'since: "1.0"'),
    ),
    "deprecated without replacement, version or long enough sunset; feature flag removed; example no longer validates; golden vector changed": (
        _verb(
            "quiet", "deprecation-incomplete", "lifecycle: published", 'lifecycle: {stage: deprecated, deprecated: "1.5", sunset: "1.9"}'
        ),
        _verb(
            "calm",
            "sunset-too-short",
            "lifecycle: published",
            'lifecycle: {stage: deprecated, deprecated: "1.5", replacement: Thing.get, sunset: "1.6"}',
        ),
        _verb("steady", "lifecycle-order", "lifecycle: published", "lifecycle: prototype"),
        _one("version-backwards", "api", "version", '"1.5"', '"1.4"'),
        _one("feature-removed", "thing.fast", "Body", ", requires: [thing.fast]", ""),
        _verb("send", "example-invalid", "must: a, ", ""),
        _verb("list", "golden-changed", "{items: [], next: a}", "{items: []}"),
    ),
    "permission lowered; cost raised or timeout lowered; `requires` tightened; new error on an existing path; documentation or example removed": (
        _one("permission-lowered", "thing.weak", "thing.weak", "write: true", "write: false"),
        _one("role-widened", "keeper", "keeper", "[thing.read", "[thing.look, thing.read"),
        _verb("watch", "cost-raised", "cost: low", "cost: high"),
        _verb("watch", "timeout-lowered", "timeout: 5", "timeout: 4"),
        _one("requires-tightened", "Body.slow", "Body", "slow: {", "slow: {requires: [thing.slow], "),
        _verb("watch", "error-added", "result: Nothing", "result: Nothing, errors: [Late]"),
        _one("error-fault-changed", "Full", "Full", "fault: host", "fault: server"),
        _verb("create", "probe-weakened", "probe: metadata", "probe: state"),
        _one("response-constraint-relaxed", "Answer.bounded", "Answer", "max: 10", "max: 20"),
        _verb("create", "documentation-removed", "description: Of nothing., ", ""),
    ),
    "open enum value, optional field or open union branch added; anything marked prototype changed": (
        _one("value-added", "Color.green", "Color", "blue: {summary: Blue.}", "blue: {summary: Blue.}, green: {summary: Green.}"),
        _one("field-added", "Body.extra", "Body", "quick: {", "extra: {type: string, optional: true, summary: X.}, quick: {"),
        _one("field-added", "Answer.extra", "Answer", "bounded: {", "extra: {type: string, optional: true, summary: X.}, bounded: {"),
        Case(
            (("branch-added", "Shape.oval"), ("entry-added", "Oval")),
            (
                (
                    "Shape",
                    "round: {record: Round, summary: Round.}",
                    "round: {record: Round, summary: Round.}, oval: {record: Oval, summary: Oval.}",
                ),
                ("Square", "  Square:", f"{_OVAL}  Square:"),
            ),
        ),
        _verb("trial", "prototype-changed", "", ""),
        _verb("ready", "prototype-changed", "timeout: 5", "timeout: 4"),
        _shown("create", "prototype-changed", "Answer.trial", "trial: {type: string", "trial: {type: boolean"),
        Case((("entry-added", "Thing.fresh"),), (("ready", "  ready:", f"{_NEW_VERB}  ready:"),)),
        _verb("ready", "stage-advanced", "lifecycle: prototype", "lifecycle: published"),
        _verb("leaving", "removed-in-order", "", ""),
        _one(
            "removed-in-order",
            "Answer.old",
            "Answer",
            'old: {type: string, lifecycle: {stage: deprecated, deprecated: "1.1", replacement: Answer.kind, sunset: "1.3"}, summary: I.}, ',
            "",
        ),
        _verb("get", "states-widened", "works_in: [red]", "works_in: [red, blue]"),
        _one("request-relaxed", "Body.must", "Body", "must: {type: string", "must: {type: string, optional: true"),
        _shown("create", "response-narrowed", "Answer.maybe", "maybe: {type: string, optional: true", "maybe: {type: string"),
    ),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for row in ROWS.values():
        yield from row
