"""Names of verbs: the native ones are used as they are; ``rpc.`` belongs to JSON-RPC itself."""

from __future__ import annotations

from libvdsm.interfaces.generated.errors import MethodNotFound

_RESERVED = {"rpc.discover": "Schema.discover"}


def native_method(name: str) -> str:
    """The native verb for ``name``; raises ``MethodNotFound`` for reserved names that mean nothing."""
    if not name.startswith("rpc."):
        return name
    found = _RESERVED.get(name)
    if found is None:
        raise MethodNotFound(method=name)
    return found
