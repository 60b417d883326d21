"""The in-memory journal is bounded, ordered and read from any place."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.interfaces.journal import DesiredDocument, Entry
from libvdsm.journal.memory import MemoryDocuments, MemoryJournal


def entry(sequence: int, size: int = 1) -> Entry:
    return Entry(sequence, "vm.x", "vm", "x", b"." * size)


@given(st.integers(0, 30), st.integers(1, 10), st.integers(0, 40), st.integers(1, 12))
def test_reading_agrees_with_a_plain_list(count: int, most: int, after: int, limit: int) -> None:
    """Any place and any limit give what a list would."""
    journal = MemoryJournal(most_records=most)
    for sequence in range(1, count + 1):
        journal.append(entry(sequence))
    kept = list(range(max(1, count - most + 1), count + 1))
    assert [e.sequence for e in journal.read(after, limit)] == [s for s in kept if s > after][:limit]
    assert (journal.first, journal.last) == (kept[0] if kept else count + 1, count)


def test_octets_are_bounded_too() -> None:
    """Large records push old ones out."""
    journal = MemoryJournal(most_octets=10)
    for sequence in range(1, 6):
        journal.append(entry(sequence, size=4))
    assert journal.first == 4


def test_a_wrong_sequence_is_refused() -> None:
    """Order is never a matter of luck."""
    journal = MemoryJournal()
    with pytest.raises(ValueError, match="record 2 follows 0"):
        journal.append(entry(2))


def test_listeners_hear_of_committed_records() -> None:
    """When a listener is called the record can be read."""
    journal = MemoryJournal()
    heard: list[int] = []
    journal.listen(lambda: heard.append(len(journal.read(0, 10))))
    journal.append(entry(1))
    assert heard == [1]


def test_documents_are_kept_by_type_and_id() -> None:
    """Put, get, remove; absent is None."""
    documents = MemoryDocuments()
    documents.put("vm", "1", DesiredDocument(1, b"{}"))
    assert documents.get("vm", "1") == DesiredDocument(1, b"{}")
    documents.remove("vm", "1")
    documents.remove("vm", "1")
    assert documents.get("vm", "1") is None


def test_what_is_held_by_thousands_is_nothing_to_the_search_for_garbage() -> None:
    """It would hold the loop for as long as it looks at all of them."""
    assert not gc.is_tracked(entry(1))
    assert not gc.is_tracked(DesiredDocument(1, b"{}"))
