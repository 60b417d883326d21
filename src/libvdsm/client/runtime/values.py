"""The bases of the generated types: records, open enums, unknown kinds, absent members of patches.

Whatever a later daemon adds is kept: unknown members in ``extra``, unknown words as they are,
unknown kinds of a union as ``UnknownKind``; all of them are written back as they were read.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.runtime.json import Json


class Unset(enum.Enum):
    """The type of ``UNSET``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return self.name


#: A patch's member that is not there; ``None`` clears.
UNSET: Final = Unset.UNSET
UnsetType: TypeAlias = Literal[Unset.UNSET]

T = TypeVar("T")

_NOTHING: Final[Mapping[str, Any]] = {}


class Record:
    """A structure of the API."""

    __slots__ = ()

    #: Attribute and wire name of each member.
    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: Defaults of the schema by wire name; a member that has its default is not sent.
    DEFAULTS: ClassVar[Mapping[str, Any]] = _NOTHING
    #: Discriminator and its value, if the record is a kind of a union.
    TAG: ClassVar[tuple[str, str] | None] = None
    #: Wire names of all that ``from_wire`` reads.
    KNOWN: ClassVar[frozenset[str]] = frozenset()
    #: Whether ``None`` is written (it clears) instead of left out.
    IS_PATCH: ClassVar[bool] = False

    extra: Mapping[str, Any]

    def to_wire(self) -> dict[str, Any]:
        """The record as a JSON object."""
        found: dict[str, Any] = {} if self.TAG is None else dict([self.TAG])
        for attribute, name in self.WIRE_NAMES:
            value = getattr(self, attribute)
            if value is UNSET or (value is None and not self.IS_PATCH):
                continue
            encoded = to_wire(value)
            if name not in self.DEFAULTS or encoded != self.DEFAULTS[name]:
                found[name] = encoded
        found.update(self.extra)
        return found


class Word(enum.StrEnum):
    """A word of an enum. Words that this client does not know are kept; they are in no list of members."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    @property
    def is_known(self) -> bool:
        """Whether this client's description has the word."""
        return self._name_ in type(self).__members__


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A kind of a union that this client does not know, as it came."""

    raw: Mapping[str, Any]

    def to_wire(self) -> dict[str, Any]:
        """As it came."""
        return dict(self.raw)


def to_wire(value: Json) -> Json:
    """Any value of the client as JSON has it."""
    if isinstance(value, (Record, UnknownKind)):
        return value.to_wire()
    if isinstance(value, dict):
        return {key: to_wire(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_wire(one) for one in value]
    return str(value) if isinstance(value, Word) else value


def params(**given: Json) -> dict[str, Any]:
    """Parameters of a call by their wire names; ``None`` is absent."""
    return {name: to_wire(value) for name, value in given.items() if value is not None}


def patched(data: Mapping[str, Any], name: str, decode: Callable[[Json], T]) -> T | UnsetType | None:
    """A patch's member: absent, null, or what ``decode`` makes of it."""
    given = data.get(name, UNSET)
    return given if given is UNSET or given is None else decode(given)


def unknown_members(data: Mapping[str, Any], known: frozenset[str]) -> Mapping[str, Any]:
    """The members of ``data`` that this client does not know."""
    if data.keys() <= known:
        return _NOTHING
    return {name: value for name, value in data.items() if name not in known}
