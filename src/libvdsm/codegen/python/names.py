"""How the schema's names look in the Python client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.codegen.words import identifier, pascal, snake
from libvdsm.schema import ir

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Names that every record has.
_TAKEN: Final = frozenset({"extra", "from_wire", "to_wire"})

#: Names that every error has.
_TAKEN_BY_ERRORS: Final = frozenset({"args", "code", "data", "error", "fault", "message", "name", "params", "path", "remedy", "retryable"})

#: Call options by the parameter that carries them, and the verbs that take them.
_OPTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "timeout": ("timeout", "float"),
    "flow_id": ("flowId", "str"),
    "not_after": ("notAfter", "str"),
    "idempotency_key": ("idempotencyKey", "str"),
    "expected_generation": ("expectedGeneration", "int"),
    "wait": ("wait", "float"),
}


def module(interface: str) -> str:
    """``VM`` becomes ``vm``; also the name under which a client offers it."""
    return snake(interface)


def proxy(interface: str) -> str:
    """``VM`` becomes ``VmProxy``."""
    return f"{pascal(interface)}Proxy"


def attribute(name: str) -> str:
    """The member of a record."""
    found = identifier(name)
    return f"{found}_" if found in _TAKEN else found


def error_attribute(name: str) -> str | None:
    """The property of an error; ``None`` if every error has one of this name."""
    found = identifier(name)
    return None if found in _TAKEN_BY_ERRORS else found


def decoder(union: str) -> str:
    """``DiskSource`` becomes ``decode_disk_source``."""
    return f"decode_{snake(union)}"


def options(method: ir.Method) -> dict[str, tuple[str, str]]:
    """The call options that a verb takes: parameter, wire name, type. A parameter of the verb's own keeps its name."""
    taken = {"timeout", "flow_id"}
    if method.is_mutating:
        taken |= {"not_after", "idempotency_key"}
    if method.is_mutating and method.object_param is not None:
        taken.add("expected_generation")
    if method.kind is ir.Kind.OPERATION:
        taken.add("wait")
    own = {identifier(field.name) for field in method.params}
    return {(f"call_{name}" if name in own else name): _OPTIONS[name] for name in _OPTIONS if name in taken}
