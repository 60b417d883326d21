"""A client's transactions: what counts against its bounds, and which deliveries it settles in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.interfaces.generated.errors import AlreadyExists, LimitExceeded, ObjectNotFound

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.config import SessionLimits
    from libvdsm.bindings.stomp.consumer import StompConsumer


class _Transaction:
    """One that is open."""

    __slots__ = ("frames", "octets", "settled")

    def __init__(self) -> None:
        self.frames = 0
        self.octets = 0
        self.settled: list[tuple[int, StompConsumer]] = []  # open again if it is aborted


class Transactions:
    """Those of one connection, by their names."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._open: dict[str, _Transaction] = {}

    def begin(self, name: str) -> None:
        """Raises ``AlreadyExists`` or ``LimitExceeded``."""
        if name in self._open:
            raise AlreadyExists(type="transaction", id=name)
        if len(self._open) >= self._limits.transactions:
            raise LimitExceeded(limit="transactions of a connection", maximum=self._limits.transactions)
        self._open[name] = _Transaction()

    def add(self, name: str, octets: int) -> None:
        """Count a frame. Raises ``ObjectNotFound`` or ``LimitExceeded``."""
        transaction = self._find(name)
        transaction.frames += 1
        transaction.octets += octets
        if transaction.frames > self._limits.transaction_frames:
            raise LimitExceeded(limit="frames of a transaction", maximum=self._limits.transaction_frames)
        if transaction.octets > self._limits.transaction_octets:
            raise LimitExceeded(limit="octets of a transaction", maximum=self._limits.transaction_octets)

    def settle(self, name: str, tag: int, consumer: StompConsumer) -> None:
        """Keep what is settled only if the transaction is committed."""
        self._find(name).settled.append((tag, consumer))

    def end(self, name: str) -> list[tuple[int, StompConsumer]]:
        """It is committed or aborted; its name is free. Answers what was settled in it; raises ``ObjectNotFound``."""
        settled = self._find(name).settled
        del self._open[name]
        return settled

    def _find(self, name: str) -> _Transaction:
        found = self._open.get(name)
        if found is None:
            raise ObjectNotFound(type="transaction", id=name)
        return found
