# Generated from the schema by vdsm-schema; do not edit.
"""Types of Console: Serial ports and screens of virtual machines as byte streams."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConsoleKind(values.Word):
    """A kind of console."""

    SERIAL = "serial"
    """A serial port."""
    GRAPHICS = "graphics"
    """The screen."""


class ConsoleProtocol(values.Word):
    """What the bytes of a console are."""

    SERIAL = "serial"
    """Terminal bytes."""
    VNC = "vnc"
    """RFB."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleTicket(values.Record):
    """The right to open one console once."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ticket", "ticket"),
        ("path", "path"),
        ("protocol", "protocol"),
        ("expires_at", "expiresAt"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"expiresAt", "path", "protocol", "ticket"})

    ticket: str
    """The ticket."""
    path: str
    """The path of the stream."""
    protocol: ConsoleProtocol
    """What the bytes are."""
    expires_at: str
    """When it can no longer be used."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            ticket=data["ticket"],
            path=data["path"],
            protocol=ConsoleProtocol(data["protocol"]),
            expires_at=data["expiresAt"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
