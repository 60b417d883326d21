"""Writes ``schema/compiled/openrpc.json``, OpenRPC 1.3.2, on one line: it is sent as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from libvdsm.codegen.jsonschema.types import Definitions
from libvdsm.codegen.writer import BANNER
from libvdsm.schema import ir

if TYPE_CHECKING:
    from libvdsm.codegen.writer import Json

PATH: Final = "src/libvdsm/schema/compiled/openrpc.json"
VERSION: Final = "1.3.2"

#: What every operation answers.
_ACCEPTED: Final = "TaskAccepted"


def emit(api: ir.Api) -> dict[str, str]:
    """The document by its path in the project."""
    return {PATH: json.dumps(document(api), ensure_ascii=False, separators=(",", ":")) + "\n"}


def document(api: ir.Api) -> dict[str, Json]:
    """The document as a JSON value."""
    definitions = Definitions(api, "#/components/schemas/")
    methods = [_method(definitions, method) for method in api.methods.values()]
    discover = next(method for method in methods if method["name"] == "Schema.discover")
    extensions: dict[str, Json] = {
        "x-digest": api.digest,
        "x-events": {event.name: _event(event) for interface in api.interfaces.values() for event in interface.events},
        "x-generated": BANNER,
        "x-permissions": {name: {"summary": one.summary, "write": one.write} for name, one in sorted(api.permissions.items())},
        "x-roles": {name: {"summary": one.summary, "permissions": list(one.permissions)} for name, one in sorted(api.roles.items())},
    }
    return {
        "openrpc": VERSION,
        "info": {"title": "libvdsm", "version": api.version, "license": {"name": "Apache-2.0"}, **extensions},
        "methods": [*methods, {**discover, "name": "rpc.discover"}],
        "components": {"schemas": definitions.all(), "errors": {name: _error(error) for name, error in sorted(api.errors.items())}},
    }


def _method(definitions: Definitions, method: ir.Method) -> dict[str, Json]:
    is_operation = method.kind is ir.Kind.OPERATION
    found: dict[str, Json] = {
        "name": method.full_name,
        "summary": method.summary,
        "tags": [{"name": method.interface}],
        "paramStructure": "either",
        "params": [_param(definitions, field) for field in method.params],
        "result": _result(definitions, _ACCEPTED if is_operation else method.result),
        "errors": [{"$ref": f"#/components/errors/{name}"} for name in method.errors],
        "examples": [_example(method, number, one) for number, one in enumerate(method.examples, 1)],
        "x-kind": method.kind.value,
        "x-permission": method.permission,
        "x-subsystem": method.subsystem,
        "x-idempotent": method.idempotent,
        "x-cost": method.cost,
        "x-timeout": method.timeout_s,
        "x-since": method.lifecycle.since,
        "x-requires": list(method.requires),
    }
    if method.description:
        found["description"] = method.description
    if is_operation:
        found["x-task-result"] = definitions.reference(method.result, sent=False)
        found["x-progress-unit"] = method.progress_unit
    if method.lifecycle.stage is ir.Stage.DEPRECATED:
        found["deprecated"] = True
    return found


def _param(definitions: Definitions, field: ir.Field) -> dict[str, Json]:
    required = field.on_input is ir.Presence.REQUIRED
    found: dict[str, Json] = {
        "name": field.name,
        "summary": field.summary,
        "required": required,
        "schema": definitions.field(field, sent=True, nullable=not required),
    }
    if field.unit not in {None, "none"}:
        found["x-unit"] = field.unit
    return found


def _result(definitions: Definitions, name: str) -> dict[str, Json]:
    return {"name": name, "schema": definitions.reference(name, sent=False)}


def _example(method: ir.Method, number: int, example: ir.Example) -> dict[str, Json]:
    # By position in the order of the verb's parameters; what is left out in the middle is null.
    names = [field.name for field in method.params]
    last = max((names.index(name) for name in example.params), default=-1)
    found: dict[str, Json] = {
        "name": f"{method.full_name} {number}",
        "params": [{"name": name, "value": example.params.get(name)} for name in names[: last + 1]],
    }
    if method.kind is not ir.Kind.OPERATION:
        found["result"] = {"name": method.result, "value": example.result}
    return found


def _error(error: ir.Error) -> dict[str, Json]:
    params = [field.name for field in error.params]
    traits = {"error": error.name, "fault": error.fault, "retryable": error.retryable, "remedy": error.remedy, "params": params}
    return {"code": error.number, "message": error.message, "data": traits}


def _event(event: ir.Event) -> dict[str, Json]:
    return {"summary": event.summary, "topic": event.topic, "document": event.document, "permission": event.permission}
