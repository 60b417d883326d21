"""The store in memory: the same promises but the one of durability, for tests and for what is simulated."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from secrets import token_hex

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import StateFull, StateUnavailable
from libvdsm.interfaces.store import Logged
from libvdsm.journal.gathering import GatheringStore
from libvdsm.journal.turns import Bounds, Outcome, StateChange, Turn


class MemoryStore(GatheringStore):
    """See ``Store``. A turn is committed when the next one begins."""

    def __init__(
        self,
        *,
        logs: Mapping[str, Bounds] | None = None,
        schedule: Callable[[Callable[[], None]], object] | None = None,
        records: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        """``schedule``: called with what ends the turn, instead of the loop's ``call_soon``; ``records``: what is there from before."""
        super().__init__(schedule)
        self._bounds = dict(logs or {})
        self._epoch = token_hex(8)
        self._records: dict[str, dict[str, bytes]] = {kind: dict(each) for kind, each in (records or {}).items()}
        self._logs: dict[str, list[Logged]] = {}
        self._set_aside_count = 0

    @property
    def epoch(self) -> str:
        """See ``Store``."""
        return self._epoch

    def become(self, state: str, reason: str = "as the test says") -> None:
        """Be ``ok``, ``full``, ``failed`` or ``read-only`` from now on."""
        self._changed(StateChange(state, reason, is_breakdown=state == "failed" and self._state != "failed"))

    async def close(self) -> None:
        """As the store on disk; nothing is to be let go."""

    def load(self, kind: str) -> Mapping[str, bytes]:
        """See ``Store``."""
        return dict(self._records.get(kind, {}))

    def _set_aside(self, kind: str, reasons: Mapping[str, str]) -> None:
        for key in reasons:
            del self._records[kind][key]
        self._set_aside_count += len(reasons)

    def tail(self, log: str, limit: int, most_octets: int) -> Sequence[Logged]:
        """See ``Store``."""
        found: list[Logged] = []
        for record in reversed(self._logs.get(log, [])):
            most_octets -= len(record.data)
            if len(found) == limit or most_octets < 0:
                break
            found.append(record)
        return found[::-1]

    async def read(self, log: str, after: int, limit: int) -> Sequence[Logged]:
        """See ``Store``."""
        if self._state == "failed":
            raise StateUnavailable(reason=self._reason)
        records = self._logs.get(log, [])
        place = bisect_right(records, after, key=attrgetter("sequence"))
        return records[place : place + limit]

    def _hand_over(self, turn: Turn) -> None:
        error = self._objection(turn)
        if error is not None:
            self._heard([Outcome((turn,), error)])
            return
        for (kind, key), data in turn.records.items():
            if data is None:
                self._records.get(kind, {}).pop(key, None)
            else:
                self._records.setdefault(kind, {})[key] = data
        for log, records in turn.logged.items():
            self._logs.setdefault(log, []).extend(records)
            self._trim(log)
        spans = {log: (self._logs[log][0].sequence, self._logs[log][-1].sequence) for log in turn.logged}
        self._heard([Outcome((turn,), None, spans, self._octets + sum(len(data or b"") for data in turn.records.values()))])

    def _objection(self, turn: Turn) -> ApiError | None:
        if self._state in {"ok", "full"}:
            is_allowed = self._state == "ok" or turn.may_use_the_last_room
            return None if is_allowed else StateFull(reason=self._reason)
        return StateUnavailable(reason=self._reason)

    def _trim(self, log: str) -> None:
        bounds, records = self._bounds.get(log, Bounds()), self._logs[log]
        octets = sum(len(record.data) for record in records)
        if not bounds.excess(len(records), octets):
            return
        place = 0
        while place < len(records) - 1 and (len(records) - place > bounds.most_records or octets > bounds.most_octets):
            octets -= len(records[place].data)
            place += 1
        del records[:place]

    def _quarantined(self) -> int:
        return self._set_aside_count
