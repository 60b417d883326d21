"""The public face of the bridge: all that a binding or a connector needs, and all that it gets."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.types import EventFilter
from libvdsm.interfaces.method import MethodEntry


class Bridge(Protocol):
    """The one door: calls in, events out. Stable."""

    def call(self, caller: Caller, method: str, params: bytes = b"{}", options: bytes | None = None) -> bytes | Awaitable[bytes]:
        """Carry out ``method`` for ``caller``.

        ``params`` is the raw JSON of an object or array (by position), ``options`` that of a ``CallOptions``. The
        answer is the raw JSON of the result: at once for what the front knows (queries), else by an awaitable.
        Raises a subclass of ``ApiError``, at once or from the awaitable; never anything else. Cancelling the
        awaitable (the client went away) never undoes what was accepted: operations go on as tasks.
        """
        ...

    async def wait(self, caller: Caller, task_id: str, timeout_s: float) -> bytes:
        """The raw JSON of a ``Task`` when it has ended, or as it is when the time is up."""
        ...

    def subscribe(
        self,
        caller: Caller,
        sink: Sink,
        topics: Sequence[str] = ("#",),
        *,
        after: str | None = None,
        snapshot: bool = False,
        subscription_id: str | None = None,
        filter: EventFilter | None = None,
        coalesce_s: float = 0.0,
    ) -> bytes:
        """Deliver events to ``sink``; the answer is the raw JSON of an ``EventSubscription``."""
        ...

    def release(self, sink: Sink) -> None:
        """The connection of ``sink`` is gone: end its subscriptions. Idempotent."""
        ...

    def redeem(self, caller: Caller, ticket: str) -> socket.socket:
        """The byte stream that ``ticket`` stands for (one use); raises ``ObjectNotFound`` for any other.

        The socket is connected, non-blocking, and the receiver's to close.
        """
        ...

    def describe(self) -> Mapping[str, MethodEntry]:
        """Every verb by its full name."""
        ...
