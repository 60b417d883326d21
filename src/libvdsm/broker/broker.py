"""Subscriptions to events: each a cursor and a filter over the one shared journal."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import msgspec

from libvdsm.broker.coalescing import Changes, Filter, Merger
from libvdsm.broker.following import Follower, Following
from libvdsm.broker.reading import TURN, Gap, Reading, place, token
from libvdsm.broker.topics import matcher
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller, PageSink, Sink
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, NeedsConnection, ObjectNotFound
from libvdsm.interfaces.generated.types import EventFilter, EventReadParams, EventSubscribeParams, EventUnsubscribeParams
from libvdsm.interfaces.journal import Entry, Journal

_encode = msgspec.json.Encoder().encode
#: A page of so many octets is sent without a look at the bound of each connection before its end.
_SHORT_OCTETS = 32 * 1024
#: So many ways of sending a page are kept while it goes round.
_MOST_MADE = 64


#: Counts one more subscription of a caller, and answers how its end is told; raises ``LimitExceeded``.
Quota: TypeAlias = Callable[[Caller], Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An object for a snapshot: its topic, what makes it visible, and the encoded ``Event`` that shows it."""

    topic: str
    type: str
    id: str
    project: str  # empty: it belongs to none
    revision: int  # of the document that is shown: the number of the last record that it tells
    event: bytes


class Snapshots(Protocol):
    """Who can show all objects as they are now."""

    def shown(self, sequence: int) -> Iterable[Shown]:
        """Every object, as an event of ``sequence``."""
        ...


class Window:
    """The records that were on their way to the disk when a snapshot was made: what is shown tells of most of them already."""

    __slots__ = ("_revisions", "_until")

    def __init__(self, until: int, revisions: dict[tuple[str, str], int]) -> None:
        """``until`` is the last of them; ``revisions`` has what was shown, by type and id."""
        self._until = until
        self._revisions = revisions

    def is_over(self, sequence: int) -> bool:
        """Whether none of them follows this one."""
        return sequence >= self._until

    def is_told(self, record: Entry) -> bool:
        """Whether the snapshot tells of a record: by a document that is not older, or by none where an object is gone."""
        if record.sequence > self._until:
            return False
        revision = self._revisions.get((record.type, record.id))
        return revision is None or record.sequence <= revision


class EventFollower(Follower[Entry]):
    """One caller who follows events, whatever carries them to him."""

    __slots__ = ("_before", "caller", "filter", "fits", "merger", "pending", "source", "view", "visibility", "window")

    def __init__(self, source: Broker, caller: Caller, fits: Callable[[str], bool], cursor: int, gap: Gap | None) -> None:
        super().__init__(cursor, gap)
        self.source = source
        self.caller = caller
        self.fits = fits
        self.visibility = source.visibility
        self.view = self.visibility.view(caller)
        self.filter: Filter | None = None
        self.merger: Merger | None = None
        #: What is due before any record, with the object of a snapshot or the last record of merged changes, and with its token's number.
        self.pending: deque[tuple[Shown | Entry, bytes, int]] = deque()
        self.window: Window | None = None  # after a snapshot
        self._before = cursor

    @abstractmethod
    def tell_event(self, event: bytes, sequence: int) -> None:
        """Deliver an encoded event that is told to nobody else, with the token of ``sequence``."""

    @abstractmethod
    def tell_entry(self, entry: Entry) -> None:
        """Deliver a record."""

    def rekey(self) -> None:
        """Say which class it is of, after anything about it has changed."""
        is_plain = self.filter is None and self.merger is None and self.window is None and not self.pending and self.is_uncounted()
        self.classify((type(self), self.view, self.fits) if is_plain else None)

    def is_uncounted(self) -> bool:
        """Whether it may be told any number of records at a time."""
        return True

    def see_anew(self) -> None:
        """The caller's rights have changed: so has what he sees. Whoever made this calls it."""
        self.view = self.visibility.view(self.caller)
        self.rekey()

    def end(self) -> None:
        """Nobody listens any more."""
        self.pending.clear()

    # --- Follower ---

    def wants(self, record: Entry) -> bool:
        """See ``Follower``."""
        view = self.view
        return (record.type in view.whole or view.sees(record)) and self.fits(record.topic)

    def tell(self, record: Entry) -> bool:
        """See ``Follower``."""
        if self.window is not None and self._was_shown(self.window, record):
            return False
        view = self.view
        if not ((record.type in view.whole or view.sees(record)) and self.fits(record.topic)):
            return False
        if self.filter is not None and not self.filter.fits(record):
            return False
        if self.merger is not None:
            if not self.merger.count:
                self._before = record.sequence - 1
            self.merger.add(record)
            return False
        self.tell_entry(record)
        return True

    def _was_shown(self, window: Window, record: Entry) -> bool:
        if window.is_over(record.sequence):
            self.window = None
            self.rekey()
        return window.is_told(record)

    def tell_waiting(self) -> bool:
        """See ``Follower``."""
        if not self.pending:
            self.rekey()
            return False
        about, event, resume = self.pending.popleft()
        if self._sees(about):  # rights may have changed since it was gathered
            self.tell_event(event, resume)
        return True

    def _sees(self, about: Shown | Entry) -> bool:
        view = self.view
        if isinstance(about, Entry):
            return about.type in view.whole or view.sees(about)
        return view.sees_object(about.type, about.id, about.project)

    def has_gathered(self) -> int:
        """See ``Follower``."""
        return 0 if self.merger is None else self.merger.count

    def has_waiting(self) -> bool:
        """See ``Follower``."""
        return bool(self.pending)

    def gather(self) -> None:
        """All but the last resume from before the first: who has a part of them has nothing for sure."""
        if self.merger is None or not self.merger.count:
            return
        merged = self.merger.take()
        self.pending.extend((last, event, self._before) for last, event in merged[:-1])
        self.pending.append((*merged[-1], self.cursor))


