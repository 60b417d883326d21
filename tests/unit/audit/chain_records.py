"""What the tests of this room begin with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from libvdsm.audit.refusals import Refusals
from libvdsm.audit.trail import AuditTrail
from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.audit import Actor, Deed
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.store import Logged
from libvdsm.journal.memory_store import MemoryStore

ALICE = Actor("user:alice", "certificate", "192.0.2.7")
MALLORY = Actor("user:mallory", "token", "192.0.2.66")
VM = ("vm", "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d")


def done(method: str = "VM.start", **more: Any) -> Deed:
    """A deed that was done."""
    told: dict[str, Any] = {"actor": ALICE, "method": method, "outcome": "done", "object": VM, "project": "web"}
    return Deed(**told | more)


def refused(method: str = "VM.delete", **more: Any) -> Deed:
    """A refused call."""
    told: dict[str, Any] = {"actor": MALLORY, "method": method, "outcome": "refused", "object": VM, "error": "PermissionDenied"}
    return Deed(**told | more)


def administrator() -> Caller:
    """Somebody who may read everything."""
    rights = Rights(frozenset({"audit.read", "vm.read", "task.read"}))
    return Caller(identity="unix:0", source="unix", roles=("administrator",), rights=rights)


@dataclass
class World:
    """A trail over a store in memory, and clocks that are told to go on."""

    clock: ManualClock = field(default_factory=ManualClock)
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    store: MemoryStore = field(init=False)
    trail: AuditTrail = field(init=False)
    ends: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(schedule=self.ends.append)
        self.trail = self.open()

    def open(self, **more: Any) -> AuditTrail:
        """A trail as a new life of the daemon has it."""
        return AuditTrail(self.store, self.clock, later=self._later, refusals=Refusals(**more))

    def end_turn(self) -> None:
        """The turn of the loop is over: what was asked for is committed, if it can be."""
        while self.ends:
            self.ends.pop(0)()

    def advance(self, seconds: float) -> None:
        """Let time pass, and what waits for it happen."""
        self.clock.advance(seconds)
        now = self.clock.monotonic()
        due = [call for at, call in self.timers if at <= now]
        self.timers[:] = [timer for timer in self.timers if timer[0] > now]
        for call in due:
            call()
        self.end_turn()

    def kept(self) -> Sequence[Logged]:
        """What is on disk."""
        self.end_turn()
        return self.store.tail("audit", 1_000_000, 1 << 40)

    def told(self) -> list[dict[str, Any]]:
        """The same, decoded."""
        return [json.loads(record.data) for record in self.kept()]

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timers.append((self.clock.monotonic() + seconds, call))


class Spoiled(MemoryStore):
    """A store whose log somebody has changed behind our back."""

    def __init__(self, records: Sequence[Logged], kinds: dict[str, dict[str, bytes]] | None = None) -> None:
        super().__init__(records=kinds)
        self._logs["audit"] = list(records)
        if records:
            self._spans["audit"] = (records[0].sequence, records[-1].sequence)
