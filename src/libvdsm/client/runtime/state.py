"""How a connection is: told to whoever wants to know."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


class Link(enum.StrEnum):
    """What there is."""

    CONNECTING = "connecting"  # for the first time
    UP = "up"
    DOWN = "down"  # it was lost, or could not be had; it is tried for again when it is needed
    CLOSED = "closed"  # by its owner


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """The state of a connection, since when, and why."""

    link: Link
    since: float  # seconds since 1970
    reason: str | None = None  # why it is down

    @property
    def is_up(self) -> bool:
        """Whether calls can be made."""
        return self.link is Link.UP


#: Called with each new state, in the thread or loop that found it; it may not block.
StateCallback: TypeAlias = Callable[[LinkState], object]
