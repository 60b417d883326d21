"""The one thread that writes: takes what turns have gathered, commits them together, and deals with a disk that refuses.

A lone turn is written at once; while one write waits for the disk, what comes meanwhile gathers and follows together, so no
turn waits for company. Order is never changed.

Full: the log is written back at once, with as much of the reserve as that needs. From then on the database grows only into
the reserve: by any turn into its first half (what was begun before), into the second by those that make room or only tell
what happened, which push out the oldest of a log that gives room when nothing is left. Each is written back at once, so the
log, whose blocks are kept ahead, never needs room. Once a second it is looked whether room is back.

Failed: a write that failed is never tried again as if nothing had been. All that waits is refused, the failed transaction is
cut from the log, and the store is opened and verified anew until that succeeds.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import StateFull, StateUnavailable
from libvdsm.journal.ages import Ages
from libvdsm.journal.database import Database
from libvdsm.journal.failures import UNREADABLE, StoreError
from libvdsm.journal.reserve import LITTLE_OCTETS, Reserve
from libvdsm.journal.turns import Bounds, Outcome, Span, StateChange, Turn

_log = logging.getLogger(__name__)

#: Turns in one transaction at most.
_BATCH: Final = 256
#: Seconds between looks for room, and for records that are too old.
_LOOK_S: Final = 1.0
_TRIM_S: Final = 60.0
#: Seconds before the store is opened anew after a failure: the first time, and at most.
_REOPEN_S: Final = (0.5, 30.0)

#: What a disk, SQLite and we ourselves say when something cannot be written.
_FAILURES: Final = (*UNREADABLE, OSError, StoreError)

Report = Outcome | StateChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a writer works with."""

    reopen: Callable[[], Database]  # raises StoreError, sqlite3.Error, OSError
    heal: Callable[[Database], None]  # cuts what a failed write left; raises OSError
    reserve: Reserve
    bounds: Callable[[str], Bounds]
    clock: Clock
    report: Callable[[Sequence[Report]], None]  # called in the writer's thread


