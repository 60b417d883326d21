"""Types: that they exist, are used, fit together, and go in the direction that they may go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from libvdsm.schema import ir, resolve, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Presence, Scalar

_WITH_UNIT: Final = (Scalar.INTEGER, Scalar.NUMBER, Scalar.DECIMAL)


def check_types(api: ir.Api, report: Report) -> None:
    """Note what is wrong with types and with the members of all that has members."""
    for path, field, one in fields_of(api):
        _field(api, path, field, one, report)
    _check_secrecy(api, report)
    branches: dict[str, str] = {}
    for named in api.types.values():
        _type(api, named, branches, report)
        if not named.is_input and not named.is_output:
            report.say("unused-type", named.position, named.name, "is used by no verb, event or error")


def _check_secrecy(api: ir.Api, report: Report) -> None:
    for method in api.methods.values():
        _secrecy(method.full_name, method.params, report, is_input=True, is_output=False)
    for error in api.errors.values():
        _secrecy(error.name, error.params, report, is_input=False, is_output=True)


def _type(api: ir.Api, one: ir.Type, branches: dict[str, str], report: Report) -> None:
    match one:
        case ir.Record():
            _record(api, one, report)
        case ir.Enum():
            _not_empty(one, len(one.values), "values", report)
        case ir.Union():
            _not_empty(one, len(one.branches), "branches", report)
            _union(api, one, branches, report)
        case ir.Patch():
            _patch(api, one, report)
        case ir.View():
            _view(api, one, report)


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
    _secrecy(one.name, one.fields, report, is_input=one.is_input, is_output=one.is_output)
    if one.writable:
        for field in one.fields:
            _part(api, f"{one.name}.{field.name}", field, report)
    if _needs_itself(api, one):
        report.say("endless-type", one.position, one.name, "needs itself: no value of it can end")


def _secrecy(owner: str, fields: Iterable[ir.Field], report: Report, *, is_input: bool, is_output: bool) -> None:
    for field in fields:
        path, scalar = f"{owner}.{field.name}", typeref.scalar(field.type)
        if scalar is Scalar.SECRET and is_output:
            report.say("secret-direction", field.position, path, f"is a secret, and {owner} is answered")
        if scalar is Scalar.TICKET and is_input:
            report.say("ticket-direction", field.position, path, f"is a ticket, and {owner} is sent by clients")


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
        used = () if isinstance(other, ir.Union) else resolve.used_by(other)
        if any(branch.record in used and isinstance(api.types.get(branch.record), ir.Record) for branch in one.branches):
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
