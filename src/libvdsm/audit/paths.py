"""Which parameters were given: their paths, and nothing of their values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.redaction import Shape, shape_of

#: Of more than so many paths the rest is not told.
MOST_PATHS: Final = 64

_decode = msgspec.json.Decoder().decode


def paths_of(params: bytes, entry: MethodEntry) -> list[str]:
    """The paths of what was given beside the object, sorted: ``["config.memory", "name"]``.

    Every word of them is a member's name of the schema: keys of maps, elements of lists, members of unions and what the
    verb does not know are not told. Never fails.
    """
    try:
        given = _decode(params)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []
    if isinstance(given, list):  # by position
        given = dict(zip(entry.param_names, given, strict=False))
    if not isinstance(given, dict):
        return []
    told = {name: value for name, value in given.items() if name != entry.object_param}
    return sorted(_paths(told, shape_of(entry.params), ""))[:MOST_PATHS]


def _paths(value: Mapping[str, object], shape: Shape, prefix: str) -> Iterator[str]:
    members = shape.members or {}
    for name, given in value.items():
        known = members.get(name)
        if known is None:
            continue
        if known.members and isinstance(given, dict) and given:
            inside = list(_paths(given, known, f"{prefix}{name}."))
            yield from inside or [f"{prefix}{name}"]
        else:
            yield f"{prefix}{name}"
