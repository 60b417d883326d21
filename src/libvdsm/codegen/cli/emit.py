"""The command table of vdsmsh: the part of the description that a shell needs, as JSON.

``libvdsm.cli.description`` is its only reader. Positions, life cycles, permissions and error texts
are left out: errors carry their own words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from libvdsm.codegen.writer import BANNER
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Where the table goes, from the project's root.
PATH: Final = "src/libvdsm/cli/generated/commands.json"

_PACKAGE: Final = "src/libvdsm/cli/generated/__init__.py"
_PACKAGE_TEXT: Final = f'# {BANNER}\n"""The command table of vdsmsh."""\n'


def emit(api: ir.Api) -> dict[str, str]:
    """Return the files of the shell, by their path from the project's root."""
    text = json.dumps(table(api), ensure_ascii=False, indent=1) + "\n"
    return {PATH: text, _PACKAGE: _PACKAGE_TEXT}


def table(api: ir.Api) -> dict[str, object]:
    """Return the command table as a JSON value, in a stable order."""
    return {
        "$comment": BANNER,
        "version": api.version,
        "digest": api.digest,
        "interfaces": {name: interface.summary for name, interface in sorted(api.interfaces.items())},
        "methods": {name: _method(method) for name, method in api.methods.items()},
        "events": dict(sorted(_events(api.interfaces.values()))),
        "types": {name: _type(kind) for name, kind in sorted(api.types.items())},
    }


def _events(interfaces: Iterable[ir.Interface]) -> Iterable[tuple[str, dict[str, object]]]:
    for interface in interfaces:
        for event in interface.events:
            yield event.name, {"topic": event.topic, "document": event.document}


def _method(method: ir.Method) -> dict[str, object]:
    return _without_empty(
        {
            "summary": method.summary,
            "description": method.description,
            "kind": method.kind.value,
            "objectParam": method.object_param,
            "objectType": method.object_type,
            "params": [_field(field) for field in method.params],
            "result": method.result,
            "paged": method.paged,
            "timeout": method.timeout_s,
        }
    )


def _field(field: ir.Field) -> dict[str, object]:
    entry = _without_empty(
        {
            "name": field.name,
            "type": _reference(field.type),
            "summary": field.summary,
            "unit": field.unit,
            "optional": field.on_input is ir.Presence.OPTIONAL or field.has_default,
        }
    )
    if field.has_default:
        entry["default"] = field.default
    return entry


def _reference(type_ref: ir.TypeRef) -> str:
    match type_ref:
        case ir.ScalarRef(scalar=scalar):
            return scalar.value
        case ir.NamedRef(name=name):
            return name
        case ir.ListRef(item=item):
            return f"list<{_reference(item)}>"
        case ir.MapRef(value=value):
            return f"map<{_reference(value)}>"


def _type(kind: ir.Type) -> dict[str, object]:
    match kind:
        case ir.Enum():
            return {"enum": {value.name: value.summary for value in kind.values}, "open": kind.open}
        case ir.Union():
            return {"union": {branch.tag: branch.record for branch in kind.branches}, "discriminator": kind.discriminator}
        case ir.Patch():
            return {"patch": kind.of, "fields": [_patch_field(field) for field in kind.fields]}
        case ir.View():
            return {"view": kind.of, "fields": [_field(field) for field in kind.fields]}
        case ir.Record():
            return _without_empty({"fields": [_field(field) for field in kind.fields], "object": kind.object_type}, keep=("fields",))


def _patch_field(field: ir.Field) -> dict[str, object]:
    entry = _field(field)
    entry.pop("default", None)  # an absent member of a patch changes nothing
    return entry | {"optional": True}


def _without_empty(entry: Mapping[str, object], keep: tuple[str, ...] = ()) -> dict[str, object]:
    return {key: value for key, value in entry.items() if key in keep or value not in (None, "", False, [])}
