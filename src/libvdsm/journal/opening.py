"""How a store is opened: what is beside the database is compared with it before anything is changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from typing import Final

from libvdsm.base.clock import Clock
from libvdsm.journal import tables
from libvdsm.journal.checksums import record_sum, row_sum
from libvdsm.journal.failures import UNREADABLE, StoreError, TooNewStoreError, UnsoundStoreError
from libvdsm.journal.mark import Mark
from libvdsm.journal.place import DATABASE, MARK, WAL, Place
from libvdsm.journal.quarantine import set_aside
from libvdsm.journal.reserve import take_ahead
from libvdsm.journal.tables import Step
from libvdsm.journal.totals import COMMITS, Totals
from libvdsm.journal.wal import WalReport, examine

#: Pages of the write-ahead log that are written to the database in one go; so much of it is kept on the disk.
CHECKPOINT_PAGES: Final = 500
_WAL_OCTETS: Final = (CHECKPOINT_PAGES + 100) * 4200


def open_sound(place: Place, clock: Clock, steps: Sequence[Step] = tables.STEPS) -> sqlite3.Connection:
    """The database of a store, made if there is none, in the present format. Raises ``StoreError``."""
    mark = Mark.read(place.file(MARK))
    if not _has_octets(place.file(DATABASE)) and (mark is not None or _has_octets(place.file(WAL))):
        raise UnsoundStoreError(f"{place.file(DATABASE).name} is gone, but it was here once")
    cut_torn_tail(place, sound_wal(place, mark))
    try:
        connection = connect(place)
    except UNREADABLE as failure:
        raise _told(failure) from failure
    try:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            if mark is not None:
                raise UnsoundStoreError(f"{place.file(DATABASE).name} is empty, but it was not")  # noqa: TRY301 - closed below, as after any failure
            _make(connection)
            place.sync()
        _migrate(connection, place, clock, steps)
        take_ahead(place.file(WAL), _WAL_OCTETS)
        commits = Totals(connection).of(COMMITS).count
    except UNREADABLE as failure:
        connection.close()
        raise _told(failure) from failure
    except BaseException:
        connection.close()
        raise
    if mark is not None and commits < mark.commits:
        connection.close()
        raise UnsoundStoreError(f"it holds {commits} transactions, but {mark.commits} were acknowledged")
    return connection


def connect(place: Place) -> sqlite3.Connection:
    """A connection with our settings; raises ``sqlite3.Error``."""
    path = place.file(DATABASE)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))  # what SQLite makes beside it has the same mode
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError("the state cannot be opened: its file system allows no write-ahead log")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # ours to do: its failures must be seen
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA trusted_schema = OFF")


def sound_wal(place: Place, mark: Mark | None) -> WalReport:
    """What the write-ahead log holds; raises ``UnsoundStoreError`` if it has lost what was acknowledged."""
    try:
        report = examine(place.file(WAL).read_bytes())
    except FileNotFoundError:
        return WalReport()
    if report.complaint:
        raise UnsoundStoreError(report.complaint)
    if mark is not None and any(mark.salts) and report.salts == mark.salts and report.committed < mark.frames:
        raise UnsoundStoreError(f"its write-ahead log ends after frame {report.committed}, but {mark.frames} were acknowledged")
    return report


def cut_torn_tail(place: Place, report: WalReport) -> None:
    """Forget a transaction that was never acknowledged, so that its rests cannot be taken for a later one."""
    if report.bad_frame:
        path = place.file(WAL)
        os.truncate(path, report.committed_octets)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def meta(connection: sqlite3.Connection, name: str) -> str:
    """A value of the table ``meta``; raises ``UnsoundStoreError``."""
    row = connection.execute("SELECT value, sum FROM meta WHERE name = ?", (name,)).fetchone()
    if row is None or not isinstance(row[0], str) or row_sum(name, row[0]) != row[1]:
        raise UnsoundStoreError(f"its {name} is unsound")
    return row[0]


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Write a value of the table ``meta``."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", (name, value, row_sum(name, value)))


def recount(connection: sqlite3.Connection) -> Totals:
    """Totals of what is there, in the present transaction; the number of transactions is kept."""
    commits = connection.execute("SELECT count FROM totals WHERE name = ?", (COMMITS,)).fetchone()
    totals = Totals.anew(connection, commits[0] if commits else 0)
    for kind, sum, octets in connection.execute("SELECT kind, sum, length(data) FROM records"):
        totals.change(f"record:{kind}").add(sum, octets)
    for log, sequence, sum, octets in connection.execute("SELECT log, sequence, sum, length(data) FROM logs ORDER BY log, sequence"):
        total = totals.change(f"log:{log}")
        total.first = total.first if total.count else sequence
        total.last = sequence
        total.add(sum, octets)
    totals.write(connection)
    return totals


def _make(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("BEGIN IMMEDIATE")
    tables.create(connection)
    set_meta(connection, "epoch", token_hex(8))
    set_meta(connection, "format", "1")
    connection.execute("COMMIT")


def _migrate(connection: sqlite3.Connection, place: Place, clock: Clock, steps: Sequence[Step]) -> None:
    """Bring the store to the present format, step by step; each is a transaction of its own."""
    present = len(steps) + 1
    text = meta(connection, "format")
    found = int(text) if text.isdigit() else 0
    if found > present:
        raise TooNewStoreError(f"the state has format {found}; this version of the daemon knows formats up to {present}")
    if found < present and _has_records(connection):
        _keep_copy(connection, place, found)
    for number in range(found, present):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _take_step(connection, clock, steps[number - 1])
            set_meta(connection, "format", str(number + 1))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _take_step(connection: sqlite3.Connection, clock: Clock, step: Step) -> None:
    for statement in step.statements:
        connection.execute(statement)
    for kind, convert in step.convert.items():
        for key, data, sum in connection.execute("SELECT key, data, sum FROM records WHERE kind = ?", (kind,)).fetchall():
            if record_sum(kind, key, data) != sum:
                continue  # set aside when it is loaded
            try:
                converted = convert(key, data)
            except Exception as failure:  # noqa: BLE001 - one record that cannot be understood must not hold up the rest
                set_aside(connection, clock.time(), kind.encode(), key.encode(), f"cannot be converted: {failure!r}")
                continue
            row = (converted, record_sum(kind, key, converted), kind, key)
            connection.execute("UPDATE records SET data = ?, sum = ? WHERE kind = ? AND key = ?", row)
    recount(connection)


def _keep_copy(connection: sqlite3.Connection, place: Place, found: int) -> None:
    """The way back to the version before: the store as it was."""
    copy = place.file(f"state-format-{found}.db")
    copy.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(copy),))


def _has_records(connection: sqlite3.Connection) -> bool:
    return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("records", "logs"))  # noqa: S608 - our own names


def _has_octets(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _told(failure: Exception) -> StoreError:
    """SQLite's own complaint, as ours."""
    code = getattr(failure, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY}:
        return StoreError(f"the state cannot be opened: {failure}")
    return UnsoundStoreError(f"SQLite says: {failure}")
