"""What the bridge tells of every write and every refusal (security requirement 25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct


class Actor(Struct, frozen=True):
    """Who did it and from where; kept with an operation, so that it is known after a restart."""

    identity: str
    source: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One call that changed something, or was to."""

    actor: Actor
    method: str
    outcome: str  # done | failed | cancelled | unknown | refused
    operation_id: str | None = None
    object: tuple[str, str] | None = None  # type and id
    project: str | None = None
    changed: Sequence[str] = ()  # paths of the given parameters, without values
    error: str | None = None  # the error's name
    flow_id: str | None = None


class Trail(Protocol):
    """The audit trail. Used in the loop's thread only."""

    def deed(self, deed: Deed) -> None:
        """Record what became of a write, in this turn's transaction."""
        ...

    def refusal(self, deed: Deed) -> None:
        """Record a refused call; alike ones that follow soon are counted in one record."""
        ...