class _Page(list[tuple[int, bytes]]):
    """What a class is told: each record's number and what its deliveries have in common; and what sinks send for all of it."""

    __slots__ = ("is_short", "made")

    def __init__(self, records: Iterable[tuple[int, bytes]]) -> None:
        super().__init__(records)
        self.is_short = sum(len(rest) for _, rest in self) <= _SHORT_OCTETS
        self.made: dict[tuple[type[Sink], bytes], bytes] = {}  # by the kind of sink, and how its deliveries begin


class _Subscription(EventFollower):
    """One ``Event.subscribe``, on a connection that takes encoded deliveries."""

    __slots__ = ("_key", "_pages", "_renew", "give_back", "head", "id", "sink")

    def __init__(
        self, source: Broker, caller: Caller, fits: Callable[[str], bool], cursor: int, gap: Gap | None, *, id: str, sink: Sink
    ) -> None:
        super().__init__(source, caller, fits, cursor, gap)
        self.id = id
        self.sink = sink
        self.head = b'{"subscriptionId":' + _encode(id) + b',"resume":"'
        self._pages = sink if isinstance(sink, PageSink) else None
        self._key = (type(sink), self.head)
        self.give_back: Callable[[], None] | None = None
        self._renew = self.see_anew
        caller.on_change.append(self._renew)

    def end(self) -> None:
        if self._renew in self.caller.on_change:
            self.caller.on_change.remove(self._renew)
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()
        super().end()

    def is_full(self) -> bool:
        return self.sink.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        self.sink.when_drained(resume)

    def tell_entry(self, entry: Entry) -> None:
        self.sink.deliver(self.head + self.source.rest(entry))

    def prepare(self, records: Sequence[Entry]) -> _Page:
        return _Page((record.sequence, self.source.rest(record)) for record in records if self.wants(record))

    def tell_prepared(self, prepared: _Page) -> bool:  # type: ignore[override]  # its class is told what it has prepared
        if self._pages is not None and prepared.is_short:
            return self._tell_page(self._pages, prepared)
        head, sink = self.head, self.sink
        deliver, is_full = sink.deliver, sink.is_full
        for sequence, rest in prepared:
            deliver(head + rest)
            if is_full():
                self.cursor = sequence
                return False
        return True

    def _tell_page(self, sink: PageSink, prepared: _Page) -> bool:
        page = prepared.made.get(self._key)
        if page is None:
            head = self.head
            page = sink.page(head + rest for _, rest in prepared)
            if len(prepared.made) < _MOST_MADE:  # else most have a name of their own, and there is nothing to share
                prepared.made[self._key] = page
        sink.deliver_page(page, len(prepared))
        if sink.is_full():
            self.cursor = prepared[-1][0]
            return False
        return True

    def tell_event(self, event: bytes, sequence: int) -> None:
        self.sink.deliver(self.head + self.source.token(sequence) + b'","event":' + event + b"}")

    def tell_gap(self, gap: Gap) -> None:
        self.sink.deliver(self.head + self.source.token(self.cursor) + b'","gap":' + gap.encode() + b"}")


