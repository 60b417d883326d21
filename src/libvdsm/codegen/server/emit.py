"""Writes ``interfaces/generated``: types, errors, the tables of verbs and permissions, the services' Protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from libvdsm.codegen.server import names, types
from libvdsm.codegen.words import constant, identifier
from libvdsm.codegen.writer import Writer, formatted, literal, python_writer, raw_literal
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_T = TypeVar("_T", ir.Enum, ir.Union)

ROOM: Final = "src/libvdsm/interfaces/generated"


def emit(api: ir.Api) -> dict[str, str]:
    """All files of the room by their path in the project."""
    modules = {
        "__init__": python_writer("What the schema says, as the daemon's Python: types, errors, verbs, services.").text,
        "types": _types(api),
        "errors": _errors(api),
        "methods": _methods(api),
        "permissions": _permissions(api),
        "services": _services(api),
    }
    return {f"{ROOM}/{name}.py": formatted(text) for name, text in sorted(modules.items())}


def _types(api: ir.Api) -> str:
    writer = python_writer(
        "Every type of the schema, and the parameters of every verb.",
        "Members are in snake_case with the wire's names by rename; absent is None and is left out of the output.",
    )
    writer.lines("from enum import StrEnum", "from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar", "")
    writer.lines("import msgspec", "")
    if types.secrets(api):
        writer.lines("from libvdsm.base.secret import Secret", "")
    writer.lines(f"MAX_INTEGER: Final = {types.MAX_INTEGER}", f"MAX_NUMBER: Final = {types.MAX_NUMBER!r}", "")
    _aliases(writer)
    for name, limits in types.secrets(api).items():
        _secret(writer, name, limits)
    for enum in _sorted(api, ir.Enum):
        _enum(writer, enum)
    tags = _tags(api)
    for _, entry in sorted(api.types.items()):
        if isinstance(entry, (ir.Record, ir.Patch, ir.View)):
            _struct(writer, api, entry, tags.get(entry.name))
    for method in sorted(api.methods.values(), key=lambda one: one.params_record):
        _params(writer, api, method)
    for union in _sorted(api, ir.Union):
        writer.line(f"#: {union.summary}")
        writer.line(f"{union.name}: TypeAlias = {' | '.join(branch.record for branch in union.branches)}")
    return writer.text


def _aliases(writer: Writer) -> None:
    for scalar, pattern in types.PATTERNS.items():
        writer.line(f"{types.ALIASES[scalar]}: TypeAlias = Annotated[str, msgspec.Meta(pattern={raw_literal(pattern)})]")
    writer.line("Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]")
    writer.line("Number: TypeAlias = Annotated[float, msgspec.Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)]")
    writer.lines("", '_T = TypeVar("_T")', "", "if TYPE_CHECKING:", "    OptionalJson: TypeAlias = msgspec.Raw | None")
    writer.line('    Defaulted: TypeAlias = Annotated[_T, "never None once it is made"]')
    writer.lines("else:", "    OptionalJson = msgspec.Raw  # msgspec cannot decode a union with Raw")
    writer.lines("    Defaulted = _T | None  # null is absent", "")
    writer.lines("def _no_items() -> list[_T]:", "    return []", "", "", "def _no_entries() -> dict[str, _T]:", "    return {}", "", "")
    with writer.block("def _fill(value: msgspec.Struct, *names: str) -> None:"):
        writer.docstring("Give the members that were null their defaults: on input, null is absent.")
        with writer.block("for name in names:"), writer.block("if getattr(value, name) is None:"):
            writer.line("[factory] = (one.default_factory for one in msgspec.structs.fields(value) if one.name == name)")
            writer.line("msgspec.structs.force_setattr(value, name, factory())")
    writer.lines("", "")


def _secret(writer: Writer, name: str, limits: ir.Constraints) -> None:
    if name == "Secret":
        return
    least = 0 if limits.min_length is None else limits.min_length
    with writer.block(f"class {name}(Secret, min_length={least}, max_length={limits.max_length}):"):
        writer.docstring("A secret of this many characters.")
        writer.line()
        writer.lines("__slots__ = ()", "")


def _enum(writer: Writer, entry: ir.Enum) -> None:
    with writer.block(f"class {entry.name}(StrEnum):"):
        writer.docstring(entry.summary)
        writer.line()
        for one in entry.values:
            writer.line(f"{constant(one.name)} = {literal(one.name)}")
            writer.docstring(one.summary)
    writer.line()


def _tags(api: ir.Api) -> dict[str, tuple[str, str]]:
    """For each record that is a union's branch: the discriminator and its value."""
    found: dict[str, tuple[str, str]] = {}
    for union in _sorted(api, ir.Union):
        for branch in union.branches:
            tag = (union.discriminator, branch.tag)
            if found.setdefault(branch.record, tag) != tag:
                message = f"record {branch.record} is a branch under two tags"
                raise ValueError(message)
    return found


