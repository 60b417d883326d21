"""What a queue is to be, what it counts, and what it needs of where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from libvdsm.interfaces.generated.types import QueueOverflow

if TYPE_CHECKING:
    from libvdsm.base.clock import Clock
    from libvdsm.broker.items import Item
    from libvdsm.broker.keeper import Keeper
    from libvdsm.broker.queue import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a queue is to be."""

    durable: bool = False
    max_messages: int = 100_000
    max_octets: int = 64 * 1024 * 1024
    overflow: QueueOverflow = QueueOverflow.REJECT
    time_to_live: float | None = None  # seconds
    dead_letter: str | None = None
    max_deliveries: int = 5


@dataclass(slots=True)
class Counters:
    """What went through, since it was made or the daemon started."""

    received: int = 0
    delivered: int = 0
    redelivered: int = 0
    dead_lettered: int = 0
    expired: int = 0
    dropped: int = 0


class Surroundings(Protocol):
    """What a queue needs of where it is."""

    keeper: Keeper
    clock: Clock
    octets: int  # in all queues together
    most_octets: int

    def schedule(self, queue: Queue) -> None:
        """Call its ``dispatch`` in the next turn of the loop."""
        ...

    def queue(self, name: str) -> Queue | None:
        """Another queue."""
        ...

    def mortal(self, item: Item, *, is_again: bool = False) -> None:
        """It ends by itself: call its queue's ``expire`` then; if that ``is_again``, not at once."""
        ...

    def has_room(self, octets: int) -> bool:
        """Whether all queues together may hold so many more."""
        ...
