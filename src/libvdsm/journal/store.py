"""The store on disk: SQLite in a folder of its own (ADR: the store)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from libvdsm.base.clock import Clock, SystemClock
from libvdsm.interfaces.generated.errors import StateUnavailable
from libvdsm.interfaces.store import Logged
from libvdsm.journal.database import Database, read_log
from libvdsm.journal.failures import UNREADABLE, StoreError, UnsoundStoreError
from libvdsm.journal.gathering import GatheringStore
from libvdsm.journal.opening import connect, open_sound
from libvdsm.journal.place import RESERVE, STATE, WAL, FolderLock, Place
from libvdsm.journal.reserve import Reserve
from libvdsm.journal.tables import STEPS, Step
from libvdsm.journal.turns import Bounds, Outcome, StateChange, Turn
from libvdsm.journal.wal import FRAME_HEADER_OCTETS, HEADER_OCTETS
from libvdsm.journal.writer import Means, Writer

_log = logging.getLogger(__name__)

RESERVE_OCTETS = 4 * 1024 * 1024


class SqliteStore(GatheringStore):
    """See ``Store``. One thread writes, another reads; the loop waits for neither."""

    def __init__(self, place: Place, lock: FolderLock, database: Database, means: Callable[[SqliteStore], Means]) -> None:
        """Use ``open``."""
        super().__init__()
        self._place = place
        self._lock = lock
        self._database = database  # the writer's; ours only to load from at the start
        self._epoch = database.epoch
        self._spans.update(database.logs())
        self._octets = database.octets()
        self._quarantine = database.quarantined()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader = ThreadPoolExecutor(1, "journal-reader")
        self._reading: sqlite3.Connection | None = None
        self._writer = Writer(database, means(self))
        self._is_closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        name: str = STATE,
        logs: Mapping[str, Bounds] | None = None,
        reserve_octets: int = RESERVE_OCTETS,
        clock: Clock | None = None,
        steps: Sequence[Step] = STEPS,
    ) -> Self:
        """Open the store ``name`` in ``folder``, or make it there. Blocks: for the start only.

        Raises ``StoreError``: ``UnsoundStoreError`` when acknowledged records are missing, ``BusyStoreError`` when another
        process has it open, ``TooNewStoreError`` when a later version has written it.
        """
        clock = clock or SystemClock()
        bounds = dict(logs or {})
        place = Place.at(folder, name)

        def open_database() -> Database:
            return Database(open_sound(place, clock, steps), place, clock)

        def means(store: SqliteStore) -> Means:
            return Means(
                reopen=lambda: _verified(open_database()),
                heal=store._heal,
                reserve=Reserve(place.file(RESERVE), reserve_octets),
                bounds=lambda log: bounds.get(log, Bounds()),
                clock=clock,
                report=store._report,
            )

        try:
            lock = FolderLock(place)
        except OSError as failure:
            raise StoreError(f"the state cannot be opened: {failure}") from failure
        try:
            store = cls(place, lock, open_database(), means)
        except (*UNREADABLE, OSError) as failure:
            lock.release()
            raise UnsoundStoreError(str(failure)) from failure
        except BaseException:
            lock.release()
            raise
        return store

    @property
    def epoch(self) -> str:
        """See ``Store``."""
        return self._epoch

    def start(self) -> None:
        """Begin to write; called in the loop's thread, before the first turn ends. ``put`` does it by itself."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._writer.start()

    async def close(self) -> None:
        """Write what was asked for, then let go of the files."""
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(Exception):  # whoever waits for it hears of it
            await self.commit()
        self.close_now()

    def close_now(self) -> None:
        """Let go of the files; what was handed over is written, and nobody hears of it."""
        self._is_closed = True
        self._reader.submit(self._close_reading).result()  # the last to close writes all back, and that is to be the writer
        if self._loop is None:
            self._database.close()
        self._writer.stop()
        self._reader.shutdown()
        self._lock.release()

    # --- reading

    def load(self, kind: str) -> Mapping[str, bytes]:
        """See ``Store``; raises ``UnsoundStoreError`` when records of the kind are missing."""
        with self._writer.lock:
            try:
                found = self._database.load(kind)
                self._quarantine = self._database.quarantined()
            except UNREADABLE as failure:
                raise UnsoundStoreError(str(failure)) from failure
        return found

    def _set_aside(self, kind: str, reasons: Mapping[str, str]) -> None:
        with self._writer.lock:
            try:
                self._database.set_aside(kind, {key.encode(): reason for key, reason in reasons.items()})
                self._quarantine = self._database.quarantined()
            except UNREADABLE as failure:
                raise UnsoundStoreError(str(failure)) from failure

    def kinds(self) -> list[str]:
        """The kinds of records that there are or were; for the start only."""
        with self._writer.lock:
            return self._database.kinds()

    def tail(self, log: str, limit: int, most_octets: int) -> Sequence[Logged]:
        """See ``Store``; raises ``UnsoundStoreError`` when records are missing."""
        with self._writer.lock:
            try:
                return self._database.tail(log, limit, most_octets)
            except UNREADABLE as failure:
                raise UnsoundStoreError(str(failure)) from failure

    async def read(self, log: str, after: int, limit: int) -> Sequence[Logged]:
        """See ``Store``."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, log, after, limit)
        except (*UNREADABLE, OSError, StoreError) as failure:
            raise StateUnavailable(reason=str(failure)) from failure

    def _read(self, log: str, after: int, limit: int) -> Sequence[Logged]:
        try:
            if self._reading is None:
                self._reading = connect(self._place)
                self._reading.execute("PRAGMA query_only = ON")
            return read_log(self._reading, log, after, limit)
        except BaseException:
            self._close_reading()
            raise

    def _close_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()

    # --- writing

    def _hand_over(self, turn: Turn) -> None:
        self.start()
        self._writer.put(turn)

    def _report(self, reports: Sequence[Outcome | StateChange]) -> None:
        """From the writer's thread to the loop's."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._heard, reports)

    def _quarantined(self) -> int:
        return self._quarantine

    def _heal(self, database: Database) -> None:
        """After a failed write: cut from the log what was never acknowledged, so that no restart brings it back."""
        (salts, frames) = database.acknowledged()
        self._reader.submit(self._close_reading).result()
        database.close()
        path = self._place.file(WAL)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return  # closing has written all back, and nothing else
        try:
            head = os.pread(descriptor, HEADER_OCTETS, 0)
            page_octets = int.from_bytes(head[8:12], "big")
            is_same = head[16:24] == b"".join(salt.to_bytes(4, "big") for salt in salts)
            os.ftruncate(descriptor, HEADER_OCTETS + frames * (FRAME_HEADER_OCTETS + page_octets) if is_same and frames else 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _verified(database: Database) -> Database:
    """The same, once everything in it that is counted was read."""
    for kind in database.kinds():
        database.load(kind)
    for log, (_, last) in database.logs().items():
        if last:
            database.tail(log, 1000, 16 * 1024 * 1024)
    return database
