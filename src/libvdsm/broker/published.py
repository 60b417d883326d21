"""What clients publish to topics: the newest messages in a ring, each of its followers a cursor (as of events).

Nothing of it is on disk. Who is so slow that the ring has gone on without him is told how many messages he missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from libvdsm.interfaces.messaging import Message

_MOST: Final = 10_000
_MOST_OCTETS: Final = 16 * 1024 * 1024


class Published(msgspec.Struct, eq=False, gc=False):
    """One message that was published."""

    sequence: int
    topic: str
    message: Message
    destination: str
    octets: int
    shared: dict[str, bytes]


class TopicRing:
    """See ``following.Ring``."""

    def __init__(self, *, most: int = _MOST, most_octets: int = _MOST_OCTETS) -> None:
        self._ring: deque[Published] = deque()
        self._most = most
        self._most_octets = most_octets
        self.octets = 0
        self.last = 0

    @property
    def first(self) -> int:
        """See ``Ring``."""
        return self.last + 1 - len(self._ring)

    @property
    def held(self) -> int:
        """See ``Ring``: what is not held is gone."""
        return self.last + 1 - len(self._ring)

    def append(self, topic: str, destination: str, message: Message) -> None:
        """The newest."""
        ring = self._ring
        octets = message.octets
        self.last += 1
        ring.append(Published(self.last, topic, message, destination, octets, {}))
        self.octets += octets
        while self.octets > self._most_octets or len(ring) > self._most:
            self.octets -= ring.popleft().octets

    def read(self, after: int, limit: int) -> Sequence[Published]:
        """See ``Ring``."""
        ring = self._ring
        if after == self.last - 1 and ring:
            return (ring[-1],)
        skip = max(0, after - self.last + len(ring))
        if skip >= len(ring):
            return ()
        if skip > len(ring) // 2:
            tail = list(islice(reversed(ring), len(ring) - skip))
            tail.reverse()
            return tail[:limit]
        return tuple(islice(ring, skip, skip + limit))

    async def fetch(self, after: int, limit: int) -> Sequence[Published]:
        """See ``Ring``."""
        return self.read(after, limit)

    def forget(self) -> None:
        """Nobody follows."""
        self._ring.clear()
        self.octets = 0
