"""Following: each follower is a cursor over a ring that all share, so that a slow one costs nobody anything.

Followers that want and see the same are a class: what they are told of a page of records is made once for all of them.
A follower that is full, waits for the disk or lets changes gather is not looked at until that is over. Those of a class
that send the same octets as well are a group (``groups``) once they have caught up: then nobody looks at them at all.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from libvdsm.base.errors import ApiError
from libvdsm.broker.groups import Group, Member, Told
from libvdsm.broker.reading import TURN, Gap

if TYPE_CHECKING:
    from libvdsm.interfaces.pages import Pages

_log = logging.getLogger(__name__)

#: Records that are gathered by one follower before they are told, however long it lets them gather.
MOST_GATHERED: Final = 4096


class Numbered(Protocol):
    """What a ring holds."""

    @property
    def sequence(self) -> int:
        """Its number; the next one has the next number."""
        ...


R = TypeVar("R", bound=Numbered)
R_co = TypeVar("R_co", bound=Numbered, covariant=True)


class Ring(Protocol[R_co]):
    """What is followed; see ``interfaces.journal.Journal``."""

    @property
    def first(self) -> int:
        """The oldest number that can still be had."""
        ...

    @property
    def held(self) -> int:
        """The oldest number that ``read`` gives."""
        ...

    @property
    def last(self) -> int:
        """The newest number."""
        ...

    def read(self, after: int, limit: int) -> Sequence[R_co]:
        """What has a greater number, from ``held`` on, the oldest first."""
        ...

    def fetch(self, after: int, limit: int) -> Awaitable[Sequence[R_co]]:
        """The same, from ``first`` on."""
        ...


class Follower(ABC, Generic[R]):
    """One cursor. What it makes of records is its own."""

    __slots__ = ("cursor", "fetched", "gap", "has_told", "is_ended", "is_waiting", "kind", "linger_s", "member", "page_consumer")

    def __init__(self, cursor: int, gap: Gap | None) -> None:
        self.cursor = cursor
        self.gap = gap
        self.fetched: deque[R] = deque()  # from the disk, what follows the cursor
        self.is_waiting = False  # for its sink to drain, for the disk, or for more to gather
        self.is_ended = False
        self.linger_s = 0.0  # how long changes may gather
        #: Its class, while it wants nothing but what all of that class do; else None.
        self.kind: Hashable | None = None
        self.has_told = False  # what has gathered: now more may gather
        self.page_consumer: Pages | None = None  # if it can be told with others
        self.member: Member[R] | None = None  # while it is: then the cursor that counts is the group's

    @property
    def reached(self) -> int:
        """The number of the last record that it was told, or that it does not want."""
        return self.cursor if self.member is None else self.member.group.cursor

    def classify(self, kind: Hashable | None) -> None:
        """It is of this class from now on."""
        self.kind = kind
        if self.member is not None and self.member.group.kind != kind:
            self.member.leave()

    @abstractmethod
    def is_full(self) -> bool:
        """Whether nothing more can be told now; then ``when_drained`` is called."""

    @abstractmethod
    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when there is room again."""

    @abstractmethod
    def tell(self, record: R) -> bool:
        """Tell of a record, if it is wanted; whether it was."""

    @abstractmethod
    def tell_gap(self, gap: Gap) -> None:
        """Tell that records before those that follow can no longer be had."""

    def prepare(self, records: Sequence[R]) -> Sequence[Any]:
        """What its class is to be told of a page."""
        return [record for record in records if self.wants(record)]

    def wants(self, record: R) -> bool:
        """Whether its class is told of a record."""
        raise NotImplementedError

    def tell_prepared(self, prepared: Sequence[Any]) -> bool:
        """Tell it all; False, with the cursor behind what was told, when it is full before the end."""
        raise NotImplementedError

    def deliveries(self, records: Sequence[R]) -> Sequence[Told]:
        """What its class is to be told of a page, in pages for groups."""
        raise NotImplementedError

    def count_told(self, count: int) -> None:
        """So many deliveries were made to its group."""

    def tell_waiting(self) -> bool:
        """Tell one thing that is due before any record; False: there is none."""
        return False

    def gather(self) -> None:
        """All that there is was told of for now, or as much as may gather."""

    def has_gathered(self) -> int:
        """How many records gather."""
        return 0

    def has_waiting(self) -> bool:
        """Whether something is due before any record, and before a gap that follows it."""
        return False

    def caught_up(self) -> None:
        """There is nothing more to tell."""


