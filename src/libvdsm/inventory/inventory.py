"""What subsystems report becomes the documents that clients read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from libvdsm.base.clock import Clock, timestamp
from libvdsm.interfaces.journal import DesiredDocument, Documents
from libvdsm.interfaces.messages import Cause, Observed
from libvdsm.interfaces.store import Store
from libvdsm.inventory.objects import Item, Objects
from libvdsm.journal.recorder import Recorder

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode

_DAEMON = Cause(kind="daemon")
#: The project of what nobody has put into one.
DEFAULT_PROJECT: Final = "default"
#: States in which a virtual machine has a process, and so statistics.
ACTIVE_STATES = frozenset({"running", "paused", "stopping", "crashed"})


class Inventory:
    """Virtual machines and the host as they are, as far as anyone knows."""

    def __init__(
        self, *, recorder: Recorder, documents: Documents, clock: Clock, host: Mapping[str, object], store: Store | None = None
    ) -> None:
        """``host`` holds the members of ``HostInfo`` that the daemon itself knows; ``store`` what callers were told by a life before."""
        self._documents = documents
        self._clock = clock
        self.vms = Objects("vm", recorder, lambda id: f"vm.{id}", store)
        self.hosts = Objects("host", recorder, lambda _id: "host", store)
        self.host_stats: Mapping[str, Raw] = {}
        self._host = dict(host)
        self._conditions: dict[str, dict[str, object]] = {}
        # whether a snapshot of the type, or a first sample, was reported
        self._seen = {what: asyncio.Event() for what in ("vm", "host", "host.stats")}

    # --- what subsystems report ---

    def snapshot(self, type: str, objects: Iterable[Observed], cause: Cause) -> None:
        """All objects of a type, now; those not among them are gone."""
        known = self._objects(type)
        present = set()
        for observed in objects:
            present.add(observed.id)
            self.changed(type, observed, cause)
        for id in [item.id for item in known if item.id not in present]:
            self.removed(type, id, cause)
        self._seen[type].set()

    def changed(self, type: str, observed: Observed, cause: Cause) -> None:
        """One object is new or has changed."""
        known = self._objects(type)
        document = self._compose_vm(observed) if type == "vm" else self._compose_host(observed)
        if known.put(observed.id, document, cause) and type == "vm":
            self._match_stats(known.get(observed.id))

    def removed(self, type: str, id: str, cause: Cause) -> None:
        """One object is gone, and what was desired of it."""
        self._documents.remove(type, id)
        self._objects(type).remove(id, cause)

    def desired(self, type: str, id: str, generation: int, document: bytes) -> None:
        """A desired document was accepted."""
        self._documents.put(type, id, DesiredDocument(generation, document))

    def stats(self, type: str, items: Iterable[tuple[str, Raw]]) -> None:
        """Sampled figures by object."""
        if type == "host":
            for _id, raw in items:
                self.host_stats = msgspec.json.decode(bytes(raw), type=dict[str, Raw])
                self._seen["host.stats"].set()
            return
        for id, raw in items:
            item = self.vms.get(id)
            if item is not None and item.state in ACTIVE_STATES:
                item.stats = bytes(raw)

    def condition(self, subsystem: str, state: str, reason: str | None, restarts: int = 0) -> None:
        """A part of the daemon is well, or not."""
        told: dict[str, object] = {"name": subsystem, "state": state}
        if reason:
            told["reason"] = reason
        if restarts:
            told["restarts"] = restarts
        self._conditions[subsystem] = told
        for item in list(self.hosts):
            self.hosts.put(item.id, item.document() | self._own_host_members(), _DAEMON)

    # --- what the daemon concludes ---

    def forget_states(self, reason: str, error: str) -> None:
        """The hypervisor cannot be asked: every virtual machine's state is unknown, never dead."""
        for item in list(self.vms):
            document = item.document()
            if document["state"] != "unknown":
                document |= {"state": "unknown", "stateReason": reason}
                self.vms.put(item.id, document, _DAEMON)
                item.stats = _not_refreshed(item.stats, error, reason)

    def on_new(self, type: str, tell: Callable[[str, str], None]) -> None:
        """Have ``tell`` hear of objects that come to be; not of those that are merely found after a start."""

        def hear(type: str, id: str) -> None:
            if self.is_seen(type):
                tell(type, id)

        self._objects(type).on_added.append(hear)

    def is_seen(self, type: str) -> bool:
        """Whether all objects of a type (or a sample: ``host.stats``) were reported at least once."""
        return self._seen[type].is_set()

    def seen(self, type: str) -> asyncio.Event:
        """Set with the first snapshot of a type."""
        return self._seen[type]

    def condition_of(self, subsystem: str) -> Mapping[str, object]:
        """The condition of a part of the daemon (``SubsystemInfo``)."""
        return self._conditions.get(subsystem, {"name": subsystem, "state": "starting"})

    def vm_counts(self) -> dict[str, object]:
        """``HostVmStats``."""
        running = sum(item.state in ACTIVE_STATES for item in self.vms)
        return {"sampledAt": timestamp(self._clock.time()), "defined": len(self.vms), "running": running}

    # --- composing ---

    def _objects(self, type: str) -> Objects:
        return self.vms if type == "vm" else self.hosts

    def _compose_vm(self, observed: Observed) -> dict[str, object]:
        seen = _decode(bytes(observed.document))
        wanted = self._documents.get("vm", observed.id)
        document: dict[str, object] = {
            "id": observed.id,
            "name": seen.pop("name"),
            "generation": observed.generation,
            "revision": 0,
            "project": DEFAULT_PROJECT,
            "desired": "derived",
        } | seen
        if wanted is not None:
            recorded = _decode(wanted.document)
            document |= {"name": recorded["name"], "config": recorded["config"], "project": recorded.get("project", DEFAULT_PROJECT)}
            document |= {"generation": max(wanted.generation, observed.generation), "desired": "recorded"}
        return document

    def _compose_host(self, observed: Observed) -> dict[str, object]:
        return {"id": observed.id} | _decode(bytes(observed.document)) | self._own_host_members()

    def _own_host_members(self) -> dict[str, object]:
        return self._host | {"subsystems": [self._conditions[name] for name in sorted(self._conditions)]}

    @staticmethod
    def _match_stats(item: Item | None) -> None:
        if item is not None and (item.state not in ACTIVE_STATES or not item.stats):
            item.stats = _encode({"vmId": item.id, "state": item.state})


def _not_refreshed(stats: bytes, error: str, reason: str) -> bytes:
    document = _decode(stats) if stats else {}
    mark = {"error": error, "reason": reason}
    document["state"] = "unknown"
    for group in document.values():
        for part in group if isinstance(group, list) else (group,):
            if isinstance(part, dict) and "sampledAt" in part:
                part["notRefreshed"] = mark
    return _encode(document)
