"""The command table, as small frozen values; parsed piece by piece, as a command needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Marks a member without a default; a default may be any JSON value.
NO_DEFAULT: Final = "\0no default"

SCALARS: Final = frozenset({"boolean", "integer", "number", "string", "uuid", "timestamp", "base64", "decimal", "secret", "ticket", "json"})


@dataclass(frozen=True, slots=True)
class TypeUse:
    """A use of a type: plainly, or as the entries of a list or a map."""

    name: str
    container: str = ""  # "", "list" or "map"

    @classmethod
    def parse(cls, text: str) -> TypeUse:
        """Read ``VM``, ``list<uuid>`` or ``map<string>``."""
        if not text.endswith(">"):
            return cls(text)
        container, _, name = text[:-1].partition("<")
        return cls(name, container)

    @property
    def is_scalar(self) -> bool:
        """Whether the name is one of the schema's built-in types."""
        return self.name in SCALARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a record, or a parameter of a verb."""

    name: str
    type: TypeUse
    summary: str = ""
    unit: str | None = None
    optional: bool = False
    default: object = NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Record:
    """A structure."""

    name: str
    members: tuple[Member, ...]
    patch: bool = False  # a merge patch: null clears
    object_type: str | None = None

    def member(self, name: str) -> Member | None:
        """Return the member of that name."""
        return next((member for member in self.members if member.name == name), None)


@dataclass(frozen=True, slots=True)
class Enum:
    """A set of words with what they mean."""

    name: str
    values: Mapping[str, str]
    open: bool


@dataclass(frozen=True, slots=True)
class Union:
    """A tagged choice of records."""

    name: str
    discriminator: str
    branches: Mapping[str, str]  # tag -> record


Type: TypeAlias = Record | Enum | Union


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb of the API."""

    interface: str
    name: str
    summary: str
    description: str
    kind: str
    params: tuple[Member, ...]
    result: str
    object_param: str | None
    object_type: str | None
    paged: bool
    timeout: float

    @property
    def full_name(self) -> str:
        """The name on the wire."""
        return f"{self.interface}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The topic on which changes of one object type are told."""

    object_type: str
    topic: str
    document: str


@dataclass(frozen=True)
class Description:
    """What the shell knows of the API."""

    table: Mapping[str, Any] = field(repr=False)

    @property
    def version(self) -> str:
        """The version of the API."""
        return str(self.table["version"])

    @property
    def digest(self) -> str:
        """The digest of the schema from which the table was made."""
        return str(self.table["digest"])

    @property
    def interfaces(self) -> Mapping[str, str]:
        """The nouns with their summaries."""
        found: Mapping[str, str] = self.table["interfaces"]
        return found

    def verbs(self, interface: str) -> dict[str, str]:
        """Return the verbs of a noun with their summaries."""
        prefix = interface + "."
        return {name.removeprefix(prefix): entry["summary"] for name, entry in self.table["methods"].items() if name.startswith(prefix)}

    def verb(self, full_name: str) -> Verb:
        """Return a verb by its name on the wire; KeyError if there is none."""
        entry = self.table["methods"][full_name]
        interface, _, name = full_name.partition(".")
        return Verb(
            interface=interface,
            name=name,
            summary=entry["summary"],
            description=entry.get("description", ""),
            kind=entry["kind"],
            params=_members(entry.get("params", ())),
            result=entry["result"],
            object_param=entry.get("objectParam"),
            object_type=entry.get("objectType"),
            paged=entry.get("paged", False),
            timeout=entry["timeout"],
        )

    def type(self, name: str) -> Type:
        """Return a record, enum or union; patches and views are records. KeyError if there is none."""
        entry = self.table["types"][name]
        if "enum" in entry:
            return Enum(name, entry["enum"], entry["open"])
        if "union" in entry:
            return Union(name, entry["discriminator"], entry["union"])
        source = self.table["types"][entry["view"]] if "view" in entry else entry
        return Record(name, _members(entry["fields"]), "patch" in entry, source.get("object"))

    def record(self, name: str) -> Record:
        """Return the record of that name."""
        found = self.type(name)
        if not isinstance(found, Record):
            raise TypeError(name)
        return found

    def topic(self, object_type: str) -> Topic | None:
        """Return the topic on which changes of such objects are told."""
        entry = self.table["events"].get(object_type)
        return None if entry is None else Topic(object_type=object_type, topic=entry["topic"], document=entry["document"])

    @property
    def call_options(self) -> tuple[Member, ...]:
        """What may travel beside the parameters of any call."""
        return self.record("CallOptions").members


def _members(entries: list[Mapping[str, Any]] | tuple[()]) -> tuple[Member, ...]:
    return tuple(
        Member(
            name=entry["name"],
            type=TypeUse.parse(entry["type"]),
            summary=entry.get("summary", ""),
            unit=entry.get("unit"),
            optional=entry.get("optional", False),
            default=entry.get("default", NO_DEFAULT),
        )
        for entry in entries
    )


@cache
def load() -> Description:
    """Read the table that this version was built with."""
    text = resources.files("libvdsm.cli.generated").joinpath("commands.json").read_text(encoding="utf-8")
    return Description(json.loads(text))
