"""The audit trail: a log of the durable store whose records are chained by their hashes (``interfaces.audit.Trail``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import msgspec

from libvdsm.audit.chain import Kept, Tip
from libvdsm.audit.refusals import Refusals
from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_token
from libvdsm.interfaces.audit import Deed
from libvdsm.interfaces.generated.types import AuditOutcome, AuditRecord, IdentitySource, ObjectRef
from libvdsm.interfaces.store import Logged, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The log, and the kind of what is kept beside it.
LOG: Final = "audit"
_TIP: Final = "tip"

#: Hashes that are remembered, for the case that the newest records could not be committed.
_MOST_HASHES: Final = 4096
_MOST_CHARACTERS: Final = 256

_encode = msgspec.json.Encoder().encode


class _KeptTip(msgspec.Struct, frozen=True):
    sequence: int
    hash: str


class AuditTrail:
    """Records deeds in the turn of the loop in which it is told of them, so that they share a transaction."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        later: Callable[[float, Callable[[], None]], object],
        refusals: Refusals | None = None,
    ) -> None:
        """Goes on where the store's chain ends; ``later`` is the loop's ``call_later``."""
        self._store = store
        self._clock = clock
        self._later = later
        self._refusals = Refusals() if refusals is None else refusals
        self._life = new_token()[:8]
        self._tip = _kept_tip(store.load(LOG))
        self._hashes: OrderedDict[int, str] = OrderedDict({self._tip.sequence: self._tip.hash})
        self._is_waiting = False

    # --- Trail ---

    def deed(self, deed: Deed) -> None:
        """See ``Trail``."""
        self._record(deed)

    def refusal(self, deed: Deed) -> None:
        """See ``Trail``. While nothing can be recorded, refusals are counted."""
        at = self._clock.time()
        first = self._refusals.take(deed, self._clock.monotonic(), at)
        if first is not None:
            if self._can_record():
                self._record(first)
            else:
                self._refusals.missed(first, at)
        self._wait()

    def close(self) -> None:
        """Record what has been counted; before the store closes."""
        if self._can_record():
            for counted in self._refusals.all():
                self._record(counted.deed, counted.count, counted.until)

    @property
    def tip(self) -> Tip:
        """The newest record, whether it is on disk yet or not."""
        last = self._store.span(LOG)[1]
        if last != self._tip.sequence and last in self._hashes:  # what followed could not be committed
            self._tip = Tip(last, self._hashes[last])
        return self._tip

    # --- inside ---

    def _record(self, deed: Deed, count: int = 1, until: float | None = None) -> None:
        previous = self.tip.hash
        sequence = self._store.span(LOG)[1] + 1
        at = self._clock.time()
        record = _audit_record(deed, sequence, at, count, until)
        kept = Kept.make(record, previous, monotonic=self._clock.monotonic(), life=self._life)
        self._store.append(LOG, Logged(sequence, at, kept.data))
        self._store.put(LOG, _TIP, _encode(_KeptTip(kept.tip.sequence, kept.tip.hash)))
        self._tip = kept.tip
        self._hashes[sequence] = kept.tip.hash
        if len(self._hashes) > _MOST_HASHES:
            self._hashes.popitem(last=False)

    def _can_record(self) -> bool:
        try:
            self._store.check()
        except ApiError:
            return False
        return True

    def _wait(self) -> None:
        end = self._refusals.next_end()
        if not self._is_waiting and end is not None:
            self._is_waiting = True
            self._later(max(0.0, end - self._clock.monotonic()), self._end_windows)

    def _end_windows(self) -> None:
        self._is_waiting = False
        if not self._can_record():
            self._is_waiting = True
            self._later(self._refusals.window_s, self._end_windows)
            return
        for counted in self._refusals.ended(self._clock.monotonic()):
            self._record(counted.deed, counted.count, counted.until)
        self._wait()


def _kept_tip(kept: Mapping[str, bytes]) -> Tip:
    """Where the chain ended; its beginning if that is not known, which a verification then finds."""
    try:
        found = msgspec.json.decode(kept[_TIP], type=_KeptTip)
    except (KeyError, msgspec.DecodeError):
        return Tip()
    return Tip(found.sequence, found.hash)


def _audit_record(deed: Deed, sequence: int, at: float, count: int, until: float | None) -> AuditRecord:
    return AuditRecord(
        sequence=sequence,
        time=timestamp(at),
        identity=_clipped(deed.actor.identity),
        source=cast("IdentitySource", deed.actor.source),
        address=_clipped(deed.actor.address),
        method=_clipped(deed.method),
        object=None if deed.object is None else ObjectRef(type=_clipped(deed.object[0]), id=_clipped(deed.object[1])),
        project=None if deed.project is None else _clipped(deed.project),
        changed=list(deed.changed) or None,
        outcome=cast("AuditOutcome", deed.outcome),
        error=deed.error,
        operation_id=deed.operation_id,
        flow_id=None if deed.flow_id is None else _clipped(deed.flow_id),
        count=count,
        until=None if until is None else timestamp(until),
        hash="",
    )


def _clipped(text: str) -> str:
    """Words of a stranger are not kept without end, nor what is no text."""
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
