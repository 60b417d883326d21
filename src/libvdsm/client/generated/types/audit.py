# Generated from the schema by vdsm-schema; do not edit.
"""Types of Audit: Who did what, from where, when, and what became of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.generated import types
from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.generated.types.event import ChangeKind, EventCause
    from libvdsm.client.generated.types.identity import IdentitySource
    from libvdsm.client.generated.types.task import ObjectRef


class AuditOutcome(values.Word):
    """What became of a call."""

    DONE = "done"
    """It was done."""
    FAILED = "failed"
    """It was tried and failed."""
    CANCELLED = "cancelled"
    """It was stopped as asked."""
    UNKNOWN = "unknown"
    """Its end was not seen."""
    REFUSED = "refused"
    """It was not allowed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditChanges(values.Record):
    """What changed between two times."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("complete", "complete"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"complete", "items"})

    items: list[ObjectChange]
    """The objects, in the order of their first change."""
    complete: bool
    """Whether the journal still has all of that time, and all objects are in this answer."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[ObjectChange.from_wire(one) for one in data["items"]],
            complete=data["complete"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter(values.Record):
    """Which records; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("identity", "identity"),
        ("method", "method"),
        ("object_id", "objectId"),
        ("outcomes", "outcomes"),
        ("since", "since"),
        ("until", "until"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"identity", "method", "objectId", "outcomes", "since", "until"})

    identity: str | None = None
    """Is about this identity."""
    method: str | None = None
    """Calls this verb."""
    object_id: str | None = None
    """Is on this object."""
    outcomes: list[AuditOutcome] | None = None
    """Ended in one of these ways."""
    since: str | None = None
    """Was recorded at this time or later."""
    until: str | None = None
    """Was recorded before this time."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            identity=data.get("identity"),
            method=data.get("method"),
            object_id=data.get("objectId"),
            outcomes=None if data.get("outcomes") is None else [AuditOutcome(one) for one in data["outcomes"]],
            since=data.get("since"),
            until=data.get("until"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditList(values.Record):
    """A page of audit records."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[AuditRecord]
    """The records of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[AuditRecord.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord(values.Record):
    """One call, or several refusals of the same kind."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sequence", "sequence"),
        ("time", "time"),
        ("identity", "identity"),
        ("source", "source"),
        ("address", "address"),
        ("method", "method"),
        ("object", "object"),
        ("project", "project"),
        ("changed", "changed"),
        ("outcome", "outcome"),
        ("error", "error"),
        ("operation_id", "operationId"),
        ("flow_id", "flowId"),
        ("count", "count"),
        ("until", "until"),
        ("hash", "hash"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "address",
            "changed",
            "count",
            "error",
            "flowId",
            "hash",
            "identity",
            "method",
            "object",
            "operationId",
            "outcome",
            "project",
            "sequence",
            "source",
            "time",
            "until",
        }
    )

    sequence: int
    """Its number."""
    time: str
    """When it was recorded."""
    identity: str
    """Who."""
    source: IdentitySource
    """How the identity was established."""
    address: str
    """From where."""
    method: str
    """The verb."""
    object: ObjectRef | None = None
    """On which object."""
    project: str | None = None
    """The object's project."""
    changed: list[str] | None = None
    """Paths of what was given to be changed, without values."""
    outcome: AuditOutcome
    """What became of it."""
    error: str | None = None
    """The error's name if it did not end well."""
    operation_id: str | None = None
    """The task, or the call's own id."""
    flow_id: str | None = None
    """The caller's own word for a group of calls."""
    count: int
    """How many refusals alike this record stands for. Unit: count."""
    until: str | None = None
    """When the last of several was."""
    hash: str
    """SHA-256 over the record before it and this one, in hexadecimal digits."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sequence=data["sequence"],
            time=data["time"],
            identity=data["identity"],
            source=types.IdentitySource(data["source"]),
            address=data["address"],
            method=data["method"],
            object=None if data.get("object") is None else types.ObjectRef.from_wire(data["object"]),
            project=data.get("project"),
            changed=None if data.get("changed") is None else list(data["changed"]),
            outcome=AuditOutcome(data["outcome"]),
            error=data.get("error"),
            operation_id=data.get("operationId"),
            flow_id=data.get("flowId"),
            count=data["count"],
            until=data.get("until"),
            hash=data["hash"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict(values.Record):
    """Whether the chain of audit records is whole."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sound", "sound"),
        ("first", "first"),
        ("last", "last"),
        ("hash", "hash"),
        ("first_unsound", "firstUnsound"),
        ("reason", "reason"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"first", "firstUnsound", "hash", "last", "reason", "sound"})

    sound: bool
    """Whether it is."""
    first: int
    """The oldest record that is kept."""
    last: int
    """The newest."""
    hash: str | None = None
    """The hash of the newest; keep it elsewhere to notice a chain that was made anew."""
    first_unsound: int | None = None
    """The first record that does not fit."""
    reason: str | None = None
    """What is wrong with it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            sound=data["sound"],
            first=data["first"],
            last=data["last"],
            hash=data.get("hash"),
            first_unsound=data.get("firstUnsound"),
            reason=data.get("reason"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObjectChange(values.Record):
    """All that changed on one object."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("object", "object"),
        ("change", "change"),
        ("patch", "patch"),
        ("events", "events"),
        ("causes", "causes"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"causes", "change", "events", "object", "patch"})

    object: ObjectRef
    """The object."""
    change: ChangeKind
    """What all of it comes to: added, changed or removed."""
    patch: Any = None
    """All changes as one merge patch (RFC 7396)."""
    events: int
    """How many events there were. Unit: count."""
    causes: list[EventCause]
    """Why, each cause once, oldest first."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            object=types.ObjectRef.from_wire(data["object"]),
            change=types.ChangeKind(data["change"]),
            patch=data.get("patch"),
            events=data["events"],
            causes=[types.EventCause.from_wire(one) for one in data["causes"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )
