"""Enrolments: tokens by which a certificate is got once. Only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.interfaces.store import Store

#: Their kind in the store.
KIND: Final = "enrolment"
PREFIX: Final = "enrol-"


class Enrolment(msgspec.Struct, frozen=True):
    """What a token stands for."""

    identity: str
    days: int
    until: float  # seconds since 1970 in UTC
    made_by: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Enrolment).decode


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Enrolments:
    """Those that were made and not used. A token that is being used cannot be used by another at the same time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._all = store.understood(KIND, _decode)
        self._taken: dict[str, Enrolment] = {}

    def add(self, enrolment: Enrolment) -> str:
        """Record one; its token, which is shown once."""
        token = PREFIX + secrets.token_urlsafe(32)
        digest = _digest(token)
        self._all[digest] = enrolment
        self._store.put(KIND, digest, _encode(enrolment))
        return token

    def take(self, token: str) -> Enrolment | None:
        """What the token stands for, if it counts now; nobody else can take it."""
        digest = _digest(token)
        found = self._all.get(digest)
        if found is None or found.until <= self._clock.time():
            return None
        self._taken[digest] = self._all.pop(digest)
        return found

    def spend(self, token: str) -> bool:
        """It was used; recorded in this turn. False: it was made void meanwhile, and gives nothing."""
        digest = _digest(token)
        self._store.remove(KIND, digest)
        return digest in self._taken

    def void(self, identity: str) -> int:
        """All that are open for an identity count no longer, also one that is being used; how many there were."""
        found = [digest for kept in (self._all, self._taken) for digest, each in kept.items() if each.identity == identity]
        for digest in found:
            self._all.pop(digest, None)
            self._taken.pop(digest, None)
            self._store.remove(KIND, digest)
        return len(found)

    def done(self, token: str) -> None:
        """That is on disk."""
        self._taken.pop(_digest(token), None)

    def give_back(self, token: str) -> None:
        """Nothing came of it: it can be used again."""
        digest = _digest(token)
        found = self._taken.pop(digest, None)
        if found is not None:
            self._all[digest] = found
            self._store.put(KIND, digest, _encode(found))

    def forget(self, token: str) -> None:
        """It could not be recorded."""
        self._all.pop(_digest(token), None)

    def forget_expired(self) -> None:
        """Remove those whose time is over."""
        now = self._clock.time()
        for digest in [digest for digest, found in self._all.items() if found.until <= now]:
            del self._all[digest]
            self._store.remove(KIND, digest)
