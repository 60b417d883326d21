"""When a change of a configuration's member takes effect: read from the schema, told nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec

from libvdsm.interfaces.generated.types import ChangeEffect


class _Field(msgspec.Struct):
    name: str
    change: ChangeEffect | None = None


class _Type(msgspec.Struct):
    fields: list[_Field] = []


class _Api(msgspec.Struct):
    types: dict[str, _Type]


@cache
def change_effects(record: str) -> Mapping[str, ChangeEffect]:
    """The change effect of every member of a writable record, by its name on the wire."""
    compiled = files("libvdsm.schema").joinpath("compiled", "native.json")
    if compiled.is_file():
        fields = msgspec.json.decode(compiled.read_bytes(), type=_Api).types[record].fields
        return {field.name: field.change for field in fields if field.change is not None}
    return _from_source(record)


def _from_source(record: str) -> Mapping[str, ChangeEffect]:
    """The same from the YAML files, for a tree in which nothing has been compiled yet."""
    from libvdsm.schema import load_api
    from libvdsm.schema.ir import Record

    found = load_api().types[record]
    fields = found.fields if isinstance(found, Record) else ()
    return {field.name: ChangeEffect(field.change) for field in fields if field.change is not None}
