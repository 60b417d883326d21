"""The compiled form of the API: canonical JSON that needs no YAML to be read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from libvdsm.schema import ir, typeref

if TYPE_CHECKING:
    from libvdsm.schema.ir import Api


def digest(api: Api) -> str:
    """SHA-256 of the canonical form, without positions and without the digest itself."""
    document = _plain(api)
    assert isinstance(document, dict)
    document.pop("digest", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    match value:
        case ir.ScalarRef() | ir.NamedRef() | ir.ListRef() | ir.MapRef():
            return typeref.spell(value)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "position"}
        case _:
            return value
