"""Subscriptions: each a cursor and a filter over the one shared journal."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import msgspec

from libvdsm.base.errors import ApiError
from libvdsm.broker.reading import TURN, Gap, Reading, place, token
from libvdsm.broker.topics import matcher
from libvdsm.broker.visibility import Visibility
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, NeedsConnection, ObjectNotFound
from libvdsm.interfaces.generated.types import EventReadParams, EventSubscribeParams, EventUnsubscribeParams
from libvdsm.interfaces.journal import Entry, Journal

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Shown:
    """An object for a snapshot: its topic, what makes it visible, and the encoded ``Event`` that shows it."""

    topic: str
    type: str
    id: str
    project: str  # empty: it belongs to none
    event: bytes


class Snapshots(Protocol):
    """Who can show all objects as they are now."""

    def shown(self, sequence: int) -> Iterable[Shown]:
        """Every object, as an event of ``sequence``."""
        ...


class _Subscription:
    __slots__ = ("caller", "cursor", "fetched", "fits", "gap", "head", "id", "is_waiting", "pending", "renew", "sink", "view")

    def __init__(self, id: str, caller: Caller, sink: Sink, fits: Callable[[str], bool], visibility: Visibility, cursor: int) -> None:
        self.id = id
        self.caller = caller
        self.sink = sink
        self.fits = fits
        self.view = visibility.view(caller)
        self.cursor = cursor
        self.gap: Gap | None = None
        self.fetched: deque[Entry] = deque()  # records from the disk that follow the cursor
        self.pending: deque[tuple[Shown, int]] = deque()  # a snapshot's objects, each with the sequence to resume from
        self.is_waiting = False  # for its sink to drain, or for the disk
        self.head = b'{"subscriptionId":' + _encode(id) + b',"resume":"'

        def renew() -> None:
            """The caller's rights have changed: so has what he sees."""
            self.view = visibility.view(caller)

        self.renew = renew
        caller.on_change.append(renew)

    def end(self) -> None:
        """Nobody listens any more."""
        if self.renew in self.caller.on_change:
            self.caller.on_change.remove(self.renew)


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
        most_per_connection: int = 100,
    ) -> None:
        self._journal = journal
        self._visibility = visibility
        self._snapshots = snapshots
        self._schedule = schedule
        self._most = most_per_connection
        self._by_sink: dict[Sink, dict[str, _Subscription]] = {}
        self._is_scheduled = False
        self._newest: Entry | None = None
        self._newest_rest = b""
        self._readers: set[asyncio.Event] = set()
        self._fetching: set[asyncio.Task[None]] = set()
        journal.listen(self._committed)

    # --- the verbs ---

    def event_subscribe(self, caller: Caller, params: EventSubscribeParams) -> bytes:
        """Begin a subscription on the caller's connection."""
        if caller.sink is None:
            raise NeedsConnection(method="Event.subscribe")
        return self.subscribe(
            caller, caller.sink, params.topics, after=params.after, snapshot=params.snapshot, subscription_id=params.subscription_id
        )

    def subscribe(
        self, caller: Caller, sink: Sink, topics: Sequence[str], *, after: str | None, snapshot: bool, subscription_id: str | None
    ) -> bytes:
        """See ``Bridge.subscribe``."""
        if after is not None and snapshot:
            raise InvalidParams(path="$.snapshot", reason="a subscription either resumes after a token or begins with a snapshot")
        mine = self._by_sink.get(sink, {})
        if len(mine) >= self._most:
            raise LimitExceeded(limit="subscriptions of a connection", maximum=self._most)
        id = subscription_id if subscription_id is not None else _free_id(mine)
        if id in mine:
            raise AlreadyExists(type="subscription", id=id)
        fits = matcher(topics)
        cursor, gap = place(self._journal, after)
        if snapshot:
            cursor = self._journal.next_sequence() - 1  # what is shown includes what is not committed yet
        made = _Subscription(id, caller, sink, fits, self._visibility, cursor)
        made.gap = gap
        if snapshot:
            self._fill_snapshot(made)
        self._by_sink.setdefault(sink, mine)[id] = made
        self._wake()
        return b'{"subscriptionId":' + _encode(id) + b',"resume":"' + self._token(0 if snapshot else cursor) + b'"}'

    def event_unsubscribe(self, caller: Caller, params: EventUnsubscribeParams) -> bytes:
        """End a subscription of the caller's connection; nothing of it is delivered after the answer."""
        if caller.sink is None:
            raise NeedsConnection(method="Event.unsubscribe")
        mine = self._by_sink.get(caller.sink, {})
        ended = mine.pop(params.subscription_id, None)
        if ended is None:
            raise ObjectNotFound(type="subscription", id=params.subscription_id)
        ended.end()
        if not mine:
            self._by_sink.pop(caller.sink, None)
        return b"{}"

    def event_read(self, caller: Caller, params: EventReadParams) -> bytes | Awaitable[bytes]:
        """Events after a token, or after the present; waits for the first when asked to."""
        fits, view = matcher(params.topics), self._visibility.view
        reading = Reading(self._journal, params.after, lambda entry: view(caller).sees(entry) and fits(entry.topic), params.limit)
        if not reading.is_near:
            return self._read_far(reading, params.timeout)
        reading.collect_near()
        if reading.has_news or params.timeout == 0:
            return reading.page()
        return self._read_later(reading, params.timeout)

    def release(self, sink: Sink) -> None:
        """The connection is gone: so are its subscriptions."""
        for ended in self._by_sink.pop(sink, {}).values():
            ended.end()

    def subscriptions(self) -> int:
        """How many there are."""
        return sum(map(len, self._by_sink.values()))

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

    def _fill_snapshot(self, made: _Subscription) -> None:
        """All but the last of a snapshot resume from the beginning: half a snapshot is none.

        A token tells only of what is committed, because other numbers may be given out again after a crash: who resumes
        after the last hears of what was under way a second time.
        """
        sees = made.view.sees_object
        shown = [s for s in self._snapshots.shown(made.cursor) if sees(s.type, s.id, s.project) and made.fits(s.topic)]
        made.pending.extend((each, 0) for each in shown[:-1])
        committed = min(made.cursor, self._journal.last)
        made.pending.extend((each, committed) for each in shown[-1:])

    def _committed(self) -> None:
        for reader in self._readers:
            reader.set()
        if self._by_sink:
            self._wake()

    def _wake(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._schedule(self._deliver_all)

    def _deliver_all(self) -> None:
        self._is_scheduled = False
        is_behind = False
        for mine in list(self._by_sink.values()):
            for subscription in list(mine.values()):
                if not subscription.is_waiting:
                    is_behind |= self._deliver(subscription)
        if is_behind:
            self._wake()

    def _deliver(self, subscription: _Subscription) -> bool:
        """One turn for one subscription; whether more waits that could be delivered now."""
        sink = subscription.sink
        for _ in range(TURN):
            if sink.is_full():
                self._wait_for_room(subscription)
                return False
            if not subscription.pending:
                break
            shown, resume = subscription.pending.popleft()
            if subscription.view.sees_object(shown.type, shown.id, shown.project):
                sink.deliver(subscription.head + self._token(resume) + b'","event":' + shown.event + b"}")
        if subscription.pending:
            return True
        return self._deliver_records(subscription)

    def _deliver_records(self, subscription: _Subscription) -> bool:
        journal, sink = self._journal, subscription.sink
        if not subscription.fetched:
            self._skip_to(subscription, journal.first)
        self._deliver_gap(subscription)
        if not subscription.fetched and subscription.cursor + 1 < journal.held:
            self._begin_to_fetch(subscription)
            return False
        fetched, subscription.fetched = subscription.fetched, deque()
        entries = fetched or journal.read(subscription.cursor, TURN)
        for number, entry in enumerate(entries, 1):
            if entry.sequence != subscription.cursor + 1:
                self._skip_to(subscription, entry.sequence)
                self._deliver_gap(subscription)
            subscription.cursor = entry.sequence
            if (entry.type in subscription.view.whole or subscription.view.sees(entry)) and subscription.fits(entry.topic):
                sink.deliver(subscription.head + self._rest(entry))
                if sink.is_full():
                    subscription.fetched = deque(islice(fetched, number, None))
                    self._wait_for_room(subscription)
                    return False
        return subscription.cursor < journal.last

    def _skip_to(self, subscription: _Subscription, sequence: int) -> None:
        """Go on with ``sequence``; what lies between can no longer be had."""
        missed = sequence - 1 - subscription.cursor
        if missed > 0:
            subscription.gap, subscription.cursor = Gap("trimmed", missed), sequence - 1

    def _deliver_gap(self, subscription: _Subscription) -> None:
        if subscription.gap is not None:
            gap, subscription.gap = subscription.gap, None
            subscription.sink.deliver(subscription.head + self._token(subscription.cursor) + b'","gap":' + gap.encode() + b"}")

    def _begin_to_fetch(self, subscription: _Subscription) -> None:
        subscription.is_waiting = True
        fetching = asyncio.ensure_future(self._fetch(subscription))
        self._fetching.add(fetching)
        fetching.add_done_callback(self._fetching.discard)

    async def _fetch(self, subscription: _Subscription) -> None:
        """Have the next records from the disk; others go on meanwhile, this one does not."""
        try:
            subscription.fetched.extend(await self._journal.fetch(subscription.cursor, TURN))
        except ApiError as failure:
            _log.warning("records after %d cannot be read: %s", subscription.cursor, failure)
        if not subscription.fetched:
            self._skip_to(subscription, self._journal.held)
        subscription.is_waiting = False
        self._wake()

    def _token(self, sequence: int) -> bytes:
        return token(self._journal, sequence)

    def _rest(self, entry: Entry) -> bytes:
        """What all deliveries of a record have in common, made once while it goes round."""
        if entry is not self._newest:
            self._newest, self._newest_rest = entry, self._token(entry.sequence) + b'","event":' + entry.data + b"}"
        return self._newest_rest

    def _wait_for_room(self, subscription: _Subscription) -> None:
        subscription.is_waiting = True

        def resume() -> None:
            subscription.is_waiting = False
            self._wake()

        subscription.sink.when_drained(resume)


def _free_id(taken: Collection[str]) -> str:
    return next(id for id in (f"s{number}" for number in range(1, len(taken) + 2)) if id not in taken)
