"""Types: that they exist, are used, fit together, and go in the direction that they may go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from libvdsm.schema import ir, resolve, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Presence, Scalar

_WITH_UNIT: Final = (Scalar.INTEGER, Scalar.NUMBER, Scalar.DECIMAL)


def check_types(api: ir.Api, report: Report) -> None:
    """Note what is wrong with types and with the members of all that has members."""
    for path, field, one in fields_of(api):
        _field(api, path, field, one, report)
    branches: dict[str, str] = {}
    for named in api.types.values():
        match named:
            case ir.Record():
                _record(api, named, report)
            case ir.Enum():
                _not_empty(named, len(named.values), "values", report)
            case ir.Union():
                _not_empty(named, len(named.branches), "branches", report)
                _union(api, named, branches, report)
            case ir.Patch():
                _patch(api, named, report)
            case ir.View():
                _view(api, named, report)
        if not named.is_input and not named.is_output:
            report.say("unused-type", named.position, named.name, "is used by no verb, event or error")


def fields_of(api: ir.Api) -> Iterator[tuple[str, ir.Field, ir.Record | None]]:
    """Every member that is written in the schema, with its path and its record if it is in one."""
    for method in api.methods.values():
        yield from ((f"{method.full_name}.{p.name}", p, None) for p in method.params)
    for one in api.types.values():
        if isinstance(one, ir.Record):
            yield from ((f"{one.name}.{f.name}", f, one) for f in one.fields)
    for error in api.errors.values():
        yield from ((f"{error.name}.{p.name}", p, None) for p in error.params)


def _field(api: ir.Api, path: str, field: ir.Field, record: ir.Record | None, report: Report) -> None:
    name, scalar = typeref.named(field.type), typeref.scalar(field.type)
    if name is not None and name not in api.types:
        report.say("unknown-type", field.position, path, f"is of type {name}, which is not there")
    if scalar in _WITH_UNIT and field.unit is None:
        report.say(
            "unit-missing",
            field.position,
            path,
            f"is a quantity ({typeref.spell(field.type)}) without a unit; say unit: none if it has none",
        )
    if scalar not in _WITH_UNIT and field.unit is not None:
        report.say("unit-extra", field.position, path, f"is {typeref.spell(field.type)} and has a unit")
    writable = record is not None and record.writable
    if writable and field.change is None:
        report.say(
            "change-missing", field.position, path, "is a member of a writable record and does not say change: live, restart or recreate"
        )
    if not writable and field.change is not None:
        report.say("change-extra", field.position, path, "says change, and is not a member of a writable record")


def _record(api: ir.Api, one: ir.Record, report: Report) -> None:
    for field in one.fields:
        path, scalar = f"{one.name}.{field.name}", typeref.scalar(field.type)
        if scalar is Scalar.SECRET and one.is_output:
            report.say("secret-direction", field.position, path, f"is a secret, and {one.name} is answered")
        if scalar is Scalar.TICKET and one.is_input:
            report.say("ticket-direction", field.position, path, f"is a ticket, and {one.name} is sent by clients")
        if one.writable:
            _part(api, path, field, report)
    if _needs_itself(api, one):
        report.say("endless-type", one.position, one.name, "needs itself: no value of it can end")


def _part(api: ir.Api, path: str, field: ir.Field, report: Report) -> None:
    """The records that a writable record is made of, directly or by a union."""
    name = typeref.named(field.type)
    used = api.types.get(name) if name else None
    records = [api.types.get(b.record) for b in used.branches] if isinstance(used, ir.Union) else [used]
    for record in records:
        if isinstance(record, ir.Record) and not record.writable:
            report.say("writable-part", field.position, path, f"is made of {record.name}, which is not writable")


def _needs_itself(api: ir.Api, one: ir.Record) -> bool:
    """Whether a record has itself behind required members alone."""
    waiting, seen = [one], set()
    while waiting:
        for field in waiting.pop().fields:
            required = field.on_input is Presence.REQUIRED and isinstance(field.type, ir.NamedRef)
            used = api.types.get(field.type.name) if required and isinstance(field.type, ir.NamedRef) else None
            if used is one:
                return True
            if isinstance(used, ir.Record) and used.name not in seen:
                seen.add(used.name)
                waiting.append(used)
    return False


def _not_empty(one: ir.Enum | ir.Union, number: int, what: str, report: Report) -> None:
    if number == 0:
        report.say("empty-type", one.position, one.name, f"has no {what}")


def _union(api: ir.Api, one: ir.Union, taken: dict[str, str], report: Report) -> None:
    for branch in one.branches:
        path = f"{one.name}.{branch.tag}"
        record = api.types.get(branch.record)
        if not isinstance(record, ir.Record):
            report.say("union-branch", branch.position, path, f"is {branch.record}, which is no record")
            continue
        first = taken.setdefault(branch.record, path)
        if first != path:
            report.say("union-shared", branch.position, path, f"is {branch.record}, which is the branch {first} already")
        if any(field.name == one.discriminator for field in record.fields):
            report.say(
                "union-discriminator", branch.position, path, f"is {branch.record}, which has a member {one.discriminator} of its own"
            )
    for name, other in api.types.items():
        direct = name != one.name and any(b.record in resolve.used_by(other) for b in one.branches) and not isinstance(other, ir.Union)
        if direct:
            report.say("union-shared", other.position, name, f"uses a branch of {one.name} without its tag")


def _patch(api: ir.Api, one: ir.Patch, report: Report) -> None:
    of = api.types.get(one.of)
    if not isinstance(of, ir.Record) or not of.writable:
        report.say("patch-of", one.position, one.name, f"is a patch of {one.of}, which is no writable record")
    if one.is_output:
        report.say("patch-direction", one.position, one.name, "is a patch and is answered")


def _view(api: ir.Api, one: ir.View, report: Report) -> None:
    of = api.types.get(one.of)
    if not isinstance(of, ir.Record):
        report.say("view-of", one.position, one.name, f"is a view of {one.of}, which is no record")
    elif not any(f.name == one.key and f.on_output is Presence.REQUIRED for f in of.fields):
        report.say("view-key", one.position, one.name, f"has the key {one.key}, which is no required member of {one.of}")
    if one.is_input:
        report.say("view-direction", one.position, one.name, "is a view and is sent by clients")
