"""What was begun and has not ended: kept until its end is known, so that a later life can find it out (DESIGN 6)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from libvdsm.interfaces.audit import Actor
from libvdsm.interfaces.store import Store

#: Its kind in the store.
KIND = "intent"
_encode = msgspec.json.Encoder().encode


class Intent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a mutating verb that was handed to a subsystem."""

    id: str  # of the operation: the task's, or the call's own
    method: str
    params: Raw  # by name, without secrets
    actor: Actor
    begun_at: float  # seconds since 1970 in UTC
    timeout: float  # seconds
    is_task: bool = False
    subject: tuple[str, str] | None = None  # object type and id
    project: str | None = None
    flow_id: str | None = None
    key: str | None = None  # the idempotency key
    digest: str | None = None  # of method and parameters, if there is a key
    generation: int = 0  # of the object when it was begun
    expected_generation: int | None = None


_decode = msgspec.json.Decoder(Intent).decode


class Intents:
    """The open ones, in the store and in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open = store.understood(KIND, _decode)

    def __iter__(self) -> Iterator[Intent]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, intent: Intent) -> None:
        """Record it, in this turn's transaction."""
        self._open[intent.id] = intent
        self._store.put(KIND, intent.id, _encode(intent))

    def end(self, intent: Intent) -> None:
        """Its end is known: forget it, in this turn's transaction. Idempotent."""
        if self._open.pop(intent.id, None) is not None:
            self._store.remove(KIND, intent.id)
