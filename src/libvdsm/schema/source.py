"""First phase: YAML text becomes a tree whose every node knows its file and line.

The YAML understood here is the part that is also JSON: words that YAML 1.1 would turn into
something surprising (``yes``, ``0777``, ``12:30``, a bare date) are refused, so that what is read
is what was written. Aliases are allowed; duplicate keys, merge keys and cycles are not. Nothing
here knows what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import yaml

from libvdsm.schema.complaint import Complaint, SchemaError
from libvdsm.schema.ir import Position

if TYPE_CHECKING:
    from pathlib import Path

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar."""

    position: Position
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """A sequence."""

    position: Position
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are strings; ``keys`` tells where each of them stands."""

    position: Position
    entries: Mapping[str, Node]
    keys: Mapping[str, Position]

    def where(self, key: str) -> Position:
        """The position of a key, or of the mapping if it lacks the key."""
        return self.keys.get(key, self.position)

    def value(self, key: str) -> object:
        """The plain JSON value under a key; None if it is not there."""
        return plain(self.entries[key]) if key in self.entries else None

    def text(self, key: str, default: str = "") -> str:
        """The string under a key."""
        found = self.value(key)
        return found if isinstance(found, str) else default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """The boolean under a key."""
        found = self.value(key)
        return found if isinstance(found, bool) else default

    def number(self, key: str) -> int | float | None:
        """The number under a key."""
        found = self.value(key)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    def integer(self, key: str) -> int | None:
        """The integer under a key."""
        found = self.number(key)
        return found if isinstance(found, int) else None

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of the sequence under a key."""
        found = self.value(key)
        return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()

    def table(self, key: str) -> Table | None:
        """The mapping under a key."""
        found = self.entries.get(key)
        return found if isinstance(found, Table) else None


Node: TypeAlias = Leaf | Row | Table


def plain(node: Node) -> object:
    """The JSON value that a node stands for."""
    match node:
        case Leaf():
            return node.value
        case Row():
            return [plain(item) for item in node.items]
        case Table():
            return {key: plain(value) for key, value in node.entries.items()}


def read_file(path: Path, name: str) -> Table:
    """Read one file; ``name`` is what complaints call it.

    Raises SchemaError if it is not UTF-8, not YAML, or not a mapping at the top.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SchemaError([Complaint(Position(name, 1), name, f"is not UTF-8 at byte {error.start}", "yaml-encoding")]) from error
    return read_text(text, name)


def read_text(text: str, name: str) -> Table:
    """Read YAML text as ``read_file`` does."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SchemaError([Complaint(Position(name, line), name, f"is not YAML: {error.problem}", "yaml-syntax")]) from error
    except yaml.YAMLError as error:
        raise SchemaError([Complaint(Position(name, 1), name, "is not YAML: it holds a forbidden character", "yaml-syntax")]) from error
    reader = _Reader(name)
    tree = reader.node(root, name) if root is not None else None
    if not isinstance(tree, Table):
        reader.complain(Position(name, 1), name, "is not a mapping", "yaml-root")
        raise SchemaError(reader.complaints)
    if reader.complaints:
        raise SchemaError(reader.complaints)
    return tree


class _Reader:
    """Turns PyYAML's nodes into ours and gathers what is wrong with them."""

    def __init__(self, file: str) -> None:
        self.complaints: list[Complaint] = []
        self._file = file
        self._open: set[int] = set()

    def complain(self, position: Position, definition: str, message: str, rule: str) -> None:
        self.complaints.append(Complaint(position, definition, message, rule))

    def node(self, node: yaml.Node, path: str) -> Node:
        position = self._position(node)
        if isinstance(node, yaml.ScalarNode):
            return Leaf(position, self._scalar(node, path))
        if id(node) in self._open:
            self.complain(position, path, "holds itself", "yaml-cycle")
            return Leaf(position, None)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return Row(position, tuple(self.node(item, f"{path}[{at}]") for at, item in enumerate(node.value)))
            return self._table(node, path)
        finally:
            self._open.discard(id(node))

    def _position(self, node: yaml.Node) -> Position:
        return Position(self._file, node.start_mark.line + 1)

    def _table(self, node: yaml.Node, path: str) -> Table:
        entries: dict[str, Node] = {}
        keys: dict[str, Position] = {}
        for key, value, position in self._pairs(node, path):
            if key in entries:
                self.complain(
                    position, f"{path}.{key}", f"stands here for the second time; first in line {keys[key].line}", "yaml-duplicate-key"
                )
                continue
            keys[key] = position
            entries[key] = self.node(value, f"{path}.{key}")
        return Table(self._position(node), entries, keys)

    def _pairs(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node, Position]]:
        for key_node, value in node.value:
            position = self._position(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
                word = getattr(key_node, "value", None)
                self.complain(
                    position, path, f"has a key that is not a string: {word if isinstance(word, str) else 'a container'}", "yaml-key"
                )
                continue
            yield key_node.value, value, position

    def _scalar(self, node: yaml.ScalarNode, path: str) -> str | int | float | bool | None:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "bool" if text in {"true", "false"}:
                return text == "true"
            case "null" if text == "null":
                return None
            case "int" if _INTEGER.fullmatch(text):
                return int(text)
            case "float" if _NUMBER.fullmatch(text):
                return float(text)
        self.complain(self._position(node), path, f"is ambiguous in YAML: put {text!r} in quotes or write it as JSON has it", "yaml-scalar")
        return None
