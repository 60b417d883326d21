"""The event journal and the desired documents over a store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.interfaces.journal import DesiredDocument, Entry
from libvdsm.interfaces.store import Logged, Refused, Store

#: The journal's log, and the kind of desired documents.
LOG: Final = "event"
DOCUMENTS: Final = "document"
#: What is put into the ring at the start: the newest records, so many at most.
_FILL_RECORDS: Final = 2000
_FILL_OCTETS: Final = 4 * 1024 * 1024

_encode_head = msgspec.json.Encoder().encode
_check_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_head = msgspec.json.Decoder(list[str]).decode


class StoredJournal:
    """See ``Journal``: the newest committed records in a ring in memory, all others read from the store."""

    def __init__(self, store: Store, clock: Clock, *, most_records: int = 20_000, most_octets: int = 12 * 1024 * 1024) -> None:
        """``most_records`` and ``most_octets`` bound the ring, not the store's log. Reads the newest records from the store."""
        self._store = store
        self._clock = clock
        self._most_records = most_records
        self._most_octets = most_octets
        self._ring: deque[Entry] = deque()  # of sequences without a hole
        self._octets = 0
        self._waiting: deque[Entry] = deque()  # for their commit
        self._last = store.committed(LOG)
        self._next = store.span(LOG)[1] + 1
        self._listeners: list[Callable[[], None]] = []
        for record in store.tail(LOG, min(_FILL_RECORDS, most_records), min(_FILL_OCTETS, most_octets)):
            self._keep(_decode(record))
        store.on_commit(self._committed)
        store.on_refusal(self._refused)

    @property
    def epoch(self) -> str:
        """See ``Journal``."""
        return self._store.epoch

    @property
    def first(self) -> int:
        """See ``Journal``."""
        return min(self._store.span(LOG)[0], self.held)

    @property
    def held(self) -> int:
        """See ``Journal``."""
        return self._ring[0].sequence if self._ring else self._last + 1

    @property
    def last(self) -> int:
        """See ``Journal``."""
        return self._last

    def next_sequence(self) -> int:
        """See ``Journal``."""
        return self._next

    def append(self, entry: Entry) -> None:
        """See ``Journal``; raises ``ValueError`` when the sequence is not the next one."""
        self._store.append(LOG, Logged(entry.sequence, self._clock.time(), _encode(entry)))
        self._next = entry.sequence + 1
        self._waiting.append(entry)

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """See ``Journal``."""
        skip = max(0, after + 1 - self.held)
        if skip >= len(self._ring):
            return ()
        if skip > len(self._ring) // 2:  # followers read near the end: walk from there
            tail = list(islice(reversed(self._ring), len(self._ring) - skip))
            tail.reverse()
            return tail[:limit]
        return tuple(islice(self._ring, skip, skip + limit))

    async def fetch(self, after: int, limit: int) -> Sequence[Entry]:
        """See ``Journal``."""
        if after + 1 >= self.held:
            return self.read(after, limit)
        return [_decode(record) for record in await self._store.read(LOG, after, limit)]

    def listen(self, listener: Callable[[], None]) -> None:
        """See ``Journal``."""
        self._listeners.append(listener)

    def _committed(self) -> None:
        committed = self._store.committed(LOG)
        if committed == self._last:
            return
        while self._waiting and self._waiting[0].sequence <= committed:
            self._keep(self._waiting.popleft())
        self._last = committed
        for listener in self._listeners:
            listener()

    def _refused(self, refused: Refused) -> None:
        """What was not recorded is not told; who follows sees that numbers are left out."""
        if (lost := refused.lost.get(LOG)) is not None:
            self._waiting = deque(entry for entry in self._waiting if not lost[0] <= entry.sequence <= lost[1])

    def _keep(self, entry: Entry) -> None:
        ring = self._ring
        if ring and entry.sequence != ring[-1].sequence + 1:
            ring.clear()
            self._octets = 0
        ring.append(entry)
        self._octets += len(entry.data)
        while len(ring) > self._most_records or self._octets > self._most_octets:
            self._octets -= len(ring.popleft().data)
        self._last = entry.sequence


class StoredDocuments:
    """See ``Documents``: all of them in memory, each change in the store."""

    def __init__(self, store: Store) -> None:
        """Reads them from the store."""
        self._store = store
        self._documents = store.understood(DOCUMENTS, _document)

    def put(self, type: str, id: str, desired: DesiredDocument) -> None:
        """See ``Documents``."""
        key = f"{type}/{id}"
        self._documents[key] = desired
        self._store.put(DOCUMENTS, key, b"%d\n%b" % (desired.generation, desired.document))

    def get(self, type: str, id: str) -> DesiredDocument | None:
        """See ``Documents``."""
        return self._documents.get(f"{type}/{id}")

    def remove(self, type: str, id: str) -> None:
        """See ``Documents``."""
        if self._documents.pop(f"{type}/{id}", None) is not None:
            self._store.remove(DOCUMENTS, f"{type}/{id}")


def _encode(entry: Entry) -> bytes:
    return _encode_head((entry.topic, entry.type, entry.id, entry.project)) + b"\n" + entry.data


def _decode(record: Logged) -> Entry:
    head, _, data = record.data.partition(b"\n")
    topic, type, id, project = _decode_head(head)
    return Entry(record.sequence, topic, type, id, data, project)


def _document(data: bytes) -> DesiredDocument:
    """A kept document; raises ``ValueError``."""
    generation, _, document = data.partition(b"\n")
    _check_document(document)
    return DesiredDocument(int(generation), document)
