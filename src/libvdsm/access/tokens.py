"""Tokens: what speaks for an identity without being it. Only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from typing import Final

import msgspec

from libvdsm.base.clock import Clock, seconds_of, timestamp
from libvdsm.interfaces.generated.errors import LimitExceeded
from libvdsm.interfaces.generated.types import AccessScope, Token
from libvdsm.interfaces.store import Store

#: Their kind in the store.
KIND: Final = "token"
PREFIX: Final = "vdsm-"
#: How exactly it is kept when a token was last used.
USED_STEP_S: Final = 3600
#: How many one identity may have that count.
MOST: Final = 1000


class Limit(msgspec.Struct, frozen=True):
    """A bound of a token, also one that it has from the token by which it was made."""

    role: str | None = None
    scope: AccessScope | None = None


class Kept(msgspec.Struct, frozen=True):
    """A token in the store."""

    number: int  # its place in the order of making
    digest: str
    token: Token
    limits: tuple[Limit, ...] = ()
    parent: str | None = None  # the token by which it was made: it ends with that one


_encode = msgspec.json.Encoder().encode
_to_kept = msgspec.json.Decoder(Kept).decode


def _decode(data: bytes) -> Kept:
    """A kept token; raises for one whose end is no time, as for anything else that is no token."""
    kept = _to_kept(data)
    seconds_of(kept.token.expires_at)
    return kept


def new_token() -> str:
    """256 random bits, recognisable by scanners for secrets."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token: found by this, it is compared by nothing else, so time tells nothing of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """Tokens in the order of their making. One counts until it is asked to end."""

    def __init__(self, store: Store | None, clock: Clock, *, most: int = MOST) -> None:
        """``most`` of them may speak for one identity; those that are there beyond it go on."""
        self._most = most
        self._store = store
        self._clock = clock
        kept = () if store is None else sorted(store.understood(KIND, _decode).values(), key=lambda each: each.number)
        self._all = {each.token.id: each for each in kept}
        self._by_digest = {each.digest: each.token.id for each in kept}
        self._until = {each.token.id: seconds_of(each.token.expires_at) for each in kept}
        self._of: dict[str, set[str]] = {}
        for each in kept:
            self._of.setdefault(each.token.identity, set()).add(each.token.id)
        self._last = max((each.number for each in kept), default=0)
        self._idle: set[str] = set()

    def __iter__(self) -> Iterator[Kept]:
        """All; also those that count no longer, until that is on disk."""
        return iter(self._all.values())

    def get(self, id: str) -> Kept | None:
        """One token."""
        return self._all.get(id)

    def find(self, token: str) -> Kept | None:
        """The one that is presented, if it counts now."""
        id = self._by_digest.get(digest_of(token))
        return None if id is None else self.valid(id)

    def valid(self, id: str) -> Kept | None:
        """One token, if it counts now."""
        kept = self._all.get(id)
        if kept is None or id in self._idle or self._until[id] <= self._clock.time():
            return None
        return kept

    def until(self, id: str) -> float:
        """When it ends."""
        return self._until[id]

    def check_room(self, identity: str) -> None:
        """Raise ``LimitExceeded`` if no more may speak for this identity."""
        mine = self._of.get(identity, ())
        if len(mine) >= self._most and sum(self.valid(id) is not None for id in mine) >= self._most:
            raise LimitExceeded(limit="tokens of an identity", maximum=self._most)

    def add(self, token: Token, digest: str, limits: tuple[Limit, ...], parent: str | None) -> None:
        """Record one; it counts at once."""
        self._last += 1
        self._all[token.id] = kept = Kept(self._last, digest, token, limits, parent)
        self._by_digest[digest] = token.id
        self._until[token.id] = seconds_of(token.expires_at)
        self._of.setdefault(token.identity, set()).add(token.id)
        self._put(kept)

    def used(self, id: str) -> None:
        """It was used just now; recorded to the hour, without waiting for the disk."""
        kept = self._all[id]
        at = timestamp(self._clock.time() // USED_STEP_S * USED_STEP_S)
        if kept.token.used_at != at:
            self._all[id] = kept = msgspec.structs.replace(kept, token=msgspec.structs.replace(kept.token, used_at=at))
            self._put(kept)

    def family(self, id: str) -> list[str]:
        """A token and all that were made by it."""
        found = [id]
        for each in found:
            found.extend(kept.token.id for kept in self._all.values() if kept.parent == each)
        return found

    def suspend(self, id: str) -> None:
        """It counts no longer, and will be forgotten when that is on disk."""
        self._idle.add(id)
        if self._store is not None:
            self._store.remove(KIND, id)

    def forget(self, id: str) -> None:
        """It is gone."""
        kept = self._all.pop(id, None)
        self._idle.discard(id)
        if kept is not None:
            del self._until[id], self._by_digest[kept.digest]
            mine = self._of[kept.token.identity]
            mine.discard(id)
            if not mine:
                del self._of[kept.token.identity]

    def expired(self) -> list[str]:
        """Those whose time is over."""
        now = self._clock.time()
        return [id for id, until in self._until.items() if until <= now]

    def next_expiry(self) -> float | None:
        """When the next one ends."""
        return min(self._until.values(), default=None)

    def with_role(self, role: str) -> bool:
        """Whether any is limited to this role."""
        return any(limit.role == role for kept in self._all.values() for limit in kept.limits)

    def _put(self, kept: Kept) -> None:
        if self._store is not None:
            self._store.put(KIND, kept.token.id, _encode(kept))
