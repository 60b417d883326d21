# Generated from the schema by vdsm-schema; do not edit.
"""Types of Event: What has changed, in order, without loss."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class ChangeKind(values.Word):
    """What happened to an object."""

    ADDED = "added"
    """It is new (to you)."""
    CHANGED = "changed"
    """It has changed."""
    REMOVED = "removed"
    """It is gone (for you)."""


class EventCauseKind(values.Word):
    """What kind of thing caused a change."""

    CALL = "call"
    """A verb."""
    HYPERVISOR = "hypervisor"
    """The hypervisor told of it."""
    RESYNC = "resync"
    """It was found when states were compared after a loss; when it happened is not known."""
    DAEMON = "daemon"
    """The daemon itself."""


class EventGapReason(values.Word):
    """Why events can no longer be had."""

    TRIMMED = "trimmed"
    """The journal no longer has them."""
    EPOCH = "epoch"
    """The token is of another life of the journal."""
    RIGHTS = "rights"
    """What you may see has changed since you got the token, or the token is somebody else's."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event(values.Record):
    """One change of one object."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("epoch", "epoch"),
        ("sequence", "sequence"),
        ("time", "time"),
        ("topic", "topic"),
        ("object", "object"),
        ("change", "change"),
        ("patch", "patch"),
        ("cause", "cause"),
        ("merged", "merged"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"cause", "change", "epoch", "merged", "object", "patch", "sequence", "time", "topic"})

    epoch: str
    """The life of the journal; changes only if that is lost or restored."""
    sequence: int
    """Its number in the epoch."""
    time: str
    """When it was recorded."""
    topic: str
    """Its topic, such as vm.<id>."""
    object: EventObject
    """What has changed."""
    change: ChangeKind
    """What happened to it."""
    patch: Any = None
    """For added the document; for changed a merge patch (RFC 7396) of it."""
    cause: EventCause
    """Why."""
    merged: int | None = None
    """How many changes were merged into this one. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            epoch=data["epoch"],
            sequence=data["sequence"],
            time=data["time"],
            topic=data["topic"],
            object=EventObject.from_wire(data["object"]),
            change=ChangeKind(data["change"]),
            patch=data.get("patch"),
            cause=EventCause.from_wire(data["cause"]),
            merged=data.get("merged"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventCause(values.Record):
    """Why it changed."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("kind", "kind"),
        ("method", "method"),
        ("operation_id", "operationId"),
        ("identity", "identity"),
        ("detail", "detail"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"detail", "identity", "kind", "method", "operationId"})

    kind: EventCauseKind
    """What caused it."""
    method: str | None = None
    """The verb."""
    operation_id: str | None = None
    """The task, or the call's own id."""
    identity: str | None = None
    """Who asked."""
    detail: str | None = None
    """The hypervisor's own word."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            kind=EventCauseKind(data["kind"]),
            method=data.get("method"),
            operation_id=data.get("operationId"),
            identity=data.get("identity"),
            detail=data.get("detail"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventDelivery(values.Record):
    """The parameters of an Event.deliver notification."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscription_id", "subscriptionId"),
        ("resume", "resume"),
        ("event", "event"),
        ("gap", "gap"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"event", "gap", "resume", "subscriptionId"})

    subscription_id: str
    """The subscription."""
    resume: str
    """The token after this delivery."""
    event: Event | None = None
    """The event."""
    gap: EventGap | None = None
    """Or the gap before the events that follow."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            subscription_id=data["subscriptionId"],
            resume=data["resume"],
            event=None if data.get("event") is None else Event.from_wire(data["event"]),
            gap=None if data.get("gap") is None else EventGap.from_wire(data["gap"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter(values.Record):
    """Which events; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("types", "types"),
        ("object_ids", "objectIds"),
        ("fields", "fields"),
        ("projects", "projects"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"fields", "objectIds", "projects", "types"})

    types: list[str] | None = None
    """Are about objects of these types."""
    object_ids: list[str] | None = None
    """Are about these objects."""
    fields: list[str] | None = None
    """Change one of these members, such as state or config.memory; added and removed always fit."""
    projects: list[str] | None = None
    """Are about objects of these projects."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            types=None if data.get("types") is None else list(data["types"]),
            object_ids=None if data.get("objectIds") is None else list(data["objectIds"]),
            fields=None if data.get("fields") is None else list(data["fields"]),
            projects=None if data.get("projects") is None else list(data["projects"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventGap(values.Record):
    """Events that can no longer be had; read the objects anew."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("reason", "reason"),
        ("missed", "missed"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"missed", "reason"})

    reason: EventGapReason
    """Why."""
    missed: int | None = None
    """How many, if known. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            reason=EventGapReason(data["reason"]),
            missed=data.get("missed"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventList(values.Record):
    """Events in order."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("resume", "resume"),
        ("gap", "gap"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"gap", "items", "resume"})

    items: list[Event]
    """The events."""
    resume: str
    """The token to go on from."""
    gap: EventGap | None = None
    """What was lost before them."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Event.from_wire(one) for one in data["items"]],
            resume=data["resume"],
            gap=None if data.get("gap") is None else EventGap.from_wire(data["gap"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventObject(values.Record):
    """The object of an event."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("type", "type"),
        ("id", "id"),
        ("generation", "generation"),
        ("revision", "revision"),
        ("project", "project"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"generation", "id", "project", "revision", "type"})

    type: str
    """Its type, such as vm."""
    id: str
    """Its id."""
    generation: int | None = None
    """Its generation after the change."""
    revision: int
    """Its revision after the change."""
    project: str | None = None
    """Its project."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            type=data["type"],
            id=data["id"],
            generation=data.get("generation"),
            revision=data["revision"],
            project=data.get("project"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventSubscription(values.Record):
    """A subscription."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subscription_id", "subscriptionId"),
        ("resume", "resume"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"resume", "subscriptionId"})

    subscription_id: str
    """Its name on this connection."""
    resume: str
    """The token from which it begins."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            subscription_id=data["subscriptionId"],
            resume=data["resume"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
