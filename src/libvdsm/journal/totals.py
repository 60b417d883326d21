"""How many records of each kind and log there are, and their digest: kept in the same transaction as the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from libvdsm.journal.checksums import row_sum, wrapped
from libvdsm.journal.failures import UnsoundStoreError

#: The row that counts transactions.
COMMITS = "commits"


@dataclass(slots=True)
class Total:
    """Of one kind (named ``record:<kind>``), of one log (``log:<log>``), or of all transactions (``commits``)."""

    name: str
    count: int = 0
    digest: int = 0
    first: int = 1
    last: int = 0
    octets: int = 0

    def add(self, sum: int, octets: int) -> None:
        """One more record."""
        self.count += 1
        self.digest = wrapped(self.digest + sum)
        self.octets += octets

    def take(self, sum: int, octets: int) -> None:
        """One record less."""
        self.count -= 1
        self.digest = wrapped(self.digest - sum)
        self.octets -= octets

    def row(self) -> tuple[str, int, int, int, int, int, int]:
        """Its form in the table."""
        values = (self.name, self.count, self.digest, self.first, self.last, self.octets)
        return (*values, row_sum(*values))


class Totals:
    """All of them, as of the last commit and with what the present transaction changes.

    The row that counts transactions also holds the number of the other rows (``last``) and the digest of their checksums.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Raises ``UnsoundStoreError``."""
        self._all: dict[str, Total] = {}
        self._sums: dict[str, int] = {}
        self._changed: set[str] = set()
        for row in connection.execute("SELECT name, count, digest, first, last, octets, sum FROM totals").fetchall():
            total = sound_total(row)
            self._all[total.name] = total
            self._sums[total.name] = row[-1]
        check_whole(self._all.values(), self._sums)

    @classmethod
    def anew(cls, connection: sqlite3.Connection, commits: int) -> Totals:
        """None yet, whatever the table says; ``commits`` is how many transactions there were."""
        connection.execute("DELETE FROM totals")
        connection.execute("INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?)", Total(COMMITS, commits).row())
        return cls(connection)

    def of(self, name: str) -> Total:
        """To be read."""
        return self._all.get(name) or Total(name)

    def change(self, name: str) -> Total:
        """To be changed in this transaction."""
        self._changed.add(name)
        return self._all.setdefault(name, Total(name))

    def names(self, prefix: str) -> list[str]:
        """What follows ``prefix`` in their names."""
        return [name.removeprefix(prefix) for name in self._all if name.startswith(prefix)]

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what was changed into the present transaction."""
        rows = [self._all[name].row() for name in self._changed if name != COMMITS]
        self._sums.update({row[0]: row[-1] for row in rows})
        commits = self._all[COMMITS]
        commits.last, commits.digest = _whole(self._sums)
        rows.append(commits.row())
        connection.executemany("INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._changed.clear()


def check_whole(totals: Iterable[Total], sums: Mapping[str, int]) -> None:
    """Whether no row is missing; raises ``UnsoundStoreError``."""
    commits = next((total for total in totals if total.name == COMMITS), None)
    if commits is None or (commits.last, commits.digest) != _whole(sums):
        raise UnsoundStoreError("some of its totals are gone")


def _whole(sums: Mapping[str, int]) -> tuple[int, int]:
    others = [sum for name, sum in sums.items() if name != COMMITS]
    return len(others), wrapped(sum(others))


def sound_total(row: tuple[object, ...]) -> Total:
    """A row of the table; raises ``UnsoundStoreError``."""
    name, count, digest, first, last, octets, sum = row
    if (
        not isinstance(name, str)
        or not isinstance(count, int)
        or not isinstance(digest, int)
        or not isinstance(first, int)
        or not isinstance(last, int)
        or not isinstance(octets, int)
        or row_sum(name, count, digest, first, last, octets) != sum
    ):
        raise UnsoundStoreError(f"the totals of {name!r} are unsound")
    return Total(name, count, digest, first, last, octets)
