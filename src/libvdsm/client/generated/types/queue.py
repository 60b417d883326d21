# Generated from the schema by vdsm-schema; do not edit.
"""Types of Queue: Queues of messages between clients of this host."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class QueueOverflow(values.Word):
    """What happens to a message for which a queue has no room."""

    REJECT = "reject"
    """The sender is refused."""
    DROP_OLDEST = "dropOldest"
    """The oldest waiting message goes to the dead letters."""
    DROP_NEWEST = "dropNewest"
    """It goes to the dead letters itself, and the sender is not told."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Queue(values.Record):
    """A queue."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("project", "project"),
        ("durable", "durable"),
        ("max_messages", "maxMessages"),
        ("max_octets", "maxOctets"),
        ("overflow", "overflow"),
        ("time_to_live", "timeToLive"),
        ("dead_letter", "deadLetter"),
        ("max_deliveries", "maxDeliveries"),
        ("created_at", "createdAt"),
        ("revision", "revision"),
        ("stats", "stats"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "createdAt",
            "deadLetter",
            "durable",
            "id",
            "maxDeliveries",
            "maxMessages",
            "maxOctets",
            "overflow",
            "project",
            "revision",
            "stats",
            "timeToLive",
        }
    )

    id: str
    """Its name."""
    project: str
    """The project to which it belongs."""
    durable: bool
    """Whether it survives a restart."""
    max_messages: int
    """How many messages it holds. Unit: count."""
    max_octets: int
    """How many octets it holds. Unit: bytes."""
    overflow: QueueOverflow
    """What happens to a message that has no room."""
    time_to_live: float | None = None
    """How long a message waits at most. Unit: seconds."""
    dead_letter: str | None = None
    """The queue for messages that cannot be delivered."""
    max_deliveries: int
    """How often a message is tried in vain. Unit: count."""
    created_at: str
    """When it was made."""
    revision: int
    """The event sequence of its last change."""
    stats: QueueStats | None = None
    """How full it is now; in answers, not in events."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            project=data["project"],
            durable=data["durable"],
            max_messages=data["maxMessages"],
            max_octets=data["maxOctets"],
            overflow=QueueOverflow(data["overflow"]),
            time_to_live=data.get("timeToLive"),
            dead_letter=data.get("deadLetter"),
            max_deliveries=data["maxDeliveries"],
            created_at=data["createdAt"],
            revision=data["revision"],
            stats=None if data.get("stats") is None else QueueStats.from_wire(data["stats"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueCount(values.Record):
    """How many messages it was."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("messages", "messages"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"messages"})

    messages: int
    """How many. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            messages=data["messages"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueList(values.Record):
    """A page of queues."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[Queue]
    """The queues of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Queue.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage(values.Record):
    """A message that waits."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("sent_at", "sentAt"),
        ("sent_by", "sentBy"),
        ("expires_at", "expiresAt"),
        ("deliveries", "deliveries"),
        ("content_type", "contentType"),
        ("headers", "headers"),
        ("octets", "octets"),
        ("body", "body"),
        ("reason", "reason"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"body", "contentType", "deliveries", "expiresAt", "headers", "id", "octets", "reason", "sentAt", "sentBy"}
    )

    id: str
    """Its id in the queue."""
    sent_at: str
    """When it came."""
    sent_by: str
    """Who sent it."""
    expires_at: str | None = None
    """When its time is up."""
    deliveries: int
    """How often it was tried in vain. Unit: count."""
    content_type: str | None = None
    """What its body is."""
    headers: dict[str, str]
    """The sender's headers."""
    octets: int
    """The size of its body. Unit: bytes."""
    body: str
    """Its body, its first 64 KiB."""
    reason: str | None = None
    """Why it is among the dead letters."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            sent_at=data["sentAt"],
            sent_by=data["sentBy"],
            expires_at=data.get("expiresAt"),
            deliveries=data["deliveries"],
            content_type=data.get("contentType"),
            headers=dict(data["headers"]),
            octets=data["octets"],
            body=data["body"],
            reason=data.get("reason"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessages(values.Record):
    """A page of messages."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[QueueMessage]
    """The messages, the oldest first."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[QueueMessage.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats(values.Record):
    """How full a queue is and what went through it since it was made or the daemon started."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("waiting", "waiting"),
        ("unsettled", "unsettled"),
        ("octets", "octets"),
        ("consumers", "consumers"),
        ("received", "received"),
        ("delivered", "delivered"),
        ("redelivered", "redelivered"),
        ("dead_lettered", "deadLettered"),
        ("expired", "expired"),
        ("dropped", "dropped"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"consumers", "deadLettered", "delivered", "dropped", "expired", "octets", "received", "redelivered", "unsettled", "waiting"}
    )

    waiting: int
    """Messages that wait for a consumer. Unit: count."""
    unsettled: int
    """Messages that a consumer has and has not settled. Unit: count."""
    octets: int
    """What they take. Unit: bytes."""
    consumers: int
    """Its consumers. Unit: count."""
    received: int
    """Messages that were sent to it. Unit: count."""
    delivered: int
    """Messages that were accepted, or written to consumers that need not. Unit: count."""
    redelivered: int
    """Deliveries that were not the first of their message. Unit: count."""
    dead_lettered: int
    """Messages that went to the dead letters. Unit: count."""
    expired: int
    """Messages whose time was up. Unit: count."""
    dropped: int
    """Messages that were lost by the rule of the queue. Unit: count."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            waiting=data["waiting"],
            unsettled=data["unsettled"],
            octets=data["octets"],
            consumers=data["consumers"],
            received=data["received"],
            delivered=data["delivered"],
            redelivered=data["redelivered"],
            dead_lettered=data["deadLettered"],
            expired=data["expired"],
            dropped=data["dropped"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
