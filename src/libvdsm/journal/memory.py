"""A journal and a document store that live as long as the process: for tests, and where no store is wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from secrets import token_hex

from libvdsm.interfaces.journal import DesiredDocument, Entry


class MemoryJournal:
    """The newest records, bounded by count and by octets.

    A record is committed when ``append`` returns.
    """

    def __init__(self, *, most_records: int = 50_000, most_octets: int = 16 * 1024 * 1024) -> None:
        self._records: deque[Entry] = deque()
        self._octets = 0
        self._most_records = most_records
        self._most_octets = most_octets
        self._last = 0
        self._epoch = token_hex(8)
        self._listeners: list[Callable[[], None]] = []

    @property
    def epoch(self) -> str:
        """See ``Journal``."""
        return self._epoch

    @property
    def first(self) -> int:
        """See ``Journal``."""
        return self._records[0].sequence if self._records else self._last + 1

    @property
    def held(self) -> int:
        """See ``Journal``."""
        return self.first

    @property
    def last(self) -> int:
        """See ``Journal``."""
        return self._last

    def next_sequence(self) -> int:
        """See ``Journal``."""
        return self._last + 1

    def append(self, entry: Entry) -> None:
        """See ``Journal``; raises ``ValueError`` when the sequence is not the next one."""
        if entry.sequence != self._last + 1:
            message = f"record {entry.sequence} follows {self._last}"
            raise ValueError(message)
        self._records.append(entry)
        self._octets += len(entry.data)
        self._last = entry.sequence
        while len(self._records) > self._most_records or self._octets > self._most_octets:
            self._octets -= len(self._records.popleft().data)
        for listener in self._listeners:
            listener()

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """See ``Journal``."""
        skip = max(0, after + 1 - self.first)
        if skip >= len(self._records):
            return ()
        if skip > len(self._records) // 2:  # followers read near the end: walk from there
            count = len(self._records) - skip
            tail = list(islice(reversed(self._records), count))
            tail.reverse()
            return tail[:limit]
        return tuple(islice(self._records, skip, skip + limit))

    async def fetch(self, after: int, limit: int) -> Sequence[Entry]:
        """See ``Journal``."""
        return self.read(after, limit)

    def listen(self, listener: Callable[[], None]) -> None:
        """See ``Journal``."""
        self._listeners.append(listener)


class MemoryDocuments:
    """Desired documents, until the front ends; objects are then re-imported as derived."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], DesiredDocument] = {}

    def put(self, type: str, id: str, desired: DesiredDocument) -> None:
        """See ``Documents``."""
        self._documents[type, id] = desired

    def get(self, type: str, id: str) -> DesiredDocument | None:
        """See ``Documents``."""
        return self._documents.get((type, id))

    def remove(self, type: str, id: str) -> None:
        """See ``Documents``."""
        self._documents.pop((type, id), None)
