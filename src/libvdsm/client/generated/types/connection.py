# Generated from the schema by vdsm-schema; do not edit.
"""Types of Connection: Who is connected to this daemon."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.generated import types
from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.generated.types.identity import IdentitySource


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFilter(values.Record):
    """Which connections; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("identity", "identity"),
        ("protocol", "protocol"),
        ("address", "address"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"address", "identity", "protocol"})

    identity: str | None = None
    """Is this identity's."""
    protocol: str | None = None
    """Speaks this protocol."""
    address: str | None = None
    """Is from there."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            identity=data.get("identity"),
            protocol=data.get("protocol"),
            address=data.get("address"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo(values.Record):
    """One connection."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("identity", "identity"),
        ("source", "source"),
        ("address", "address"),
        ("listener", "listener"),
        ("protocol", "protocol"),
        ("cipher", "cipher"),
        ("connected_at", "connectedAt"),
        ("heart_beat", "heartBeat"),
        ("received_octets", "receivedOctets"),
        ("sent_octets", "sentOctets"),
        ("buffered_octets", "bufferedOctets"),
        ("subscriptions", "subscriptions"),
        ("lag", "lag"),
        ("calls", "calls"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "address",
            "bufferedOctets",
            "calls",
            "cipher",
            "connectedAt",
            "heartBeat",
            "id",
            "identity",
            "lag",
            "listener",
            "protocol",
            "receivedOctets",
            "sentOctets",
            "source",
            "subscriptions",
        }
    )

    id: str
    """Its id in this life of the daemon."""
    identity: str
    """Who is at its other end."""
    source: IdentitySource
    """How the identity was established."""
    address: str
    """From where."""
    listener: str
    """Where it was accepted."""
    protocol: str
    """json, http, stomp, amqp, websocket; with its version where it has one."""
    cipher: str | None = None
    """TLS version and cipher; absent if it is plain."""
    connected_at: str
    """Since when."""
    heart_beat: float | None = None
    """How often its client promised to show life. Unit: seconds."""
    received_octets: int
    """Received from it. Unit: bytes."""
    sent_octets: int
    """Written to it. Unit: bytes."""
    buffered_octets: int
    """What its client has not taken yet. Unit: bytes."""
    subscriptions: int
    """Its subscriptions. Unit: count."""
    lag: int
    """Events by which its slowest subscription is behind. Unit: count."""
    calls: int
    """Requests it made.

    A call, a batch, an HTTP request and a frame of STOMP or AMQP are one each; a frame of more than 4 KiB counts as several. Unit: count.
    """
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            identity=data["identity"],
            source=types.IdentitySource(data["source"]),
            address=data["address"],
            listener=data["listener"],
            protocol=data["protocol"],
            cipher=data.get("cipher"),
            connected_at=data["connectedAt"],
            heart_beat=data.get("heartBeat"),
            received_octets=data["receivedOctets"],
            sent_octets=data["sentOctets"],
            buffered_octets=data["bufferedOctets"],
            subscriptions=data["subscriptions"],
            lag=data["lag"],
            calls=data["calls"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionList(values.Record):
    """A page of connections."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[ConnectionInfo]
    """The connections of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[ConnectionInfo.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )
