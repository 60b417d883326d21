"""The words by which the schema names types: ``string``, ``list<uuid>``, ``map<Feature>``, ``VmConfig``."""

from __future__ import annotations

import re
from typing import Final

from libvdsm.schema.ir import ListRef, MapRef, NamedRef, Scalar, ScalarRef, TypeRef

_CONTAINER: Final = re.compile(r"(list|map)<([^<>]+)>")
_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
_SCALARS: Final = {scalar.value: ScalarRef(scalar) for scalar in Scalar}


def parse(text: str) -> TypeRef | None:
    """The type that a word names; None if it is no such word. Named types are not looked up."""
    found = _CONTAINER.fullmatch(text)
    if found is None:
        return _simple(text)
    item = _simple(found[2])
    if item is None:
        return None
    return ListRef(item) if found[1] == "list" else MapRef(item)


def spell(ref: TypeRef) -> str:
    """The word for a type; the opposite of ``parse``."""
    match ref:
        case ScalarRef():
            return ref.scalar.value
        case NamedRef():
            return ref.name
        case ListRef():
            return f"list<{spell(ref.item)}>"
        case MapRef():
            return f"map<{spell(ref.value)}>"


def item_of(ref: TypeRef) -> ScalarRef | NamedRef:
    """What a container holds, or the type itself."""
    match ref:
        case ListRef():
            return ref.item
        case MapRef():
            return ref.value
        case _:
            return ref


def named(ref: TypeRef) -> str | None:
    """The name of the schema's own type in a reference, if there is one."""
    item = item_of(ref)
    return item.name if isinstance(item, NamedRef) else None


def scalar(ref: TypeRef) -> Scalar | None:
    """The built-in type in a reference, if there is one."""
    item = item_of(ref)
    return item.scalar if isinstance(item, ScalarRef) else None


def _simple(text: str) -> ScalarRef | NamedRef | None:
    if text in _SCALARS:
        return _SCALARS[text]
    return NamedRef(text) if _NAME.fullmatch(text) else None
