"""Groups: followers that want the same and have come equally far are told together, if they are sent nearly the same.

What their frames have in common is made once for all of them, and a page once for all those whose frames begin alike (a choir);
it is written to each by a plain loop. Whatever makes one of them differ ends its membership (``interfaces.pages``): it goes on
by itself from the group's cursor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from libvdsm.broker.following import Follower, Numbered
    from libvdsm.interfaces.messaging import Delivery
    from libvdsm.interfaces.pages import Pages, Road, Writer

_log = logging.getLogger(__name__)

#: Octets of bodies behind which a page ends: whoever is full by then gets no other.
PAGE_OCTETS: Final = 64 * 1024
_NAME_OCTETS: Final = 8

R = TypeVar("R", bound="Numbered")

#: A page before it is encoded: the number of the last record that it tells of, and the deliveries.
Told: TypeAlias = "tuple[int, list[Delivery]]"
#: What a follower wants, and how its frames are made.
Key: TypeAlias = tuple[Hashable, Hashable]


def divide(deliveries: list[Delivery]) -> list[Told]:
    """Pages of deliveries whose tags are the numbers of their records."""
    if len(deliveries) == 1:
        return [(deliveries[0].tag, deliveries)]
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

    __slots__ = ("_before", "_octets", "choir", "consumer", "follower", "group")

    def __init__(self, group: Group[R], choir: _Choir[R], follower: Follower[R], consumer: Pages) -> None:
        self.group = group
        self.choir = choir
        self.follower = follower
        self.consumer = consumer
        self._before = choir.octets
        self._octets: int | None = None

    @property
    def octets(self) -> int:
        """See ``Membership``."""
        return self.choir.octets - self._before if self._octets is None else self._octets

    def leave(self) -> None:
        """See ``Membership``."""
        if self._octets is None:
            self._octets = self.octets
            self.group.part(self)
            self.consumer.part(self)


class _Choir(Generic[R]):
    """Those whose frames begin alike."""

    __slots__ = ("head", "octets", "roads")

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.octets = 0  # that were written to each who has always been here
        self.roads: dict[Member[R], Road] = {}


class _Plan(Generic[R]):
    """Whither a page is written: whoever leaves while that goes on has been sent it, or is about to be."""

    __slots__ = ("befores", "model", "ways")

    def __init__(self, choirs: Sequence[_Choir[R]]) -> None:
        self.model = next(iter(choirs[0].roads))  # as far as it matters here they are all alike
        self.befores = tuple({road.before: None for choir in choirs for road in choir.roads.values()})
        self.ways = tuple((choir, tuple(road.writer for road in choir.roads.values())) for choir in choirs)


class Group(Generic[R]):
    """Those who are told together."""

    __slots__ = ("_choirs", "_left", "_plan", "cursor", "key", "kind", "size")

    def __init__(self, key: Key, cursor: int, left: Callable[[Follower[R], Group[R]], None]) -> None:
        """``left`` is told who goes on by himself."""
        self.key = key
        self.kind = key[0]
        self.cursor = cursor
        self.size = 0
        self._left = left
        self._choirs: dict[Hashable, _Choir[R]] = {}
        self._plan: _Plan[R] | None = None

    def join(self, follower: Follower[R], consumer: Pages, part: Hashable) -> bool:
        """Take somebody in who is where the group is, if his connection takes pages now; those of one ``part`` begin alike."""
        choir = self._choirs.get(part)
        if choir is None:
            choir = _Choir(consumer.page_head(token_hex(_NAME_OCTETS)))
        member = Member(self, choir, follower, consumer)
        road = consumer.join(member)
        if road is None:
            return False
        self._choirs[part] = choir
        choir.roads[member] = road
        self._plan = None
        self.size += 1
        follower.member = member
        return True

    def part(self, member: Member[R]) -> None:
        """He goes on by himself."""
        if member.choir.roads.pop(member, None) is not None:
            self._plan = None
            self.size -= 1
            member.follower.member = None
            member.follower.cursor = self.cursor
            self._left(member.follower, self)

    def dissolve(self) -> None:
        """Everybody goes on by himself."""
        for member in [each for choir in self._choirs.values() for each in choir.roads]:
            member.leave()

    def deliveries(self, records: Sequence[R]) -> Sequence[Told]:
        """What all of its kind are told of records, in pages."""
        return self._planned().model.follower.deliveries(records)

    def tell(self, pages: Sequence[Told], reached: int) -> None:
        """Write pages to all, as long as they stay; all records up to ``reached`` are told with them."""
        if pages:
            for before in self._planned().befores:
                before()
        for last, deliveries in pages:
            if not self.size:
                return
            self._tell_page(last, deliveries)
        self.cursor = reached

    def _tell_page(self, last: int, deliveries: list[Delivery]) -> None:
        plan = self._planned()
        consumer = plan.model.consumer
        rests, make = consumer.page_rests(deliveries), consumer.page
        self.cursor = last
        plan.model.follower.count_told(self.size * len(deliveries))
        for choir, writers in plan.ways:
            page = make(choir.head, rests)
            choir.octets += len(page)
            left = iter(writers)
            try:
                for writer in left:
                    writer.write(page)
            except Exception as failure:  # noqa: BLE001 - one connection's: the others are written to all the same
                _go_on(left, page, failure)

    def _planned(self) -> _Plan[R]:
        """The plan, made anew when somebody has come or gone; there is somebody."""
        if self._plan is None:
            self._choirs = {part: choir for part, choir in self._choirs.items() if choir.roads}
            self._plan = _Plan(tuple(self._choirs.values()))
        return self._plan


def _go_on(left: Iterator[Writer], page: bytes, failure: Exception) -> None:
    """A page could not be written to somebody: write it to those behind him."""
    _log.warning("a page could not be written: %s", failure)
    for writer in left:
        try:
            writer.write(page)
        except Exception as other:  # noqa: BLE001 - likewise
            _log.warning("a page could not be written: %s", other)
