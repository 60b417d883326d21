"""What may be kept of a call's parameters: everything but its secrets. Pure.

Where secrets are is known from the parameters' generated types; what the types do not know, a secret may be as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import msgspec
from msgspec import Struct, inspect

from libvdsm.base.secret import HIDDEN, Secret
from libvdsm.interfaces.method import MethodEntry

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value by its type: the members of an object, what an array or a map holds."""

    is_secret: bool = False
    members: Mapping[str, Shape] | None = None  # of a record, by their names on the wire
    branches: Mapping[str, Shape] = field(default_factory=dict)  # of a union, by their tags
    tag_field: str | None = None
    items: Shape | None = None  # of an array
    values: Shape | None = None  # of a map


@cache
def shape_of(type: type[Struct]) -> Shape:
    """The shape of a generated type. Raises ``TypeError`` for a type that contains itself."""
    return _shape(inspect.type_info(type), ())


def redacted(params: bytes, entry: MethodEntry) -> bytes:
    """``params`` with ``***`` for every secret, and for whatever the verb does not know; others come back as they are.

    Never fails: of what is no JSON nothing is left.
    """
    if not entry.has_secret:
        return params
    value = _loaded(params)
    if isinstance(value, list):  # by position
        value = dict(zip(entry.param_names, value, strict=False))
    return _encode(_hidden(value, shape_of(entry.params)))


def _loaded(params: bytes) -> object:
    try:
        return _decode(params)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _hidden(value: object, shape: Shape) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return _hidden_object(value, _branch(value, shape))
    if isinstance(value, list):
        return HIDDEN if shape.items is None else [_hidden(item, shape.items) for item in value]
    is_container = shape.members is not None or bool(shape.branches) or shape.items is not None or shape.values is not None
    return HIDDEN if shape.is_secret or is_container else value


def _hidden_object(value: Mapping[str, object], shape: Shape) -> object:
    if shape.values is not None:
        return {name: _hidden(one, shape.values) for name, one in value.items()}
    if shape.members is None:
        return HIDDEN
    known = {name: _hidden(one, shape.members[name]) for name, one in value.items() if name in shape.members}
    return known if len(known) == len(value) else known | {HIDDEN: HIDDEN}


def _branch(value: Mapping[str, object], shape: Shape) -> Shape:
    if shape.tag_field is None:
        return shape
    tag = value.get(shape.tag_field)
    return shape.branches.get(tag, Shape()) if isinstance(tag, str) else Shape()


def _shape(info: inspect.Type, owners: tuple[type, ...]) -> Shape:
    match info:
        case inspect.Metadata(type=inner):
            return _shape(inner, owners)
        case inspect.CustomType(cls=cls):
            return Shape(is_secret=issubclass(cls, Secret))
        case inspect.StructType(cls=cls):
            return _record(info, (*owners, cls), known=cls not in owners)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return Shape(items=_shape(item, owners))
        case inspect.DictType(value_type=value):
            return Shape(values=_shape(value, owners))
        case inspect.UnionType(types=types):
            return _union([one for one in types if not isinstance(one, inspect.NoneType)], owners)
        case _:
            return Shape()


def _record(info: inspect.StructType, owners: tuple[type, ...], *, known: bool) -> Shape:
    if not known:
        raise TypeError(f"{info.cls.__name__} contains itself")
    members = {one.encode_name: _shape(one.type, owners) for one in info.fields}
    if info.tag_field is not None:
        members[info.tag_field] = Shape()
    return Shape(members=members)


def _union(types: list[inspect.Type], owners: tuple[type, ...]) -> Shape:
    if len(types) == 1:
        return _shape(types[0], owners)
    records = [one for one in types if isinstance(one, inspect.StructType)]
    if not records:
        return Shape(is_secret=any(_shape(one, owners).is_secret for one in types))
    branches = {str(one.tag): _shape(one, owners) for one in records}
    return Shape(branches=branches, tag_field=records[0].tag_field)
