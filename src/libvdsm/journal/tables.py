"""The tables of ``state.db``, and the steps from each format to the next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Before ``totals`` (format 1) there was no way to see that a record is missing.
_RECORDS: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE records (kind TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    """CREATE TABLE logs (log TEXT NOT NULL, sequence INTEGER NOT NULL, previous INTEGER NOT NULL, at REAL NOT NULL, data BLOB NOT NULL,
       sum INTEGER NOT NULL, PRIMARY KEY (log, sequence)) WITHOUT ROWID""",
)
_TOTALS: Final = (
    """CREATE TABLE totals (name TEXT PRIMARY KEY, count INTEGER NOT NULL, digest INTEGER NOT NULL, first INTEGER NOT NULL,
       last INTEGER NOT NULL, octets INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE quarantine (number INTEGER PRIMARY KEY, at REAL NOT NULL, kind BLOB, key BLOB, data BLOB, reason TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Step:
    """From one format to the next; one transaction."""

    statements: Sequence[str] = ()
    #: New data of each record by its kind. A record for which it raises is set aside; the rest go on.
    convert: Mapping[str, Callable[[str, bytes], bytes]] = field(default_factory=dict)


#: What leads from format n + 1 to n + 2, at place n. The present format is one more than their number.
STEPS: Final[Sequence[Step]] = (Step(_TOTALS),)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of format 1; the steps follow."""
    for statement in _RECORDS:
        connection.execute(statement)
