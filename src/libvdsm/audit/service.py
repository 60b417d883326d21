"""The verbs of ``Audit``. Logs are read in slices, so that others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Final

import msgspec

from libvdsm.audit.chain import Chain, Seen, Tip, UnsoundError, look, shown
from libvdsm.audit.changes import Changes, time_of
from libvdsm.audit.moments import moment
from libvdsm.audit.trail import LOG, AuditTrail
from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, PermissionDenied
from libvdsm.interfaces.generated.types import AuditChangesParams, AuditFilter, AuditListParams, AuditVerdict, AuditVerifyParams
from libvdsm.interfaces.journal import Entry, Journal
from libvdsm.interfaces.permission import ObjectEntry
from libvdsm.interfaces.store import Logged, Store

#: The right to read the trail.
PERMISSION: Final = "audit.read"
#: Records between which others have their turn.
SLICE: Final = 256
#: Records that one call of ``Audit.list`` looks at; then it answers with the cursor to go on from.
MOST_LOOKED_AT: Final = 100_000
#: Digits of the greatest sequence that fits a JSON integer.
_MOST_DIGITS: Final = 16

_encode = msgspec.json.Encoder().encode


class AuditService:
    """Reads the trail and the event journal."""

    def __init__(self, *, store: Store, trail: AuditTrail, journal: Journal, clock: Clock, objects: Mapping[str, ObjectEntry]) -> None:
        """``objects``: who sees which objects (``generated.permissions``)."""
        self._store = store
        self._trail = trail
        self._journal = journal
        self._clock = clock
        self._permissions = {entry.type: entry.permission for entry in objects.values()}

    async def audit_list(self, caller: Caller, params: AuditListParams) -> bytes:
        """A page of the trail, newest first; the cursor is the number of the last record of the page before."""
        wanted = _Wanted(params.filter)
        page: list[bytes] = []
        looked_at = place = 0
        if params.after is None:
            await self._settle()  # whoever asks after a call sees that call
        async for record in self._backwards(_cursor(params.after)):
            if len(page) == params.limit or looked_at == MOST_LOOKED_AT:
                return _page(page, place)
            looked_at += 1
            place = record.sequence
            try:
                seen = look(record.data)
                if wanted.fits(seen, record.at) and _may_see(caller, seen):
                    page.append(shown(record.data))
            except UnsoundError:
                continue  # Audit.verify tells of it
        return _page(page, None)

    def audit_verify(self, caller: Caller, _params: AuditVerifyParams) -> Awaitable[bytes]:
        """Read all of the trail and check its chain."""
        if not caller.rights.allows(PERMISSION):
            raise PermissionDenied(identity=caller.identity, permission=PERMISSION)  # at once: the bridge records it
        return self._verify()

    async def _verify(self) -> bytes:
        expected = self._trail.tip
        await self._settle()
        chain = Chain(expected)
        first = 0
        async for record in self._forwards():
            if chain.tip is not None and self._store.span(LOG)[0] > chain.tip.sequence + 1:
                chain.forget()  # trimmed while we read
                first = 0
            first = first or record.sequence
            try:
                chain.take(record.sequence, record.data)
            except UnsoundError as failure:
                return _encode(self._unsound(first, record.sequence, str(failure)))
        return _encode(self._verdict(first, chain, expected))

    async def audit_changes(self, caller: Caller, params: AuditChangesParams) -> bytes:
        """What the event journal has between two times, object by object."""
        since = moment(params.since, "$.since")
        until = self._clock.time() if params.until is None else moment(params.until, "$.until")
        if params.until is None:
            await self._settle()

        def is_visible(type: str, id: str, project: str | None) -> bool:
            permission = self._permissions.get(type)
            return permission is not None and caller.rights.allows(permission, type=type, id=id, project=project)

        changes = Changes(most=params.limit, wanted=params.object, is_visible=is_visible)
        last = self._journal.last  # what comes later is later than the call
        oldest: tuple[int, float] | None = None
        async for entry in self._events(last):
            at = time_of(entry)
            oldest = oldest or (entry.sequence, at)
            if since <= at and (at < until or params.until is None):
                changes.take(entry)
        has_all = last == 0 if oldest is None else oldest[0] == 1 or oldest[1] < since
        return changes.encode(complete=has_all)

    # --- inside ---

    def _verdict(self, first: int, chain: Chain, expected: Tip) -> AuditVerdict:
        """The verdict on records that are sound in themselves: are there any missing."""
        lost = self._trail.lost
        chain.attest(lost)
        gap = chain.first_gap()
        if gap is not None:
            return self._unsound(first, gap, "records before it are missing")
        last = self._store.committed(LOG) if chain.tip is None else chain.tip.sequence
        is_lost = any(one.first <= last + 1 and one.last >= expected.sequence for one in lost)
        if expected.sequence > last and not is_lost:
            return self._unsound(first, last + 1, f"the records up to {expected.sequence} are missing")
        return AuditVerdict(sound=True, first=first, last=last, hash=None if chain.tip is None else chain.tip.hash)

    def _unsound(self, first: int, place: int, reason: str) -> AuditVerdict:
        last = max(place, self._store.span(LOG)[1])
        return AuditVerdict(sound=False, first=first, last=last, first_unsound=place, reason=reason)

    async def _settle(self) -> None:
        """Let what was recorded until now reach the disk, if it can."""
        try:
            await self._store.commit()
        except ApiError:
            return

    async def _events(self, last: int) -> AsyncIterator[Entry]:
        after = self._journal.first - 1
        while after < last:
            found = await self._journal.fetch(after, SLICE)
            for entry in found:
                if entry.sequence <= last:
                    yield entry
            if not found:
                return
            after = found[-1].sequence
            await asyncio.sleep(0)

    async def _forwards(self) -> AsyncIterator[Logged]:
        after = self._store.span(LOG)[0] - 1
        while True:
            found = await self._store.read(LOG, after, SLICE)
            for record in found:
                yield record
            if not found:
                return
            after = found[-1].sequence
            await asyncio.sleep(0)

    async def _backwards(self, before: int | None) -> AsyncIterator[Logged]:
        first, last = self._store.span(LOG)
        end = last if before is None else min(last, before - 1)
        while end >= first:
            after = max(first - 1, end - SLICE)
            found: Sequence[Logged] = await self._store.read(LOG, after, end - after)
            for record in reversed(found):
                if record.sequence <= end:
                    yield record
            end = after
            await asyncio.sleep(0)


class _Wanted:
    """A filter, read once."""

    def __init__(self, filter: AuditFilter | None) -> None:
        self._filter = AuditFilter() if filter is None else filter
        self._since = None if self._filter.since is None else moment(self._filter.since, "$.filter.since")
        self._until = None if self._filter.until is None else moment(self._filter.until, "$.filter.until")

    def fits(self, seen: Seen, at: float) -> bool:
        wanted = self._filter
        return (
            wanted.identity in {None, seen.identity}
            and wanted.method in {None, seen.method}
            and wanted.object_id in {None, seen.object.get("id")}
            and (wanted.outcomes is None or seen.outcome in wanted.outcomes)
            and (self._since is None or at >= self._since)
            and (self._until is None or at < self._until)
        )


def _may_see(caller: Caller, seen: Seen) -> bool:
    return caller.rights.allows(PERMISSION, type=seen.object.get("type"), id=seen.object.get("id"), project=seen.project)


def _page(items: list[bytes], place: int | None) -> bytes:
    body = b'{"items":[' + b",".join(items) + b"]"
    return body + (b"}" if place is None else b',"next":"%d"}' % place)


def _cursor(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) <= _MOST_DIGITS):
        raise InvalidParams(path="$.after", reason="not a cursor of this list")
    return int(after)
