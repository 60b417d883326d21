"""Objects as they are now, and which records a follower need not hear of because he was shown what they tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from libvdsm.interfaces.journal import Entry

#: Type and id.
Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """An object for a snapshot: its topic, what makes it visible, and the encoded ``Event`` that shows it."""

    topic: str
    type: str
    id: str
    project: str  # empty: it belongs to none
    revision: int  # of the document that is shown: the number of the last record that it tells
    event: bytes


class Known(NamedTuple):
    """An object without its document: what makes it visible, and its topic."""

    type: str
    id: str
    project: str  # empty: it belongs to none
    topic: str


class Snapshots(Protocol):
    """Who can show all objects as they are now."""

    def shown(self, sequence: int) -> Iterable[Shown]:
        """Every object, as an event of ``sequence``."""
        ...

    def known(self, types: Collection[str]) -> Iterator[Known]:
        """Every object of these types, as it is when it has its turn; objects may come and go meanwhile."""
        ...

    def show(self, type: str, id: str, sequence: int) -> Shown | None:
        """One object, as an event of ``sequence`` for somebody who has just won the right to see it; None if there is none."""
        ...

    def hide(self, known: Known, sequence: int) -> bytes:
        """The encoded ``Event`` of ``sequence`` that removes an object for somebody who has just lost the right to see it."""
        ...


class Window:
    """Records up to a number of which some were told by documents that were shown."""

    __slots__ = ("_are_others_told", "_revisions", "_until")

    def __init__(self, until: int, revisions: dict[Key, int], *, are_others_told: bool) -> None:
        """``revisions`` has what was shown, by type and id. ``are_others_told``: all there was; what is not among them is gone."""
        self._until = until
        self._revisions = revisions
        self._are_others_told = are_others_told

    def add(self, key: Key, revision: int) -> None:
        """One more object is told up to this record."""
        self._revisions[key] = revision
        self._until = max(self._until, revision)

    def is_over(self, sequence: int) -> bool:
        """Whether none of them follows this one."""
        return sequence >= self._until

    def is_told(self, record: Entry) -> bool:
        """Whether a record is told already: by a document that is not older, or by none where an object is gone."""
        if record.sequence > self._until:
            return False
        revision = self._revisions.get((record.type, record.id))
        return self._are_others_told if revision is None else record.sequence <= revision