def _struct(writer: Writer, api: ir.Api, entry: ir.Record | ir.Patch | ir.View, tag: tuple[str, str] | None) -> None:
    members = {field.name: _member(api, entry, field) for field in entry.fields}
    _class(writer, entry.name, entry.summary, entry.fields, members, tag)


def _params(writer: Writer, api: ir.Api, method: ir.Method) -> None:
    members = {field.name: _plain_member(api, field, optional=field.on_input is ir.Presence.OPTIONAL) for field in method.params}
    _class(writer, method.params_record, f"Parameters of {method.full_name}.", method.params, members, None)


def _class(
    writer: Writer,
    name: str,
    summary: str,
    fields: Iterable[ir.Field],
    members: Mapping[str, str],
    tag: tuple[str, str] | None,
) -> None:
    options = ["msgspec.Struct", "frozen=True", "kw_only=True", "omit_defaults=True", "forbid_unknown_fields=True"]
    if tag is not None:
        options += [f"tag_field={literal(tag[0])}", f"tag={literal(tag[1])}"]
    renamed = {identifier(field.name): field.name for field in fields if identifier(field.name) != field.name}
    if renamed:
        options.append("rename={" + ", ".join(f"{literal(new)}: {literal(old)}" for new, old in renamed.items()) + "}")
    with writer.block(f"class {name}({', '.join(options)}):"):
        writer.docstring(summary)
        writer.line()
        for field in fields:
            writer.line(f"{identifier(field.name)}: {members[field.name]}")
            writer.docstring(_told(field))
        filled = [literal(identifier(field.name)) for field in fields if members[field.name].startswith("Defaulted[")]
        if filled:
            writer.line()
            with writer.block("def __post_init__(self) -> None:"):
                writer.line(f"_fill(self, {', '.join(filled)})")
    writer.line()


def _told(field: ir.Field) -> str:
    unit = f" Unit: {field.unit}." if field.unit not in {None, "none"} else ""
    return f"{field.summary}{unit}"


def _member(api: ir.Api, entry: ir.Record | ir.Patch | ir.View, field: ir.Field) -> str:
    match entry:
        case ir.Patch():
            clears = " | None" if types.can_clear(api, entry, field) else ""
            return f"{types.annotation(field)} | msgspec.UnsetType{clears} = msgspec.UNSET"
        case ir.View(key=key) if field.name != key:
            return _plain_member(api, field, optional=True, defaulted=False)
    optional = ir.Presence.OPTIONAL in {field.on_input if entry.is_input else None, field.on_output if entry.is_output else None}
    return _plain_member(api, field, optional=optional)


def _plain_member(api: ir.Api, field: ir.Field, *, optional: bool, defaulted: bool = True) -> str:
    if field.has_default and defaulted and types.is_json(field):
        return f"{types.annotation(field)} = {types.default(api, field)}"  # null stays what it is: it is JSON too
    if field.has_default and defaulted:
        return f"Defaulted[{types.annotation(field)}] = {types.default(api, field)}"
    if not optional:
        return types.annotation(field)
    return "OptionalJson = None" if types.is_json(field) else f"{types.annotation(field)} | None = None"


def _sorted(api: ir.Api, kind: type[_T]) -> list[_T]:
    return [entry for _, entry in sorted(api.types.items()) if isinstance(entry, kind)]


def _errors(api: ir.Api) -> str:
    writer = python_writer(
        "Every failure that the schema declares.",
        "``ERRORS`` finds a class by its name; ``restore`` rebuilds one from the wire.",
        noqa="N818 - the names are the schema's",
    )
    writer.lines("from typing import TYPE_CHECKING, ClassVar, Final", "")
    writer.lines("from libvdsm.base.errors import ApiError", "", "if TYPE_CHECKING:", "    from collections.abc import Mapping", "", "")
    for _, error in sorted(api.errors.items()):
        _error(writer, error)
    writer.line("#: Every class by the error's name.")
    with writer.block("ERRORS: Final[Mapping[str, type[ApiError]]] = {", "}"):
        for name in sorted(api.errors):
            writer.line(f"{literal(name)}: {name},")
    writer.lines("", "")
    with writer.block("def restore(name: str, params: Mapping[str, object]) -> ApiError:"):
        writer.docstring("The error ``name`` with these parameters by their wire names; ``KeyError`` if there is none or one is missing.")
        writer.lines("kind = ERRORS[name]", "error = kind.__new__(kind)", "ApiError.__init__(error, **params)", "return error")
    return writer.text


