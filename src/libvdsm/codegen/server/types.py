"""How the schema's types look as msgspec types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from libvdsm.codegen.words import constant, identifier
from libvdsm.codegen.writer import literal, raw_literal
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.codegen.writer import Json

MAX_INTEGER: Final = 2**53 - 1
MAX_NUMBER: Final = 1.7976931348623157e308

#: Patterns of constrained scalars; whole-string, as msgspec searches.
PATTERNS: Final[Mapping[ir.Scalar, str]] = {
    ir.Scalar.UUID: r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z",
    ir.Scalar.TIMESTAMP: r"^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?Z\Z",
    ir.Scalar.BASE64: r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z",
    ir.Scalar.DECIMAL: r"^(?:0|-?[1-9][0-9]*)\Z",
}

#: Names of the aliases that the generated module defines.
ALIASES: Final[Mapping[ir.Scalar, str]] = {
    ir.Scalar.UUID: "Uuid",
    ir.Scalar.TIMESTAMP: "Timestamp",
    ir.Scalar.BASE64: "Base64",
    ir.Scalar.DECIMAL: "Decimal",
    ir.Scalar.INTEGER: "Integer",
    ir.Scalar.NUMBER: "Number",
}

_PLAIN: Final[Mapping[ir.Scalar, str]] = {
    ir.Scalar.BOOLEAN: "bool",
    ir.Scalar.STRING: "str",
    ir.Scalar.TICKET: "str",
    ir.Scalar.JSON: "msgspec.Raw",
}


def whole(pattern: str) -> str:
    """A pattern that matches nothing but the whole string."""
    return rf"^(?:{pattern})\Z"


def annotation(field: ir.Field) -> str:
    """The type of a present value of ``field``, with its constraints."""
    limits = field.constraints
    match field.type:
        case ir.ListRef(item=item):
            return _counted(f"list[{_single(item, limits)}]", limits)
        case ir.MapRef(value=value):
            return _counted(f"dict[str, {_single(value, limits)}]", limits)
        case single:
            return _single(single, limits)


def _counted(container: str, limits: ir.Constraints) -> str:
    return _annotated(container, [("min_length", limits.min_items), ("max_length", limits.max_items)])


def _single(ref: ir.ScalarRef | ir.NamedRef, limits: ir.Constraints) -> str:
    if isinstance(ref, ir.NamedRef):
        return ref.name
    match ref.scalar:
        case ir.Scalar.INTEGER:
            return _bounded("int", ref.scalar, limits, MAX_INTEGER)
        case ir.Scalar.NUMBER:
            return _bounded("float", ref.scalar, limits, MAX_NUMBER)
        case ir.Scalar.SECRET:
            return secret(limits)
        case ir.Scalar.STRING | ir.Scalar.TICKET:
            pattern = None if limits.pattern is None else whole(limits.pattern)
            return _annotated("str", [("min_length", limits.min_length), ("max_length", limits.max_length), ("pattern", pattern)])
        case scalar:
            return ALIASES.get(scalar) or _PLAIN[scalar]


def secret(limits: ir.Constraints) -> str:
    """The class of a secret within ``limits``; one class for all of the same length."""
    if limits.pattern is not None:
        raise ValueError("a secret has no pattern: a complaint about it would tell of the value")
    low = "" if limits.min_length is None else f"From{limits.min_length}"
    high = "" if limits.max_length is None else f"To{limits.max_length}"
    return f"Secret{low}{high}"


def secrets(api: ir.Api) -> dict[str, ir.Constraints]:
    """All kinds of secrets that parameters and types hold, by the names of their classes."""
    owners = [entry.fields for entry in api.types.values() if isinstance(entry, (ir.Record, ir.Patch, ir.View))]
    fields = [field for owned in (*owners, *(method.params for method in api.methods.values())) for field in owned]
    found = {secret(field.constraints): field.constraints for field in fields if _is_secret(field.type)}
    return dict(sorted(found.items()))


def _is_secret(ref: ir.TypeRef) -> bool:
    match ref:
        case ir.ListRef(item=single) | ir.MapRef(value=single):
            return single == ir.ScalarRef(ir.Scalar.SECRET)
        case single:
            return single == ir.ScalarRef(ir.Scalar.SECRET)


def _bounded(base: str, scalar: ir.Scalar, limits: ir.Constraints, widest: float) -> str:
    if (limits.minimum, limits.maximum, limits.multiple_of) == (None, None, None):
        return ALIASES[scalar]
    low = -widest if limits.minimum is None else limits.minimum
    high = widest if limits.maximum is None else limits.maximum
    return _annotated(base, [("ge", low), ("le", high), ("multiple_of", limits.multiple_of)])


def _annotated(base: str, limits: list[tuple[str, int | float | str | None]]) -> str:
    given = [f"{name}={_limit(value)}" for name, value in limits if value is not None]
    return f"Annotated[{base}, msgspec.Meta({', '.join(given)})]" if given else base


def _limit(value: float | str) -> str:
    if isinstance(value, str):
        return raw_literal(value)
    names = {MAX_INTEGER: "MAX_INTEGER", -MAX_INTEGER: "-MAX_INTEGER", MAX_NUMBER: "MAX_NUMBER", -MAX_NUMBER: "-MAX_NUMBER"}
    return names.get(value) or literal(value)


def is_json(field: ir.Field) -> bool:
    """Whether the value is any JSON, kept as it came."""
    return field.type == ir.ScalarRef(ir.Scalar.JSON)


def can_clear(api: ir.Api, patch: ir.Patch, field: ir.Field) -> bool:
    """Whether null may stand for a patch's member: the record can be without it, or has a default for it."""
    record = api.types[patch.of]
    members = record.fields if isinstance(record, ir.Record) else ()
    return any(one.on_input is ir.Presence.OPTIONAL or one.has_default for one in members if one.name == field.name)


