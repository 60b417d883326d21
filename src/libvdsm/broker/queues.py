"""The queues of this host: which there are, kept with the other objects; and what is in them, kept by the ``Keeper``.

A queue can be used from when its record is on disk, and no longer from when it is asked to be deleted. Each has a birth, so
that messages of one that is gone never get into another of its name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

import msgspec

from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.ids import new_uuid
from libvdsm.broker.destinations import QUEUE
from libvdsm.broker.items import GONE, Item
from libvdsm.broker.keeper import Keeper, restored
from libvdsm.broker.queue import Queue, not_there
from libvdsm.broker.rules import Rules
from libvdsm.interfaces.generated.errors import AlreadyExists, LimitExceeded, ObjectNotFound
from libvdsm.interfaces.generated.types import Queue as QueueDocument
from libvdsm.interfaces.generated.types import QueueCreateParams
from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.place import Place
from libvdsm.interfaces.store import Store
from libvdsm.journal.recorder import Recorder

_log = logging.getLogger(__name__)

#: Their kind in the store, and the type of their events.
KIND: Final = "queue"
#: How often messages whose time is up are looked for.
LOOK_S: Final = 1.0
#: More of those that are gone, before the heap of ends is made anew.
_SLACK: Final = 1000
#: Ends that are looked at in one turn of the loop.
_TURN: Final = 1000
_DAEMON: Final = Cause(kind="daemon")


class Kept(msgspec.Struct, frozen=True):
    """A queue in the store."""

    birth: str
    queue: QueueDocument


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Kept).decode
_to_document = msgspec.json.Decoder(dict[str, object]).decode


class Queues:
    """All queues; and ``queue.Surroundings`` for each."""

    def __init__(
        self,
        *,
        store: Store,
        messages: Store,
        recorder: Recorder,
        clock: Clock,
        schedule: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object] | None = None,
        most_queues: int = 10_000,
        most_octets: int = 256 * 1024 * 1024,
    ) -> None:
        """``store`` keeps the queues, ``messages`` what is in them. Reads both.

        ``schedule`` and ``later`` are the loop's; without ``later`` the time of messages is up when somebody looks.
        """
        self.keeper = Keeper(messages)
        self.clock = clock
        self.most_octets = most_octets
        self.on_change: list[Callable[[], None]] = []  # called when queues have come or gone
        self._store = store
        self._recorder = recorder
        self._schedule = schedule
        self._later = later
        self._most = most_queues
        self._documents: dict[str, Kept] = {}
        self._queues: dict[str, Queue] = {}  # those that can be used
        self.octets = 0  # in all queues together, temporary ones included
        self._dirty: dict[Queue, None] = {}
        self._ends: list[tuple[float, int, Item]] = []
        self._is_looking = False
        self._committing: set[asyncio.Future[None]] = set()
        self._load()

    def _load(self) -> None:
        kept = self._store.understood(KIND, _decode).values()
        births: dict[str, Queue] = {}
        for each in kept:
            name = each.queue.id
            if not each.queue.durable:
                self._store.remove(KIND, name)
                self._record(name, "removed", None, _DAEMON, each.queue.project)
                continue
            self._documents[name] = each
            births[each.birth] = self._queues[name] = self._made(each)
        for sequence, message in self.keeper.load():
            queue = births.get(message.queue)
            if queue is None:
                self.keeper.forget(sequence)
            else:
                queue.load(restored(sequence, message))

    # --- queue.Surroundings ---

    def schedule(self, queue: Queue) -> None:
        """See ``Surroundings``."""
        if not self._dirty:
            self._schedule(self._dispatch)
        self._dirty[queue] = None

    def _dispatch(self) -> None:
        dirty, self._dirty = self._dirty, {}
        for queue in dirty:
            if not queue.is_ended:
                queue.dispatch()

    def queue(self, name: str) -> Queue | None:
        """See ``Surroundings``."""
        return self._queues.get(name)

    def usable(self, name: str) -> Queue | None:
        """A queue to which may be sent."""
        return self._queues.get(name)

    def mortal(self, item: Item, *, is_again: bool = False) -> None:
        """See ``Surroundings``."""
        end = item.expires_at or 0.0
        heappush(self._ends, (max(end, self.clock.time() + LOOK_S) if is_again else end, item.sequence, item))
        self._look_later()

    def has_room(self, octets: int) -> bool:
        """See ``Surroundings``."""
        return self.octets + octets <= self.most_octets

    # --- ends ---

    def look(self) -> None:
        """Let messages go whose time is up."""
        now, ends = self.clock.time(), self._ends
        for _ in range(_TURN):
            if not ends or ends[0][0] > now:
                break
            _, _, item = heappop(ends)
            if item.queue is not None:
                item.queue.expire(item, now)
        if len(ends) > _SLACK:
            self._forget_gone()

    def ends(self) -> int:
        """How many messages are remembered because their time will be up."""
        return len(self._ends)

    def _forget_gone(self) -> None:
        """Once in a while, so that what went out in time does not gather."""
        live = sum(queue.messages for queue in self._queues.values())
        if len(self._ends) > 2 * live + _SLACK:
            self._ends = [entry for entry in self._ends if entry[2].state is not GONE]
            heapify(self._ends)

    def _look_later(self) -> None:
        if not self._is_looking and self._later is not None:
            self._is_looking = True
            self._later(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._is_looking = False
        self.look()
        if self._ends and self._ends[0][0] <= self.clock.time():  # more than one turn can bear
            self._is_looking = True
            self._schedule(self._look_again)
        elif self._ends:
            self._look_later()

    # --- queues ---

    def __iter__(self) -> Iterator[Kept]:
        """All, by name."""
        return iter(sorted(self._documents.values(), key=lambda kept: kept.queue.id))

    def get(self, name: str) -> tuple[QueueDocument, Queue]:
        """One; raises ``ObjectNotFound``."""
        kept, queue = self._documents.get(name), self._queues.get(name)
        if kept is None or queue is None:
            raise ObjectNotFound(type=KIND, id=name)
        return kept.queue, queue

    def check_new(self, name: str) -> None:
        """Raise ``AlreadyExists`` or ``LimitExceeded`` unless there may be a queue of this name."""
        if name in self._documents:
            raise AlreadyExists(type=KIND, id=name)
        if len(self._documents) >= self._most:
            raise LimitExceeded(limit="queues", maximum=self._most)

    def create(self, params: QueueCreateParams, cause: Cause) -> QueueDocument:
        """Make a queue; part of this turn's transaction."""
        name = params.name
        self.check_new(name)
        document = QueueDocument(
            id=name,
            project=params.project,
            durable=params.durable,
            max_messages=params.max_messages,
            max_octets=params.max_octets,
            overflow=params.overflow,
            time_to_live=params.time_to_live,
            dead_letter=params.dead_letter,
            max_deliveries=params.max_deliveries,
            created_at=timestamp(self.clock.time()),
            revision=self._recorder.next_revision(),
        )
        kept = self._documents[name] = Kept(new_uuid(), document)
        self._store.put(KIND, name, _encode(kept))
        self._record(name, "added", _to_document(_encode(document)), cause, document.project)
        self._when_recorded(done=lambda: self._begin_use(kept), failed=lambda: self._documents.pop(name, None))
        return document

    def delete(self, name: str, cause: Cause) -> None:
        """Remove a queue with all that is in it; part of this turn's transaction."""
        document, queue = self.get(name)
        kept = self._documents.pop(name)
        del self._queues[name]
        self._changed()
        self._store.remove(KIND, name)
        self._record(name, "removed", None, cause, document.project)

        def back() -> None:
            self._documents[name], self._queues[name] = kept, queue
            self._changed()

        self._when_recorded(done=lambda: queue.end(not_there(name)), failed=back)

    def find(self, name: str) -> Place | None:
        """Where a queue stands, for ``Places``."""
        kept = self._documents.get(name)
        return None if kept is None else Place(KIND, name, kept.queue.project)

    def documents(self) -> Iterator[tuple[str, str, int, bytes]]:
        """All as objects, for snapshots: id, project, revision and document."""
        for kept in self:
            yield kept.queue.id, kept.queue.project, kept.queue.revision, _encode(kept.queue)

    def _begin_use(self, kept: Kept) -> None:
        self._queues[kept.queue.id] = self._made(kept)
        self._changed()

    def _made(self, kept: Kept) -> Queue:
        found = kept.queue
        rules = Rules(
            durable=found.durable,
            max_messages=found.max_messages,
            max_octets=found.max_octets,
            overflow=found.overflow,
            time_to_live=found.time_to_live,
            dead_letter=found.dead_letter,
            max_deliveries=found.max_deliveries,
        )
        return Queue(found.id, QUEUE + found.id, rules, self, birth=kept.birth, project=found.project)

    def _changed(self) -> None:
        for tell in self.on_change:
            tell()

    def _record(self, name: str, change: str, patch: dict[str, object] | None, cause: Cause, project: str) -> None:
        self._recorder.record(type=KIND, id=name, topic=f"{KIND}.{name}", change=change, patch=patch, cause=cause, project=project)

    def _when_recorded(self, *, done: Callable[[], object], failed: Callable[[], object]) -> None:
        """Whether this turn's transaction came to be: the bridge commits it together with its audit, before it answers."""
        committing = asyncio.ensure_future(self._store.commit())
        self._committing.add(committing)

        def told(committed: asyncio.Future[None]) -> None:
            self._committing.discard(committed)
            (failed if committed.cancelled() or committed.exception() is not None else done)()

        committing.add_done_callback(told)
