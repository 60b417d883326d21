"""Second phase: the files of a profile become definitions, each with its owner and its kind.

The loader knows which sections a file may have and which definitions stand in which section. It
does not know what a definition must say: that is the business of ``check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from libvdsm.schema.complaint import Complaint, SchemaError
from libvdsm.schema.ir import Position
from libvdsm.schema.source import Node, Table, read_file

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Definition:
    """One entry of the schema as it was written."""

    kind: str  # interface, method, param, example, record, enum, union, patch, view, field, value, branch, event, error, permission, role, api
    name: str
    path: str  # "VM.create.vmId"
    table: Table
    position: Position
    children: tuple[Definition, ...] = ()

    def of(self, *kinds: str) -> tuple[Definition, ...]:
        """The children of these kinds, in the order of the source."""
        return tuple(child for child in self.children if child.kind in kinds)

    def walk(self) -> Iterator[Definition]:
        """This definition and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that stands in the files of a profile."""

    api: Definition | None
    interfaces: tuple[Definition, ...]
    errors: tuple[Definition, ...]
    permissions: tuple[Definition, ...]
    roles: tuple[Definition, ...]

    def roots(self) -> tuple[Definition, ...]:
        """The definitions that have no owner."""
        first = (self.api,) if self.api is not None else ()
        return first + self.interfaces + self.errors + self.permissions + self.roles

    def walk(self) -> Iterator[Definition]:
        """Every definition."""
        for root in self.roots():
            yield from root.walk()


#: Section of an interface file -> kind of what stands in it; the kind of a type is in its own key ``kind``.
_INTERFACE_SECTIONS: Final = {"methods": "method", "types": "type", "events": "event"}
#: Section of a shared file -> kind.
_SHARED_SECTIONS: Final = {"errors": "error", "permissions": "permission", "roles": "role"}
#: Kind of a definition -> its sections, with the kind of what stands in them.
_MEMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "method": {"params": "param"},
    "record": {"fields": "field"},
    "enum": {"values": "value"},
    "union": {"branches": "branch"},
    "error": {"params": "param"},
}
TYPE_KINDS: Final = ("record", "enum", "union", "patch", "view")


def load(directory: Path) -> Draft:
    """Read every ``*.yaml`` of a directory, in the order of their names.

    Raises SchemaError with the complaints of all files if one of them cannot be understood.
    """
    complaints: list[Complaint] = []
    tables: dict[str, Table] = {}
    for path in sorted(directory.glob("*.yaml")):
        try:
            tables[path.name] = read_file(path, path.name)
        except SchemaError as error:
            complaints += error.complaints
    if not tables and not complaints:
        complaints.append(Complaint(Position(directory.name, 1), directory.name, "holds no *.yaml file", "no-files"))
    loader = _Loader()
    for name, table in tables.items():
        loader.file(name, table)
    complaints += loader.complaints
    if complaints:
        raise SchemaError(complaints)
    return loader.draft()


class _Loader:
    """Gathers definitions file by file."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []
        self._found: dict[str, list[Definition]] = {"api": [], "interface": [], "error": [], "permission": [], "role": []}
        self._first: dict[tuple[str, str], Position] = {}

    def draft(self) -> Draft:
        api = self._found["api"]
        return Draft(
            api=api[0] if api else None,
            interfaces=tuple(self._found["interface"]),
            errors=tuple(self._found["error"]),
            permissions=tuple(self._found["permission"]),
            roles=tuple(self._found["role"]),
        )

    def file(self, file: str, table: Table) -> None:
        if "interface" in table.entries:
            self._interface(file, table)
            return
        for key, node in table.entries.items():
            if key == "api":
                self._found["api"] += self._unique([self._entry("api", "api", "api", node, table.where(key))])
            elif key in _SHARED_SECTIONS:
                kind = _SHARED_SECTIONS[key]
                self._found[kind] += self._unique(self._section(table, key, kind, ""))
            else:
                self._complain(table.where(key), file, f"has an unknown section {key!r}", "unknown-section")

    def _interface(self, file: str, table: Table) -> None:
        name = table.text("interface")
        children: list[Definition] = []
        for section, kind in _INTERFACE_SECTIONS.items():
            owner = "" if kind == "type" else f"{name}."
            found = self._section(table, section, kind, owner)
            children += self._unique(found) if kind == "type" else found
        whole = Definition("interface", name, name or file, table, table.where("interface"), tuple(children))
        if file != f"{name}.yaml":
            self._complain(whole.position, whole.path, f"stands in {file}, not in {name}.yaml", "file-name")
        self._found["interface"] += self._unique([whole])

    def _section(self, table: Table, section: str, kind: str, owner: str) -> list[Definition]:
        if section not in table.entries:
            return []
        node = table.entries[section]
        if not isinstance(node, Table):
            self._complain(table.where(section), f"{owner}{section}", "is not a mapping of names to definitions", "not-a-mapping")
            return []
        return [self._entry(kind, name, f"{owner}{name}", value, node.where(name)) for name, value in node.entries.items()]

    def _entry(self, kind: str, name: str, path: str, node: Node, position: Position) -> Definition:
        if not isinstance(node, Table):
            self._complain(position, path, "is not a mapping of traits", "not-a-mapping")
            return Definition(kind, name, path, Table(position, {}, {}), position)
        actual = self._type_kind(node, path) if kind == "type" else kind
        entry = Definition(actual, name, path, node, position)
        children = [d for section, child in _MEMBERS.get(actual, {}).items() for d in self._section(node, section, child, f"{path}.")]
        return replace(entry, children=tuple(children))

    def _type_kind(self, table: Table, path: str) -> str:
        kind = table.text("kind")
        if kind in TYPE_KINDS:
            return kind
        self._complain(table.where("kind"), path, f"has no known kind; one of {', '.join(TYPE_KINDS)}", "type-kind")
        return "record"

    def _unique(self, definitions: list[Definition]) -> list[Definition]:
        kept = []
        for one in definitions:
            space = "type" if one.kind in TYPE_KINDS else one.kind
            first = self._first.setdefault((space, one.name), one.position)
            if first is one.position:
                kept.append(one)
            else:
                self._complain(one.position, one.path, f"is defined twice; first at {first}", "defined-twice")
        return kept

    def _complain(self, position: Position, definition: str, message: str, rule: str) -> None:
        self.complaints.append(Complaint(position, definition, message, rule))
