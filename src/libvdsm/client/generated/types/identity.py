# Generated from the schema by vdsm-schema; do not edit.
"""Types of Identity: Who you are to this host."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class IdentitySource(values.Word):
    """How an identity was established."""

    UNIX = "unix"
    """By the credentials of a unix socket's peer."""
    ANONYMOUS = "anonymous"
    """Not at all; the daemon runs with --insecure."""
    CONNECTOR = "connector"
    """By a connector inside the daemon."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityInfo(values.Record):
    """An identity and its rights."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("identity", "identity"),
        ("source", "source"),
        ("roles", "roles"),
        ("permissions", "permissions"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"identity", "permissions", "roles", "source"})

    identity: str
    """Its name, such as unix:0."""
    source: IdentitySource
    """How it was established."""
    roles: list[str]
    """Its roles."""
    permissions: list[str]
    """What it may do."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            identity=data["identity"],
            source=IdentitySource(data["source"]),
            roles=list(data["roles"]),
            permissions=list(data["permissions"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )
