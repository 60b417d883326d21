"""Parameters in the one form that stands for all ways to say the same (DESIGN 2: absent and null are the same).

A member that has its default is as one that is absent; in a patch, where null takes something away, it stays. So a later
version that knows more members finds the same form for the same call.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET, Raw, Struct

from libvdsm.base.secret import Secret

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(params: object) -> bytes:
    """Decoded parameters as JSON. It holds secrets: for a digest only."""
    return _encode(_plain(params))


def _plain(value: object) -> object:
    if isinstance(value, Struct):
        return _members(value)
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Raw):
        return msgspec.json.decode(value)
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _members(struct: Struct) -> dict[str, object]:
    config = struct.__struct_config__
    found: dict[str, object] = {} if config.tag_field is None else {config.tag_field: config.tag}
    for name, wire_name, default in _fields(type(struct)):
        value = getattr(struct, name)
        if value is not UNSET and (default is NODEFAULT or value != default):
            found[wire_name] = _plain(value)
    return found


@cache
def _fields(kind: type[Struct]) -> tuple[tuple[str, str, Any], ...]:
    """Name, name on the wire, and default of each member."""
    return tuple((each.name, each.encode_name, _default(each)) for each in msgspec.structs.fields(kind))


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()
