"""Writes ``docs/reference``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from libvdsm.codegen.writer import BANNER, Writer
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterable

    from libvdsm.codegen.writer import Json

ROOM: Final = "docs/reference"


def emit(api: ir.Api) -> dict[str, str]:
    """Every page by its path in the project."""
    pages = {interface.name: _interface(api, interface) for interface in api.interfaces.values()}
    pages |= {"README": _index(api), "errors": _errors(api), "permissions": _permissions(api)}
    return {f"{ROOM}/{name}.md": text for name, text in sorted(pages.items())}


def _page(title: str, *paragraphs: str) -> Writer:
    writer = Writer()
    writer.lines(f"<!-- {BANNER} -->", f"# {title}", "")
    for paragraph in paragraphs:
        writer.lines(paragraph, "")
    return writer


def _index(api: ir.Api) -> str:
    writer = _page(
        f"Reference of the API, version {api.version}", "Made from the schema. `vdsm-schema show NAME` tells the same in a terminal."
    )
    _table(writer, ("Interface", "What it is"), ((f"[{one.name}]({one.name}.md)", one.summary) for one in api.interfaces.values()))
    writer.lines("Beside them: [errors](errors.md), [permissions](permissions.md).", "")
    _table(
        writer,
        ("Method", "Kind", "What it does"),
        ((_method_link(method), method.kind.value, method.summary) for method in api.methods.values()),
    )
    return _ended(writer)


def _interface(api: ir.Api, interface: ir.Interface) -> str:
    writer = _page(interface.name, interface.summary)
    for method in interface.methods:
        _method(writer, api, method)
    if interface.events:
        writer.lines("## Events", "")
        rows = ((f"`{one.topic}`", one.summary, _type_link(api, one.document), _code(one.permission)) for one in interface.events)
        _table(writer, ("Topic", "When", "Document", "Permission"), rows)
    if interface.types:
        writer.lines("## Types", "")
    for name in interface.types:
        _type(writer, api, api.types[name])
    return _ended(writer)


def _method(writer: Writer, api: ir.Api, method: ir.Method) -> None:
    writer.lines(f"## {method.full_name}", "", method.summary, "")
    if method.description:
        writer.lines(method.description, "")
    result = f"a [task](Task.md#task) whose result is {_type_link(api, method.result)}" if method.kind is ir.Kind.OPERATION else None
    facts = {
        "Kind": method.kind.value,
        "Permission": _code(method.permission) if method.permission else "none",
        "Answers": result or _type_link(api, method.result),
        "Repeatable": "yes" if method.idempotent else "no",
        "Time": f"{method.timeout_s:g} s",
        "Cost": method.cost,
        "Progress in": method.progress_unit,
        "Needs": ", ".join(_code(one) for one in method.requires) or None,
        "Since": method.lifecycle.since,
    }
    _table(writer, ("", ""), ((f"**{name}**", value) for name, value in facts.items() if value))
    if method.params:
        _table(writer, ("Parameter", "Type", "", "What it is"), (_row(api, field, sent=True) for field in method.params))
    if method.errors:
        writer.lines(f"Errors: {', '.join(f'[{name}](errors.md#{name.lower()})' for name in method.errors)}.", "")
    for example in method.examples:
        request = {"jsonrpc": "2.0", "id": 1, "method": method.full_name, "params": example.params}
        writer.lines("```json", *_json(request), "```", "", "Result:" if result is None else "Result of the task:", "")
        writer.lines("```json", *_json(example.result), "```", "")


def _type(writer: Writer, api: ir.Api, entry: ir.Type) -> None:
    writer.lines(f"### {entry.name}", "", entry.summary, "")
    match entry:
        case ir.Enum():
            _table(writer, ("Word", "Meaning"), ((_code(one.name), one.summary) for one in entry.values))
            if entry.open:
                writer.lines("Later versions may add words.", "")
        case ir.Union():
            rows = ((_code(one.tag), _type_link(api, one.record), one.summary) for one in entry.branches)
            _table(writer, (_code(entry.discriminator), "Members", "Meaning"), rows)
        case ir.Patch():
            writer.lines(f"Any members of {_type_link(api, entry.of)}; null clears.", "")
        case ir.View():
            writer.lines(f"Some members of {_type_link(api, entry.of)}; `{entry.key}` is always there.", "")
        case ir.Record() if entry.fields:
            sent = entry.is_input and not entry.is_output
            _table(writer, ("Member", "Type", "", "What it is"), (_row(api, field, sent=sent) for field in entry.fields))
        case ir.Record():
            writer.lines("No members yet.", "")


def _row(api: ir.Api, field: ir.Field, *, sent: bool) -> tuple[str, ...]:
    presence = field.on_input if sent else field.on_output
    notes = []
    if field.has_default:
        notes.append(f"default `{_compact(field.default)}`")
    elif ir.Presence.OPTIONAL in {presence, field.on_input}:
        notes.append("optional")
    if field.unit not in {None, "none"}:
        notes.append(str(field.unit))
    notes += _limits(field.constraints)
    if field.change is not None:
        notes.append(f"change: {field.change}")
    return _code(field.name), _shown(api, field.type), "; ".join(notes), field.summary


def _limits(limits: ir.Constraints) -> list[str]:
    told = {
        "at least": limits.minimum,
        "at most": limits.maximum,
        "a multiple of": limits.multiple_of,
        "length at least": limits.min_length,
        "length at most": limits.max_length,
        "entries at least": limits.min_items,
        "entries at most": limits.max_items,
    }
    found = [f"{name} {value}" for name, value in told.items() if value is not None]
    return found if limits.pattern is None else [*found, f"like {_code(limits.pattern)}"]


def _shown(api: ir.Api, ref: ir.TypeRef) -> str:
    match ref:
        case ir.ListRef(item=item):
            return f"list of {_shown(api, item)}"
        case ir.MapRef(value=value):
            return f"map of {_shown(api, value)}"
        case ir.NamedRef(name=name):
            return _type_link(api, name)
        case ir.ScalarRef(scalar=scalar):
            return scalar.value


def _errors(api: ir.Api) -> str:
    writer = _page("Errors", "`data` of an error answer holds `error` (the name), `params`, `path`, `fault`, `retryable` and `remedy`.")
    for error in sorted(api.errors.values(), key=lambda one: one.number):
        writer.lines(f"## {error.name}", "", error.summary, "")
        facts = {
            "Code": str(error.number),
            "Message": _code(error.message),
            "Remedy": error.remedy.replace("{{", "{").replace("}}", "}"),
            "Fault": error.fault,
            "Worth trying again": "yes" if error.retryable else "no",
        }
        _table(writer, ("", ""), ((f"**{name}**", value) for name, value in facts.items()))
        if error.params:
            _table(writer, ("Parameter", "Type", "", "What it is"), (_row(api, field, sent=False) for field in error.params))
    return _ended(writer)


def _permissions(api: ir.Api) -> str:
    writer = _page("Permissions", "What verbs need, and which built-in roles have it.")
    roles = sorted(api.roles)
    rows = (
        (
            _code(name),
            "writes" if one.write else "reads",
            one.summary,
            *("yes" if name in api.roles[role].permissions else "" for role in roles),
        )
        for name, one in sorted(api.permissions.items())
    )
    _table(writer, ("Permission", "", "It allows to", *roles), rows)
    needs = ((_method_link(method), _code(method.permission) if method.permission else "none") for method in api.methods.values())
    _table(writer, ("Method", "Needs"), needs)
    return _ended(writer)


def _table(writer: Writer, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    writer.lines(f"| {' | '.join(head)} |", f"|{'---|' * len(head)}")
    writer.lines(*(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows), "")


def _code(text: str) -> str:
    return f"`{text}`"


def _method_link(method: ir.Method) -> str:
    return f"[{method.full_name}]({method.interface}.md#{method.full_name.lower().replace('.', '')})"


def _type_link(api: ir.Api, name: str) -> str:
    return f"[{name}]({api.types[name].interface}.md#{name.lower()})"


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def _json(value: Json) -> list[str]:
    return json.dumps(value, ensure_ascii=False, indent=2).split("\n")


def _ended(writer: Writer) -> str:
    return writer.text.rstrip("\n") + "\n"