class Writer:
    """``put`` hands turns over; reports come back by ``Means.report``."""

    def __init__(self, database: Database, means: Means) -> None:
        self.lock = threading.Lock()  # of the database: the loop's thread loads at the start
        self._database: Database | None = database
        self._means = means
        self._queue: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self._state = "ok"
        self._reason = ""
        self._reopen_at = 0.0
        self._look_at = 0.0
        self._has_refused = False
        self._reopen_s = _REOPEN_S[0]
        self._ages = Ages(means.clock)
        self._trim_at = means.clock.monotonic() + _TRIM_S
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, turn: Turn) -> None:
        """Have a turn written."""
        self._queue.put(turn)

    def stop(self) -> None:
        """Write what was put, then end; waits for it."""
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread

    def _run(self) -> None:
        try:
            self._work()
        except Exception as failure:
            _log.critical("the writer of the state has failed", exc_info=True)
            self._means.report([StateChange("failed", repr(failure), is_breakdown=True)])
            raise

    def _work(self) -> None:
        with self.lock:
            self._begin()
        is_last = False
        while not is_last:
            batch, is_last = self._gather()
            with self.lock:
                if batch:
                    self._write(batch)
                self._look_after()
        with self.lock:
            self._end()

    def _begin(self) -> None:
        """The reserve, and proof that the disk can be written: better now than by the first caller."""
        try:
            if not self._means.reserve.make():
                self._is_full("there is no room for the reserve")
            self._database_now().prove()
        except _FAILURES as failure:
            if _lacks_room(failure):
                self._is_full(str(failure))
            else:
                self._failed(failure, [], is_breakdown=False)

    def _gather(self) -> tuple[list[Turn], bool]:
        """The next turns, as many as are there; and whether they are the last."""
        batch: list[Turn] = []
        try:
            turn = self._queue.get(timeout=_TRIM_S if self._state == "ok" else _LOOK_S)
            while turn is not None:
                batch.append(turn)
                if len(batch) == _BATCH:
                    return batch, False
                turn = self._queue.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[Turn]) -> None:
        if self._database is None:
            self._refuse(batch, self._unavailable())
            return
        if self._state == "full":
            self._write_when_full(batch, self._reason)
            return
        try:
            spans = self._database.apply(batch)
        except _FAILURES as failure:
            if _lacks_room(failure):
                self._is_full(str(failure))
                self._make_even()
                self._write_when_full(batch, str(failure))
            else:
                self._failed(failure, batch)
        except ValueError as mistake:
            self._write_one_by_one(batch, mistake)
        else:
            self._settle(batch, spans)

    def _write_one_by_one(self, batch: list[Turn], mistake: ValueError) -> None:
        """One of them cannot be written as it is; the others are not to suffer."""
        if len(batch) > 1:
            for turn in batch:
                self._write([turn])
        else:
            _log.error("a transaction cannot be recorded: %s", mistake)
            self._refuse(batch, StateUnavailable(reason=str(mistake)))

    def _write_when_full(self, batch: list[Turn], reason: str) -> None:
        """All together if all of them may use the last room; else one by one, so that those who may not do not hinder those who may."""
        if len(batch) > 1 and all(turn.may_use_the_last_room for turn in batch) and self._tried_within_reserve(batch):
            return
        for place, turn in enumerate(batch):
            if self._database is None:
                self._refuse(batch[place:], self._unavailable())
                return
            if not self._tried_within_reserve([turn]):
                self._refuse([turn], StateFull(reason=reason))

    def _tried_within_reserve(self, turns: list[Turn]) -> bool:
        is_last = all(turn.may_use_the_last_room for turn in turns)
        database = self._database_now()
        database.limit_growth(self._means.reserve.left(all=is_last))
        is_done = self._tried(turns)
        if not is_done and is_last and self._trimmed_for_room():
            is_done = self._tried(turns)
        self._make_even()
        return is_done

    def _make_even(self) -> None:
        """Write the log back at once, with as much of the reserve as that needs: a log that cannot be written back grows."""
        if self._database is None:
            return
        try:
            growth = self._database.growth()
            if growth and self._means.reserve.free() < growth + LITTLE_OCTETS:
                self._means.reserve.give_up(growth)
            self._database.write_back()
        except _FAILURES as failure:
            if not _lacks_room(failure):
                self._failed(failure, [])

    def _tried(self, turns: list[Turn]) -> bool:
        """Whether turns are dealt with, one way or the other; ``False`` when there is no room for them."""
        if self._database is None:
            return False
        try:
            spans = self._database.apply(turns)
        except _FAILURES as failure:
            if _lacks_room(failure):
                return False
            self._failed(failure, turns)
        else:
            self._settle(turns, spans)
        return True

    def _trimmed_for_room(self) -> bool:
        database = self._database_now()
        try:
            trimmed = [database.trim_for_room(log) for log in database.logs() if self._means.bounds(log).gives_room]
        except _FAILURES as failure:
            if not _lacks_room(failure):
                self._failed(failure, [])
            return False
        return any(trimmed)

    # --- between batches

    def _look_after(self) -> None:
        """What is due beside writing: a log that is too long, room that is back, a store to be opened anew."""
        now = time.monotonic()
        if self._database is None:
            if now >= self._reopen_at:
                self._reopen(now)
            return
        try:
            if self._state == "ok":
                self._look_for_little_room()
            self._database.checkpoint()
            self._trim()
            if self._state == "full" and now >= self._look_at:
                self._look_at = now + _LOOK_S
                self._look_for_room()
        except _FAILURES as failure:
            if _lacks_room(failure):
                self._is_full(str(failure))
                self._make_even()
            else:
                self._failed(failure, [])

    def _look_for_little_room(self) -> None:
        """Full is better noticed while the reserve is still whole."""
        database, reserve = self._database_now(), self._means.reserve
        if reserve.free() < database.growth() + LITTLE_OCTETS:
            self._is_full("the disk is full")
            self._make_even()

    def _look_for_room(self) -> None:
        """Deletions of ours, or of others."""
        database, reserve = self._database_now(), self._means.reserve
        if not reserve.make():
            database.give_back(reserve.missing())
        if reserve.make():
            database.limit_growth(None)
            database.prove()
            self._is_now("ok", "")

    def _trim(self) -> None:
        database = self._database_now()
        is_due = self._means.clock.monotonic() >= self._trim_at
        now = self._ages.believed_now() if is_due else None
        if is_due:
            self._trim_at = self._means.clock.monotonic() + _TRIM_S
        for log in database.logs():
            bounds = self._means.bounds(log)
            horizon = None if now is None else now - bounds.keep_s
            while (span := database.trim(log, bounds, horizon)) is not None:
                self._means.report([Outcome((), spans={log: span}, octets=database.octets())])

    def _reopen(self, now: float) -> None:
        try:
            database = self._means.reopen()
        except _FAILURES as failure:
            self._put_off(now, failure)
            return
        try:
            database.prove()
        except _FAILURES as failure:
            database.close()
            self._put_off(now, failure)
            return
        self._database, self._reopen_s = database, _REOPEN_S[0]
        _log.warning("the state was opened anew and is sound; it is written again")
        self._means.report([Outcome((), spans=database.logs(), octets=database.octets())])
        self._state, self._reason = "ok", ""
        self._means.report([StateChange("ok", "what was refused meanwhile is in memory alone", is_breakdown=self._has_refused)])

    def _put_off(self, now: float, failure: Exception) -> None:
        self._reopen_at, self._reopen_s = now + self._reopen_s, min(self._reopen_s * 2, _REOPEN_S[1])
        _log.error("the state cannot be opened anew: %s", failure)

    def _end(self) -> None:
        if self._database is not None:
            try:
                self._database.close()
            except _FAILURES as failure:
                _log.error("the state could not be closed: %s", failure)
        self._database = None

    # --- what became of it

    def _failed(self, failure: Exception, batch: list[Turn], *, is_breakdown: bool = True) -> None:
        """Nothing that was not acknowledged may come back, and nothing more is written until the store is verified.

        It is no breakdown at the start, when memory holds what the disk does.
        """
        database, self._database = self._database_now(), None
        reason = str(failure)
        _log.error("a write of the state failed: %s; nothing is recorded until it was opened anew and verified", reason)
        try:
            self._means.heal(database)
        except _FAILURES as worse:
            _log.critical("what the failed write left behind cannot be removed: %s; it may be there after a restart", worse)
        self._reopen_at = time.monotonic() + self._reopen_s
        self._state, self._reason = "failed", reason
        self._refuse(batch, self._unavailable())
        self._means.report([StateChange("failed", reason, is_breakdown=is_breakdown)])

    def _is_full(self, reason: str) -> None:
        if self._state != "full":
            _log.error("there is no room for the state: %s; only what makes room is done", reason)
        self._is_now("full", reason)

    def _is_now(self, state: str, reason: str) -> None:
        if (state, reason) != (self._state, self._reason):
            if state == "ok":
                _log.warning("the state is written as before")
            self._state, self._reason = state, reason
            self._means.report([StateChange(state, reason)])

    def _settle(self, turns: Sequence[Turn], spans: Mapping[str, Span]) -> None:
        self._means.report([Outcome(turns, None, spans, self._database_now().octets())])

    def _refuse(self, turns: Sequence[Turn], error: ApiError) -> None:
        if turns:
            self._has_refused |= any(turn.records for turn in turns)
            self._means.report([Outcome(turns, error)])

    def _unavailable(self) -> StateUnavailable:
        return StateUnavailable(reason=self._reason)

    def _database_now(self) -> Database:
        if self._database is None:
            raise RuntimeError("the database is not open")
        return self._database


def _lacks_room(failure: Exception) -> bool:
    """Whether the disk is full, or our share of it."""
    return isinstance(failure, sqlite3.Error) and getattr(failure, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
