# Generated from the schema by vdsm-schema; do not edit.
"""Types of Plan: What a call would do, without doing it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanCheck(values.Record):
    """Whether a call is possible."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("possible", "possible"),
        ("nothing_to_do", "nothingToDo"),
        ("reasons", "reasons"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"nothingToDo", "possible", "reasons"})

    possible: bool
    """Whether nothing speaks against it."""
    nothing_to_do: bool | None = None
    """Whether all is already as the call would make it."""
    reasons: list[PlanReason]
    """All that speaks against it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            possible=data["possible"],
            nothing_to_do=data.get("nothingToDo"),
            reasons=[PlanReason.from_wire(one) for one in data["reasons"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlanReason(values.Record):
    """One reason why a call would fail now."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("error", "error"),
        ("code", "code"),
        ("message", "message"),
        ("path", "path"),
        ("remedy", "remedy"),
        ("retryable", "retryable"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"code", "error", "message", "path", "remedy", "retryable"})

    error: str
    """The error that the call would answer."""
    code: int
    """The error's number."""
    message: str
    """In words."""
    path: str | None = None
    """The parameter that is wrong, as a JSONPath."""
    remedy: str
    """What would help."""
    retryable: bool
    """Whether it may pass by itself."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            error=data["error"],
            code=data["code"],
            message=data["message"],
            path=data.get("path"),
            remedy=data["remedy"],
            retryable=data["retryable"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
