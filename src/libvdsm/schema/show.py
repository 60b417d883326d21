"""One entry of the API in words, for a person at a terminal."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from libvdsm.schema import ir, typeref

Entry: TypeAlias = ir.Interface | ir.Method | ir.Type | ir.Field | ir.EnumValue | ir.Branch | ir.Error | ir.Permission | ir.Role | ir.Event


def show(api: ir.Api, name: str) -> str:
    """The description of everything that has this name; empty if nothing has."""
    return "\n\n".join("\n".join(_lines(path, entry)) for path, entry in _entries(api) if path == name)


def similar(api: ir.Api, name: str) -> list[str]:
    """Names that look like this one, the nearest first."""
    known = dict.fromkeys(path for path, _ in _entries(api))
    lower = {path.lower(): path for path in known}
    return [lower[found] for found in difflib.get_close_matches(name.lower(), lower, n=3)]


def _entries(api: ir.Api) -> Iterator[tuple[str, Entry]]:
    for interface in api.interfaces.values():
        yield interface.name, interface
        yield from ((f"{interface.name}.{event.name}", event) for event in interface.events)
    for method in api.methods.values():
        yield method.full_name, method
        yield from ((f"{method.full_name}.{p.name}", p) for p in method.params)
    for one in api.types.values():
        yield one.name, one
        yield from ((f"{one.name}.{member}", entry) for member, entry in _members(one))
    for error in api.errors.values():
        yield error.name, error
        yield from ((f"{error.name}.{p.name}", p) for p in error.params)
    yield from api.permissions.items()
    yield from api.roles.items()


def _members(one: ir.Type) -> Iterable[tuple[str, Entry]]:
    match one:
        case ir.Enum():
            return [(value.name, value) for value in one.values]
        case ir.Union():
            return [(branch.tag, branch) for branch in one.branches]
        case _:
            return [(field.name, field) for field in one.fields]


def _lines(path: str, entry: Entry) -> Iterator[str]:
    yield f"{path}: {type(entry).__name__.lower()}, {_life(entry.lifecycle)}"
    yield f"  {entry.summary}"
    match entry:
        case ir.Method():
            yield from _method(entry)
        case ir.Error():
            yield from _error(entry)
        case ir.Record() | ir.Patch() | ir.View() | ir.Enum() | ir.Union():
            yield from _type(entry)
        case ir.Interface():
            yield from _listed("methods", [f"{m.name}: {m.summary}" for m in entry.methods])
            yield from _listed("types", entry.types)
        case ir.Role():
            yield from _listed("permissions", entry.permissions)
        case _:
            yield f"  {_trait(entry)}"


def _type(one: ir.Type) -> Iterator[str]:
    match one:
        case ir.Enum():
            yield from _listed("values", [f"{v.name} = {v.number}: {v.summary}" for v in one.values])
            yield f"  {'open: later versions may add values' if one.open else 'closed'}"
        case ir.Union():
            yield from _listed(f"branches, told by {one.discriminator}", [f"{b.tag}: {b.record}: {b.summary}" for b in one.branches])
            yield f"  {'open: later versions may add branches' if one.open else 'closed'}"
        case _:
            yield from _listed("fields", [_field(f) for f in one.fields])


def _error(error: ir.Error) -> Iterator[str]:
    yield f"  number {error.number}, fault of the {error.fault}, {'retryable' if error.retryable else 'not retryable'}"
    yield f"  message: {error.message}"
    yield f"  remedy: {error.remedy}"
    yield from _listed("params", [_field(p) for p in error.params])


def _trait(entry: ir.Field | ir.EnumValue | ir.Branch | ir.Event | ir.Permission) -> str:
    match entry:
        case ir.Field():
            return _field(entry)
        case ir.Event():
            return f"topic {entry.topic}, document {entry.document}, permission {entry.permission}"
        case ir.Permission():
            return "lets change things" if entry.write else "reads only"
        case ir.Branch():
            return f"record {entry.record}"
        case ir.EnumValue():
            return f"number {entry.number}"


def _method(method: ir.Method) -> Iterator[str]:
    if method.description:
        yield f"  {method.description}"
    traits = {
        "kind": method.kind.value,
        "subsystem": method.subsystem,
        "permission": method.permission or "none",
        "idempotent": "yes" if method.idempotent else "no",
        "cost": method.cost,
        "timeout": f"{method.timeout_s:g} s",
        "probe": method.probe,
        "progress": method.progress_unit,
        "requires": ", ".join(method.requires),
    }
    yield "  " + "; ".join(f"{name}: {value}" for name, value in traits.items() if value)
    yield from _listed("params", [_field(p) for p in method.params])
    yield f"  result: {method.result}{' (in the task)' if method.kind is ir.Kind.OPERATION else ''}"
    yield f"  errors: {', '.join(method.errors)}"
    for example in method.examples:
        yield f"  example: {json.dumps(example.params)}"
        yield f"       ->  {json.dumps(example.result)}"


def _listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield f"  {title}:"
        yield from (f"    {line}" for line in found)


def _field(field: ir.Field) -> str:
    bounds = {name: value for name in ir.Constraints.__slots__ if (value := getattr(field.constraints, name)) is not None}
    parts = [typeref.spell(field.type), field.unit if field.unit != "none" else None, _presence(field)]
    parts += [f"{name} {value}" for name, value in bounds.items()]
    parts += [f"takes effect: {field.change}" if field.change else None]
    return f"{field.name}: {', '.join(part for part in parts if part)}: {field.summary}"


def _presence(field: ir.Field) -> str | None:
    if field.has_default:
        return f"default {json.dumps(field.default)}"
    match field.on_input is ir.Presence.OPTIONAL, field.on_output is ir.Presence.OPTIONAL:
        case True, True:
            return "optional"
        case True, False:
            return "optional on input"
        case False, True:
            return "optional on output"
        case _:
            return None


def _life(life: ir.Lifecycle) -> str:
    words = [f"{life.stage.value} since {life.since}"]
    words += [f"deprecated in {life.deprecated}"] if life.deprecated else []
    words += [f"use {life.replacement}"] if life.replacement else []
    words += [f"may go in {life.sunset}"] if life.sunset else []
    return ", ".join(words)
