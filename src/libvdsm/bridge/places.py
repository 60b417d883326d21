"""Where objects stand: asked of the rooms that keep them."""

from __future__ import annotations

from libvdsm.access.certificates import Certificates
from libvdsm.broker.queues import Queues
from libvdsm.interfaces.place import Place
from libvdsm.inventory.inventory import Inventory
from libvdsm.tasks.tasks import Tasks


class ObjectPlaces:
    """Inventory, tasks, certificates and queues as ``Places``."""

    def __init__(self, inventory: Inventory, tasks: Tasks, certificates: Certificates | None = None, queues: Queues | None = None) -> None:
        self._inventory = inventory
        self._tasks = tasks
        self._certificates = certificates
        self._queues = queues

    def find(self, type: str, id: str) -> Place | None:
        """See ``Places``."""
        if type == "task":
            task = self._tasks.find(id)
            return None if task is None else task.place()
        if type == "certificate":
            return None if self._certificates is None else self._certificates.find(id)
        if type == "queue":
            return None if self._queues is None else self._queues.find(id)
        known = {"vm": self._inventory.vms, "host": self._inventory.hosts}.get(type)
        item = None if known is None else known.get(id)
        return None if item is None else Place(type, id, item.project or None)
