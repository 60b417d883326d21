"""Where objects stand: asked of the rooms that keep them."""

from __future__ import annotations

from libvdsm.interfaces.place import Place
from libvdsm.inventory.inventory import Inventory
from libvdsm.tasks.tasks import Tasks


class ObjectPlaces:
    """Inventory and tasks as ``Places``."""

    def __init__(self, inventory: Inventory, tasks: Tasks) -> None:
        self._inventory = inventory
        self._tasks = tasks

    def find(self, type: str, id: str) -> Place | None:
        """See ``Places``."""
        if type == "task":
            task = self._tasks.find(id)
            return None if task is None else Place("task", id, task.project or None, task.subject, task.identity)
        known = {"vm": self._inventory.vms, "host": self._inventory.hosts}.get(type)
        item = None if known is None else known.get(id)
        return None if item is None else Place(type, id, item.project or None)
