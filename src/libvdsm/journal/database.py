"""The database of a store, used by one thread at a time: writes turns, keeps the totals, loads, trims."""

from __future__ import annotations

import logging
import sqlite3
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from libvdsm.base.clock import Clock
from libvdsm.interfaces.store import Logged
from libvdsm.journal.checksums import logged_sum, record_sum, wrapped
from libvdsm.journal.failures import UnsoundStoreError
from libvdsm.journal.mark import Mark, MarkFile, WalIndex
from libvdsm.journal.opening import CHECKPOINT_PAGES, meta
from libvdsm.journal.place import DATABASE, MARK, WAL_INDEX, Place
from libvdsm.journal.quarantine import set_aside
from libvdsm.journal.totals import COMMITS, Totals
from libvdsm.journal.turns import Bounds, Span, Turn

_log = logging.getLogger(__name__)

#: Records that are trimmed in one transaction.
_TRIM: Final = 2000
#: More pages than SQLite can count to.
_MOST_PAGES: Final = 2**30


class Database:
    """An open, sound database. Every method may raise ``sqlite3.Error`` or ``OSError``: then nothing of it has happened."""

    def __init__(self, connection: sqlite3.Connection, place: Place, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._totals = Totals(connection)  # it also makes SQLite take up its write-ahead log, and so make the index of it
        self._index = WalIndex(place.file(WAL_INDEX))
        self._mark = MarkFile(place.file(MARK))
        self._path = place.file(DATABASE)
        (self._page_octets,) = connection.execute("PRAGMA page_size").fetchone()
        self._octets = self._octets_now()
        self.epoch = meta(connection, "epoch")

    # --- writing

    def apply(self, turns: Sequence[Turn]) -> Mapping[str, Span]:
        """Write turns as one transaction and wait until it is on disk; the spans of the logs that changed."""
        connection = self._connection
        logs: set[str] = set()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for turn in turns:
                for (kind, key), data in turn.records.items():
                    self._replace(kind, key, data)
                for log, records in turn.logged.items():
                    logs.add(log)
                    self._append(log, records)
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        return {log: self.span(log) for log in logs}

    def trim(self, log: str, bounds: Bounds, horizon: float | None) -> Span | None:
        """Let the oldest records go if the log has outgrown its bounds, or those older than ``horizon``; its span if any went."""
        total = self._totals.of(f"log:{log}")
        records, octets = total.count, total.octets
        is_large = bounds.excess(records, octets)
        if not is_large and horizon is None:
            return None
        doomed = []
        query = "SELECT sequence, sum, length(data), at FROM logs WHERE log = ? ORDER BY sequence LIMIT ?"
        for row in self._connection.execute(query, (log, min(_TRIM, max(total.count - 1, 0)))):
            is_old = horizon is not None and row[3] < horizon
            if not is_old and not (is_large and (records > bounds.most_records or octets > bounds.most_octets)):
                break
            doomed.append(row[:3])
            records, octets = records - 1, octets - row[2]
        return self._take_oldest(log, doomed)

    def trim_for_room(self, log: str) -> bool:
        """Let an eighth of a log go because the disk is full; whether there was anything to let go."""
        count = min(_TRIM, self._totals.of(f"log:{log}").count // 8)
        query = "SELECT sequence, sum, length(data) FROM logs WHERE log = ? ORDER BY sequence LIMIT ?"
        return self._take_oldest(log, self._connection.execute(query, (log, count)).fetchall()) is not None

    def checkpoint(self) -> None:
        """Write the log back into the database when it has become long, so that it can begin anew."""
        if self._index.read()[1] >= CHECKPOINT_PAGES:
            self.write_back()

    def prove(self) -> None:
        """Show that the disk takes what it is given: a transaction, and all of it written back."""
        self.apply(())
        self.write_back()

    def write_back(self) -> None:
        """Write the whole log back into the database; needs room for ``growth``."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def growth(self) -> int:
        """Octets by which the file of the database will grow when the log is written back."""
        return max(0, self._octets - self._path.stat().st_size)

    def limit_growth(self, octets: int | None) -> None:
        """Let no transaction make the database larger than its file and so many octets more; ``None``: no limit."""
        most = _MOST_PAGES if octets is None else (self._path.stat().st_size + octets) // self._page_octets
        self._connection.execute(f"PRAGMA max_page_count = {max(most, 1)}").fetchone()

    def give_back(self, octets: int) -> None:
        """Let the file system have so much of what deletions have left empty, if there is so much."""
        (free,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        pages = octets // self._page_octets + 1
        if free > pages:
            self._connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
            self._octets = self._octets_now()
            self.write_back()

    # --- reading

    def logs(self) -> dict[str, Span]:
        """The span of every log."""
        return {log: self.span(log) for log in self._totals.names("log:")}

    def span(self, log: str) -> Span:
        """First and last sequence on disk."""
        total = self._totals.of(f"log:{log}")
        return (total.first, total.last) if total.count else (total.last + 1, total.last)

    def kinds(self) -> list[str]:
        """The kinds of records that there are or were."""
        return self._totals.names("record:")

    def load(self, kind: str) -> dict[str, bytes]:
        """The sound records of a kind; the others are set aside. Raises ``UnsoundStoreError`` when some are missing."""
        query = "SELECT CAST(key AS BLOB), data, sum FROM records WHERE kind = ?"
        rows = self._connection.execute(query, (kind,)).fetchall()
        found: dict[str, bytes] = {}
        unsound: dict[bytes, str] = {}
        digest = 0
        for key, data, sum in rows:
            digest = wrapped(digest + sum) if isinstance(sum, int) else digest
            text = sound_key(kind, key, data, sum)
            if text is None:
                unsound[key] = "its checksum is wrong"
            else:
                found[text] = data
        total = self._totals.of(f"record:{kind}")
        if len(rows) != total.count:
            raise UnsoundStoreError(f"there are {len(rows)} records of kind {kind}, but {total.count} were kept")
        if digest != total.digest and not unsound:
            raise UnsoundStoreError(f"the records of kind {kind} are not those that were kept")
        if unsound:
            self.set_aside(kind, unsound)
        return found

    def quarantined(self) -> int:
        """How many records were set aside."""
        (count,) = self._connection.execute("SELECT count(*) FROM quarantine").fetchone()
        return int(count)

    def octets(self) -> int:
        """The size of the database as of the last commit; never fails."""
        return self._octets

    def tail(self, log: str, limit: int, most_octets: int) -> list[Logged]:
        """The newest records of a log, oldest first. Raises ``UnsoundStoreError``."""
        first, last = self.span(log)
        query = "SELECT sequence, length(data) FROM logs WHERE log = ? ORDER BY sequence DESC LIMIT ?"
        after, octets, count = last, 0, 0
        for sequence, length in self._connection.execute(query, (log, limit)):
            octets += length
            if octets > most_octets:
                break
            after, count = sequence - 1, count + 1
        else:
            after = after if count == limit else first - 1  # when there are fewer than asked for, it must be all
        return read_log(self._connection, log, max(after, first - 1), limit)

    # --- ending

    def acknowledged(self) -> tuple[tuple[int, int], int]:
        """How far the write-ahead log is committed, by its index: not what a failed write has left behind."""
        return self._index.read()

    def close(self) -> None:
        """Write all back and let go of the files."""
        self._connection.close()
        self._index.close()
        self._mark.close()

    # --- within

    def _replace(self, kind: str, key: str, data: bytes | None) -> None:
        execute = self._connection.execute
        total = self._totals.change(f"record:{kind}")
        former = execute("SELECT sum, length(data) FROM records WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if former is not None:
            total.take(*former)
        if data is not None:
            sum = record_sum(kind, key, data)
            execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", (kind, key, data, sum))
            total.add(sum, len(data))
        elif former is not None:
            execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def _append(self, log: str, records: Sequence[Logged]) -> None:
        total = self._totals.change(f"log:{log}")
        rows = []
        for record in records:
            if record.sequence <= total.last:
                raise ValueError(f"record {record.sequence} of log {log} follows {total.last}")
            sum = logged_sum(log, record.sequence, total.last, record.at, record.data)
            rows.append((log, record.sequence, total.last, record.at, record.data, sum))
            total.first = total.first if total.count else record.sequence
            total.last = record.sequence
            total.add(sum, len(record.data))
        self._connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _take_oldest(self, log: str, doomed: Sequence[tuple[int, int, int]]) -> Span | None:
        if not doomed:
            return None
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            execute("DELETE FROM logs WHERE log = ? AND sequence <= ?", (log, doomed[-1][0]))
            total = self._totals.change(f"log:{log}")
            for _, sum, octets in doomed:
                total.take(sum, octets)
            left = execute("SELECT min(sequence) FROM logs WHERE log = ?", (log,)).fetchone()[0]
            total.first = total.last + 1 if left is None else left
            self._commit()
        except BaseException:
            self._roll_back()
            raise
        return self.span(log)

    def set_aside(self, kind: str, reasons: Mapping[bytes, str]) -> None:
        """Put the records with these keys into quarantine, each with its reason, in a transaction of its own."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for key, reason in reasons.items():
                _log.error("the record of kind %s and key %r is set aside: %s", kind, key, reason)
                set_aside(self._connection, self._clock.time(), kind.encode(), key, reason)
            total = self._totals.change(f"record:{kind}")
            total.count = total.digest = total.octets = 0
            for sum, octets in execute("SELECT sum, length(data) FROM records WHERE kind = ?", (kind,)):
                total.add(sum if isinstance(sum, int) else 0, octets)
            self._commit()
        except BaseException:
            self._roll_back()
            raise

    def _commit(self) -> None:
        commits = self._totals.change(COMMITS)
        commits.count += 1
        self._totals.write(self._connection)
        octets = self._octets_now()
        self._connection.execute("COMMIT")
        self._octets = octets
        try:
            self._mark.write(Mark(commits.count, *self._index.read()))
        except OSError as failure:  # the transaction is on disk; an old mark says less, and nothing false
            _log.warning("the mark cannot be written: %s", failure)

    def _octets_now(self) -> int:
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        return int(pages) * int(self._page_octets)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._totals = Totals(self._connection)


def sound_key(kind: str, key: object, data: object, sum: object) -> str | None:
    """The key of a row of ``records`` as text, if the row is sound."""
    if not isinstance(key, bytes) or not isinstance(data, bytes):
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return None
    return text if record_sum(kind, text, data) == sum else None


def read_log(connection: sqlite3.Connection, log: str, after: int, limit: int) -> list[Logged]:
    """Records with a greater sequence, oldest first; raises ``UnsoundStoreError`` if one of them is unsound or missing.

    Each record tells the sequence of the one before, so a number that was never used is told from a record that is gone.
    """
    connection.execute("BEGIN")
    try:
        total = Totals(connection).of(f"log:{log}")
        query = "SELECT sequence, previous, at, data, sum FROM logs WHERE log = ? AND sequence > ? ORDER BY sequence LIMIT ?"
        rows = connection.execute(query, (log, after, limit)).fetchall()
    finally:
        connection.execute("ROLLBACK")
    if not total.count or after >= total.last:
        return []
    found: list[Logged] = []
    before = max(after, total.first - 1)
    for row in rows:
        record = sound_logged(log, row)
        previous = row[1]
        is_next = previous == before if found else previous <= before or record.sequence == total.first
        if not is_next:
            raise UnsoundStoreError(f"records {before + 1} to {previous} of log {log} are gone")
        found.append(record)
        before = record.sequence
    if len(rows) < limit and before != total.last:
        raise UnsoundStoreError(f"records {before + 1} to {total.last} of log {log} are gone")
    return found


def sound_logged(log: str, row: tuple[Any, ...]) -> Logged:
    """A row of ``logs``; raises ``UnsoundStoreError``."""
    sequence, previous, at, data, sum = row
    try:
        is_sound = logged_sum(log, sequence, previous, at, data) == sum
    except (struct.error, TypeError, AttributeError):
        is_sound = False
    if not is_sound:
        raise UnsoundStoreError(f"record {sequence} of log {log} is unsound")
    return Logged(sequence, at, data)
