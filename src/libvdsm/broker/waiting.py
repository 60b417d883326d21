"""What waits in a queue, and the order in which it comes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from libvdsm.broker.items import WAITING, Item

if TYPE_CHECKING:
    from libvdsm.broker.receivers import Receiver
    from libvdsm.interfaces.messaging import Message

#: The priority of a message of which nobody said one.
_USUAL: Final = 4
_MOST_PRIORITY: Final = 9
#: Messages that are gone and yet in a line, before it is made anew.
_GHOSTS: Final = 1000


class _Line:
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


class Waiting:
    """Lines by priority, and what was put aside for want of somebody who can take it. ``count`` is all of it."""

    __slots__ = ("_ghosts", "_line", "_lines", "_parked", "count")

    def __init__(self) -> None:
        self.count = 0
        self._line = _Line()
        self._lines: list[_Line] | None = None  # by priority, once there is any but the usual
        self._parked: list[tuple[int, Item]] = []  # a heap, of whom all consumers said that it cannot be delivered to them
        self._ghosts = 0

    def append(self, item: Item) -> None:
        """It waits from now on, behind all of its priority."""
        self.count += 1
        self._line_of(item).append(item)

    def put_back(self, item: Item) -> None:
        """It waits again, where it was."""
        self.count += 1
        self._line_of(item).put_back(item)

    def first(self) -> Item | None:
        """Whose turn it is; it stays."""
        if self._lines is None:
            return self._line.first()
        return next((found for line in reversed(self._lines) if (found := line.first())), None)

    def oldest(self) -> Item | None:
        """Which came first of all that wait, whatever its priority, also of what was put aside; it stays."""
        if self._lines is None and not self._parked:
            return self._line.first()
        while self._parked and self._parked[0][1].state is not WAITING:
            heappop(self._parked)
        lines = (self._line,) if self._lines is None else self._lines
        found = [*(item for _, item in self._parked[:1]), *(first for line in lines if (first := line.first()))]
        return min(found, key=lambda item: item.sequence, default=None)

    def take(self, item: Item) -> None:
        """What ``first`` gave waits no more."""
        self._line_of(item).take(item)
        self.count -= 1

    def park(self, item: Item) -> None:
        """What ``first`` gave waits for others to come, and is in nobody's way meanwhile."""
        self._line_of(item).take(item)
        heappush(self._parked, (item.sequence, item))

    def unpark(self, receiver: Receiver) -> None:
        """Let ``receiver`` have what was put aside for want of somebody else."""
        if not self._parked:
            return
        parked, self._parked = self._parked, []
        for sequence, item in sorted(parked):
            if item.state is not WAITING:
                continue
            if item.avoids is not None and receiver in item.avoids:
                self._parked.append((sequence, item))
            else:
                self._line_of(item).put_back(item)

    def lose(self) -> None:
        """One of them waits no more, wherever it stands; its state says so before long, and it is left there and skipped."""
        self.count -= 1
        self._ghosts += 1
        if self._ghosts > _GHOSTS and self._ghosts > self.count:
            self._ghosts = 0
            self._parked = [entry for entry in self._parked if entry[1].state is WAITING]
            heapify(self._parked)
            for line in (self._line,) if self._lines is None else self._lines:
                line.sweep()

    def clear(self) -> None:
        """Nothing waits."""
        self.count = self._ghosts = 0
        self._line, self._lines, self._parked = _Line(), None, []

    def items(self) -> Iterator[Item]:
        """All of it, in the order in which it would come out."""
        lines = (self._line,) if self._lines is None else reversed(self._lines)
        for line in lines:
            found = line.items()
            if self._parked:
                priority = None if self._lines is None else self._lines.index(line)
                found += [i for _, i in self._parked if i.state is WAITING and (priority is None or _priority(i.message) == priority)]
                found.sort(key=lambda item: item.sequence)
            yield from found

    def _line_of(self, item: Item) -> _Line:
        if self._lines is None:
            if item.message.priority == _USUAL:
                return self._line
            self._lines = [_Line() for _ in range(_MOST_PRIORITY + 1)]
            self._lines[_USUAL] = self._line
        return self._lines[_priority(item.message)]


def _priority(message: Message) -> int:
    return min(max(message.priority, 0), _MOST_PRIORITY)
