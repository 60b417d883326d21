"""Is the state of a stopped daemon sound, and if not, what can be saved: ``vdsmd --check-state [--repair]``."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from libvdsm.base.clock import SystemClock
from libvdsm.journal.checksums import logged_sum, record_sum
from libvdsm.journal.failures import StoreError
from libvdsm.journal.mark import Mark, MarkFile
from libvdsm.journal.opening import open_sound, recount, set_meta
from libvdsm.journal.place import DATABASE, MARK, STATE, WAL, WAL_INDEX, FolderLock, Place
from libvdsm.journal.salvage import Salvage, survey

_FILES: Final = (DATABASE, WAL, WAL_INDEX, MARK)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # no problem, but worth to be known

    @property
    def is_sound(self) -> bool:
        """Whether the store can be served with nothing missing."""
        return not self.problems


def check(folder: Path, name: str = STATE) -> Verdict:
    """Read every record; changes nothing. Raises ``BusyStoreError`` while a daemon runs, and ``StoreError``."""
    with _locked(folder, name) as place:
        if not place.exists():
            return Verdict(notes=("there is no state yet",))
        with _scratch(place) as scratch:
            found = survey(place, scratch)
    return Verdict(tuple(found.problems), _notes(found))


def repair(folder: Path, name: str = STATE) -> Verdict:
    """Make a new store of all that is sound and keep the damaged files beside; the verdict is that of before.

    Raises ``BusyStoreError`` while a daemon runs, ``StoreError`` and ``OSError``: then all is as it was.
    """
    with _locked(folder, name) as place:
        if not place.exists():
            return Verdict(notes=("there is no state yet",))
        with _scratch(place) as scratch, _scratch(place) as fresh:
            if fresh.parent != place.folder:
                raise StoreError("there is no room beside the state for a new one")
            found = survey(place, scratch)
            if not found.problems:
                return Verdict(notes=_notes(found))
            epoch = _write_anew(found, Place(fresh))
            kept = _replace(place, fresh, found.commits + 1)
    notes = [f"the damaged files are kept in {kept.name}", f"the new state has {found.count()}"]
    if epoch != found.epoch:
        notes.append("the event journal begins a new epoch: who follows it is told of a gap")
    return Verdict(tuple(found.problems), tuple(notes))


@contextlib.contextmanager
def _locked(folder: Path, name: str) -> Iterator[Place]:
    place = Place.at(folder, name)
    lock = FolderLock(place)
    try:
        yield place
    finally:
        lock.release()


@contextlib.contextmanager
def _scratch(place: Place) -> Iterator[Path]:
    """A folder beside the state; on another file system if the state has filled its own."""
    needed = 2 * sum(place.file(name).stat().st_size for name in _FILES if place.file(name).exists())
    has_room = shutil.disk_usage(place.folder).free > needed
    path = Path(tempfile.mkdtemp(prefix="state-check-", dir=place.folder if has_room else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _notes(found: Salvage) -> tuple[str, ...]:
    aside = [f"set aside before: kind {each.kind}, key {each.key}: {each.reason}" for each in found.set_aside]
    return (found.count(), *aside)


def _write_anew(found: Salvage, place: Place) -> str:
    """A new store with all that is sound; its epoch."""
    epoch = found.epoch if found.epoch is not None and not found.has_lost_events else token_hex(8)
    connection = open_sound(place, SystemClock())
    try:
        connection.execute("BEGIN IMMEDIATE")
        set_meta(connection, "epoch", epoch)
        rows = [(kind, key, data, record_sum(kind, key, data)) for (kind, key), data in found.records.items()]
        connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
        for log, records in found.logs.items():
            _write_log(connection, log, records)
        aside = [(time.time(), kind, key, data, "found unsound at a repair") for (kind, key), data in found.unsound.items()]
        aside += [(time.time(), each.kind.encode(), each.key.encode(), None, each.reason) for each in found.set_aside]
        connection.executemany("INSERT INTO quarantine (at, kind, key, data, reason) VALUES (?, ?, ?, ?, ?)", aside)
        recount(connection)
        connection.execute("UPDATE totals SET count = ? WHERE name = 'commits'", (found.commits,))
        recount(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as failure:
        raise StoreError(f"the new state cannot be written: {failure}") from failure
    finally:
        connection.close()
    return epoch


def _write_log(connection: sqlite3.Connection, log: str, records: dict[int, tuple[int, float, bytes]]) -> None:
    """What is lost becomes a number that is left out."""
    before = min(records) - 1
    rows = []
    for sequence in sorted(records):
        _, at, data = records[sequence]
        rows.append((log, sequence, before, at, data, logged_sum(log, sequence, before, at, data)))
        before = sequence
    connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?, ?, ?)", rows)


def _replace(place: Place, fresh: Path, commits: int) -> Path:
    """Put the new files where the damaged ones were, which go into a folder beside."""
    kept = place.file(time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{token_hex(2)}")
    kept.mkdir(mode=0o700)
    for name in _FILES:
        if place.file(name).exists():
            place.file(name).rename(kept / place.file(name).name)
    (fresh / DATABASE).rename(place.file(DATABASE))
    mark = MarkFile(place.file(MARK))
    mark.write(Mark(commits - 1))
    mark.close()
    place.sync()
    return kept
