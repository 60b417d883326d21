"""A message in a queue, and the order in which those that wait come out."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from libvdsm.interfaces.messaging import Ack, Consumer, Message

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.queue import Queue
    from libvdsm.broker.receivers import Receiver

#: The priority of a message of which nobody said one.
USUAL: Final = 4


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
    transaction: str | None = None  # that of the session of its holder which settles it


class Line:
    """Messages of one priority that wait: in the order in which they came, also those that were given back.

    Those that are gone meanwhile are left in it and skipped.
    """

    __slots__ = ("_returned", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Item] = deque()
        self._returned: list[tuple[int, Item]] = []  # a heap; their numbers differ

    def append(self, item: Item) -> None:
        """It is the newest."""
        self._waiting.append(item)

    def put_back(self, item: Item) -> None:
        """It has its place again."""
        heappush(self._returned, (item.sequence, item))

    def first(self) -> Item | None:
        """The oldest that waits; it stays."""
        waiting, returned = self._waiting, self._returned
        while waiting and waiting[0].state is not WAITING:
            waiting.popleft()
        while returned and returned[0][1].state is not WAITING:
            heappop(returned)
        if not returned:
            return waiting[0] if waiting else None
        return waiting[0] if waiting and waiting[0].sequence < returned[0][0] else returned[0][1]

    def take(self, item: Item) -> None:
        """Let go of what ``first`` gave."""
        if self._waiting and self._waiting[0] is item:
            self._waiting.popleft()
        else:
            heappop(self._returned)

    def items(self) -> list[Item]:
        """All that wait, the oldest first."""
        found = [item for item in self._waiting if item.state is WAITING]
        if self._returned:
            found.extend(item for _, item in self._returned if item.state is WAITING)
            found.sort(key=lambda item: item.sequence)
        return found

    def sweep(self) -> None:
        """Let go of those that are gone."""
        self._waiting = deque(item for item in self._waiting if item.state is WAITING)
        self._returned = [entry for entry in self._returned if entry[1].state is WAITING]
        heapify(self._returned)
