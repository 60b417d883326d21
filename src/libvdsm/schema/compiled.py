"""The compiled form of the API: canonical JSON that needs no YAML to be read.

The wheel carries it (``compiled/native.json``); it is sorted and stable, holds no positions, and
members that have their default are left out. Reading gives back the same description, except
that every entry stands at ``COMPILED``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final

from libvdsm.schema import ir, typeref
from libvdsm.schema.ir import Api, Position

#: Where the compiled native profile stands in the package.
NATIVE: Final = Path(__file__).parent / "compiled" / "native.json"
#: The position of every entry that was read from the compiled form.
COMPILED: Final = Position("compiled", 0)
_KINDS: Final[Mapping[str, type]] = {"record": ir.Record, "patch": ir.Patch, "view": ir.View, "enum": ir.Enum, "union": ir.Union}
_KIND_OF: Final = {cls: kind for kind, cls in _KINDS.items()}


class CompiledError(Exception):
    """A compiled form that was not written by this compiler, or was changed after."""


def encode(api: Api) -> str:
    """The compiled form, with a final newline."""
    return json.dumps(_document(api), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def decode(text: str) -> Api:
    """Read a compiled form. Raises CompiledError if it is none or its digest does not fit."""
    try:
        api = _build(Api, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CompiledError(f"not a compiled schema: {error}") from error
    if not isinstance(api, Api) or digest(api) != api.digest:
        raise CompiledError("the digest does not fit the content")
    return api


def load(path: Path = NATIVE) -> Api:
    """Read a compiled form from a file, the native profile's by default."""
    return decode(path.read_text(encoding="utf-8"))


def digest(api: Api) -> str:
    """SHA-256 of the canonical form, without positions and without the digest itself."""
    document = _document(dataclasses.replace(api, digest=""))
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _document(value: object) -> object:
    match value:
        case ir.ScalarRef() | ir.NamedRef() | ir.ListRef() | ir.MapRef():
            return typeref.spell(value)
        case Mapping():
            return {key: _document(item) for key, item in value.items()}
        case list() | tuple():
            return [_document(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _members(value)
        case _:
            return value


def _members(value: object) -> dict[str, object]:
    """The members of a node that differ from their defaults."""
    found = {} if type(value) not in _KIND_OF else {"kind": _KIND_OF[type(value)]}
    document: dict[str, object] = dict(found)
    for member in dataclasses.fields(type(value)):  # type: ignore[arg-type]  # only nodes come here
        item = getattr(value, member.name)
        if member.name != "position" and not _is_default(member, item):
            document[member.name] = _document(item)
    return document


def _is_default(member: dataclasses.Field[object], value: object) -> bool:
    if member.default is not dataclasses.MISSING:
        return type(value) is type(member.default) and value == member.default
    return member.default_factory is not dataclasses.MISSING and value == member.default_factory()


def _build(cls: type, data: Mapping[str, object]) -> object:
    """A node from its members."""
    made: dict[str, object] = {}
    for name, hint in _hints(cls).items():
        if name == "position":
            made[name] = COMPILED
        elif name in data:
            made[name] = _value(hint, data[name])
    return cls(**made)


@cache
def _hints(cls: type) -> Mapping[str, object]:
    hints = typing.get_type_hints(cls)
    return {member.name: hints[member.name] for member in dataclasses.fields(cls)}


def _value(hint: object, data: object) -> object:
    if hint == ir.TypeRef:
        return _type(str(data))
    if hint == ir.Type and isinstance(data, dict):
        return _build(_KINDS[data["kind"]], data)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(data, list):
        return tuple(_value(arguments[0], item) for item in data)
    if origin is Mapping and isinstance(data, dict):
        return {key: _value(arguments[1], item) for key, item in data.items()}
    if origin is types.UnionType:
        return data
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(data)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(data, dict):
        return _build(hint, data)
    return data


def _type(word: str) -> ir.TypeRef:
    found = typeref.parse(word)
    if found is None:
        raise CompiledError(f"{word!r} names no type")
    return found
