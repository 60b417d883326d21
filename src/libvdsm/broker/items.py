"""A message in a queue, and who has it."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from libvdsm.interfaces.messaging import Ack, Consumer, Message

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.queue import Queue
    from libvdsm.broker.receivers import Receiver


class State(IntEnum):
    """Where a message is."""

    PENDING = 0  # its record is not on disk yet
    WAITING = 1
    HELD = 2  # a consumer has it
    GONE = 3


PENDING: Final = State.PENDING
WAITING: Final = State.WAITING
HELD: Final = State.HELD
GONE: Final = State.GONE


class Holder(Protocol):
    """A subscription as its session sees it."""

    id: str
    destination: str
    ack: Ack
    consumer: Consumer
    open: dict[int, Item]  # what it has, by tag, in its order; only with ``Ack.CLIENT``

    def settled(self, tag: int) -> None:
        """One of its deliveries is."""
        ...

    def end(self) -> None:
        """No more of it."""
        ...

    def cut(self, reason: ApiError) -> None:
        """It is over, and its consumer is told."""
        ...


class Item(msgspec.Struct, kw_only=True, eq=False):
    """One message in one queue (or, without one, of a topic that is to be acknowledged)."""

    sequence: int  # its place in the queue, and its id
    message: Message
    queue: Queue | None = None
    octets: int = 0
    sent_at: float = 0.0  # seconds since 1970 in UTC
    state: State = WAITING
    is_kept: bool = False  # there is a record of it, or will be
    is_recorded: bool = False  # no commit is to be waited for
    count: int = 0  # how often it was tried in vain
    redelivered: bool = False
    expires_at: float | None = None  # seconds since 1970 in UTC
    holder: Holder | None = None
    avoids: set[Receiver] | None = None  # those who said that it cannot be delivered to them
    browsed: set[int] | None = None  # the numbers of browsers that were shown it, or will be
    transaction: str | None = None  # that of the session of its holder which settles it

    def __lt__(self, other: Item) -> bool:
        """Which came first; one that is gone may stand in a heap beside what it is now."""
        return self.sequence < other.sequence
