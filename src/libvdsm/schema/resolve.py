"""Fourth phase: well-formed definitions become the sealed description (``ir.Api``).

Here members inherit since and lifecycle, enum values get their pinned numbers, parameters their
pinned order, and types their direction. What is written wrongly was refused before
(``check.shape``); what is meant wrongly is found after (``check.meaning``), so names may still
dangle here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from libvdsm.schema import compiled, ir, typeref
from libvdsm.schema.loader import TYPE_KINDS, Definition, Draft
from libvdsm.schema.lock import Lock

#: What every verb may answer, declared or not.
IMPLICIT_ERRORS: Final = (
    "PermissionDenied",
    "InvalidParams",
    "DeadlineExceeded",
    "InternalError",
    "LimitExceeded",
    "TooLate",
    "ShuttingDown",
)
#: What every verb about one object may answer besides.
IMPLICIT_OBJECT_ERROR: Final = "ObjectNotFound"
#: What every verb that changes things may answer besides.
IMPLICIT_MUTATION_ERRORS: Final = ("IdempotencyConflict", "AnswerNotKept", "Interrupted", "OutcomeUnknown", "StateFull", "StateUnavailable")
#: The record in which every operation answers its task.
TASK_ANSWER: Final = "TaskAccepted"
_T = TypeVar("_T")


def build(draft: Draft, lock: Lock | None = None) -> ir.Api:
    """The description of a draft whose shape was checked; ``lock`` pins numbers and orders."""
    builder = _Builder(lock or Lock())
    interfaces = {d.name: builder.interface(d) for d in draft.interfaces}
    types = {t.name: builder.type(t, d.name) for d in draft.interfaces for t in d.of(*TYPE_KINDS)}
    types |= {t.name: _selection(t, types) for t in types.values() if isinstance(t, ir.Patch | ir.View)}
    errors = {d.name: builder.error(d) for d in draft.errors}
    api = ir.Api(
        version=draft.api.table.text("version") if draft.api else "",
        digest="",
        interfaces=_sorted(interfaces),
        types=_sorted(with_directions(types, interfaces.values(), errors.values())),
        errors=_sorted(errors),
        permissions=_sorted({d.name: builder.permission(d) for d in draft.permissions}),
        roles=_sorted({d.name: builder.role(d) for d in draft.roles}),
    )
    return replace(api, digest=compiled.digest(api))


def params_record(interface: str, verb: str) -> str:
    """The name of the record of a verb's parameters: ``VM``, ``create`` gives ``VmCreateParams``."""
    noun = interface.capitalize() if interface.isupper() else interface
    return f"{noun}{verb[:1].upper()}{verb[1:]}Params"


def with_directions(types: Mapping[str, ir.Type], interfaces: Iterable[ir.Interface], errors: Iterable[ir.Error]) -> dict[str, ir.Type]:
    """The same types, each knowing whether a client sends it and whether it receives it."""
    given, answered = _roots(types, interfaces, errors)
    inputs, outputs = reachable(types, given), reachable(types, answered)
    return {name: replace(t, is_input=name in inputs, is_output=name in outputs) for name, t in types.items()}


def reachable(types: Mapping[str, ir.Type], roots: Iterable[str]) -> set[str]:
    """The names of all types that the roots are made of, with the roots."""
    found: set[str] = set()
    waiting = [name for name in roots if name in types]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [used for used in used_by(types[name]) if used in types]
    return found


def used_by(one: ir.Type) -> tuple[str, ...]:
    """The names of the types that a type's own members name."""
    match one:
        case ir.Union():
            return tuple(branch.record for branch in one.branches)
        case ir.Enum():
            return ()
        case _:
            return _named(one.fields)


def _roots(types: Mapping[str, ir.Type], interfaces: Iterable[ir.Interface], errors: Iterable[ir.Error]) -> tuple[list[str], list[str]]:
    methods = [m for i in interfaces for m in i.methods]
    given = [name for m in methods for name in _named(m.params)]
    answered = [m.result for m in methods] + [e.document for i in interfaces for e in i.events]
    answered += [name for e in errors for name in _named(e.params)]
    if any(m.kind is ir.Kind.OPERATION for m in methods):
        answered.append(TASK_ANSWER)
    for one in types.values():
        if isinstance(one, ir.Record) and one.protocol:
            given += [one.name] if one.is_input else []
            answered += [one.name] if one.is_output else []
    return given, answered


def _named(fields: Iterable[ir.Field]) -> tuple[str, ...]:
    return tuple(name for f in fields if (name := typeref.named(f.type)) is not None)


def _sorted(entries: Mapping[str, _T]) -> dict[str, _T]:
    return dict(sorted(entries.items()))


