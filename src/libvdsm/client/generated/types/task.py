# Generated from the schema by vdsm-schema; do not edit.
"""Types of Task: Long work that is under way or has ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class TaskState(values.Word):
    """How far a task is."""

    RUNNING = "running"
    """It is being done."""
    CANCELLING = "cancelling"
    """It was asked to stop."""
    DONE = "done"
    """It ended well; result is there."""
    FAILED = "failed"
    """It ended with an error; error is there."""
    CANCELLED = "cancelled"
    """It was stopped as asked; error is there."""
    UNKNOWN = "unknown"
    """Its end was not seen; error is OutcomeUnknown."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef(values.Record):
    """An object."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("type", "type"),
        ("id", "id"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"id", "type"})

    type: str
    """Its type, such as vm."""
    id: str
    """Its id."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            type=data["type"],
            id=data["id"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task(values.Record):
    """Long work."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("method", "method"),
        ("object", "object"),
        ("project", "project"),
        ("subsystem", "subsystem"),
        ("identity", "identity"),
        ("flow_id", "flowId"),
        ("state", "state"),
        ("progress", "progress"),
        ("result", "result"),
        ("error", "error"),
        ("cancellable", "cancellable"),
        ("created_at", "createdAt"),
        ("ended_at", "endedAt"),
        ("revision", "revision"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "cancellable",
            "createdAt",
            "endedAt",
            "error",
            "flowId",
            "id",
            "identity",
            "method",
            "object",
            "progress",
            "project",
            "result",
            "revision",
            "state",
            "subsystem",
        }
    )

    id: str
    """Its id."""
    method: str
    """The verb."""
    object: ObjectRef | None = None
    """What it works on."""
    project: str | None = None
    """The project of the object."""
    subsystem: str
    """Who does it."""
    identity: str | None = None
    """Who asked for it."""
    flow_id: str | None = None
    """The caller's own word for a group of calls."""
    state: TaskState
    """How far it is."""
    progress: TaskProgress
    """How much is done."""
    result: Any = None
    """The verb's result, once done."""
    error: TaskError | None = None
    """Why it did not end well."""
    cancellable: bool
    """Whether Task.cancel can stop it now."""
    created_at: str
    """When it was asked for."""
    ended_at: str | None = None
    """When it ended."""
    revision: int
    """The event sequence of its last change."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            method=data["method"],
            object=None if data.get("object") is None else ObjectRef.from_wire(data["object"]),
            project=data.get("project"),
            subsystem=data["subsystem"],
            identity=data.get("identity"),
            flow_id=data.get("flowId"),
            state=TaskState(data["state"]),
            progress=TaskProgress.from_wire(data["progress"]),
            result=data.get("result"),
            error=None if data.get("error") is None else TaskError.from_wire(data["error"]),
            cancellable=data["cancellable"],
            created_at=data["createdAt"],
            ended_at=data.get("endedAt"),
            revision=data["revision"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskAccepted(values.Record):
    """The answer of every operation."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("task", "task"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"task"})

    task: Task
    """The task; ended already if the call waited for it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            task=Task.from_wire(data["task"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskError(values.Record):
    """Why a task failed, as an error answer has it."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("code", "code"),
        ("message", "message"),
        ("data", "data"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"code", "data", "message"})

    code: int
    """The error's number."""
    message: str
    """In words."""
    data: Any = None
    """The error's data, as in an error answer."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            code=data["code"],
            message=data["message"],
            data=data.get("data"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter(values.Record):
    """Which tasks; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("states", "states"),
        ("method", "method"),
        ("object_id", "objectId"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"method", "objectId", "states"})

    states: list[TaskState] | None = None
    """Is in one of these states."""
    method: str | None = None
    """Does this verb."""
    object_id: str | None = None
    """Works on this object."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            states=None if data.get("states") is None else [TaskState(one) for one in data["states"]],
            method=data.get("method"),
            object_id=data.get("objectId"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskList(values.Record):
    """A page of tasks."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[Task]
    """The tasks of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Task.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress(values.Record):
    """How much is done."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("value", "value"),
        ("unit", "unit"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"unit", "value"})

    value: float
    """How much; its unit stands beside it."""
    unit: str
    """percent, bytes, ..."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            value=data["value"],
            unit=data["unit"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
