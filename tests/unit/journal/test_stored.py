"""The journal and the documents over a store: told after the commit, true across restarts, far records from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.clock import ManualClock
from libvdsm.interfaces.journal import DesiredDocument, Entry
from libvdsm.journal.memory_store import MemoryStore
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.stored import StoredDocuments, StoredJournal
from libvdsm.journal.turns import Bounds


def entry(sequence: int, size: int = 1) -> Entry:
    return Entry(sequence, f"vm.{sequence}", "vm", str(sequence), b"." * size, "web")


class Turns:
    """Ends turns when the test says."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []

    def __call__(self, end: Callable[[], None]) -> None:
        self._ends.append(end)

    def end(self) -> None:
        ends, self._ends = self._ends, []
        for each in ends:
            each()


@pytest.fixture
def turns() -> Turns:
    return Turns()


def add(journal: StoredJournal, count: int, size: int = 1) -> None:
    for _ in range(count):
        journal.append(entry(journal.next_sequence(), size))


def test_records_are_told_after_their_commit(turns: Turns) -> None:
    """Before it they have a sequence, but nobody can read them."""
    journal = StoredJournal(MemoryStore(schedule=turns), ManualClock())
    heard: list[int] = []
    journal.listen(lambda: heard.append(len(journal.read(0, 10))))
    add(journal, 2)
    assert (journal.last, journal.next_sequence(), list(journal.read(0, 10)), heard) == (0, 3, [], [])
    turns.end()
    assert (journal.last, heard) == (2, [2])
    assert list(journal.read(0, 10)) == [entry(1), entry(2)]


@given(st.integers(0, 30), st.integers(1, 10), st.integers(0, 40), st.integers(1, 12))
def test_the_ring_agrees_with_a_plain_list(count: int, most: int, after: int, limit: int) -> None:
    """Any place and any limit give what a list would; ``held`` is where it begins."""
    turns = Turns()
    journal = StoredJournal(MemoryStore(schedule=turns), ManualClock(), most_records=most)
    add(journal, count)
    turns.end()
    held = list(range(max(1, count - most + 1), count + 1))
    assert [e.sequence for e in journal.read(after, limit)] == [s for s in held if s > after][:limit]
    assert (journal.first, journal.held, journal.last) == (1, held[0] if held else count + 1, count)


async def test_older_records_come_from_the_store(turns: Turns) -> None:
    """What the ring no longer holds is fetched, in the same form."""
    journal = StoredJournal(MemoryStore(schedule=turns), ManualClock(), most_octets=30)
    add(journal, 10, size=10)
    turns.end()
    assert journal.held == 8
    assert list(await journal.fetch(0, 3)) == [entry(1, 10), entry(2, 10), entry(3, 10)]
    assert list(await journal.fetch(8, 9)) == [entry(9, 10), entry(10, 10)]


def test_what_was_refused_is_left_out(turns: Turns) -> None:
    """Its numbers are not given out again in this life, and the ring begins behind the hole."""
    store = MemoryStore(schedule=turns)
    journal = StoredJournal(store, ManualClock())
    add(journal, 2)
    turns.end()
    store.become("failed")
    add(journal, 3)
    turns.end()
    store.become("ok")
    assert (journal.last, journal.next_sequence()) == (2, 6)
    add(journal, 1)
    turns.end()
    assert (journal.first, journal.held, journal.last) == (1, 6, 6)
    assert [e.sequence for e in journal.read(0, 10)] == [6]


async def test_all_is_true_across_a_restart(tmp_path: Path) -> None:
    """Epoch, last, the newest records, and the older ones on demand."""
    clock = ManualClock()
    store = SqliteStore.open(tmp_path)
    journal = StoredJournal(store, clock)
    add(journal, 50)
    await store.commit()
    epoch = journal.epoch
    await store.close()
    store = SqliteStore.open(tmp_path)
    journal = StoredJournal(store, clock, most_records=20)
    assert (journal.epoch, journal.first, journal.held, journal.last, journal.next_sequence()) == (epoch, 1, 31, 50, 51)
    assert [e.sequence for e in journal.read(40, 3)] == [41, 42, 43]
    assert list(await journal.fetch(5, 2)) == [entry(6), entry(7)]
    add(journal, 1)
    await store.commit()
    assert journal.last == 51
    await store.close()


async def test_trimmed_records_are_gone_from_first_on(tmp_path: Path) -> None:
    """``first`` follows the store's bounds. The store trims beside us, so it is compared when nothing is left to be trimmed."""
    bounds, clock = {"event": Bounds(most_records=64)}, ManualClock()
    store = SqliteStore.open(tmp_path, logs=bounds)
    journal = StoredJournal(store, clock, most_records=10)
    for _ in range(100):
        add(journal, 2)
        await store.commit()
    seen = [each.sequence for each in await journal.fetch(0, 1000)]
    assert seen == list(range(seen[0], 201))
    assert seen[0] > 100
    await store.close()
    store = SqliteStore.open(tmp_path, logs=bounds)
    journal = StoredJournal(store, clock, most_records=10)
    assert journal.first >= seen[0]
    assert [each.sequence for each in await journal.fetch(0, 1000)] == list(range(journal.first, 201))
    await store.close()


def test_documents_are_kept(turns: Turns) -> None:
    """Put, get, remove; another life finds them."""
    store = MemoryStore(schedule=turns)
    documents = StoredDocuments(store)
    documents.put("vm", "1", DesiredDocument(7, b'{"a":"\\n",\n"x":1}'))
    documents.put("vm", "2", DesiredDocument(1, b"{}"))
    documents.remove("vm", "2")
    documents.remove("vm", "3")
    turns.end()
    again = StoredDocuments(store)
    assert again.get("vm", "1") == documents.get("vm", "1") == DesiredDocument(7, b'{"a":"\\n",\n"x":1}')
    assert again.get("vm", "2") is documents.get("vm", "2") is None
