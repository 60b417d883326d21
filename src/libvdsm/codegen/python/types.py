"""How the schema's types look in the Python client: annotations, decoders, defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.codegen.python import names
from libvdsm.codegen.words import constant
from libvdsm.codegen.writer import literal
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.codegen.writer import Json

_PLAIN: Final[Mapping[ir.Scalar, str]] = {
    ir.Scalar.BOOLEAN: "bool",
    ir.Scalar.INTEGER: "int",
    ir.Scalar.NUMBER: "float",
    ir.Scalar.JSON: "Any",
}


def annotation(ref: ir.TypeRef, prefix: str = "", *, given: bool = False) -> str:
    """The type of a present value; ``given``: as a parameter, where any sequence and mapping will do."""
    match ref:
        case ir.ListRef(item=item):
            return f"{'Sequence' if given else 'list'}[{annotation(item, prefix, given=given)}]"
        case ir.MapRef(value=value):
            return f"{'Mapping' if given else 'dict'}[str, {annotation(value, prefix, given=given)}]"
        case ir.NamedRef(name=name):
            return f"{prefix}{name}"
        case ir.ScalarRef(scalar=scalar):
            return _PLAIN.get(scalar, "str")


def single(ref: ir.TypeRef) -> ir.ScalarRef | ir.NamedRef:
    """What a list or map holds, or the type itself."""
    match ref:
        case ir.ListRef(item=one) | ir.MapRef(value=one):
            return one
        case _:
            return ref


class Scope:
    """One generated module of types: which names are its own, and how others are reached."""

    def __init__(self, api: ir.Api, interface: str) -> None:
        self.api = api
        self.interface = interface

    def reach(self, name: str, owner: str) -> str:
        """``name`` of the type ``owner``, through the lazy package if another module has it."""
        return name if self.api.types[owner].interface == self.interface else f"types.{name}"

    def decoded(self, ref: ir.TypeRef, source: str) -> str:
        """The expression that makes a typed value of the JSON value ``source``."""
        match ref:
            case ir.ListRef(item=ir.ScalarRef()):
                return f"list({source})"
            case ir.ListRef(item=item):
                return f"[{self.decoded(item, 'one')} for one in {source}]"
            case ir.MapRef(value=ir.ScalarRef()):
                return f"dict({source})"
            case ir.MapRef(value=value):
                return f"{{key: {self.decoded(value, 'one')} for key, one in {source}.items()}}"
            case ir.NamedRef(name=name):
                return self._named(self.api.types[name], source)
            case _:
                return source

    def _named(self, entry: ir.Type, source: str) -> str:
        match entry:
            case ir.Enum():
                return f"{self.reach(entry.name, entry.name)}({source})"
            case ir.Union():
                return f"{self.reach(names.decoder(entry.name), entry.name)}({source})"
            case _:
                return f"{self.reach(entry.name, entry.name)}.from_wire({source})"

    def default(self, field: ir.Field) -> str:
        """The right side of a member with a default of the schema."""
        value = self.value(field.type, field.default)
        if isinstance(field.default, (list, dict)) or "types." in value:
            factory = {"[]": "list", "{}": "dict"}.get(value) or (
                value[:-2] if value.endswith("()") and "." not in value else f"lambda: {value}"
            )
            return f"dataclasses.field(default_factory={factory})"
        return value

    def value(self, ref: ir.TypeRef, given: Json) -> str:
        """A JSON value of the schema as an expression."""
        match ref:
            case ir.ListRef(item=item):
                return f"[{', '.join(self.value(item, one) for one in given)}]"
            case ir.MapRef(value=inner):
                return "{" + ", ".join(f"{literal(key)}: {self.value(inner, one)}" for key, one in given.items()) + "}"
            case ir.NamedRef(name=name):
                return self._named_value(self.api.types[name], given)
            case ir.ScalarRef(scalar=ir.Scalar.NUMBER):
                return repr(float(given))
            case _:
                return literal(given)

    def _named_value(self, entry: ir.Type, given: Json) -> str:
        if isinstance(entry, ir.Enum):
            return f"{self.reach(entry.name, entry.name)}.{constant(given)}"
        if isinstance(entry, ir.Union) or given:
            return self._named(entry, literal(given))
        return f"{self.reach(entry.name, entry.name)}()"