class Following(Generic[R]):
    """Delivers what is new in a ring to its followers; nothing is delivered within a call, but by ``schedule``."""

    def __init__(
        self,
        ring: Ring[R],
        schedule: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """``schedule`` and ``later``: the loop's ``call_soon`` and ``call_later``; without the latter nothing gathers."""
        self._ring = ring
        self._schedule = schedule
        self._later = later
        self._active: dict[Follower[R], None] = {}
        self._groups: dict[tuple[Hashable, Hashable], Group[R]] = {}
        self._is_scheduled = False
        self._fetching: set[asyncio.Task[None]] = set()
        self._page_at = -1
        self._page_end = -1
        self._page: Sequence[R] = ()
        self._page_last = -1  # of a page without a hole; -1 of any other
        self._prepared: dict[Hashable, Sequence[Any]] = {}  # of the page, by class
        self._told: dict[Hashable, Sequence[Told]] = {}  # the same, for groups

    def add(self, follower: Follower[R]) -> None:
        """Tell it what follows its cursor."""
        if follower.member is None:
            self._active[follower] = None
        self.wake()

    def remove(self, follower: Follower[R]) -> None:
        """Tell it nothing more."""
        follower.is_ended = True
        if follower.member is not None:
            follower.member.leave()
        self._active.pop(follower, None)

    def wake(self) -> None:
        """There is something new."""
        if not self._is_scheduled and (self._active or self._groups):
            self._is_scheduled = True
            self._schedule(self._deliver_all)

    def _deliver_all(self) -> None:
        self._is_scheduled = False
        is_behind = False
        for group in tuple(self._groups.values()):
            is_behind |= self._deliver_group(group)
        for follower in list(self._active):
            if follower.is_ended:
                continue
            if follower.kind is not None and follower.cursor == self._page_at and self._page_last >= 0:
                is_behind |= self._deliver_page(follower, follower.kind)
            else:
                is_behind |= self._deliver(follower)
            if follower.page_consumer is not None and follower.kind is not None:
                self._join(follower, follower.kind, follower.page_consumer)
        self._page_at, self._page, self._page_last = -1, (), -1
        self._prepared.clear()
        self._told.clear()
        if is_behind:
            self.wake()

    # --- groups ---

    def _deliver_group(self, group: Group[R]) -> bool:
        """One turn for all of a group; whether more waits."""
        ring = self._ring
        if group.cursor >= ring.last or not group.size:
            return False
        if group.cursor + 1 >= ring.held:
            page = self._read(group.cursor)
            if self._page_last >= 0:
                told = self._told.get(group.kind)
                if told is None:
                    told = self._told[group.kind] = group.deliveries(page)
                group.tell(told, self._page_last)
                return group.cursor < self._page_end
        group.dissolve()  # what they missed, each is told by himself
        return False

    def _join(self, follower: Follower[R], kind: Hashable, consumer: Pages) -> None:
        """Have it told with others, if it has caught up and is like them."""
        if follower.is_waiting or follower.is_ended or follower.cursor != self._ring.last or follower.fetched or follower.gap is not None:
            return
        key = consumer.page_key()
        if key is None:
            return
        family, part = key
        group = self._groups.get((kind, family))
        if group is None:
            group = Group((kind, family), follower.cursor, self._left)
        if group.cursor == follower.cursor and group.join(follower, consumer, part):
            self._groups[group.key] = group
            self._active.pop(follower, None)

    def _left(self, follower: Follower[R], group: Group[R]) -> None:
        """It goes on by itself."""
        if not group.size:
            self._groups.pop(group.key, None)
        if not follower.is_ended:
            self._active[follower] = None
            self.wake()

    # --- followers ---

    def _deliver_page(self, follower: Follower[R], kind: Hashable) -> bool:
        """The same for one who is where another has just been."""
        if follower.fetched or follower.gap is not None:
            return self._deliver(follower)
        prepared = self._prepared.get(kind)
        if prepared is None:
            prepared = self._prepared[kind] = follower.prepare(self._page)
        if prepared:
            if follower.is_full() or not follower.tell_prepared(prepared):
                self._wait_for_room(follower)
                return False
            if follower.is_ended:
                return False
        follower.cursor = last = self._page_last
        return last < self._page_end

    def _deliver(self, follower: Follower[R]) -> bool:
        """One turn for one follower; whether more waits that could be delivered now."""
        for _ in range(TURN):
            if follower.is_full():
                self._wait_for_room(follower)
                return False
            if not follower.tell_waiting():
                break
        else:
            return True
        is_behind = self._deliver_records(follower)
        if follower.linger_s and not follower.is_waiting and (not is_behind or follower.has_gathered() >= MOST_GATHERED):
            if follower.has_gathered():
                follower.has_told = True
                follower.gather()
                return True
            if follower.has_told and self._later is not None:
                follower.has_told = False
                self._pause(follower)
                return False
        if not is_behind and not follower.is_waiting:
            follower.caught_up()
        return is_behind

    def _deliver_records(self, follower: Follower[R]) -> bool:
        ring, fetched = self._ring, follower.fetched
        if not fetched:
            self._skip_to(follower, ring.first)
        if not self._deliver_gap(follower):
            return True
        if not fetched and follower.cursor + 1 < ring.held:
            self._begin_to_fetch(follower)
            return False
        records = fetched or self._read(follower.cursor)
        follower.fetched = deque()
        tell = follower.tell
        cursor = follower.cursor
        for number, record in enumerate(records, 1):
            if record.sequence != cursor + 1:
                self._skip_to(follower, record.sequence)
                if not self._deliver_gap(follower):
                    follower.fetched = deque(islice(fetched, number - 1, None))
                    return True
            follower.cursor = cursor = record.sequence
            if tell(record) and follower.is_full():
                follower.fetched = deque(islice(fetched, number, None))
                if not follower.is_ended:
                    self._wait_for_room(follower)
                return False
        return cursor < ring.last

    def _read(self, cursor: int) -> Sequence[R]:
        """The next records; in one turn most followers are at the same place."""
        if cursor != self._page_at or self._page_end != self._ring.last:
            page = self._ring.read(cursor, TURN)
            self._page_at, self._page_end, self._page = cursor, self._ring.last, page
            self._page_last = page[-1].sequence if page and page[-1].sequence == cursor + len(page) else -1
            self._prepared.clear()
            self._told.clear()
        return self._page

    def _skip_to(self, follower: Follower[R], sequence: int) -> None:
        """Go on with ``sequence``; what lies between can no longer be had. What has gathered is from before that, and so is its token."""
        missed = sequence - 1 - follower.cursor
        if missed > 0:
            follower.gather()
            follower.gap, follower.cursor = Gap("trimmed", missed).behind(follower.gap), sequence - 1

    def _deliver_gap(self, follower: Follower[R]) -> bool:
        """Tell of a gap, if there is one; False: what came before it is to be told first."""
        if follower.gap is not None:
            if follower.has_waiting():
                return False
            gap, follower.gap = follower.gap, None
            follower.tell_gap(gap)
        return True

    def _begin_to_fetch(self, follower: Follower[R]) -> None:
        self._stop(follower)
        fetching = asyncio.ensure_future(self._fetch(follower))
        self._fetching.add(fetching)
        fetching.add_done_callback(self._fetching.discard)

    async def _fetch(self, follower: Follower[R]) -> None:
        """Have the next records from the disk; others go on meanwhile, this one does not."""
        try:
            follower.fetched.extend(await self._ring.fetch(follower.cursor, TURN))
        except ApiError as failure:
            _log.warning("records after %d cannot be read: %s", follower.cursor, failure)
        if not follower.fetched:
            self._skip_to(follower, self._ring.held)
        self._go_on(follower)

    def _wait_for_room(self, follower: Follower[R]) -> None:
        self._stop(follower)
        follower.when_drained(lambda: self._go_on(follower))

    def _pause(self, follower: Follower[R]) -> None:
        self._stop(follower)
        if self._later is not None:
            self._later(follower.linger_s, lambda: self._go_on(follower))

    def _stop(self, follower: Follower[R]) -> None:
        if not follower.is_ended:
            follower.is_waiting = True
        self._active.pop(follower, None)

    def _go_on(self, follower: Follower[R]) -> None:
        if follower.is_waiting and not follower.is_ended:
            follower.is_waiting = False
            self._active[follower] = None
            self.wake()
