"""All objects as they are, for subscriptions that begin with a snapshot, and for followers whose rights change."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final, NamedTuple

from libvdsm.access.certificates import Certificates
from libvdsm.base.clock import Clock, timestamp
from libvdsm.broker.queues import Queues
from libvdsm.broker.snapshots import Known, Shown
from libvdsm.interfaces.journal import Journal
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.objects import Item, Objects
from libvdsm.journal.recorder import snapshot_event
from libvdsm.tasks.tasks import Tasks

#: What the cause of an event says that comes of a change of somebody's rights.
_RIGHTS: Final = "rights"
#: Objects that are looked up at once when they are gone through by and by.
_PAGE: Final = 256


class _Object(NamedTuple):
    type: str
    id: str
    project: str
    topic: str
    revision: int
    document: bytes


class ObjectSnapshots:
    """Inventory, tasks, certificates and queues as the broker's ``Snapshots``."""

    def __init__(
        self,
        *,
        inventory: Inventory,
        tasks: Tasks,
        journal: Journal,
        clock: Clock,
        certificates: Certificates | None = None,
        queues: Queues | None = None,
    ) -> None:
        self._known: dict[str, Objects] = {each.type: each for each in (inventory.hosts, inventory.vms)}
        self._tasks = tasks
        self._journal = journal
        self._clock = clock
        self._certificates = certificates
        self._queues = queues

    def shown(self, sequence: int) -> Iterator[Shown]:
        """See ``Snapshots``."""
        for type in (*self._known, "task", "certificate", "queue"):
            for each in self._objects(type):
                yield self._shown(each, sequence, "snapshot")

    def known(self, types: Collection[str]) -> Iterator[Known]:
        """See ``Snapshots``."""
        for type in types:
            known = self._known.get(type)
            if known is not None:
                for item in _paged(known):
                    yield Known(type, item.id, item.project, known.topic(item.id))
            else:
                for each in tuple(self._objects(type)):
                    yield Known(type, each.id, each.project, each.topic)

    def show(self, type: str, id: str, sequence: int) -> Shown | None:
        """See ``Snapshots``."""
        found = self._object(type, id)
        return None if found is None else self._shown(found, sequence, _RIGHTS)

    def hide(self, known: Known, sequence: int) -> bytes:
        """See ``Snapshots``."""
        return self._event(_Object(*known, revision=sequence, document=b""), None, sequence, _RIGHTS)

    def _shown(self, found: _Object, sequence: int, detail: str) -> Shown:
        event = self._event(found, found.document, sequence, detail)
        return Shown(found.topic, found.type, found.id, found.project, found.revision, event)

    def _event(self, about: _Object, document: bytes | None, sequence: int, detail: str) -> bytes:
        return snapshot_event(
            epoch=self._journal.epoch,
            sequence=sequence,
            time=timestamp(self._clock.time()),
            topic=about.topic,
            type=about.type,
            id=about.id,
            revision=about.revision,
            document=document,
            project=about.project,
            detail=detail,
        )

    def _objects(self, type: str) -> Iterator[_Object]:
        known = self._known.get(type)
        if known is not None:
            for item in known:
                yield _Object(type, item.id, item.project, known.topic(item.id), item.revision, item.fragment)
        elif type == "task":
            for task in self._tasks:
                yield _Object(type, task.id, task.project, f"task.{task.id}", task.revision, task.fragment)
        elif type == "certificate" and self._certificates is not None:
            for id, revision, document in self._certificates.documents():
                yield _Object(type, id, "", f"certificate.{id}", revision, document)
        elif type == "queue" and self._queues is not None:
            for name, project, revision, document in self._queues.documents():
                yield _Object(type, name, project, f"queue.{name}", revision, document)

    def _object(self, type: str, id: str) -> _Object | None:
        known = self._known.get(type)
        if known is not None:
            item = known.get(id)
            return None if item is None else _Object(type, id, item.project, known.topic(id), item.revision, item.fragment)
        if type == "task":
            task = self._tasks.find(id)
            return None if task is None else _Object(type, id, task.project, f"task.{id}", task.revision, task.fragment)
        return next((each for each in self._objects(type) if each.id == id), None)


def _paged(known: Objects) -> Iterator[Item]:
    """All, although some come and go meanwhile."""
    last = ""
    while page := list(islice(known.after(last), _PAGE)):
        yield from page
        last = page[-1].id
