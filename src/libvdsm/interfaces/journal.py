"""What the rooms of the front promise each other about the durable record.

``journal.memory`` keeps it in memory, ``journal.stored`` in the store; both stand behind the same two Protocols.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One record of the event journal. Thousands are in memory: texts and numbers, in which no search for garbage will find any."""

    sequence: int
    topic: str
    type: str
    id: str
    data: bytes  # the encoded ``Event``
    project: str = ""  # of the object; empty for what belongs to none


class Journal(Protocol):
    """The event journal: an ordered, bounded record of every change."""

    @property
    def epoch(self) -> str:
        """Born with the journal; another one means that tokens of before say nothing."""
        ...

    @property
    def first(self) -> int:
        """The oldest sequence that can still be read (one more than ``last`` when empty)."""
        ...

    @property
    def last(self) -> int:
        """The newest committed sequence; 0 before the first record."""
        ...

    @property
    def held(self) -> int:
        """The oldest sequence that ``read`` gives; what is older, ``fetch`` has."""
        ...

    def next_sequence(self) -> int:
        """The sequence that the next record must have."""
        ...

    def append(self, entry: Entry) -> None:
        """Record; listeners hear of it after its commit."""
        ...

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Committed records with a greater sequence, oldest first; from ``held`` on if ``after`` lies further back."""
        ...

    def fetch(self, after: int, limit: int) -> Awaitable[Sequence[Entry]]:
        """Committed records with a greater sequence, oldest first, also those before ``held``; from ``first`` on if some are gone.

        Sequences that are left out will never be read. Raises ``StateUnavailable``.
        """
        ...

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after every commit."""
        ...


class DesiredDocument(msgspec.Struct, frozen=True, gc=False):
    """What was asked for an object; as many as there are objects, and no garbage either."""

    generation: int
    document: bytes


class Documents(Protocol):
    """Desired documents by object type and id."""

    def put(self, type: str, id: str, desired: DesiredDocument) -> None:
        """Record an accepted desired document."""
        ...

    def get(self, type: str, id: str) -> DesiredDocument | None:
        """The recorded one, if any."""
        ...

    def remove(self, type: str, id: str) -> None:
        """Forget it."""
        ...