def _selection(one: ir.Patch | ir.View, types: Mapping[str, ir.Type]) -> ir.Patch | ir.View:
    """A patch or view with the members of its record, each of them optional but the key."""
    of = types.get(one.of)
    fields = of.fields if isinstance(of, ir.Record) else ()
    key = one.key if isinstance(one, ir.View) else None
    absent = ir.Presence.OPTIONAL
    free = (f if f.name == key else replace(f, on_input=absent, on_output=absent, default=ir.NO_DEFAULT) for f in fields)
    return replace(one, fields=tuple(free))


class _Builder:
    """Makes nodes of definitions."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def interface(self, d: Definition) -> ir.Interface:
        life = _lifecycle(d)
        return ir.Interface(
            name=d.name,
            summary=d.table.text("summary"),
            lifecycle=life,
            position=d.position,
            methods=tuple(self._method(m, d.name) for m in sorted(d.of("method"), key=_name)),
            events=tuple(self._event(e, d.name) for e in sorted(d.of("event"), key=_name)),
            types=tuple(sorted(t.name for t in d.of(*TYPE_KINDS))),
        )

    def _method(self, d: Definition, interface: str) -> ir.Method:
        t, life = d.table, _lifecycle(d)
        params = self._ordered(d, life)
        about = t.text("object") or None
        return ir.Method(
            name=d.name,
            interface=interface,
            summary=t.text("summary"),
            description=t.text("description"),
            lifecycle=life,
            position=d.position,
            kind=ir.Kind(t.text("kind")),
            subsystem=t.text("subsystem"),
            permission=None if t.text("permission") == "none" else t.text("permission"),
            object_param=params[0].name if about and params else None,
            object_type=about,
            params=params,
            result=t.text("result"),
            errors=_errors(t.texts("errors"), implicit_errors(t.text("kind"), about)),
            idempotent=t.flag("idempotent"),
            cost=t.text("cost"),
            timeout_s=float(t.number("timeout") or 0),
            probe=t.text("probe") or None,
            progress_unit=t.text("progress_unit") or None,
            paged=t.flag("paged"),
            requires=t.texts("requires"),
            works_in=t.texts("works_in"),
            done_in=t.texts("done_in"),
            examples=_examples(d),
            params_record=params_record(interface, d.name),
            names=_names(d),
        )

    def _ordered(self, d: Definition, life: ir.Lifecycle) -> tuple[ir.Field, ...]:
        """Parameters in their pinned order, new ones behind in the order of the source."""
        fields = [self._field(p, life) for p in d.of("param")]
        pinned = {name: at for at, name in enumerate(self._lock.params(d.path))}
        return tuple(sorted(fields, key=lambda f: pinned.get(f.name, len(pinned))))

    def _field(self, d: Definition, owner: ir.Lifecycle) -> ir.Field:
        t = d.table
        optional = t.value("optional")
        absent = optional is True or "default" in t.entries
        return ir.Field(
            name=d.name,
            type=typeref.parse(t.text("type")) or ir.ScalarRef(ir.Scalar.JSON),
            summary=t.text("summary"),
            lifecycle=_lifecycle(d, owner),
            position=d.position,
            on_input=_presence(absent=absent or optional == "input"),
            on_output=_presence(absent=optional is True or optional == "output"),
            default=t.value("default") if "default" in t.entries else ir.NO_DEFAULT,
            unit=t.text("unit") or None,
            constraints=_constraints(d),
            change=t.text("change") or None,
            requires=t.texts("requires"),
            names=_names(d),
        )

    def type(self, d: Definition, interface: str) -> ir.Type:
        match d.kind:
            case "enum":
                return self._enum(d, interface)
            case "union":
                return self._union(d, interface)
            case "patch":
                return ir.Patch(
                    name=d.name,
                    interface=interface,
                    summary=d.table.text("summary"),
                    lifecycle=_lifecycle(d),
                    position=d.position,
                    of=d.table.text("of"),
                    fields=(),
                )
            case "view":
                return ir.View(
                    name=d.name,
                    interface=interface,
                    summary=d.table.text("summary"),
                    lifecycle=_lifecycle(d),
                    position=d.position,
                    of=d.table.text("of"),
                    key=d.table.text("key"),
                    fields=(),
                )
            case _:
                return self._record(d, interface)

    def _record(self, d: Definition, interface: str) -> ir.Record:
        t, life = d.table, _lifecycle(d)
        direction = t.text("direction")
        return ir.Record(
            name=d.name,
            interface=interface,
            summary=t.text("summary"),
            lifecycle=life,
            position=d.position,
            fields=tuple(self._field(f, life) for f in d.of("field")),
            writable=t.flag("writable"),
            is_input=direction == "input",
            is_output=direction == "output",
            protocol=bool(direction),
            object_type=t.text("object") or None,
        )

    def _enum(self, d: Definition, interface: str) -> ir.Enum:
        life = _lifecycle(d)
        numbers = self._lock.with_new_values(d.name, [v.name for v in d.of("value")])
        values = (
            ir.EnumValue(
                name=v.name, summary=v.table.text("summary"), lifecycle=_lifecycle(v, life), position=v.position, number=numbers[v.name]
            )
            for v in d.of("value")
        )
        return ir.Enum(
            name=d.name,
            interface=interface,
            summary=d.table.text("summary"),
            lifecycle=life,
            position=d.position,
            open=d.table.flag("open", default=True),
            values=tuple(sorted(values, key=lambda v: v.number)),
        )

    def _union(self, d: Definition, interface: str) -> ir.Union:
        life = _lifecycle(d)
        branches = (
            ir.Branch(
                tag=b.name,
                record=b.table.text("record"),
                summary=b.table.text("summary"),
                lifecycle=_lifecycle(b, life),
                position=b.position,
            )
            for b in d.of("branch")
        )
        return ir.Union(
            name=d.name,
            interface=interface,
            summary=d.table.text("summary"),
            lifecycle=life,
            position=d.position,
            discriminator=d.table.text("discriminator"),
            open=d.table.flag("open", default=True),
            branches=tuple(branches),
        )

    def _event(self, d: Definition, interface: str) -> ir.Event:
        return ir.Event(
            name=d.name,
            interface=interface,
            summary=d.table.text("summary"),
            lifecycle=_lifecycle(d),
            position=d.position,
            topic=d.table.text("topic"),
            document=d.table.text("document"),
            permission=d.table.text("permission"),
        )

    def error(self, d: Definition) -> ir.Error:
        t, life = d.table, _lifecycle(d)
        return ir.Error(
            name=d.name,
            number=t.integer("number") or 0,
            summary=t.text("summary"),
            message=t.text("message"),
            remedy=t.text("remedy"),
            fault=t.text("fault"),
            retryable=t.flag("retryable"),
            params=self._ordered(d, life),
            lifecycle=life,
            position=d.position,
        )

    def permission(self, d: Definition) -> ir.Permission:
        return ir.Permission(
            name=d.name,
            summary=d.table.text("summary"),
            lifecycle=_lifecycle(d),
            position=d.position,
            write=d.table.flag("write"),
            demanded_by=d.table.text("demanded_by") or None,
        )

    def role(self, d: Definition) -> ir.Role:
        return ir.Role(
            name=d.name,
            summary=d.table.text("summary"),
            lifecycle=_lifecycle(d),
            position=d.position,
            permissions=tuple(sorted(d.table.texts("permissions"))),
        )


def _name(d: Definition) -> str:
    return d.name


def _presence(*, absent: bool) -> ir.Presence:
    return ir.Presence.OPTIONAL if absent else ir.Presence.REQUIRED


def _lifecycle(d: Definition, owner: ir.Lifecycle | None = None) -> ir.Lifecycle:
    """Where an entry stands; what it does not say itself is as its owner says."""
    since = d.table.text("since") or (owner.since if owner else "")
    word = d.table.text("lifecycle")
    table = d.table.table("lifecycle")
    if table is None:
        if owner is not None and not word:
            return replace(owner, since=since)
        return ir.Lifecycle(stage=ir.Stage(word) if word else ir.Stage.PROTOTYPE, since=since)
    return ir.Lifecycle(
        stage=ir.Stage(table.text("stage")),
        since=since,
        deprecated=table.text("deprecated") or None,
        replacement=table.text("replacement") or None,
        sunset=table.text("sunset") or None,
        removed=table.text("removed") or None,
    )


def _constraints(d: Definition) -> ir.Constraints:
    t = d.table
    return ir.Constraints(
        minimum=t.number("min"),
        maximum=t.number("max"),
        multiple_of=t.integer("multiple_of"),
        min_length=t.integer("min_length"),
        max_length=t.integer("max_length"),
        pattern=t.text("pattern") or None,
        min_items=t.integer("min_items"),
        max_items=t.integer("max_items"),
    )


def _names(d: Definition) -> dict[str, str]:
    table = d.table.table("names")
    return {key: table.text(key) for key in sorted(table.entries)} if table else {}


def implicit_errors(kind: str, about: str | None) -> tuple[str, ...]:
    """What a verb may answer by its kind and its object, declared or not."""
    found: tuple[str, ...] = IMPLICIT_ERRORS
    found += (IMPLICIT_OBJECT_ERROR,) if about else ()
    found += IMPLICIT_MUTATION_ERRORS if kind != ir.Kind.QUERY else ()
    return found


def _errors(declared: tuple[str, ...], implicit: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*declared, *implicit}))


def _examples(d: Definition) -> tuple[ir.Example, ...]:
    table = d.table.table("example")
    if table is None:
        return ()
    params, result = table.value("params"), table.value("result")
    return (ir.Example(params=params if isinstance(params, dict) else {}, result=result if isinstance(result, dict) else {}),)
