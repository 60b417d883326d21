"""Who calls, and the connection on which we may speak first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Sink(Protocol):
    """The sending half of a stream connection, as the broker sees it (DESIGN 3: subscriptions)."""

    def deliver(self, delivery: bytes) -> None:
        """Queue one encoded ``EventDelivery``; never blocks, never fails."""
        ...

    def is_full(self) -> bool:
        """Whether the write buffer has reached its bound; then no more is delivered until ``when_drained``."""
        ...

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once when there is room again."""
        ...


class Caller:
    """An identity with its rights, on one connection. One per connection, shared by its calls."""

    __slots__ = ("address", "expires_at", "identity", "on_revoked", "only", "permissions", "roles", "sink", "source")

    def __init__(
        self,
        *,
        identity: str,
        source: str,
        roles: tuple[str, ...],
        permissions: frozenset[str],
        address: str = "",
        sink: Sink | None = None,
        expires_at: float | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self.identity = identity
        self.source = source  # unix | anonymous | certificate | token | connector
        self.roles = roles
        self.permissions = permissions
        self.address = address
        self.sink = sink  # None: nothing can be sent but answers (plain HTTP)
        self.expires_at = expires_at  # seconds since 1970 in UTC: its connection ends then
        self.only = only  # if set, the only verbs that may be called, whatever their permissions
        self.on_revoked: list[Callable[[str], None]] = []  # who wants to know the reason when the rights are taken away at once

    def revoke(self, reason: str) -> None:
        """What the caller proved itself with counts no more: take its rights and let its connection end. Idempotent."""
        self.permissions = frozenset()
        self.only = frozenset()
        waiting, self.on_revoked = self.on_revoked, []
        for tell in waiting:
            tell(reason)
