"""Errors, permissions and roles."""

from __future__ import annotations

import string
from typing import Final

from libvdsm.schema import ir, resolve
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Presence

#: JSON-RPC's own errors: the only ones whose numbers are negative.
_PROTOCOL: Final = {
    "ParseError": -32700,
    "InvalidRequest": -32600,
    "MethodNotFound": -32601,
    "InvalidParams": -32602,
    "InternalError": -32603,
}
#: How tasks may end, whatever their verb declares.
_TASK_ERRORS: Final = ("Cancelled", "OutcomeUnknown")


def check_errors(api: ir.Api, report: Report) -> None:
    """Note what is wrong with errors, permissions and roles."""
    numbers: dict[int, str] = {}
    for error in api.errors.values():
        _number(error, numbers, report)
        _params(error, report)
        for name in ("message", "remedy"):
            _template(error, name, getattr(error, name), report)
    _implicit(api, report)
    _used(api, report)
    _rights(api, report)


def _number(error: ir.Error, numbers: dict[int, str], report: Report) -> None:
    first = numbers.setdefault(error.number, error.name)
    if first != error.name:
        report.say("error-number", error.position, error.name, f"has the number {error.number} of {first}")
    elif error.number <= 0 and _PROTOCOL.get(error.name) != error.number:
        report.say("error-number", error.position, error.name, f"has the number {error.number}, which is neither positive nor JSON-RPC's")
    elif error.number > 0 and error.name in _PROTOCOL:
        report.say("error-number", error.position, error.name, f"has the number {error.number}, not JSON-RPC's {_PROTOCOL[error.name]}")


def _params(error: ir.Error, report: Report) -> None:
    for param in error.params:
        if not isinstance(param.type, ir.ScalarRef) or param.on_output is Presence.OPTIONAL or param.has_default:
            report.say("error-param", param.position, f"{error.name}.{param.name}", "is not a required scalar")


def _template(error: ir.Error, name: str, text: str, report: Report) -> None:
    try:
        named = [part for _, part, _, _ in string.Formatter().parse(text) if part is not None]
    except ValueError as problem:
        report.say("template-syntax", error.position, error.name, f"{name} is no template: {problem}")
        return
    known = {param.name for param in error.params}
    for one in named:
        if one not in known:
            report.say("template-param", error.position, error.name, f"{name} names {one!r}, which is not one of its parameters")


def _implicit(api: ir.Api, report: Report) -> None:
    for method in api.methods.values():
        for name in resolve.implicit_errors(method.kind, method.object_type):
            if name not in api.errors:
                report.say(
                    "implicit-error", method.position, method.full_name, f"may answer {name} as every such verb may, and it is not defined"
                )


def _used(api: ir.Api, report: Report) -> None:
    declared = {name for m in api.methods.values() for name in m.errors}
    free = {*declared, *_PROTOCOL, *_TASK_ERRORS, *resolve.implicit_errors(ir.Kind.COMMAND, "object")}
    for error in api.errors.values():
        if error.name not in free:
            report.say("unused-error", error.position, error.name, "is declared by no verb")


def _rights(api: ir.Api, report: Report) -> None:
    needed = {m.permission for m in api.methods.values()} | {e.permission for i in api.interfaces.values() for e in i.events}
    granted = {name for role in api.roles.values() for name in role.permissions}
    for role in api.roles.values():
        for name in role.permissions:
            if name not in api.permissions:
                report.say("unknown-permission", role.position, role.name, f"holds the permission {name}, which is not there")
    for permission in api.permissions.values():
        if permission.name not in needed and permission.demanded_by is None:
            report.say("unused-permission", permission.position, permission.name, "is needed by nothing")
        if permission.name not in granted:
            report.say("unused-permission", permission.position, permission.name, "is held by no role")
