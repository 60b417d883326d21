"""Results as tables for people: columns by type, quantities with their units.

The columns are a matter of taste and stand here; a type that is not named gets those of its members
that are one word. Types, units and enums come from the description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from libvdsm.cli.description import Description, Member, Record, TypeUse, Union
from libvdsm.cli.formats import as_line, items_of
from libvdsm.cli.quantities import format_quantity
from libvdsm.cli.terminal import safe
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType
    from rich.text import Text

#: Title and path of each column, by record type.
COLUMNS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "VM": (
        ("NAME", "name"),
        ("STATE", "state"),
        ("VCPUS", "config.vcpus"),
        ("MEMORY", "config.memory"),
        ("STARTED", "startedAt"),
        ("PROBLEM", "problem"),
        ("ID", "id"),
    ),
    "Task": (
        ("ID", "id"),
        ("METHOD", "method"),
        ("OBJECT", "object.id"),
        ("STATE", "state"),
        ("PROGRESS", "progress"),
        ("CREATED", "createdAt"),
        ("ENDED", "endedAt"),
        ("ERROR", "error.message"),
    ),
    "VmStats": (
        ("VM", "vmId"),
        ("STATE", "state"),
        ("CPU", "cpu.usedPercent"),
        ("CPU TIME", "cpu.time"),
        ("MEMORY", "memory.current"),
        ("RESIDENT", "memory.resident"),
        ("SAMPLED", "cpu.sampledAt"),
    ),
    "Event": (
        ("TIME", "time"),
        ("TOPIC", "topic"),
        ("CHANGE", "change"),
        ("CAUSE", "cause.kind"),
        ("BY", "cause.method"),
        ("PATCH", "patch"),
    ),
    "AuditRecord": (
        ("TIME", "time"),
        ("WHO", "identity"),
        ("FROM", "address"),
        ("VERB", "method"),
        ("OBJECT", "object.id"),
        ("GIVEN", "changed"),
        ("OUTCOME", "outcome"),
        ("ERROR", "error"),
        ("TIMES", "count"),
    ),
    "ObjectChange": (
        ("TYPE", "object.type"),
        ("OBJECT", "object.id"),
        ("CHANGE", "change"),
        ("EVENTS", "events"),
        ("BY", "causes.identity"),
        ("WITH", "causes.method"),
        ("MEMBERS", "patch"),
    ),
}

#: Columns that are shown only when some row has a value.
_SPARSE: Final = frozenset({"STARTED", "PROBLEM", "ENDED", "ERROR", "BY", "WITH", "RESIDENT", "GIVEN", "MEMBERS"})
_RIGHT: Final = frozenset({"VCPUS", "MEMORY", "RESIDENT", "CPU", "CPU TIME", "PROGRESS", "EVENTS", "TIMES"})
_COLOURS: Final = {
    "running": "green",
    "ready": "green",
    "done": "green",
    "paused": "yellow",
    "stopping": "yellow",
    "cancelling": "yellow",
    "degraded": "yellow",
    "starting": "yellow",
    "crashed": "red",
    "failed": "red",
    "unavailable": "red",
    "held": "red",
    "unknown": "magenta",
    "added": "green",
    "removed": "red",
    "refused": "red",
}
_MOST_OF_A_CELL: Final = 300


def render(description: Description, type_name: str, value: object, fields: tuple[str, ...] = ()) -> RenderableType | None:
    """Return a result as something to print, None if there is nothing to show; ``fields`` are the members that were asked for."""
    items = items_of(value)
    if items is not None:
        return _listing(description, _item_type(description, type_name), items, fields)
    if isinstance(value, dict):
        return _document(description, type_name, value) if value else None
    return cell(value, None)


def _item_type(description: Description, type_name: str) -> str:
    member = description.record(type_name).member("items")
    name = member.type.name if member is not None else type_name
    return _shown_type(description, name)


def _shown_type(description: Description, name: str) -> str:
    entry = description.table["types"].get(name, {})
    return str(entry.get("view", name))


def _listing(description: Description, type_name: str, items: list[Any], fields: tuple[str, ...]) -> RenderableType:
    from rich import box
    from rich.table import Table

    columns = [
        column for column in columns_of(description, type_name, fields) if fields or column[0] not in _SPARSE or _has(items, column[1])
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for title, path in columns:
        table.add_column(
            title, justify="right" if title in _RIGHT else "left", overflow="fold", no_wrap=path.rpartition(".")[2] in ("id", "vmId")
        )
    for item in items:
        table.add_row(*(cell(dig(item, path), find(description, type_name, path)) for _, path in columns))
    return table


def _has(items: list[Any], path: str) -> bool:
    return any(dig(item, path) is not None for item in items)


def columns_of(description: Description, type_name: str, fields: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Return title and path of the columns for items of a type; ``fields`` are the members that were asked for."""
    known = COLUMNS.get(type_name)
    if known is None:
        known = tuple((member.name.upper(), member.name) for member in description.record(type_name).members)
    if not fields:
        return list(known)
    chosen = [column for field in fields for column in _columns_for(known, field)]
    return [*chosen, *(column for column in known if column[1] in ("id", "vmId") and column not in chosen)]


