"""What is kept across restarts: records by kind and key, and logs by sequence, in one store (DESIGN 5).

One deed is one transaction: all that is put, removed and appended in one turn of the loop is committed together or not
at all, in the order of the turns. ``commit`` waits for the disk; several turns may share one write to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from libvdsm.base.errors import ApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Logged:
    """One record of a log."""

    sequence: int
    at: float  # seconds since 1970 in UTC, for trimming by age
    data: bytes


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store is."""

    state: str  # ok | full (deletions go on) | failed (nothing is written) | read-only
    reason: str = ""
    octets: int = 0  # its size on disk
    quarantined: int = 0  # records that were set aside because they were unsound


@dataclass(frozen=True, slots=True)
class Refused:
    """Turns of which nothing is on disk, although they were asked for."""

    error: ApiError
    lost: Mapping[str, tuple[int, int]]  # by log, the first and last sequence that will never be read


class Store(Protocol):
    """Durable records. Used in the loop's thread only; never blocks it."""

    @property
    def epoch(self) -> str:
        """Born with the store; another one means that sequences of before say nothing."""
        ...

    def load(self, kind: str) -> Mapping[str, bytes]:
        """All sound records of a kind, by key; reads the disk, so it is for the start only."""
        ...

    def understood(self, kind: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        """As ``load``, each of them decoded; one that ``decode`` cannot read (it raises) is set aside, and the rest is served."""
        ...

    def put(self, kind: str, key: str, data: bytes) -> None:
        """Record or replace; part of this turn's transaction. Never raises: ``commit`` tells."""
        ...

    def remove(self, kind: str, key: str) -> None:
        """Forget a record, if it is there; part of this turn's transaction."""
        ...

    def append(self, log: str, record: Logged) -> None:
        """Append to a log; part of this turn's transaction. Raises ``ValueError`` when the sequence is not the next one."""
        ...

    def span(self, log: str) -> tuple[int, int]:
        """The first and the last sequence of a log that can be read, what is not committed yet included; (1, 0) when empty."""
        ...

    def committed(self, log: str) -> int:
        """The last sequence of a log that is on disk."""
        ...

    def tail(self, log: str, limit: int, most_octets: int) -> Sequence[Logged]:
        """The newest committed records, oldest first; reads the disk, so it is for the start only."""
        ...

    def read(self, log: str, after: int, limit: int) -> Awaitable[Sequence[Logged]]:
        """Committed records with a greater sequence, oldest first. Raises ``StateUnavailable``.

        A sequence that is left out was refused, or the log was trimmed meanwhile.
        """
        ...

    def commit(self) -> Awaitable[None]:
        """Wait until all that was asked for until now is on disk. To be called in the turn that asked for it.

        Raises ``StateFull`` (only deletions and what tells of them can be recorded now) or ``StateUnavailable`` (nothing can):
        then nothing of the turns that failed is on disk, and nothing of them will be.
        """
        ...

    def check(self, *, deletes: bool = False) -> None:
        """Before a deed: raise ``StateFull`` or ``StateUnavailable`` if it could not be recorded. Costs nothing.

        ``deletes``: the deed makes room, so that a full disk does not forbid it; what is put in the same turn may use the
        last of the reserve. ``check`` is the gate: what has passed it is recorded even if the disk becomes full meanwhile, as
        long as the reserve lasts.
        """
        ...

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` in the loop's thread after every commit."""
        ...

    def on_refusal(self, listener: Callable[[Refused], None]) -> None:
        """Call ``listener`` in the loop's thread when turns were not recorded, before those who wait for them hear of it."""
        ...

    def on_breakdown(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the reason when a write failed: memory may now hold what the disk does not."""
        ...

    def health(self) -> StoreHealth:
        """How it is now."""
        ...