def _error(writer: Writer, error: ir.Error) -> None:
    with writer.block(f"class {error.name}(ApiError):"):
        writer.docstring(error.summary)
        writer.line()
        writer.lines(
            f"name: ClassVar[str] = {literal(error.name)}",
            f"number: ClassVar[int] = {error.number}",
            f"template: ClassVar[str] = {literal(error.message)}",
            f"remedy_template: ClassVar[str] = {literal(error.remedy)}",
            f"fault: ClassVar[str] = {literal(error.fault)}",
            f"retryable: ClassVar[bool] = {error.retryable}",
            "",
        )
        taken = "".join(f", {identifier(one.name)}: {_parameter(one)}" for one in error.params)
        passed = ", ".join(f"{one.name}={identifier(one.name)}" for one in error.params)
        with writer.block(f"def __init__(self{', *' if error.params else ''}{taken}) -> None:"):
            writer.line(f"super().__init__({passed})")
    writer.line()


def _parameter(field: ir.Field) -> str:
    plain: Mapping[ir.TypeRef, str] = {
        ir.ScalarRef(ir.Scalar.INTEGER): "int",
        ir.ScalarRef(ir.Scalar.NUMBER): "float",
        ir.ScalarRef(ir.Scalar.BOOLEAN): "bool",
    }
    return plain.get(field.type, "str")


def _methods(api: ir.Api) -> str:
    writer = python_writer("Every verb with its traits, by its full name.")
    writer.lines("from typing import Final", "")
    writer.lines("from libvdsm.interfaces.generated import types", "from libvdsm.interfaces.method import MethodEntry", "")
    with writer.block("METHODS: Final[dict[str, MethodEntry]] = {", "}"):
        for name, method in api.methods.items():
            with writer.block(f"{literal(name)}: MethodEntry(", "),"):
                writer.lines(*(f"{trait}={text}," for trait, text in _traits(api, method).items()))
    return writer.text


def _traits(api: ir.Api, method: ir.Method) -> dict[str, str]:
    same = ("subsystem", "permission", "object_param", "object_type")
    later = ("timeout_s", "idempotent", "cost", "probe", "progress_unit", "paged")
    return {
        "name": literal(method.full_name),
        "attribute": literal(names.attribute(method)),
        "kind": literal(method.kind.value),
        **{trait: literal(getattr(method, trait)) for trait in same},
        "params": f"types.{method.params_record}",
        "param_names": _tuple(field.name for field in method.params),
        "result": f"types.{method.result}",
        **{trait: literal(getattr(method, trait)) for trait in later},
        "errors": _tuple(method.errors),
        "uncacheable": repr(holds(api, method.result, ir.Scalar.TICKET)),
        "has_secret": repr(_any_secret(api, method)),
        "works_in": _tuple(method.works_in),
        "done_in": _tuple(method.done_in),
    }


def _permissions(api: ir.Api) -> str:
    writer = python_writer("Every permission, the roles that come with the API, and what makes objects visible.")
    writer.lines("from typing import Final", "", "from libvdsm.interfaces.permission import ObjectEntry, RoleEntry", "")
    writer.lines("#: Every permission, and whether it lets change anything.", "PERMISSIONS: Final[dict[str, bool]] = {")
    writer.lines(*(f"    {literal(name)}: {one.write}," for name, one in sorted(api.permissions.items())), "}")
    writer.lines("#: The built-in roles by name.", "ROLES: Final[dict[str, RoleEntry]] = {")
    for name, role in sorted(api.roles.items()):
        with writer.block(f"{literal(name)}: RoleEntry(", "),"):
            writer.lines(f"name={literal(name)},", f"summary={literal(role.summary)},", f"permissions={_tuple(role.permissions)},")
    writer.line("}")
    writer.line("#: What concerns objects that belong to no project: it can be had everywhere or not at all.")
    writer.line(f"UNPLACED: Final[frozenset[str]] = frozenset({_tuple(sorted(_unplaced(api)))})")
    writer.lines("#: What makes objects visible, by their type.", "OBJECTS: Final[dict[str, ObjectEntry]] = {")
    for event in sorted((one for interface in api.interfaces.values() for one in interface.events), key=lambda one: one.name):
        with writer.block(f"{literal(event.name)}: ObjectEntry(", "),"):
            writer.lines(f"type={literal(event.name)},", f"permission={literal(event.permission)},")
            writer.line(f"has_project={_has_project(api, event.document)},")
    writer.line("}")
    return writer.text


