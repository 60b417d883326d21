"""Who sends to one place again and again, and is to be told when he may not any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.queue import Queue
    from libvdsm.broker.session import BrokerSession


class Sender:
    """One session's intention to send; see ``interfaces.messaging.Session.intend``. It says when it is over, and is asked nothing else."""

    __slots__ = ("_ended", "is_over", "permission", "queue", "session")

    def __init__(self, session: BrokerSession, queue: Queue | None, permission: str, ended: Callable[[ApiError], None]) -> None:
        """``permission``: without which it is over. ``queue``: with which it is over, if it is one's."""
        self.session = session
        self.queue = queue
        self.permission = permission
        self.is_over = False
        self._ended = ended
        if queue is not None:
            queue.senders.add(self)

    def end(self) -> None:
        """It is told nothing more. Idempotent."""
        self.is_over = True
        self.session.senders.discard(self)
        if self.queue is not None:
            self.queue.senders.discard(self)

    def cut(self, reason: ApiError) -> None:
        """It is over, whatever its owner thinks."""
        if not self.is_over:
            self.end()
            self._ended(reason)
