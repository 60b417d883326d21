"""Verbs and events: the traits of DESIGN 8 and what they must agree on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from libvdsm.schema import ir, resolve, typeref
from libvdsm.schema.check.report import Report
from libvdsm.schema.ir import Kind, Presence
from libvdsm.schema.validate import Direction, Problem, Validator

_CAPABILITY: Final = re.compile(r"[a-z][a-z0-9]*(\.[a-z][a-zA-Z0-9]*)+")
_DAY_S: Final = 86400


def check_verbs(api: ir.Api, report: Report) -> None:
    """Note what is wrong with methods and events."""
    for method in api.methods.values():
        _object(method, report)
        _order(method, report)
        _names(api, method, report)
        _kind(api, method, report)
        _paged(api, method, report)
        _requires(method.full_name, method, report)
        _states(api, method, report)
        for param in method.params:
            _requires(f"{method.full_name}.{param.name}", param, report)
    for one in api.types.values():
        if isinstance(one, ir.Record):
            for field in one.fields:
                _requires(f"{one.name}.{field.name}", field, report)
    _events(api, report)


def check_examples(api: ir.Api, report: Report) -> None:
    """Note every example that does not fit its verb. Needs types that are sound."""
    given, answered = Validator(api, Direction.INPUT), Validator(api, Direction.OUTPUT, strict=True)
    for method in api.methods.values():
        for example in method.examples:
            _example("params", method, given.members(method.params, dict(example.params)), report)
            _example("result", method, answered.value(ir.NamedRef(method.result), dict(example.result)), report)


def _example(what: str, method: ir.Method, problems: Sequence[Problem], report: Report) -> None:
    for problem in problems:
        report.say(f"example-{what}", method.position, method.full_name, f"the example's {what}: {problem}")


def _object(method: ir.Method, report: Report) -> None:
    if method.object_type is None:
        return
    wanted = f"{method.object_type}Id"
    first = method.params[0] if method.params else None
    if first is None or first.name != wanted:
        report.say(
            "object-param", method.position, method.full_name, f"is about a {method.object_type}, and its first parameter is not {wanted}"
        )
    elif first.on_input is Presence.OPTIONAL:
        report.say("object-param", first.position, f"{method.full_name}.{first.name}", "is the object of the verb and may not be optional")


def _order(method: ir.Method, report: Report) -> None:
    optional = ""
    for param in method.params:
        if param.on_input is Presence.OPTIONAL:
            optional = optional or param.name
        elif optional:
            report.say(
                "param-order",
                param.position,
                f"{method.full_name}.{param.name}",
                f"is required and stands after {optional}, which is optional",
            )


def _names(api: ir.Api, method: ir.Method, report: Report) -> None:
    if not isinstance(api.types.get(method.result), ir.Record):
        report.say("unknown-result", method.position, method.full_name, f"answers {method.result}, which is no record")
    for name in method.errors:
        if name not in api.errors and name not in resolve.implicit_errors(method.kind, method.object_type):
            report.say("unknown-error", method.position, method.full_name, f"declares the error {name}, which is not there")
    if method.permission is not None and method.permission not in api.permissions:
        report.say("unknown-permission", method.position, method.full_name, f"needs the permission {method.permission}, which is not there")
    if not 0 < method.timeout_s <= _DAY_S:
        report.say("timeout-range", method.position, method.full_name, f"has a timeout of {method.timeout_s:g} s")


def _kind(api: ir.Api, method: ir.Method, report: Report) -> None:
    if method.kind is Kind.QUERY:
        _query(api, method, report)
    else:
        _change(method, report)
    operation = method.kind is Kind.OPERATION
    if operation is not (method.progress_unit is not None):
        text = "is an operation and lacks progress_unit" if operation else f"is a {method.kind.value} and has progress_unit"
        report.say("progress-unit", method.position, method.full_name, text)
    if operation and not isinstance(api.types.get(resolve.TASK_ANSWER), ir.Record):
        report.say("task-answer", method.position, method.full_name, f"is an operation, and there is no record {resolve.TASK_ANSWER}")


def _change(method: ir.Method, report: Report) -> None:
    if method.permission is None and not _needs_secret(method):
        report.say("unguarded-change", method.position, method.full_name, "changes things and needs neither a permission nor a secret")
    if method.probe is None:
        report.say("missing-probe", method.position, method.full_name, "changes things and lacks probe: metadata, state or none")


def _needs_secret(method: ir.Method) -> bool:
    """Whether a parameter that must be given is a secret: then whoever has it may."""
    return any(
        isinstance(p.type, ir.ScalarRef) and p.type.scalar is ir.Scalar.SECRET and p.on_input is Presence.REQUIRED for p in method.params
    )


def _query(api: ir.Api, method: ir.Method, report: Report) -> None:
    permission = api.permissions.get(method.permission or "")
    if permission is not None and permission.write:
        report.say("query-writes", method.position, method.full_name, f"is a query and needs {permission.name}, which lets change things")
    if method.probe is not None:
        report.say("query-writes", method.position, method.full_name, "is a query and has a probe; there is nothing to recover")
    if not method.idempotent:
        report.say("query-writes", method.position, method.full_name, "is a query and says that it is not idempotent")


def _paged(api: ir.Api, method: ir.Method, report: Report) -> None:
    result = api.types.get(method.result)
    answered = {f.name for f in result.fields} if isinstance(result, ir.Record) else set()
    taken = {p.name for p in method.params}
    if method.paged and not ({"limit", "after"} <= taken and {"items", "next"} <= answered):
        report.say(
            "paged-shape", method.position, method.full_name, "is paged, and does not take limit and after or not answer items and next"
        )
    if not method.paged and {"items", "next"} <= answered:
        report.say("paged-shape", method.position, method.full_name, f"answers the pages of {method.result} and does not say paged: true")


def _requires(path: str, entry: ir.Method | ir.Field, report: Report) -> None:
    for name in entry.requires:
        if not _CAPABILITY.fullmatch(name):
            report.say(
                "requires-form", entry.position, path, f"requires {name!r}, which is no name of a host capability such as vm.screenshot"
            )


def _states(api: ir.Api, method: ir.Method, report: Report) -> None:
    """The states in which a verb works are those of its object."""
    named = (*method.works_in, *method.done_in)
    if not named:
        return
    if method.object_type is None:
        report.say("unknown-state", method.position, method.full_name, "names states and is about no object")
        return
    known = _states_of(api, method.object_type)
    for state in named:
        if state not in known:
            text = f"names the state {state}, which a {method.object_type} does not have"
            report.say("unknown-state", method.position, method.full_name, text)
    if method.done_in and not method.works_in:
        report.say("unknown-state", method.position, method.full_name, "says where it is done already and not where it works")


def _states_of(api: ir.Api, about: str | None) -> frozenset[str]:
    """The words of member ``state`` of the record that shows an object of the type."""
    for one in api.types.values():
        if isinstance(one, ir.Record) and one.object_type is not None and one.object_type == about:
            named = (typeref.named(field.type) for field in one.fields if field.name == "state")
            states = (api.types.get(name or "") for name in named)
            return frozenset(value.name for enum in states if isinstance(enum, ir.Enum) for value in enum.values)
    return frozenset()


def _events(api: ir.Api, report: Report) -> None:
    told: dict[str, str] = {}
    for interface in api.interfaces.values():
        for event in interface.events:
            _event(api, f"{interface.name}.{event.name}", event, told, report)


def _event(api: ir.Api, path: str, event: ir.Event, told: dict[str, str], report: Report) -> None:
    if event.permission not in api.permissions:
        report.say("unknown-permission", event.position, path, f"needs the permission {event.permission}, which is not there")
    document = api.types.get(event.document)
    about = document.object_type if isinstance(document, ir.Record) else None
    if about is None:
        report.say("event-document", event.position, path, f"tells of {event.document}, which is no record with object")
        return
    if event.topic not in (about, f"{about}.<id>"):
        report.say("event-topic", event.position, path, f"has the topic {event.topic}, not {about} or {about}.<id>")
    first = told.setdefault(about, path)
    if first != path:
        report.say("event-twice", event.position, path, f"tells of {about}, as {first} does")
