"""Groups: followers that want the same, have come equally far and send the same octets are told together.

What they are sent is made once, and written to each by a plain loop. Whatever makes one of them differ ends its membership
(``interfaces.pages``); it goes on from the group's cursor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from libvdsm.broker.following import Follower, Numbered
    from libvdsm.interfaces.messaging import Delivery
    from libvdsm.interfaces.pages import PageConsumer, Road

_log = logging.getLogger(__name__)

#: Octets of bodies behind which a page ends: whoever is full by then gets no other.
PAGE_OCTETS: Final = 64 * 1024
_NAME_OCTETS: Final = 8

R = TypeVar("R", bound="Numbered")

#: A page before it is encoded: the number of the last record that it tells of, and the deliveries.
Told: TypeAlias = "tuple[int, list[Delivery]]"


def divide(deliveries: Iterable[Delivery]) -> list[Told]:
    """Pages of deliveries whose tags are the numbers of their records."""
    pages: list[Told] = []
    page: list[Delivery] = []
    octets = 0
    for each in deliveries:
        page.append(each)
        octets += len(each.message.body)
        if octets >= PAGE_OCTETS:
            pages.append((each.tag, page))
            page, octets = [], 0
    if page:
        pages.append((page[-1].tag, page))
    return pages


class Member(Generic[R]):
    """See ``Membership``."""

    __slots__ = ("_before", "_octets", "consumer", "follower", "group")

    def __init__(self, group: Group[R], follower: Follower[R], consumer: PageConsumer) -> None:
        self.group = group
        self.follower = follower
        self.consumer = consumer
        self._before = group.octets
        self._octets: int | None = None

    @property
    def octets(self) -> int:
        """See ``Membership``."""
        return self.group.octets - self._before if self._octets is None else self._octets

    def leave(self) -> None:
        """See ``Membership``."""
        if self._octets is not None:
            return
        self._octets = self.octets
        self.group.part(self)
        self.consumer.part(self)


class Group(Generic[R]):
    """Those who are told together."""

    __slots__ = ("_befores", "_left", "_roads", "_writes", "cursor", "key", "kind", "name", "octets")

    def __init__(self, key: tuple[Hashable, Hashable], cursor: int, left: Callable[[Follower[R], Group[R]], None]) -> None:
        """``key``: what they want, and how they send it. ``left`` is told who goes on by himself."""
        self.key = key
        self.kind = key[0]
        self.cursor = cursor
        self.name = token_hex(_NAME_OCTETS)
        self.octets = 0  # that were written to each who has always been here
        self._left = left
        self._roads: dict[Member[R], Road] = {}
        self._befores: tuple[Callable[[], object], ...] = ()
        self._writes: tuple[Callable[[bytes], object], ...] | None = ()

    def __len__(self) -> int:
        return len(self._roads)

    def join(self, follower: Follower[R], consumer: PageConsumer) -> bool:
        """Take somebody in who is where the group is, if his connection takes pages now."""
        member = Member(self, follower, consumer)
        road = consumer.join(member)
        if road is None:
            return False
        self._roads[member] = road
        self._writes = None
        follower.member = member
        return True

    def part(self, member: Member[R]) -> None:
        """He goes on by himself."""
        if self._roads.pop(member, None) is not None:
            self._writes = None
            member.follower.member = None
            member.follower.cursor = self.cursor
            self._left(member.follower, self)

    def dissolve(self) -> None:
        """Everybody goes on by himself."""
        for member in tuple(self._roads):
            member.leave()

    @property
    def any_follower(self) -> Follower[R]:
        """One of them: as far as it matters here they are all alike."""
        return next(iter(self._roads)).follower

    def tell(self, pages: Sequence[Told], reached: int) -> None:
        """Write pages to all, as long as they stay; all records up to ``reached`` are told with them."""
        if pages:
            for before in self._befores if self._writes is not None else self._gather():
                before()
        for last, deliveries in pages:
            if not self._roads:
                return
            self._write(next(iter(self._roads)), last, deliveries)
        self.cursor = reached

    def _write(self, model: Member[R], last: int, deliveries: list[Delivery]) -> None:
        page = model.consumer.page(self.name, deliveries)
        if self._writes is None:
            self._gather()
        # Who leaves from here on has been sent this page, or is about to be.
        writes = self._writes or ()
        self.cursor = last
        self.octets += len(page)
        model.follower.count_told(len(writes) * len(deliveries))
        left = iter(writes)
        while True:
            try:
                for write in left:
                    write(page)
            except Exception as failure:  # noqa: BLE001 - one connection's: the others are written to all the same
                _log.warning("a page could not be written: %s", failure)
            else:
                return

    def _gather(self) -> tuple[Callable[[], object], ...]:
        """Somebody has come or gone."""
        self._writes = tuple(road.write for road in self._roads.values())
        self._befores = tuple({road.before: None for road in self._roads.values()})
        return self._befores
