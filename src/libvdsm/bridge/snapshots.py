"""All objects as they are, for subscriptions that begin with a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from libvdsm.access.certificates import Certificates
from libvdsm.base.clock import Clock, timestamp
from libvdsm.broker.broker import Shown
from libvdsm.broker.queues import Queues
from libvdsm.interfaces.journal import Journal
from libvdsm.inventory.inventory import Inventory
from libvdsm.journal.recorder import snapshot_event
from libvdsm.tasks.tasks import Tasks


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
        self._inventory = inventory
        self._tasks = tasks
        self._journal = journal
        self._clock = clock
        self._certificates = certificates
        self._queues = queues

    def shown(self, sequence: int) -> Iterator[Shown]:
        """See ``Snapshots``."""
        for type, id, project, topic, revision, document in self._objects():
            event = snapshot_event(
                epoch=self._journal.epoch,
                sequence=sequence,
                time=timestamp(self._clock.time()),
                topic=topic,
                type=type,
                id=id,
                revision=revision,
                document=document,
                project=project,
            )
            yield Shown(topic, type, id, project, revision, event)

    def _objects(self) -> Iterator[tuple[str, str, str, str, int, bytes]]:
        for known in (self._inventory.hosts, self._inventory.vms):
            for item in known:
                yield known.type, item.id, item.project, known.topic(item.id), item.revision, item.fragment
        for task in self._tasks:
            yield "task", task.id, task.project, f"task.{task.id}", task.revision, task.fragment
        for id, revision, document in () if self._certificates is None else self._certificates.documents():
            yield "certificate", id, "", f"certificate.{id}", revision, document
        for name, project, revision, document in () if self._queues is None else self._queues.documents():
            yield "queue", name, project, f"queue.{name}", revision, document