class Broker:
    """Delivers records to subscriptions and to readers that wait.

    Nothing is delivered within a call: all deliveries follow by ``schedule`` (the loop's ``call_soon``), so the
    answer to a subscription goes out before its first event.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        visibility: Visibility,
        snapshots: Snapshots,
        schedule: Callable[[Callable[[], None]], object],
        later: Callable[[float, Callable[[], None]], object] | None = None,
        quota: Quota | None = None,
        most_per_connection: int = 100,
    ) -> None:
        """``later``: the loop's ``call_later``; without it changes are never merged. ``quota`` counts those of ``Event.subscribe``."""
        self._quota = quota
        self.visibility = visibility
        self._journal = journal
        self._snapshots = snapshots
        self._following: Following[Entry] = Following(journal, schedule, later)
        self._changes = Changes()
        self._most = most_per_connection
        self._by_sink: dict[Sink, dict[str, _Subscription]] = {}
        self._rests: dict[int, bytes] = {}  # by sequence, of the records that go round
        self._readers: set[asyncio.Event] = set()
        journal.listen(self._committed)

    # --- the verbs ---

    def event_subscribe(self, caller: Caller, params: EventSubscribeParams) -> bytes:
        """Begin a subscription on the caller's connection."""
        if caller.sink is None:
            raise NeedsConnection(method="Event.subscribe")
        give_back = None if self._quota is None else self._quota(caller)
        try:
            return self.subscribe(
                caller,
                caller.sink,
                params.topics,
                after=params.after,
                snapshot=params.snapshot,
                subscription_id=params.subscription_id,
                filter=params.filter,
                coalesce_s=params.coalesce,
                give_back=give_back,
            )
        except BaseException:
            if give_back is not None:
                give_back()
            raise

    def subscribe(
        self,
        caller: Caller,
        sink: Sink,
        topics: Sequence[str],
        *,
        after: str | None,
        snapshot: bool,
        subscription_id: str | None,
        filter: EventFilter | None = None,
        coalesce_s: float = 0.0,
        give_back: Callable[[], None] | None = None,
    ) -> bytes:
        """See ``Bridge.subscribe``. ``give_back`` is called when it ends."""
        mine = self._by_sink.get(sink, {})
        if len(mine) >= self._most:
            raise LimitExceeded(limit="subscriptions of a connection", maximum=self._most)
        id = subscription_id if subscription_id is not None else _free_id(mine)
        if id in mine:
            raise AlreadyExists(type="subscription", id=id)
        fits = matcher(topics)
        cursor, gap = self.begin(after, snapshot=snapshot)
        made = _Subscription(self, caller, fits, cursor, gap, id=id, sink=sink)
        made.give_back = give_back
        self.follow(made, snapshot=snapshot, filter=filter, coalesce_s=coalesce_s)
        self._by_sink.setdefault(sink, mine)[id] = made
        return b'{"subscriptionId":' + _encode(id) + b',"resume":"' + self.token(0 if snapshot else cursor) + b'"}'

    def event_unsubscribe(self, caller: Caller, params: EventUnsubscribeParams) -> bytes:
        """End a subscription of the caller's connection; nothing of it is delivered after the answer."""
        if caller.sink is None:
            raise NeedsConnection(method="Event.unsubscribe")
        mine = self._by_sink.get(caller.sink, {})
        ended = mine.pop(params.subscription_id, None)
        if ended is None:
            raise ObjectNotFound(type="subscription", id=params.subscription_id)
        self.leave(ended)
        if not mine:
            self._by_sink.pop(caller.sink, None)
        return b"{}"

    def event_read(self, caller: Caller, params: EventReadParams) -> bytes | Awaitable[bytes]:
        """Events after a token, or after the present; waits for the first when asked to."""
        fits, view = matcher(params.topics), self.visibility.view
        wanted = None if params.filter is None else Filter(params.filter, self._changes)

        def shows(entry: Entry) -> bool:
            return view(caller).sees(entry) and fits(entry.topic) and (wanted is None or wanted.fits(entry))

        reading = Reading(self._journal, params.after, shows, params.limit)
        if not reading.is_near:
            return self._read_far(reading, params.timeout)
        reading.collect_near()
        if reading.has_news or params.timeout == 0:
            return reading.page()
        return self._read_later(reading, params.timeout)

    def release(self, sink: Sink) -> None:
        """The connection is gone: so are its subscriptions."""
        for ended in self._by_sink.pop(sink, {}).values():
            self.leave(ended)

    def subscriptions(self) -> int:
        """How many there are."""
        return sum(map(len, self._by_sink.values()))

    def behind(self, sink: Sink) -> tuple[int, int]:
        """How many subscriptions a connection has, and by how many records the slowest is behind."""
        mine = self._by_sink.get(sink, {})
        return len(mine), max((self._journal.last - each.reached for each in mine.values()), default=0)

    # --- following, for whoever carries events ---

    @property
    def last(self) -> int:
        """The newest record's number."""
        return self._journal.last

    def begin(self, after: str | None, *, snapshot: bool) -> tuple[int, Gap | None]:
        """Where a follower begins, always behind what is committed; raises ``InvalidParams``."""
        if after is not None and snapshot:
            raise InvalidParams(path="$.snapshot", reason="a subscription either resumes after a token or begins with a snapshot")
        return place(self._journal, after)

    def follow(
        self, follower: EventFollower, *, snapshot: bool = False, filter: EventFilter | None = None, coalesce_s: float = 0.0
    ) -> None:
        """Tell it what there is, if it wants to know, and what happens from then on."""
        if filter is not None:
            follower.filter = Filter(filter, self._changes)
        if coalesce_s:
            follower.merger, follower.linger_s = Merger(self._changes), coalesce_s
        if snapshot:
            self._fill_snapshot(follower)
        follower.rekey()
        self._following.add(follower)

    def leave(self, follower: EventFollower) -> None:
        """Tell it nothing more."""
        self._following.remove(follower)
        follower.end()

    def wake(self, follower: EventFollower) -> None:
        """It may have caught up: it wants to hear of that."""
        if not follower.is_ended and not follower.is_waiting:
            self._following.add(follower)

    def token(self, sequence: int) -> bytes:
        """The resume token after a record."""
        return token(self._journal, sequence)

    def rest(self, entry: Entry) -> bytes:
        """What all deliveries of a record have in common, made once while it goes round."""
        rest = self._rests.get(entry.sequence)
        if rest is None:
            if len(self._rests) >= 2 * TURN:
                self._rests.clear()
            rest = self._rests[entry.sequence] = self.token(entry.sequence) + b'","event":' + entry.data + b"}"
        return rest

    # --- reading ---

    async def _read_far(self, reading: Reading, timeout_s: float) -> bytes:
        await reading.collect()
        return reading.page() if reading.has_news or timeout_s == 0 else await self._read_later(reading, timeout_s)

    async def _read_later(self, reading: Reading, timeout_s: float) -> bytes:
        news = asyncio.Event()
        self._readers.add(news)
        try:
            async with asyncio.timeout(timeout_s):
                while not reading.has_news:
                    await news.wait()
                    news.clear()
                    await reading.collect()
        except TimeoutError:
            pass
        finally:
            self._readers.discard(news)
        return reading.page()

    # --- delivering ---

    def _fill_snapshot(self, made: EventFollower) -> None:
        """All but the last of a snapshot resume from the beginning: half a snapshot is none.

        What is shown includes most of what is not committed yet, but not all: the end of a task is not told until it is on disk.
        So whoever follows begins behind what is committed, and is not told of what he was shown. Who resumes after the last of a
        snapshot hears of what was under way a second time: after a crash other records may have those numbers.
        """
        sees, wanted = made.view.sees_object, made.filter
        shown = [
            s
            for s in self._snapshots.shown(made.cursor)
            if sees(s.type, s.id, s.project) and made.fits(s.topic) and (wanted is None or wanted.shows(s.type, s.id, s.project))
        ]
        made.pending.extend((each, each.event, 0) for each in shown[:-1])
        made.pending.extend((each, each.event, made.cursor) for each in shown[-1:])
        newest = self._journal.next_sequence() - 1
        if newest > made.cursor:
            made.window = Window(newest, {(each.type, each.id): each.revision for each in shown})

    def _committed(self) -> None:
        for reader in self._readers:
            reader.set()
        self._following.wake()


def _free_id(taken: Collection[str]) -> str:
    return next(id for id in (f"s{number}" for number in range(1, len(taken) + 2)) if id not in taken)
