"""What a store is asked for in one turn of the loop, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.store import Logged

#: First and last sequence of a log; (n + 1, n) when nothing of it can be read.
Span = tuple[int, int]


@dataclass(slots=True)
class Turn:
    """One transaction."""

    records: dict[tuple[str, str], bytes | None] = field(default_factory=dict)  # by kind and key; None removes
    logged: dict[str, list[Logged]] = field(default_factory=dict)
    makes_room: bool = False  # it removes something, or belongs to a deed that does
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.records and not self.logged

    @property
    def may_use_the_last_room(self) -> bool:
        """Whether it makes room, or only tells what happened."""
        return self.makes_room or not self.records


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a run of turns."""

    turns: Sequence[Turn]
    error: ApiError | None = None  # nothing of them is on disk
    spans: Mapping[str, Span] = field(default_factory=dict)  # of the logs that changed, as they are on disk
    octets: int = 0


@dataclass(frozen=True, slots=True)
class StateChange:
    """The store is otherwise than it was."""

    state: str
    reason: str = ""
    is_breakdown: bool = False  # a write failed that was to succeed


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a log may be; the oldest records go first."""

    most_records: int = 200_000
    most_octets: int = 128 * 1024 * 1024
    keep_s: float = 30 * 86400.0
    gives_room: bool = False  # when the disk is full, its oldest records go to make room for what tells of deletions

    def excess(self, records: int, octets: int) -> bool:
        """Whether it is time to trim: in steps, so that not each record pays for it."""
        return records > self.most_records + self.most_records // 64 or octets > self.most_octets + self.most_octets // 64
