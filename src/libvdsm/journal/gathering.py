"""The side of a store that lives in the loop: turns are gathered, their outcomes told. Disk or memory stands behind it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TypeVar

from libvdsm.interfaces.generated.errors import StateFull, StateUnavailable
from libvdsm.interfaces.store import Logged, Refused, StoreHealth
from libvdsm.journal.turns import Outcome, Span, StateChange, Turn

T = TypeVar("T")


class _Done:
    """Nothing to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


_DONE = _Done()


class GatheringStore(ABC):
    """What both stores have in common. All in the loop's thread."""

    def __init__(self, schedule: Callable[[Callable[[], None]], object] | None = None) -> None:
        """``schedule``: the loop's ``call_soon``, unless a test decides when a turn ends."""
        self._schedule = schedule
        self._open: Turn | None = None
        self._under_way: deque[Turn] = deque()
        self._asked: dict[str, int] = {}  # the last sequence of each log that was appended
        self._spans: dict[str, Span] = {}  # as committed
        self._commit_listeners: list[Callable[[], None]] = []
        self._refusal_listeners: list[Callable[[Refused], None]] = []
        self._breakdown_listeners: list[Callable[[str], None]] = []
        self._state = "ok"
        self._reason = ""
        self._octets = 0

    @abstractmethod
    def _hand_over(self, turn: Turn) -> None:
        """Have a turn written; ``_settled`` is called with its outcome."""

    @abstractmethod
    def _quarantined(self) -> int:
        """How many records are set aside."""

    @abstractmethod
    def load(self, kind: str) -> Mapping[str, bytes]:
        """See ``Store``."""

    @abstractmethod
    def _set_aside(self, kind: str, reasons: Mapping[str, str]) -> None:
        """Put the records with these keys into quarantine, each with its reason."""

    def understood(self, kind: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        """See ``Store``."""
        found: dict[str, T] = {}
        reasons: dict[str, str] = {}
        for key, data in self.load(kind).items():
            try:
                found[key] = decode(data)
            except Exception as failure:  # noqa: BLE001 - one record that cannot be understood must not hold up the rest
                reasons[key] = f"it cannot be understood: {failure!r}"
        if reasons:
            self._set_aside(kind, reasons)
        return found

    # --- asking

    def put(self, kind: str, key: str, data: bytes) -> None:
        """See ``Store``."""
        self._turn().records[kind, key] = data

    def remove(self, kind: str, key: str) -> None:
        """See ``Store``."""
        turn = self._turn()
        turn.records[kind, key] = None
        turn.makes_room = True

    def append(self, log: str, record: Logged) -> None:
        """See ``Store``."""
        last = self.span(log)[1]
        if record.sequence != last + 1:
            raise ValueError(f"record {record.sequence} of log {log} follows {last}")
        self._asked[log] = record.sequence
        self._turn().logged.setdefault(log, []).append(record)

    def commit(self) -> Awaitable[None]:
        """See ``Store``."""
        if self._open is None and not self._under_way:
            return _DONE
        waiting = asyncio.get_running_loop().create_future()
        (self._open or self._under_way[-1]).waiting.append(waiting)
        return waiting

    def check(self, *, deletes: bool = False) -> None:
        """See ``Store``."""
        if self._state == "ok":
            return
        if self._state != "full":
            raise StateUnavailable(reason=self._reason)
        if not deletes:
            raise StateFull(reason=self._reason)
        self._turn().makes_room = True

    # --- looking

    def span(self, log: str) -> Span:
        """See ``Store``."""
        first, last = self._spans.get(log, (1, 0))
        return first, max(last, self._asked.get(log, 0))

    def committed(self, log: str) -> int:
        """See ``Store``."""
        return self._spans.get(log, (1, 0))[1]

    def health(self) -> StoreHealth:
        """See ``Store``."""
        return StoreHealth(self._state, self._reason, self._octets, self._quarantined())

    # --- hearing

    def on_commit(self, listener: Callable[[], None]) -> None:
        """See ``Store``."""
        self._commit_listeners.append(listener)

    def on_refusal(self, listener: Callable[[Refused], None]) -> None:
        """See ``Store``."""
        self._refusal_listeners.append(listener)

    def on_breakdown(self, listener: Callable[[str], None]) -> None:
        """See ``Store``."""
        self._breakdown_listeners.append(listener)

    # --- turns

    def _turn(self) -> Turn:
        if self._open is None:
            self._open = Turn()
            (self._schedule or asyncio.get_running_loop().call_soon)(self._end_turn)
        return self._open

    def _end_turn(self) -> None:
        turn, self._open = self._open, None
        if turn is None:
            return
        if turn.is_empty and not turn.waiting:
            return
        self._under_way.append(turn)
        self._hand_over(turn)

    def _heard(self, reports: Sequence[Outcome | StateChange]) -> None:
        """What became of turns, in their order, and how the store is now."""
        for report in reports:
            if isinstance(report, StateChange):
                self._changed(report)
            else:
                self._settled(report)

    def _changed(self, change: StateChange) -> None:
        self._state, self._reason = change.state, "" if change.state == "ok" else change.reason
        if change.is_breakdown:
            for listener in self._breakdown_listeners:
                listener(change.reason)

    def _settled(self, outcome: Outcome) -> None:
        self._octets = outcome.octets or self._octets
        self._spans.update(outcome.spans)
        for _ in outcome.turns:
            self._under_way.popleft()
        if outcome.error is None:
            for listener in self._commit_listeners:
                listener()
        else:
            refused = Refused(outcome.error, _lost(outcome.turns))
            for listen in self._refusal_listeners:
                listen(refused)
        for turn in outcome.turns:
            for waiting in turn.waiting:
                if waiting.done():
                    continue
                if outcome.error is None:
                    waiting.set_result(None)
                else:
                    waiting.set_exception(outcome.error)


def _lost(turns: Sequence[Turn]) -> Mapping[str, Span]:
    """The sequences of the log records in turns."""
    lost: dict[str, Span] = {}
    for turn in turns:
        for log, records in turn.logged.items():
            lost[log] = (lost.get(log, (records[0].sequence, 0))[0], records[-1].sequence)
    return lost
