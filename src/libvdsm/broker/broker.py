"""Subscriptions to events: each a cursor and a filter over the one shared journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeAlias

import msgspec

from libvdsm.broker.coalescing import Changes, Filter, Merger
from libvdsm.broker.event_follower import EventFollower
from libvdsm.broker.following import Following
from libvdsm.broker.reading import TURN, Claim, Gap, Reading, claimed_place, token
from libvdsm.broker.snapshots import Known, Shown, Snapshots, Window
from libvdsm.broker.subscription import Subscription
from libvdsm.broker.topics import matcher
from libvdsm.broker.transitions import Transitions
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, NeedsConnection, ObjectNotFound
from libvdsm.interfaces.generated.types import EventFilter, EventReadParams, EventSubscribeParams, EventUnsubscribeParams
from libvdsm.interfaces.journal import Entry, Journal

_encode = msgspec.json.Encoder().encode


#: Counts one more subscription of a caller, and answers how its end is told; raises ``LimitExceeded``.
Quota: TypeAlias = Callable[[Caller], Callable[[], None]]


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
        self.changes = Changes()
        self.transitions = Transitions(journal, snapshots, schedule, self.wake)
        self._most = most_per_connection
        self._by_sink: dict[Sink, dict[str, Subscription]] = {}
        self._followers = 0
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
        made = Subscription(self, caller, fits, cursor, gap, id=id, sink=sink)
        made.give_back = give_back
        self.follow(made, snapshot=snapshot, filter=filter, coalesce_s=coalesce_s)
        self._by_sink.setdefault(sink, mine)[id] = made
        return b'{"subscriptionId":' + _encode(id) + b',"resume":"' + made.first_token(0 if snapshot else made.cursor) + b'"}'

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
        wanted = None if params.filter is None else Filter(params.filter, self.changes)

        def shows(entry: Entry) -> bool:
            return view(caller).sees(entry) and fits(entry.topic) and (wanted is None or wanted.fits(entry))

        reading = Reading(self._journal, params.after, shows, params.limit, view(caller).mark)
        if not reading.is_near:
            return self._read_far(caller, reading, params.timeout)
        reading.collect_near()
        if reading.has_news or params.timeout == 0:
            return reading.page()
        return self._read_later(caller, reading, params.timeout)

    def release(self, sink: Sink) -> None:
        """The connection is gone: so are its subscriptions."""
        for ended in self._by_sink.pop(sink, {}).values():
            self.leave(ended)

    def subscriptions(self) -> int:
        """How many there are, over whatever protocol."""
        return self._followers

    def slowest(self) -> int:
        """By how many records the slowest of them is behind."""
        last = self._journal.last
        return max((last - each.reached for mine in self._by_sink.values() for each in mine.values()), default=0)

    def behind(self, sink: Sink) -> tuple[int, int]:
        """How many subscriptions a connection has, and by how many records the slowest is behind."""
        mine = self._by_sink.get(sink, {})
        return len(mine), max((self._journal.last - each.reached for each in mine.values()), default=0)

    # --- following, for whoever carries events ---

    @property
    def last(self) -> int:
        """The newest record's number."""
        return self._journal.last

    @property
    def newest(self) -> int:
        """The number of the newest record of all, on disk or not."""
        return self._journal.next_sequence() - 1

    def begin(self, after: str | None, *, snapshot: bool) -> tuple[int, Gap | Claim | None]:
        """Where a follower begins, always behind what is committed; raises ``InvalidParams``."""
        if after is not None and snapshot:
            raise InvalidParams(path="$.snapshot", reason="a subscription either resumes after a token or begins with a snapshot")
        return claimed_place(self._journal, after)

    def follow(
        self, follower: EventFollower, *, snapshot: bool = False, filter: EventFilter | None = None, coalesce_s: float = 0.0
    ) -> None:
        """Tell it what there is, if it wants to know, and what happens from then on."""
        if filter is not None:
            follower.filter = Filter(filter, self.changes)
        if coalesce_s:
            follower.merger, follower.linger_s = Merger(self.changes), coalesce_s
        if snapshot:
            self._fill_snapshot(follower)
        follower.rekey()
        self._followers += 1
        self._following.add(follower)

    def leave(self, follower: EventFollower) -> None:
        """Tell it nothing more."""
        self._followers -= not follower.is_ended
        self._following.remove(follower)
        self.transitions.discard(follower)
        follower.end()

    def wake(self, follower: EventFollower) -> None:
        """It can go on; or it may have caught up, and wants to hear of that."""
        if not follower.is_ended and not follower.is_waiting:
            self._following.add(follower)

    def token(self, sequence: int) -> bytes:
        """The resume token after a record, without its follower's mark."""
        return token(self._journal, sequence)

    def show(self, type: str, id: str, sequence: int) -> Shown | None:
        """See ``Snapshots``."""
        return self._snapshots.show(type, id, sequence)

    def hide(self, known: Known, sequence: int) -> bytes:
        """See ``Snapshots``."""
        return self._snapshots.hide(known, sequence)

    def rest(self, entry: Entry) -> bytes:
        """What all deliveries of a record have in common, made once while it goes round."""
        rest = self._rests.get(entry.sequence)
        if rest is None:
            if len(self._rests) >= 2 * TURN:
                self._rests.clear()
            rest = self._rests[entry.sequence] = self.token(entry.sequence) + b'","event":' + entry.data + b"}"
        return rest

    # --- reading ---

    async def _read_far(self, caller: Caller, reading: Reading, timeout_s: float) -> bytes:
        await reading.collect()
        return reading.page() if reading.has_news or timeout_s == 0 else await self._read_later(caller, reading, timeout_s)

    async def _read_later(self, caller: Caller, reading: Reading, timeout_s: float) -> bytes:
        news = asyncio.Event()
        look = news.set
        self._readers.add(news)
        caller.on_change.append(look)
        try:
            async with asyncio.timeout(timeout_s):
                while not reading.has_news:
                    await news.wait()
                    news.clear()
                    reading.turn(self.visibility.view(caller).mark)
                    await reading.collect()
        except TimeoutError:
            pass
        finally:
            self._readers.discard(news)
            caller.on_change.remove(look)
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
        newest = self.newest
        if newest > made.cursor:
            made.window = Window(newest, {(each.type, each.id): each.revision for each in shown}, are_others_told=True)

    def _committed(self) -> None:
        for reader in self._readers:
            reader.set()
        self._following.wake()


def _free_id(taken: Collection[str]) -> str:
    return next(id for id in (f"s{number}" for number in range(1, len(taken) + 2)) if id not in taken)
