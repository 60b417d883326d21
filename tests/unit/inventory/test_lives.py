"""What the inventory was told in one life is known in the next: a start is no change."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.messages import Cause, Observed
from libvdsm.inventory.inventory import Inventory
from libvdsm.journal.memory import MemoryDocuments, MemoryJournal
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.recorder import Recorder

RESYNC = Cause(kind="resync")
ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


class Life:
    """An inventory from its start to its end."""

    def __init__(self, store: MemoryStore, journal: MemoryJournal) -> None:
        clock = ManualClock()
        self.journal = journal
        self._first = journal.last
        recorder = Recorder(journal, clock)
        self.inventory = Inventory(recorder=recorder, documents=MemoryDocuments(), clock=clock, host={}, store=store)

    def sees(self, states: Mapping[str, str]) -> None:
        """The first snapshot, or a later one."""
        observed = [Observed(id=id, document=Raw(msgspec.json.encode({"name": id[-1], "state": state}))) for id, state in states.items()]
        self.inventory.snapshot("vm", observed, RESYNC)

    def told(self) -> list[tuple[str, str]]:
        """The changes of this life."""
        events = [msgspec.json.decode(entry.data) for entry in self.journal.read(self._first, 100)]
        return [(event["change"], event["object"]["id"]) for event in events]


async def test_what_is_as_it_was_is_not_told_again() -> None:
    store, journal = MemoryStore(), MemoryJournal()
    first = Life(store, journal)
    first.sees({ONE: "running", TWO: "stopped"})
    await store.commit()
    assert first.told() == [("added", ONE), ("added", TWO)]
    second = Life(store, journal)
    assert [item.id for item in second.inventory.vms] == [ONE, TWO]
    assert not second.inventory.is_seen("vm"), "it is not shown before somebody has looked"
    second.sees({ONE: "running", TWO: "stopped"})
    await store.commit()
    assert second.told() == []


async def test_what_happened_between_two_lives_is_told_as_a_difference() -> None:
    store, journal = MemoryStore(), MemoryJournal()
    Life(store, journal).sees({ONE: "running", TWO: "stopped"})
    await store.commit()
    second = Life(store, journal)
    second.sees({ONE: "stopped"})
    await store.commit()
    assert second.told() == [("changed", ONE), ("removed", TWO)]
    third = Life(store, journal)
    third.sees({ONE: "stopped", TWO: "stopped"})
    await store.commit()
    assert third.told() == [("added", TWO)]


async def test_revisions_go_on() -> None:
    store, journal = MemoryStore(), MemoryJournal()
    Life(store, journal).sees({ONE: "running"})
    await store.commit()
    second = Life(store, journal)
    item = second.inventory.vms.get(ONE)
    assert item is not None
    assert (item.revision, item.state) == (1, "running")
    second.sees({ONE: "stopped"})
    await store.commit()
    assert item.revision == journal.last == 2