def _unplaced(api: ir.Api) -> set[str]:
    """The permissions of which nothing in the schema says how they could concern a part of the host."""
    placed = {event.permission for one in api.interfaces.values() for event in one.events if _names_project(api, event.document)}
    types = {event.name for one in api.interfaces.values() for event in one.events if _has_project(api, event.document)}
    for method in api.methods.values():
        named = (method.result, *(_single(field.type) for field in method.params))
        is_placed = any(field.name == "project" for field in method.params) or any(_names_project(api, one) for one in named)
        if method.permission is not None and (method.object_type in types or is_placed):
            placed.add(method.permission)
    nouns = {permission.partition(".")[0] for permission in placed}
    used = {method.permission for method in api.methods.values()}
    return {name for name in api.permissions if name not in placed and (name in used or name.partition(".")[0] not in nouns)}


def _names_project(api: ir.Api, named: str | ir.ScalarRef | ir.NamedRef, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value of a type may say of which project something is."""
    if isinstance(named, ir.ScalarRef):
        return False
    name = named if isinstance(named, str) else named.name
    entry = api.types[name]
    if name in seen or isinstance(entry, ir.Enum):
        return False
    if isinstance(entry, ir.Union):
        return any(_names_project(api, branch.record, seen | {name}) for branch in entry.branches)
    return any(field.name == "project" or _names_project(api, _single(field.type), seen | {name}) for field in entry.fields)


def _has_project(api: ir.Api, document: str) -> bool:
    entry = api.types[document]
    return isinstance(entry, ir.Record) and any(field.name == "project" for field in entry.fields)


def _any_secret(api: ir.Api, method: ir.Method) -> bool:
    """Whether the parameters may hold a secret anywhere."""
    singles = [_single(field.type) for field in method.params]
    return any(
        one.scalar is ir.Scalar.SECRET if isinstance(one, ir.ScalarRef) else holds(api, one.name, ir.Scalar.SECRET) for one in singles
    )


def _tuple(items: Iterable[str]) -> str:
    found = [literal(item) for item in items]
    return f"({', '.join(found)}{',' if len(found) == 1 else ''})"


def holds(api: ir.Api, name: str, scalar: ir.Scalar, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value of type ``name`` may hold a ``scalar`` anywhere."""
    if name in seen:
        return False
    entry = api.types[name]
    match entry:
        case ir.Enum():
            return False
        case ir.Union():
            return any(holds(api, branch.record, scalar, seen | {name}) for branch in entry.branches)
    singles = [_single(field.type) for field in entry.fields]
    return any(one.scalar is scalar if isinstance(one, ir.ScalarRef) else holds(api, one.name, scalar, seen | {name}) for one in singles)


def _single(ref: ir.TypeRef) -> ir.ScalarRef | ir.NamedRef:
    match ref:
        case ir.ListRef(item=single) | ir.MapRef(value=single):
            return single
        case _:
            return ref


def _services(api: ir.Api) -> str:
    writer = python_writer("What each subsystem can be asked: one Protocol per worker, one method per verb.")
    writer.lines("from typing import TYPE_CHECKING, Protocol", "", "if TYPE_CHECKING:")
    writer.lines("    from libvdsm.interfaces.generated import types", "    from libvdsm.interfaces.work import WorkContext", "", "")
    for subsystem in names.subsystems(api):
        methods = [method for method in api.methods.values() if method.subsystem == subsystem]
        with writer.block(f"class {names.service(subsystem)}(Protocol):"):
            writer.docstring(f"The verbs of subsystem {subsystem}{'' if methods else ': none so far'}.")
            for method in methods:
                writer.line()
                _verb(writer, method)
        writer.line()
    return writer.text


def _verb(writer: Writer, method: ir.Method) -> None:
    signature = f"(self, context: WorkContext, params: types.{method.params_record}) -> types.{method.result}"
    with writer.block(f"async def {names.attribute(method)}{signature}:"):
        raised = f"Raises {', '.join(method.errors)}." if method.errors else ""
        writer.docstring(method.summary, method.description, raised)
