"""Who has which role where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from libvdsm.base.clock import Clock, seconds_of
from libvdsm.interfaces.generated.types import Grant, ObjectScope
from libvdsm.interfaces.store import Store

#: Their kind in the store.
KIND: Final = "grant"


class _Kept(msgspec.Struct, frozen=True):
    """A grant in the store."""

    number: int  # its place in the order of making
    grant: Grant


_encode = msgspec.json.Encoder().encode
_to_kept = msgspec.json.Decoder(_Kept).decode


def _decode(data: bytes) -> _Kept:
    """A kept grant; raises for one whose end is no time, as for anything else that is no grant."""
    kept = _to_kept(data)
    if kept.grant.expires_at is not None:
        seconds_of(kept.grant.expires_at)
    return kept


class Grants:
    """Grants in the order of their making. One counts until it is asked to be taken away."""

    def __init__(self, store: Store | None, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        kept = () if store is None else sorted(store.understood(KIND, _decode).values(), key=lambda each: each.number)
        self._all = {each.grant.id: each for each in kept}
        self._by_identity: dict[str, dict[str, Grant]] = {}
        for each in kept:
            self._by_identity.setdefault(each.grant.identity, {})[each.grant.id] = each.grant
        self._expiring = {each.grant.id: seconds_of(each.grant.expires_at) for each in kept if each.grant.expires_at is not None}
        self._last = max((each.number for each in kept), default=0)
        self._idle: set[str] = set()  # those that were asked to be taken away, until that is on disk

    def __iter__(self) -> Iterator[tuple[int, Grant]]:
        """All, with their numbers; also those that count no longer, until that is on disk."""
        return ((each.number, each.grant) for each in self._all.values())

    def get(self, id: str) -> Grant | None:
        """One grant."""
        found = self._all.get(id)
        return None if found is None else found.grant

    def of(self, identity: str) -> list[Grant]:
        """Those of an identity that count now."""
        now = self._clock.time()
        return [
            grant
            for id, grant in self._by_identity.get(identity, {}).items()
            if id not in self._idle and (id not in self._expiring or self._expiring[id] > now)
        ]

    def find(self, like: Grant) -> Grant | None:
        """The one that counts and gives the same."""
        return next(
            (
                grant
                for grant in self.of(like.identity)
                if (grant.role, grant.scope, grant.expires_at) == (like.role, like.scope, like.expires_at)
            ),
            None,
        )

    def with_role(self, role: str) -> list[Grant]:
        """All that give a role, also those that count no longer."""
        return [each.grant for each in self._all.values() if each.grant.role == role]

    def about(self, type: str, id: str) -> list[Grant]:
        """All for this one object."""
        scope = ObjectScope(type=type, id=id)
        return [each.grant for each in self._all.values() if each.grant.scope == scope]

    def add(self, grant: Grant) -> None:
        """Record one; it counts at once."""
        self._last += 1
        self._all[grant.id] = kept = _Kept(self._last, grant)
        self._by_identity.setdefault(grant.identity, {})[grant.id] = grant
        if grant.expires_at is not None:
            self._expiring[grant.id] = seconds_of(grant.expires_at)
        if self._store is not None:
            self._store.put(KIND, grant.id, _encode(kept))

    def suspend(self, id: str) -> None:
        """It counts no longer, and will be forgotten when that is on disk."""
        self._idle.add(id)
        if self._store is not None:
            self._store.remove(KIND, id)

    def forget(self, id: str) -> None:
        """It is gone."""
        found = self._all.pop(id, None)
        self._idle.discard(id)
        self._expiring.pop(id, None)
        if found is not None:
            mine = self._by_identity[found.grant.identity]
            del mine[id]
            if not mine:
                del self._by_identity[found.grant.identity]

    def expired(self) -> list[Grant]:
        """Those whose time is over."""
        now = self._clock.time()
        return [self._all[id].grant for id, until in self._expiring.items() if until <= now]

    def next_expiry(self) -> float | None:
        """When the next one ends."""
        return min(self._expiring.values(), default=None)
