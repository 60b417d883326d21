"""A client's transactions: what counts against its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.interfaces.generated.errors import AlreadyExists, LimitExceeded, ObjectNotFound

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.config import SessionLimits


class _Transaction:
    """One that is open."""

    __slots__ = ("frames", "octets")

    def __init__(self) -> None:
        self.frames = 0
        self.octets = 0


class Transactions:
    """Those of one connection, by their names."""

    def __init__(self, limits: SessionLimits) -> None:
        self._limits = limits
        self._open: dict[str, _Transaction] = {}
        self._octets = 0  # of all that are open

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
        self._octets += octets
        if transaction.frames > self._limits.transaction_frames:
            raise LimitExceeded(limit="frames of a transaction", maximum=self._limits.transaction_frames)
        if self._octets > self._limits.transaction_octets:
            raise LimitExceeded(limit="octets of a connection's transactions", maximum=self._limits.transaction_octets)

    def end(self, name: str) -> None:
        """It is committed or aborted; its name is free. Raises ``ObjectNotFound``."""
        self._octets -= self._find(name).octets
        del self._open[name]

    def _find(self, name: str) -> _Transaction:
        found = self._open.get(name)
        if found is None:
            raise ObjectNotFound(type="transaction", id=name)
        return found
