"""Writes the proxies: one class per interface, one method per verb, for asyncio or for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.codegen.python import names
from libvdsm.codegen.python.types import annotation, single
from libvdsm.codegen.words import identifier
from libvdsm.codegen.writer import Writer, literal, python_writer
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Iterator


def proxies(api: ir.Api, *, awaited: bool) -> str:
    """The module ``aio`` or ``sync``."""
    flavour = "aio" if awaited else "sync"
    writer = python_writer(f"The verbs of the API for {'asyncio' if awaited else 'threads'}: one class per interface.")
    writer.lines("from typing import TYPE_CHECKING, Any", "")
    writer.lines("from libvdsm.client.generated import types", f"from libvdsm.client.runtime.{flavour}.client import BaseClient")
    writer.lines("from libvdsm.client.runtime.values import params as given", "", "if TYPE_CHECKING:")
    writer.lines("    from collections.abc import Mapping, Sequence", "")
    writer.lines(f"    from libvdsm.client.runtime.{flavour}.client import TaskHandle", "", "")
    for interface in api.interfaces.values():
        _proxy(writer, interface, awaited=awaited)
    with writer.block("class Interfaces(BaseClient):"):
        writer.docstring("A client with every interface of the API as a property.")
        for interface in api.interfaces.values():
            writer.lines("", "@property")
            with writer.block(f"def {names.module(interface.name)}(self) -> {names.proxy(interface.name)}:"):
                writer.docstring(interface.summary)
                writer.line(f"return {names.proxy(interface.name)}(self)")
    text = writer.text
    unused = {"Mapping, Sequence": [one for one in ("Mapping", "Sequence") if f"{one}[" in text]}
    for found, used in unused.items():
        text = text.replace(
            f"    from collections.abc import {found}\n\n", f"    from collections.abc import {', '.join(used)}\n\n" if used else ""
        )
    return text if ": Any" in text else text.replace("TYPE_CHECKING, Any", "TYPE_CHECKING")


def _proxy(writer: Writer, interface: ir.Interface, *, awaited: bool) -> None:
    with writer.block(f"class {names.proxy(interface.name)}:"):
        writer.docstring(interface.summary)
        writer.lines("", '__slots__ = ("_client",)', "")
        with writer.block("def __init__(self, client: BaseClient) -> None:"):
            writer.line("self._client = client")
        for method in interface.methods:
            writer.line()
            _verb(writer, method, awaited=awaited)
    writer.line()


def _verb(writer: Writer, method: ir.Method, *, awaited: bool) -> None:
    is_operation = method.kind is ir.Kind.OPERATION
    result = f"TaskHandle[types.{method.result}]" if is_operation else f"types.{method.result}"
    head = f"{'async ' if awaited else ''}def {identifier(method.name)}({', '.join(_signature(method))}) -> {result}:"
    with writer.block(head):
        writer.docstring(method.summary, method.description, _arguments(method), *_notes(method))
        sent = ", ".join(f"{field.name}={identifier(field.name)}" for field in method.params)
        options = ", ".join(f"{literal(wire)}: {name}" for name, (wire, _) in names.options(method).items())
        call = "start" if is_operation else "invoke"
        arguments = f"{literal(method.full_name)}, {f'given({sent})' if sent else '{}'}, {{{options}}}, types.{method.result}.from_wire"
        writer.line(f"return {'await ' if awaited else ''}self._client.{call}({arguments})")


def _signature(method: ir.Method) -> Iterator[str]:
    yield "self"
    required = [field for field in method.params if field.on_input is ir.Presence.REQUIRED]
    for field in required:
        yield f"{identifier(field.name)}: {annotation(field.type, _prefix(field), given=True)}"
    yield "*"
    for field in method.params:
        if field not in required:
            yield f"{identifier(field.name)}: {annotation(field.type, _prefix(field), given=True)} | None = None"
    for name, (_, kind) in names.options(method).items():
        yield f"{name}: {kind} | None = None"


def _prefix(field: ir.Field) -> str:
    return "types." if isinstance(single(field.type), ir.NamedRef) else ""


def _arguments(method: ir.Method) -> str:
    lines = []
    for field in method.params:
        unit = f" Unit: {field.unit}." if field.unit not in {None, "none"} else ""
        default = f" Default: {literal(field.default)}." if field.has_default else ""
        lines.append(f"- {identifier(field.name)}: {field.summary}{unit}{default}")
    return "\n".join(lines)


def _notes(method: ir.Method) -> Iterator[str]:
    if method.kind is ir.Kind.OPERATION:
        yield "Answers at once with the task; ``wait`` on it for the result."
    if method.errors:
        yield f"Raises {', '.join(method.errors)}."
