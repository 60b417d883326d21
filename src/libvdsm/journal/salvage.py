"""All that can be read of a store, however unsound it is, and what cannot.

Works on a copy of the files, because to open a database is to change it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libvdsm.journal.checksums import wrapped
from libvdsm.journal.database import sound_key, sound_logged
from libvdsm.journal.failures import UNREADABLE, StoreError, TooNewStoreError, UnsoundStoreError
from libvdsm.journal.mark import Mark
from libvdsm.journal.opening import connect, cut_torn_tail, meta, sound_wal
from libvdsm.journal.place import DATABASE, MARK, WAL, Place
from libvdsm.journal.quarantine import SetAside, in_quarantine
from libvdsm.journal.tables import STEPS
from libvdsm.journal.totals import COMMITS, Total, check_whole, sound_total
from libvdsm.journal.wal import salvage

_RECORDS = "SELECT CAST(kind AS BLOB), CAST(key AS BLOB), data, sum FROM records"
_LOGS = "SELECT CAST(log AS BLOB), sequence, previous, at, data, sum FROM logs"


@dataclass(slots=True)
class Salvage:
    """What there is."""

    epoch: str | None = None
    commits: int = 0
    records: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unsound: dict[tuple[bytes, bytes], bytes | None] = field(default_factory=dict)  # records as they are, by kind and key
    logs: dict[str, dict[int, tuple[int, float, bytes]]] = field(default_factory=dict)  # previous, at, data by sequence
    set_aside: list[SetAside] = field(default_factory=list)  # by the daemon, some time before
    problems: list[str] = field(default_factory=list)
    has_lost_events: bool = False  # so that sequences do not mean what they meant

    def count(self) -> str:
        """How much, in words."""
        events = sum(map(len, self.logs.values()))
        return f"{len(self.records)} records and {events} records of {len(self.logs)} logs"


def survey(place: Place, scratch: Path) -> Salvage:
    """Read all of a store through a copy in the folder ``scratch``; raises ``StoreError`` if a later version wrote it."""
    found = Salvage()
    mark = Mark.read(place.file(MARK))
    for name in (DATABASE, WAL):
        if place.file(name).exists():
            shutil.copyfile(place.file(name), scratch / name)
    copy = Place(scratch)
    try:
        cut_torn_tail(copy, sound_wal(copy, mark))
    except UnsoundStoreError as unsound:
        found.problems.append(unsound.found)
        _apply_by_hand(copy)
    try:
        connection = connect(copy)
    except (*UNREADABLE, StoreError) as failure:
        found.problems.append(f"SQLite says: {failure}")
        return found
    try:
        _Surveyor(connection, found, mark).survey()
    finally:
        connection.close()
    return found


def _apply_by_hand(copy: Place) -> None:
    """Write the sound pages of a log into the database, which SQLite would not do behind an unsound one."""
    pages = salvage(copy.file(WAL).read_bytes())
    copy.file(WAL).unlink()
    copy.file(DATABASE).touch()
    with copy.file(DATABASE).open("r+b") as database:
        for page in pages:
            database.seek((page.number - 1) * len(page.octets))
            database.write(page.octets)
        if pages:
            database.truncate(pages[-1].pages_at_commit * len(pages[-1].octets))


class _Surveyor:
    def __init__(self, connection: sqlite3.Connection, found: Salvage, mark: Mark | None) -> None:
        self._connection = connection
        self._found = found
        self._mark = mark
        self._totals: dict[str, Total] = {}

    def survey(self) -> None:
        self._integrity()
        self._meta()
        self._read_totals()
        self._read_records()
        self._read_logs()
        try:
            self._found.set_aside = in_quarantine(self._connection)
        except UNREADABLE as failure:
            self._problem(f"the quarantine cannot be read: {failure}")

    def _problem(self, words: str) -> None:
        self._found.problems.append(words)

    def _integrity(self) -> None:
        try:
            told = [str(row[0]) for row in self._connection.execute("PRAGMA integrity_check(20)")]
        except UNREADABLE as failure:
            told = [str(failure)]
        self._found.problems += [f"SQLite says: {line}" for words in told if words != "ok" for line in words.splitlines()]

    def _meta(self) -> None:
        try:
            format = meta(self._connection, "format")
            self._found.epoch = meta(self._connection, "epoch")
        except (*UNREADABLE, UnsoundStoreError) as failure:
            self._problem(failure.found if isinstance(failure, UnsoundStoreError) else f"SQLite says: {failure}")
            return
        if int(format) > len(STEPS) + 1:
            raise TooNewStoreError(f"the state has format {format}; this version of the daemon knows formats up to {len(STEPS) + 1}")

    def _read_totals(self) -> None:
        sums: dict[str, int] = {}
        for row in self._rows("SELECT name, count, digest, first, last, octets, sum FROM totals", "name"):
            try:
                total = sound_total(row)
            except UnsoundStoreError as unsound:
                self._problem(unsound.found)
            else:
                self._totals[total.name] = total
                sums[total.name] = row[-1]
        try:
            check_whole(self._totals.values(), sums)
        except UnsoundStoreError as unsound:
            self._problem(unsound.found)
        self._found.commits = self._totals.get(COMMITS, Total(COMMITS)).count
        if self._mark is not None and self._found.commits < self._mark.commits:
            self._problem(f"it holds {self._found.commits} transactions, but {self._mark.commits} were acknowledged")
            self._found.has_lost_events = True

    def _rows(self, query: str, order: str) -> Iterator[tuple[Any, ...]]:
        """All rows that can be read: from the first on, and if that ends in a bad page, from the last back."""
        seen = set()
        for direction in ("ASC", "DESC"):
            try:
                for row in self._connection.execute(f"{query} ORDER BY {', '.join(f'{name} {direction}' for name in order.split())}"):
                    identity = (*row[:2], row[-1])
                    if identity not in seen:
                        seen.add(identity)
                        yield row
            except (*UNREADABLE, OverflowError) as failure:
                if direction == "ASC":
                    self._problem(f"SQLite says: {failure}")
                continue
            return

    def _read_records(self) -> None:
        counted: dict[str, Total] = {}
        for kind, key, data, sum in self._rows(_RECORDS, "kind key"):
            text = kind.decode("utf-8", "backslashreplace") if isinstance(kind, bytes) else repr(kind)
            total = counted.setdefault(text, Total(text))
            total.count += 1
            total.digest = wrapped(total.digest + sum) if isinstance(sum, int) else total.digest
            name = sound_key(text, key, data, sum)
            if name is not None:
                self._found.records[text, name] = data
            else:
                self._problem(f"the record of kind {text} and key {_shown(key)} is unsound")
                self._found.unsound[_octets(kind), _octets(key)] = data if isinstance(data, bytes) else None
        for name, kept in self._totals.items():
            kind = name.removeprefix("record:")
            if kind != name:
                self._compare(kind, kept, counted.get(kind, Total(kind)))

    def _compare(self, kind: str, kept: Total, there: Total) -> None:
        if kept.count != there.count:
            self._problem(f"{kept.count - there.count} of {kept.count} records of kind {kind} are gone")
        elif kept.digest != there.digest and not self._found.unsound:
            self._problem(f"the records of kind {kind} are not those that were kept")

    def _read_logs(self) -> None:
        for log, *row in self._rows(_LOGS, "log sequence"):
            name = log.decode("utf-8", "backslashreplace") if isinstance(log, bytes) else repr(log)
            try:
                record = sound_logged(name, tuple(row))
            except UnsoundStoreError as unsound:
                self._lost(unsound.found)
                continue
            self._found.logs.setdefault(name, {})[record.sequence] = (row[1], record.at, record.data)
        for name, kept in self._totals.items():
            log = name.removeprefix("log:")
            if log != name and kept.count:
                self._follow(log, kept)

    def _follow(self, log: str, kept: Total) -> None:
        """Whether each record stands behind the one that it names."""
        before = kept.first - 1
        records = self._found.logs.get(log, {})
        for sequence in sorted(records):
            previous = records[sequence][0]
            if previous > before and sequence != kept.first:
                self._lost(f"records {before + 1} to {previous} of log {log} are gone")
            before = sequence
        if before < kept.last:
            self._lost(f"records {before + 1} to {kept.last} of log {log} are gone")

    def _lost(self, words: str) -> None:
        self._problem(words)
        self._found.has_lost_events = True


def _octets(value: object) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()


def _shown(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else repr(value)