def _columns_for(known: tuple[tuple[str, str], ...], field: str) -> list[tuple[str, str]]:
    return [column for column in known if column[1].split(".")[0] == field] or [(kebab(field).upper(), field)]


def dig(value: object, path: str) -> object:
    """Return what is at a dotted path of a value, of a list what is there in its items, each once; None if nothing is there."""
    for name in path.split(".") if path else ():
        if isinstance(value, list):
            found = [item.get(name) for item in value if isinstance(item, dict)]
            value = list(dict.fromkeys(item for item in found if isinstance(item, str))) or None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def find(description: Description, type_name: str, path: str) -> Member | None:
    """Return the member at a dotted path of a type; None if the schema has none."""
    member: Member | None = None
    for name in path.split("."):
        kind = description.type(type_name) if type_name in description.table["types"] else None
        member = kind.member(name) if isinstance(kind, Record) else None
        if member is None:
            return None
        type_name = member.type.name
    return member


def _document(description: Description, type_name: str, value: Mapping[str, object]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for path, member, part in _rows(description, Member(name="", type=TypeUse(_shown_type(description, type_name))), value, ""):
        table.add_row(Text(safe(path)), cell(part, member))
    return table


def _rows(description: Description, member: Member | None, value: object, path: str) -> Iterator[tuple[str, Member | None, object]]:
    """Yield a row for each value that is one word; lists of structures are numbered from 1."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            below = _member(description, member, name, value)
            yield from _rows(description, below, part, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value, start=1):
            single = None if member is None else Member(name=member.name, type=TypeUse(member.type.name), unit=member.unit)
            yield from _rows(description, single, item, f"{path}[{number}]")
    elif value not in (None, {}, []):
        yield path, member, value


def _member(description: Description, outer: Member | None, name: str, value: Mapping[str, object]) -> Member | None:
    if outer is None or outer.type.is_scalar or outer.type.name not in description.table["types"]:
        return None
    kind = description.type(outer.type.name)
    if isinstance(kind, Union):
        record = kind.branches.get(str(value.get(kind.discriminator)))
        kind = description.type(record) if record is not None else kind
    return kind.member(name) if isinstance(kind, Record) else None


def cell(value: object, member: Member | None) -> Text:
    """Return a value as text without any power over the terminal; words of states in their colour."""
    from rich.text import Text

    text = plain(value, member)
    style = _COLOURS.get(text, "") if member is not None and not member.type.is_scalar else ""
    return Text(text, style=style)


def plain(value: object, member: Member | None) -> str:
    """Return a value as a short safe text."""
    if value is None:
        return ""
    quantity = format_quantity(value, member.unit if member is not None else None)
    if quantity is not None:
        return quantity
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict) and set(value) == {"value", "unit"}:
        return format_quantity(value["value"], str(value["unit"])) or f"{value['value']} {safe(str(value['unit']))}"
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(plain(item, None) for item in value)
    text = value if isinstance(value, str) else as_line(value)
    return safe(text if len(text) <= _MOST_OF_A_CELL else text[: _MOST_OF_A_CELL - 1] + "…")
