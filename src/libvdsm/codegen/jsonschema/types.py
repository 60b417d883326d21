"""How the schema's types look in JSON Schema: requests closed, answers open.

Only keywords that mean the same in draft 7 and in 2020-12 are used, as OpenRPC is written in the former.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from libvdsm.codegen.server.types import MAX_INTEGER, PATTERNS, can_clear
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from libvdsm.codegen.writer import Json

_SCALARS: Final[Mapping[ir.Scalar, Mapping[str, Any]]] = {
    ir.Scalar.BOOLEAN: {"type": "boolean"},
    ir.Scalar.INTEGER: {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER},
    ir.Scalar.NUMBER: {"type": "number"},
    ir.Scalar.STRING: {"type": "string"},
    ir.Scalar.UUID: {"type": "string", "format": "uuid"},
    ir.Scalar.TIMESTAMP: {"type": "string", "format": "date-time"},
    ir.Scalar.BASE64: {"type": "string", "contentEncoding": "base64"},
    ir.Scalar.DECIMAL: {"type": "string"},
    ir.Scalar.SECRET: {"type": "string", "writeOnly": True},
    ir.Scalar.TICKET: {"type": "string", "readOnly": True},
    ir.Scalar.JSON: {},
}


class Definitions:
    """The definitions of one document, whose references begin with ``prefix``.

    A type that is read and written has two: ``VmConfig`` as it is answered, ``VmConfigInput`` as it is sent.
    """

    def __init__(self, api: ir.Api, prefix: str) -> None:
        self._api = api
        self._prefix = prefix
        self._tags = {
            branch.record: (union.discriminator, branch.tag)
            for union in api.types.values()
            if isinstance(union, ir.Union)
            for branch in union.branches
        }

    def all(self) -> dict[str, Json]:
        """Every type in every direction that it is used in, sorted."""
        found: dict[str, Json] = {}
        for entry in self._api.types.values():
            for sent in (True, False):
                if entry.is_input if sent else entry.is_output:
                    found[self.name(entry.name, sent=sent)] = self._entry(entry, sent=sent)
        return dict(sorted(found.items()))

    def name(self, name: str, *, sent: bool) -> str:
        """What a type is called here in one direction."""
        entry = self._api.types[name]
        return f"{name}Input" if sent and entry.is_output and not isinstance(entry, ir.Enum) else name

    def reference(self, name: str, *, sent: bool) -> dict[str, Json]:
        """A use of a type."""
        entry = self._api.types[name]
        if sent and isinstance(entry, ir.Enum):
            return {"type": "string", "enum": [one.name for one in entry.values], "x-type": name}
        return {"$ref": f"{self._prefix}{self.name(name, sent=sent)}"}

    def params(self, method: ir.Method) -> dict[str, Json]:
        """The parameters of a verb as one closed object."""
        return self._object(f"Parameters of {method.full_name}.", method.params, sent=True, required=_required(method.params, sent=True))

    def field(self, field: ir.Field, *, sent: bool, nullable: bool = False) -> dict[str, Json]:
        """A member or parameter."""
        shape = self._shape(field.type, field.constraints, sent=sent)
        found: dict[str, Json] = {"anyOf": [shape, {"type": "null"}]} if nullable else {"allOf": [shape]} if "$ref" in shape else shape
        found = {**found, "description": field.summary}
        if field.has_default:
            found["default"] = field.default
        extras = {
            "x-unit": field.unit if field.unit != "none" else None,
            "x-change": field.change,
            "x-requires": list(field.requires) or None,
        }
        return {**found, **{name: value for name, value in extras.items() if value is not None}}

    def _entry(self, entry: ir.Type, *, sent: bool) -> dict[str, Json]:
        match entry:
            case ir.Enum():
                return _enum(entry)
            case ir.Union():
                return self._union(entry, sent=sent)
            case ir.Patch():
                return self._object(entry.summary, entry.fields, sent=sent, required=[], patch=entry)
            case ir.View(key=key):
                return self._object(entry.summary, entry.fields, sent=sent, required=[key])
            case ir.Record():
                return self._object(
                    entry.summary, entry.fields, sent=sent, required=_required(entry.fields, sent=sent), tag=self._tags.get(entry.name)
                )

    def _object(
        self,
        summary: str,
        fields: Iterable[ir.Field],
        *,
        sent: bool,
        required: list[str],
        tag: tuple[str, str] | None = None,
        patch: ir.Patch | None = None,
    ) -> dict[str, Json]:
        properties: dict[str, Json] = {}
        if tag is not None:
            properties[tag[0]] = {"const": tag[1]}
            required = [tag[0], *required]
        for field in fields:
            nullable = sent and (can_clear(self._api, patch, field) if patch else field.name not in required)
            shown = self.field(field, sent=sent, nullable=nullable)
            if patch:
                shown.pop("default", None)
            properties[field.name] = shown
        found: dict[str, Json] = {"type": "object", "description": summary, "properties": properties}
        if required:
            found["required"] = required
        if sent:
            found["additionalProperties"] = False
        return found

    def _union(self, entry: ir.Union, *, sent: bool) -> dict[str, Json]:
        branches: list[Json] = [self.reference(branch.record, sent=sent) for branch in entry.branches]
        if entry.open and not sent:
            known = [branch.tag for branch in entry.branches]
            kind = {"type": "string", "not": {"enum": known}}
            branches.append({"type": "object", "required": [entry.discriminator], "properties": {entry.discriminator: kind}})
        return {"description": entry.summary, "oneOf": branches}

    def _shape(self, ref: ir.TypeRef, limits: ir.Constraints, *, sent: bool) -> dict[str, Json]:
        match ref:
            case ir.ListRef(item=item):
                counted = _given(minItems=limits.min_items, maxItems=limits.max_items)
                return {"type": "array", "items": self._single(item, limits, sent=sent), **counted}
            case ir.MapRef(value=value):
                counted = _given(minProperties=limits.min_items, maxProperties=limits.max_items)
                return {"type": "object", "additionalProperties": self._single(value, limits, sent=sent), **counted}
            case single:
                return self._single(single, limits, sent=sent)

    def _single(self, ref: ir.ScalarRef | ir.NamedRef, limits: ir.Constraints, *, sent: bool) -> dict[str, Json]:
        if isinstance(ref, ir.NamedRef):
            return self.reference(ref.name, sent=sent)
        found = dict(_SCALARS[ref.scalar])
        if ref.scalar in PATTERNS:
            found["pattern"] = PATTERNS[ref.scalar].replace(r"\Z", "$")
        if limits.pattern is not None:
            found["pattern"] = f"^(?:{limits.pattern})$"
        return found | _given(
            minimum=limits.minimum,
            maximum=limits.maximum,
            multipleOf=limits.multiple_of,
            minLength=limits.min_length,
            maxLength=limits.max_length,
        )


def _required(fields: Iterable[ir.Field], *, sent: bool) -> list[str]:
    return [field.name for field in fields if (field.on_input if sent else field.on_output) is ir.Presence.REQUIRED]


def _given(**limits: float | None) -> dict[str, Json]:
    return {name: value for name, value in limits.items() if value is not None}


def _enum(entry: ir.Enum) -> dict[str, Json]:
    words = [{"const": one.name, "description": one.summary} for one in entry.values]
    known: dict[str, Json] = {"description": entry.summary, "anyOf": words}
    if not entry.open:
        return known
    return {**known, "anyOf": [*words, {"type": "string", "description": "A word of a later version."}]}
