"""What the figures of the schema's types are called: derived by rule, with the schema's own words as help.

``VmDiskStats.readBytes`` is ``libvdsm_vm_disk_read_bytes_total``: the type's words, the member's, its unit unless it is there
already, and ``_total`` for what only grows. A figure is a member with a unit; times and texts are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from libvdsm.bindings.metrics.text import Family

PREFIX: Final = "libvdsm"
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LIST: Final = re.compile(r"list<(\w+)>")
_UNITS: Final = {"bytes": "bytes", "seconds": "seconds", "percent": "percent", "count": "", "none": ""}
#: Figures that only grow while their object runs; the schema says so in words alone.
GROWING: Final = frozenset(
    {
        "VmCpuStats.time",
        "VmDiskStats.readBytes",
        "VmDiskStats.readRequests",
        "VmDiskStats.writeRequests",
        "VmDiskStats.writtenBytes",
        "VmNicStats.receivedBytes",
        "VmNicStats.receivedPackets",
        "VmNicStats.sentBytes",
        "VmNicStats.sentPackets",
    }
)


class SchemaField(msgspec.Struct, frozen=True):
    """A member of a type, as far as it matters here."""

    name: str
    type: str
    summary: str = ""
    unit: str = ""


class SchemaType(msgspec.Struct, frozen=True):
    """A type of the compiled schema, as far as it matters here."""

    fields: Sequence[SchemaField] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A member of a group of statistics."""

    family: Family
    member: str


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """One member of a type of statistics: a record of figures, or a list of such records that have ids."""

    member: str
    item_label: str  # of a list: the name of the label that has each one's id; else empty
    figures: tuple[Figure, ...]


def find_groups(types: Mapping[str, SchemaType], name: str) -> tuple[FigureGroup, ...]:
    """The figures of a type of statistics such as ``VmStats``, in the schema's order."""
    return tuple(group for member in types[name].fields if (group := _group(types, member)) is not None and group.figures)


def _group(types: Mapping[str, SchemaType], member: SchemaField) -> FigureGroup | None:
    listed = _LIST.fullmatch(member.type)
    type_name = listed.group(1) if listed else member.type
    if type_name not in types or not type_name.endswith("Stats"):
        return None
    words = [word.lower() for word in _WORD.findall(type_name.removesuffix("Stats"))]
    return FigureGroup(member.name, words[-1] if listed else "", tuple(_figures(types[type_name], type_name, words)))


def _figures(type: SchemaType, type_name: str, words: Sequence[str]) -> Iterator[Figure]:
    for each in type.fields:
        if each.unit and each.type in ("integer", "number"):
            is_growing = f"{type_name}.{each.name}" in GROWING
            parts = [PREFIX, *words, *(word.lower() for word in _WORD.findall(each.name))]
            unit = _UNITS.get(each.unit, each.unit)
            if unit and unit not in parts:
                parts.append(unit)
            if is_growing:
                parts.append("total")
            yield Figure(Family("_".join(parts), "counter" if is_growing else "gauge", each.summary), each.name)
