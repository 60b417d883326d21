"""What is to happen when a turn's transaction is on disk, or when it can never be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from libvdsm.interfaces.store import Store


def nothing() -> None:
    """Nothing is left to be done."""


class Commits:
    """Waits for them: the bridge commits a deed together with its audit, before it answers."""

    def __init__(self, store: Store | None) -> None:
        """Without a store all is done at once."""
        self._store = store
        self._committing: set[asyncio.Future[None]] = set()

    def when_recorded(self, done: Callable[[], None] = nothing, *, failed: Callable[[], None] = nothing) -> None:
        """Go on when this turn's transaction is on disk, or cannot be."""
        if self._store is None:
            done()
            return
        committing = asyncio.ensure_future(self._store.commit())
        self._committing.add(committing)

        def told(committed: asyncio.Future[None]) -> None:
            self._committing.discard(committed)
            (failed if committed.cancelled() or committed.exception() is not None else done)()

        committing.add_done_callback(told)
