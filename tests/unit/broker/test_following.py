"""Holes in the record, as one follower that lets changes gather is told of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from libvdsm.broker.following import Follower, Following
from libvdsm.broker.reading import Gap


@dataclass(frozen=True, slots=True)
class Record:
    sequence: int


class Ring:
    """Records with holes; what comes before ``held`` is on the disk."""

    def __init__(self, sequences: Sequence[int], held: int) -> None:
        self._records = [Record(sequence) for sequence in sequences]
        self.held = held
        self.first = 1
        self.last = sequences[-1]

    def read(self, after: int, limit: int) -> Sequence[Record]:
        return [record for record in self._records if record.sequence > after and record.sequence >= self.held][:limit]

    async def fetch(self, after: int, limit: int) -> Sequence[Record]:
        return [record for record in self._records if record.sequence > after][:limit]


class Gatherer(Follower[Record]):
    """Tells what has gathered as a list."""

    def __init__(self) -> None:
        super().__init__(0, None)
        self.linger_s = 1.0
        self.told: list[object] = []
        self._gathered: list[int] = []
        self._waiting: deque[tuple[list[int], int]] = deque()

    def is_full(self) -> bool:
        return False

    def when_drained(self, resume: Callable[[], None]) -> None:
        raise AssertionError

    def tell(self, record: Record) -> bool:
        self._gathered.append(record.sequence)
        return False

    def tell_gap(self, gap: Gap) -> None:
        self.told.append((gap, self.cursor))

    def tell_waiting(self) -> bool:
        if self._waiting:
            self.told.append(self._waiting.popleft())
            return True
        return False

    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def has_gathered(self) -> int:
        return len(self._gathered)

    def gather(self) -> None:
        if self._gathered:
            self._waiting.append((self._gathered, self.cursor))
            self._gathered = []


@pytest.mark.parametrize("held", (1, 9))
async def test_a_hole_is_told_between_what_was_before_it_and_what_follows(held: int) -> None:
    """Whether the records are in memory or on the disk: none is told twice, and the tokens say what was told."""
    following: Following[Record] = Following(Ring((1, 2, 5, 6, 9), held), asyncio.get_running_loop().call_soon, lambda _s, _f: None)
    follower = Gatherer()
    following.add(follower)
    for _ in range(20):
        await asyncio.sleep(0)
    assert follower.told == [([1, 2], 2), (Gap("trimmed", 2), 4), ([5, 6], 6), (Gap("trimmed", 2), 8), ([9], 9)]