def default(api: ir.Api, field: ir.Field) -> str:
    """The ``field(default_factory=…)`` that gives the schema's default.

    A factory of our own keeps the member in the output: ``omit_defaults`` drops only what it recognises.
    """
    if field.default == [] and isinstance(field.type, ir.ListRef):
        return "msgspec.field(default_factory=_no_items)"
    if field.default == {} and isinstance(field.type, ir.MapRef):
        return "msgspec.field(default_factory=_no_entries)"
    made = value(api, field.type, field.default)
    factory = made.removesuffix("()") if made.endswith("()") else f"lambda: {made}"
    return f"msgspec.field(default_factory={factory})"


def value(api: ir.Api, ref: ir.TypeRef, given: Json) -> str:
    """A JSON value of the schema as a Python expression of type ``ref``."""
    match ref:
        case ir.ListRef(item=item):
            return f"[{', '.join(value(api, item, one) for one in given)}]"
        case ir.MapRef(value=inner):
            return "{" + ", ".join(f"{literal(k)}: {value(api, inner, v)}" for k, v in given.items()) + "}"
        case ir.NamedRef(name=name):
            return _named_value(api, api.types[name], given)
        case ir.ScalarRef(scalar=ir.Scalar.NUMBER):
            return repr(float(given))
        case ir.ScalarRef(scalar=ir.Scalar.JSON):
            encoded = json.dumps(given, separators=(",", ":"))
            return f"msgspec.Raw(b{encoded!r})"
        case _:
            return literal(given)


def _named_value(api: ir.Api, of: ir.Type, given: Json) -> str:
    match of:
        case ir.Enum():
            return f"{of.name}.{constant(given)}"
        case ir.Record() | ir.Patch() | ir.View():
            fields = {field.name: field for field in of.fields}
            members = (f"{identifier(name)}={value(api, fields[name].type, one)}" for name, one in given.items())
            return f"{of.name}({', '.join(members)})"
        case ir.Union():
            [record] = (api.types[branch.record] for branch in of.branches if branch.tag == given[of.discriminator])
            return _named_value(api, record, {name: one for name, one in given.items() if name != of.discriminator})
