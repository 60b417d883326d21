"""The audit trail: a log of the durable store whose records are chained by their hashes (``interfaces.audit.Trail``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import msgspec

from libvdsm.audit.chain import Chain, Kept, Lost, Tip, UnsoundError
from libvdsm.audit.refusals import Refusals
from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_token
from libvdsm.interfaces.audit import Deed
from libvdsm.interfaces.generated.types import AuditOutcome, AuditRecord, IdentitySource, ObjectRef
from libvdsm.interfaces.store import Logged, Refused, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The log, and the kind of what is kept beside it.
LOG: Final = "audit"
_TIP: Final = "tip"

#: Hashes that are remembered, for the case that the newest records could not be committed.
_MOST_HASHES: Final = 4096
#: Runs of records that could not be committed, until one can be again.
_MOST_LOST: Final = 64
_MOST_CHARACTERS: Final = 256
#: More than one record has.
_MOST_OCTETS: Final = 1024 * 1024

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
        self.tip = _newest(store)  #: the newest record, whether it is on disk yet or not
        self._hashes: OrderedDict[int, str] = OrderedDict()
        self.lost: tuple[Lost, ...] = ()  #: what could not be committed, as long as no record on disk attests it
        self._attesting: tuple[int, frozenset[Lost]] | None = None
        self._is_waiting = False
        store.on_refusal(self._refused)
        store.on_commit(self._committed)

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
        if not self._can_record():
            return
        for counted in self._refusals.all():
            self._record(counted.deed, counted.count, counted.until)
        if not self.lost:
            self._store.put(LOG, _TIP, _encode(_KeptTip(self.tip.sequence, self.tip.hash)))

    # --- inside ---

    def _record(self, deed: Deed, count: int = 1, until: float | None = None) -> None:
        at = self._clock.time()
        record = _audit_record(deed, self._store.span(LOG)[1] + 1, at, count, until)
        kept = Kept.make(record, self.tip.hash, monotonic=self._clock.monotonic(), life=self._life, lost=self.lost)
        self._store.append(LOG, Logged(record.sequence, at, kept.data))
        self.tip = kept.tip
        self._hashes[kept.tip.sequence] = kept.tip.hash
        if len(self._hashes) > _MOST_HASHES:
            self._hashes.popitem(last=False)
        if self.lost and self._attesting is None:
            self._attesting = (record.sequence, frozenset(self.lost))

    def _refused(self, refused: Refused) -> None:
        """Some of our records are not on disk and never will be; what follows them does."""
        span = refused.lost.get(LOG)
        if span is None:
            return
        first, last = span
        if self._attesting is not None and first <= self._attesting[0] <= last:
            self._attesting = None
        before = self.lost
        if before and before[-1].last == first - 1:
            first, before = before[-1].first, before[:-1]
        self.lost = (*before, Lost(first, last, self._hashes.get(last, "")))[-_MOST_LOST:]

    def _committed(self) -> None:
        if self._attesting is None or self._store.committed(LOG) < self._attesting[0]:
            return
        attested = self._attesting[1]
        self.lost, self._attesting = tuple(one for one in self.lost if one not in attested), None

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


def _newest(store: Store) -> Tip:
    """Where the chain ended. What cannot be believed is not mended: a verification is to find it."""
    last = store.span(LOG)[1]
    kept = _kept_tip(store.load(LOG))
    newest = store.tail(LOG, 1, _MOST_OCTETS)
    if kept is not None and (kept.sequence > last or (kept.sequence == last and not newest)):
        return kept  # the newest records were taken away, or all were trimmed
    try:
        chain = Chain()
        for record in newest:
            chain.take(record.sequence, record.data)
    except UnsoundError:
        return Tip(last)
    return chain.tip or Tip(last)


def _kept_tip(kept: Mapping[str, bytes]) -> Tip | None:
    try:
        found = msgspec.json.decode(kept[_TIP], type=_KeptTip)
    except (KeyError, msgspec.DecodeError):
        return None
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
