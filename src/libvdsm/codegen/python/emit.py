"""Writes ``client/generated``: one module of types per interface, errors, the table of verbs, two sets of proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.codegen.python import names
from libvdsm.codegen.python.proxies import proxies
from libvdsm.codegen.python.types import Scope, annotation, single
from libvdsm.codegen.server.types import can_clear
from libvdsm.codegen.words import constant
from libvdsm.codegen.writer import Writer, formatted, literal, python_writer
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOM: Final = "src/libvdsm/client/generated"


def emit(api: ir.Api) -> dict[str, str]:
    """All files of the room by their path in the project."""
    modules = {
        "__init__": python_writer("What the schema says, as the Python client has it.").text,
        "aio": proxies(api, awaited=True),
        "errors": _errors(api),
        "methods": _methods(api),
        "sync": proxies(api, awaited=False),
        "types/__init__": _package(api),
    }
    for interface in api.interfaces.values():
        if interface.types:
            modules[f"types/{names.module(interface.name)}"] = _types(api, interface)
    return {f"{ROOM}/{name}.py": formatted(text) for name, text in sorted(modules.items())}


def _homes(api: ir.Api) -> dict[str, str]:
    """Every public name of the modules of types, with its module."""
    found = {name: names.module(entry.interface) for name, entry in api.types.items()}
    found |= {names.decoder(name): found[name] for name, entry in api.types.items() if isinstance(entry, ir.Union)}
    return dict(sorted(found.items()))


def _package(api: ir.Api) -> str:
    homes = _homes(api)
    writer = python_writer("The types of the API; each interface's module is loaded when a type of it is first named.")
    writer.lines("import importlib", "from typing import TYPE_CHECKING, Final", "", "if TYPE_CHECKING:")
    for module in sorted(set(homes.values())):
        taken = (f"{name} as {name}" for name, home in homes.items() if home == module)
        writer.line(f"    from libvdsm.client.generated.types.{module} import {', '.join(taken)}")
    writer.line()
    with writer.block("_HOMES: Final = {", "}"):
        writer.lines(*(f"{literal(name)}: {literal(home)}," for name, home in homes.items()))
    writer.lines("", "")
    with writer.block("def __getattr__(name: str) -> object:"):
        with writer.block("if name not in _HOMES:"):
            writer.lines('message = f"module {__name__!r} has no attribute {name!r}"', "raise AttributeError(message)")
        writer.line('value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)')
        writer.lines("globals()[name] = value", "return value")
    writer.lines("", "")
    with writer.block("def __dir__() -> list[str]:"):
        writer.line("return sorted(_HOMES)")
    return writer.text


def _types(api: ir.Api, interface: ir.Interface) -> str:
    scope = Scope(api, interface.name)
    entries = [api.types[name] for name in interface.types]
    body = Writer()
    for entry in entries:
        if isinstance(entry, ir.Enum):
            _enum(body, entry)
    tags = {
        branch.record: (one.discriminator, branch.tag) for one in api.types.values() if isinstance(one, ir.Union) for branch in one.branches
    }
    for entry in _in_order(entries):
        _record(body, scope, entry, tags.get(entry.name))
    for entry in entries:
        if isinstance(entry, ir.Union):
            _union(body, scope, entry)
    return _head(scope, interface, body.text) + body.text


def _head(scope: Scope, interface: ir.Interface, body: str) -> str:
    writer = python_writer(f"Types of {interface.name}: {interface.summary}")
    writer.lines("import dataclasses", "from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias", "")
    if "types." in body.replace("generated.types.", ""):
        writer.line("from libvdsm.client.generated import types")
    writer.lines("from libvdsm.client.runtime import values", "", "if TYPE_CHECKING:", "    from collections.abc import Mapping", "")
    foreign: dict[str, set[str]] = {}
    for name in sorted(_referenced(scope.api, interface)):
        home = scope.api.types[name].interface
        if home != interface.name:
            foreign.setdefault(names.module(home), set()).add(name)
    for module, taken in sorted(foreign.items()):
        writer.line(f"    from libvdsm.client.generated.types.{module} import {', '.join(sorted(taken))}")
    writer.lines("", "")
    return writer.text


def _referenced(api: ir.Api, interface: ir.Interface) -> set[str]:
    found: set[str] = set()
    for name in interface.types:
        entry = api.types[name]
        if isinstance(entry, ir.Union):
            found |= {branch.record for branch in entry.branches}
        elif not isinstance(entry, ir.Enum):
            found |= {ref.name for ref in (single(field.type) for field in entry.fields) if isinstance(ref, ir.NamedRef)}
    return found


def _in_order(entries: Iterable[ir.Type]) -> list[ir.Record | ir.Patch | ir.View]:
    """Records, those first whose instances are defaults of others."""
    records = {entry.name: entry for entry in entries if isinstance(entry, (ir.Record, ir.Patch, ir.View))}
    ordered: dict[str, ir.Record | ir.Patch | ir.View] = {}

    def place(entry: ir.Record | ir.Patch | ir.View) -> None:
        for field in entry.fields:
            ref = single(field.type)
            if field.has_default and isinstance(ref, ir.NamedRef) and ref.name in records and ref.name not in ordered:
                place(records[ref.name])
        ordered[entry.name] = entry

    for entry in records.values():
        if entry.name not in ordered:
            place(entry)
    return list(ordered.values())


def _enum(writer: Writer, entry: ir.Enum) -> None:
    with writer.block(f"class {entry.name}(values.Word):"):
        writer.docstring(entry.summary)
        writer.line()
        for one in entry.values:
            writer.line(f"{constant(one.name)} = {literal(one.name)}")
            writer.docstring(one.summary)
    writer.line()


def _record(writer: Writer, scope: Scope, entry: ir.Record | ir.Patch | ir.View, tag: tuple[str, str] | None) -> None:
    writer.line("@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)")
    with writer.block(f"class {entry.name}(values.Record):"):
        writer.docstring(entry.summary)
        writer.line()
        pairs = "".join(f"({literal(names.attribute(field.name))}, {literal(field.name)}), " for field in entry.fields)
        if pairs:
            writer.line(f"WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = ({pairs.rstrip()})")
        defaults = {field.name: field.default for field in entry.fields if field.has_default and isinstance(entry, ir.Record)}
        if defaults:
            writer.line(f"DEFAULTS: ClassVar[Mapping[str, Any]] = {_json(defaults)}")
        if tag is not None:
            writer.line(f"TAG: ClassVar[tuple[str, str] | None] = ({literal(tag[0])}, {literal(tag[1])})")
        known = sorted({field.name for field in entry.fields} | ({tag[0]} if tag else set()))
        if known:
            writer.line(f"KNOWN: ClassVar[frozenset[str]] = frozenset({{{', '.join(literal(one) for one in known)}}})")
        if isinstance(entry, ir.Patch):
            writer.line("IS_PATCH: ClassVar[bool] = True")
        writer.line()
        for field in entry.fields:
            writer.line(f"{names.attribute(field.name)}: {_member(scope, entry, field)}")
            writer.docstring(told(field))
        writer.line("extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)")
        writer.docstring("Members that this client does not know.")
        writer.line()
        _from_wire(writer, scope, entry)
    writer.line()


def told(field: ir.Field) -> str:
    """A member or parameter in words."""
    unit = f" Unit: {field.unit}." if field.unit not in {None, "none"} else ""
    return f"{field.summary}{unit}"


def _json(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {_json(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_json(one) for one in value)}]"
    return literal(value)


def _is_optional(entry: ir.Record | ir.Patch | ir.View, field: ir.Field) -> bool:
    if isinstance(entry, ir.View):
        return field.name != entry.key
    return ir.Presence.OPTIONAL in {
        field.on_input if entry.is_input and not field.has_default else None,
        field.on_output if entry.is_output else None,
    }


def _member(scope: Scope, entry: ir.Record | ir.Patch | ir.View, field: ir.Field) -> str:
    kind = annotation(field.type)
    if isinstance(entry, ir.Patch):
        clears = " | None" if can_clear(scope.api, entry, field) else ""
        return f"{kind} | values.UnsetType{clears} = values.UNSET"
    if field.has_default and isinstance(entry, ir.Record):
        return f"{kind} = {scope.default(field)}"
    if not _is_optional(entry, field):
        return kind
    return "Any = None" if kind == "Any" else f"{kind} | None = None"


def _from_wire(writer: Writer, scope: Scope, entry: ir.Record | ir.Patch | ir.View) -> None:
    writer.line("@classmethod")
    with writer.block("def from_wire(cls, data: Mapping[str, Any]) -> Self:"):
        writer.docstring("Read it from a JSON object.")
        for field in entry.fields:
            if field.has_default and isinstance(entry, ir.Record) and not isinstance(field.type, ir.ScalarRef):
                writer.line(f"{names.attribute(field.name)} = data.get({literal(field.name)})")
        with writer.block("return cls(", ")"):
            for field in entry.fields:
                writer.line(f"{names.attribute(field.name)}={_read(scope, entry, field)},")
            writer.line("extra=values.unknown_members(data, cls.KNOWN),")


def _read(scope: Scope, entry: ir.Record | ir.Patch | ir.View, field: ir.Field) -> str:
    item = f"data[{literal(field.name)}]"
    decoded = scope.decoded(field.type, item)
    if isinstance(entry, ir.Patch):
        if decoded == item:
            return f"data.get({literal(field.name)}, values.UNSET)"
        call = scope.decoded(field.type, "given")
        decode = call.removesuffix("(given)") if call.endswith("(given)") else f"lambda given: {call}"
        return f"values.patched(data, {literal(field.name)}, {decode})"
    if field.has_default and isinstance(entry, ir.Record):
        attribute = names.attribute(field.name)
        if isinstance(field.type, ir.ScalarRef):
            return f"data.get({literal(field.name)}, {literal(field.default)})"
        made = scope.value(field.type, field.default)
        return f"{made} if {attribute} is None else {scope.decoded(field.type, attribute)}"
    if not _is_optional(entry, field):
        return decoded
    if decoded == item:
        return f"data.get({literal(field.name)})"
    return f"None if data.get({literal(field.name)}) is None else {decoded}"


def _union(writer: Writer, scope: Scope, entry: ir.Union) -> None:
    branches = " | ".join(scope.reach(branch.record, branch.record) for branch in entry.branches)
    writer.line(f"#: {entry.summary}")
    writer.line(f"{entry.name}: TypeAlias = {branches} | values.UnknownKind")
    writer.lines("", "")
    with writer.block(f"def {names.decoder(entry.name)}(data: Mapping[str, Any]) -> {entry.name}:"):
        writer.docstring(f"The kind of {entry.name} that ``{entry.discriminator}`` names.")
        with writer.block(f"match data[{literal(entry.discriminator)}]:"):
            for branch in entry.branches:
                with writer.block(f"case {literal(branch.tag)}:"):
                    writer.line(f"return {scope.reach(branch.record, branch.record)}.from_wire(data)")
            with writer.block("case _:"):
                writer.line("return values.UnknownKind(data)")
    writer.lines("", "")


def _errors(api: ir.Api) -> str:
    writer = python_writer("Every failure that the schema declares, by what the daemon calls it.", noqa="N818 - the names are the schema's")
    writer.lines("from typing import ClassVar, Final", "", "from libvdsm.client.runtime.errors import ApiError", "", "")
    for _, error in sorted(api.errors.items()):
        with writer.block(f"class {error.name}(ApiError):"):
            writer.docstring(error.summary, error.remedy.replace("{{", "{").replace("}}", "}"))
            writer.lines("", f"name: ClassVar[str] = {literal(error.name)}")
            for field in error.params:
                _error_property(writer, field)
        writer.line()
    writer.line("#: Every class by the error's name.")
    with writer.block("ERRORS: Final[dict[str, type[ApiError]]] = {", "}"):
        writer.lines(*(f"{literal(name)}: {name}," for name in sorted(api.errors)))
    return writer.text


def _error_property(writer: Writer, field: ir.Field) -> None:
    attribute = names.error_attribute(field.name)
    if attribute is None:
        return
    kind = annotation(field.type)
    writer.lines("", "@property")
    with writer.block(f"def {attribute}(self) -> {kind}:"):
        writer.docstring(field.summary)
        empty = {"str": '""', "int": "0", "float": "0.0", "bool": "False"}[kind]
        writer.line(f"return {kind}(self.params.get({literal(field.name)}, {empty}))")


def _methods(api: ir.Api) -> str:
    writer = python_writer("What a client must know of each verb beside its types.")
    writer.lines("from typing import Final, NamedTuple", "", "")
    with writer.block("class Method(NamedTuple):"):
        writer.docstring("One verb.")
        writer.lines("", "kind: str", "idempotent: bool", "timeout_s: float", "progress_unit: str | None", "")
    writer.line("#: Every verb by its full name.")
    with writer.block("METHODS: Final[dict[str, Method]] = {", "}"):
        for name, method in api.methods.items():
            traits = (method.kind.value, method.idempotent, float(method.timeout_s), method.progress_unit)
            writer.line(f"{literal(name)}: Method({', '.join(literal(one) for one in traits)}),")
    return writer.text
