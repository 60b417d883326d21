"""What subsystems report, brought to the rooms that keep it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import msgspec
from msgspec import Raw

from libvdsm.bridge.tickets import Tickets
from libvdsm.interfaces.messages import (
    ReportChanged,
    ReportCondition,
    ReportDesired,
    ReportOffer,
    ReportProgress,
    ReportRemoved,
    ReportSnapshot,
    ReportStats,
    ReportTls,
)
from libvdsm.inventory.inventory import Inventory
from libvdsm.tasks.tasks import Tasks

_log = logging.getLogger(__name__)

#: How long a subsystem may be away before its objects' states are called unknown: a restart is quicker.
GRACE_S = 3.0
#: The subsystem that knows the states of virtual machines.
_KNOWS_VMS = "virt"


class Reports:
    """``WorkerReports`` of the front."""

    def __init__(
        self, *, inventory: Inventory, tasks: Tasks, tickets: Tickets, later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._inventory = inventory
        self._tasks = tasks
        self._tickets = tickets
        self._later = later
        self._restarts: dict[str, int] = {}
        self._lives: dict[str, int] = {}  # counts attachments, so that an old grace period knows it is over
        self._attached: set[str] = set()
        self._before_degraded: dict[str, tuple[str, str | None]] = {}
        self.on_tls: list[Callable[[ReportTls], None]] = []  # who serves with newer keys
        self._told: dict[str, asyncio.Event] = {}
        self._handlers: dict[str, Callable[[str, Raw], None]] = {
            "report.snapshot": self._snapshot,
            "report.changed": self._changed,
            "report.removed": self._removed,
            "report.desired": self._desired,
            "report.stats": self._stats,
            "report.condition": self._condition,
            "report.progress": self._progress,
            "report.tls": self._tls,
        }

    # --- WorkerReports ---

    def attached(self, name: str) -> None:
        """See ``WorkerReports``."""
        life = self._lives[name] = self._lives.get(name, 0) + 1
        self._restarts[name] = life - 1
        self._attached.add(name)
        self._told_of(name).clear()
        self._tell(name, "starting", None)

    def lost(self, name: str, reason: str) -> None:
        """See ``WorkerReports``."""
        self._attached.discard(name)
        self._told_of(name).clear()
        self._before_degraded.pop(name, None)
        self._tell(name, "unavailable", reason)
        life = self._lives.get(name, 0)
        self._later(GRACE_S, lambda: self._still_lost(name, life, reason))

    def held(self, name: str, reason: str) -> None:
        """See ``WorkerReports``."""
        self._tell(name, "held", reason)

    def degraded(self, name: str, reason: str) -> None:
        """See ``WorkerReports``."""
        if reason:
            now = self._inventory.condition_of(name)
            before = now.get("reason")
            self._before_degraded.setdefault(name, (str(now["state"]), None if before is None else str(before)))
            self._tell(name, "degraded", reason)
        elif name in self._before_degraded:
            self._tell(name, *self._before_degraded.pop(name))

    def report(self, name: str, method: str, params: Raw) -> None:
        """See ``WorkerReports``; what cannot be understood is logged and left."""
        handler = self._handlers.get(method)
        try:
            if handler is None:
                _log.error("worker %s reports %s, which is not known", name, method)
            else:
                handler(name, params)
        except Exception:  # noqa: BLE001 - a worker's nonsense must not end the front
            _log.exception("a report %s of worker %s could not be taken", method, name)

    def offer(self, name: str, offer: ReportOffer, stream: socket.socket) -> None:
        """See ``WorkerReports``."""
        del name
        self._tickets.offer(offer.ticket, offer.identity, stream, offer.expires, address=offer.address, vm=offer.vm)

    async def ready(self, name: str) -> None:
        """Wait until a worker is there that has told what there is."""
        await self._told_of(name).wait()

    def _told_of(self, name: str) -> asyncio.Event:
        return self._told.setdefault(name, asyncio.Event())

    # --- each report ---

    def _snapshot(self, name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportSnapshot)
        self._inventory.snapshot(told.type, told.objects, told.cause)
        self._told_of(name).set()

    def _changed(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportChanged)
        self._inventory.changed(told.type, told.observed, told.cause)

    def _removed(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportRemoved)
        self._inventory.removed(told.type, told.id, told.cause)

    def _desired(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportDesired)
        self._inventory.desired(told.type, told.id, told.generation, bytes(told.document))

    def _stats(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportStats)
        self._inventory.stats(told.type, told.items)

    def _condition(self, name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportCondition)
        self._before_degraded.pop(name, None)
        self._tell(name, told.state, told.reason)
        if told.state == "unavailable" and name == _KNOWS_VMS:
            self._inventory.forget_states(told.reason or "the hypervisor does not answer", "HypervisorUnavailable")

    def _progress(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportProgress)
        self._tasks.progress(told.operationId, told.value)

    def _tls(self, _name: str, params: Raw) -> None:
        told = msgspec.json.decode(params, type=ReportTls)
        for tell in self.on_tls:
            tell(told)

    # --- conditions ---

    def _tell(self, name: str, state: str, reason: str | None) -> None:
        self._inventory.condition(name, state, reason, self._restarts.get(name, 0))

    def _still_lost(self, name: str, life: int, reason: str) -> None:
        if name == _KNOWS_VMS and name not in self._attached and self._lives.get(name, 0) == life:
            self._inventory.forget_states(reason, "SubsystemUnavailable")
