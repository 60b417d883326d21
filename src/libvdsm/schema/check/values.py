"""Values: constraints, defaults and what may be left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from libvdsm.schema import ir, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.check.types import fields_of
from libvdsm.schema.ir import Presence, Scalar
from libvdsm.schema.loader import Draft
from libvdsm.schema.validate import INTEGER_LIMIT, Direction, Validator

_NUMERIC: Final = frozenset({Scalar.INTEGER, Scalar.NUMBER})
_TEXTUAL: Final = frozenset({Scalar.STRING, Scalar.SECRET, Scalar.BASE64, Scalar.DECIMAL})
#: Constraint -> built-in types that it fits; None stands for containers.
_FITS: Final[Mapping[str, frozenset[Scalar] | None]] = {
    "minimum": _NUMERIC,
    "maximum": _NUMERIC,
    "multiple_of": _NUMERIC,
    "min_length": _TEXTUAL,
    "max_length": _TEXTUAL,
    "pattern": _TEXTUAL,
    "min_items": None,
    "max_items": None,
}
_SPELT: Final = {"minimum": "min", "maximum": "max"}
_ANCHOR: Final = re.compile(r"(?<!\\)(\\\\)*(\\[AbBZz]|\(\?)|^\^|(?<!\\)\$$")


def check_values(api: ir.Api, draft: Draft, report: Report) -> None:
    """Note what is wrong with constraints, defaults and presence."""
    for path, field, record in fields_of(api):
        bounds = field.constraints
        _fit(path, field, report)
        _order(path, field, report)
        if bounds.pattern is not None:
            _pattern(path, field, bounds.pattern, report)
        if record is not None:
            _presence(path, field, record, report)
        if field.has_default:
            _default(api, path, field, report)
    for one in draft.walk():
        if "default" in one.table.entries and "optional" in one.table.entries:
            report.say("optional-and-default", one.position, one.path, "has a default and says optional; the default says it already")


def _fit(path: str, field: ir.Field, report: Report) -> None:
    container = isinstance(field.type, ir.ListRef | ir.MapRef)
    scalar = typeref.scalar(field.type)
    for name, fits in _FITS.items():
        if getattr(field.constraints, name) is None or (container if fits is None else scalar in fits):
            continue
        report.say(
            "constraint-kind", field.position, path, f"is {typeref.spell(field.type)}, which {_SPELT.get(name, name)} does not constrain"
        )


def _order(path: str, field: ir.Field, report: Report) -> None:
    bounds = field.constraints
    pairs = (("min", bounds.minimum, "max", bounds.maximum), ("min_length", bounds.min_length, "max_length", bounds.max_length))
    for low, lower, high, upper in (*pairs, ("min_items", bounds.min_items, "max_items", bounds.max_items)):
        if lower is not None and upper is not None and lower > upper:
            report.say("constraint-bounds", field.position, path, f"{low} {lower} is above {high} {upper}")
    for name in ("min_length", "max_length", "min_items", "max_items", "multiple_of"):
        value = getattr(bounds, name)
        if value is not None and value < (1 if name == "multiple_of" else 0):
            report.say("constraint-bounds", field.position, path, f"{name} is {value}")
    if typeref.scalar(field.type) is Scalar.INTEGER:
        _integers(path, field, report)


def _integers(path: str, field: ir.Field, report: Report) -> None:
    for name, value in (("min", field.constraints.minimum), ("max", field.constraints.maximum)):
        if value is not None and (not isinstance(value, int) or abs(value) > INTEGER_LIMIT):
            report.say(
                "integer-range", field.position, path, f"{name} {value} is no integer within ±(2^53-1); wider values are of type decimal"
            )


def _pattern(path: str, field: ir.Field, pattern: str, report: Report) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        report.say("pattern-syntax", field.position, path, f"pattern is no regular expression: {error.msg}")
        return
    if _ANCHOR.search(pattern):
        report.say(
            "pattern-anchor",
            field.position,
            path,
            "pattern has an anchor or a special group; it is matched against the whole string as it is",
        )


def _presence(path: str, field: ir.Field, record: ir.Record, report: Report) -> None:
    """Members of records that go one way cannot differ by direction."""
    one_way = record.is_input != record.is_output
    if one_way and not field.has_default and field.on_input is not field.on_output:
        way = "sent" if record.is_input else "answered"
        report.say("optional-direction", field.position, path, f"is optional in one direction, and {record.name} is only {way}")
    if field.has_default and record.is_output and not record.is_input:
        report.say("optional-direction", field.position, path, f"has a default, and {record.name} is only answered")
    if field.has_default and field.on_output is Presence.OPTIONAL and record.is_output:
        report.say("optional-direction", field.position, path, "has a default and is optional on output")


def _default(api: ir.Api, path: str, field: ir.Field, report: Report) -> None:
    name = typeref.named(field.type)
    if name is not None and name not in api.types:
        return
    for problem in Validator(api, Direction.INPUT).field(field, field.default):
        report.say("default-misfit", field.position, path, f"the default {str(problem).replace(' at $', ' at default')}")
