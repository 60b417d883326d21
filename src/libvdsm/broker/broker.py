"""Subscriptions: each a cursor and a filter over the one shared journal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from libvdsm.broker.topics import matcher
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, NeedsConnection, ObjectNotFound
from libvdsm.interfaces.generated.types import EventReadParams, EventSubscribeParams, EventUnsubscribeParams
from libvdsm.interfaces.journal import Entry, Journal

_encode = msgspec.json.Encoder().encode

#: Digits of the greatest sequence that fits a JSON integer.
_MOST_DIGITS = 16
#: Records that are looked at for one subscription before others have their turn.
_TURN = 256


@dataclass(frozen=True, slots=True)
class Shown:
    """An object for a snapshot: its topic, its type, and the encoded ``Event`` that shows it."""

    topic: str
    type: str
    event: bytes


class Snapshots(Protocol):
    """Who can show all objects as they are now."""

    def shown(self, sequence: int) -> Iterable[Shown]:
        """Every object, as an event of ``sequence``."""
        ...


@dataclass(frozen=True, slots=True)
class _Gap:
    reason: str
    missed: int | None = None

    def encode(self) -> bytes:
        told: dict[str, object] = {"reason": self.reason}
        if self.missed is not None:
            told["missed"] = self.missed
        return _encode(told)


class Visibility:
    """Which records a caller may see: those of types whose getter it may call."""

    def __init__(self, permissions: dict[str, str]) -> None:
        """``permissions``: the getter's permission by object type."""
        self._permissions = permissions

    def types(self, caller: Caller) -> frozenset[str]:
        """The object types that ``caller`` may see."""
        return frozenset(type for type, permission in self._permissions.items() if permission in caller.permissions)


class _Subscription:
    __slots__ = ("cursor", "fits", "gap", "head", "id", "is_waiting", "pending", "sink", "types")

    def __init__(self, id: str, sink: Sink, fits: Callable[[str], bool], types: frozenset[str], cursor: int) -> None:
        self.id = id
        self.sink = sink
        self.fits = fits
        self.types = types
        self.cursor = cursor
        self.gap: _Gap | None = None
        self.pending: deque[tuple[bytes, int]] = deque()  # a snapshot's events, each with the sequence to resume from
        self.is_waiting = False  # for its sink to drain
        self.head = b'{"subscriptionId":' + _encode(id) + b',"resume":"'


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
        cursor, gap = self._place(after)
        made = _Subscription(id, sink, matcher(topics), self._visibility.types(caller), cursor)
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
        if mine.pop(params.subscription_id, None) is None:
            raise ObjectNotFound(type="subscription", id=params.subscription_id)
        if not mine:
            self._by_sink.pop(caller.sink, None)
        return b"{}"

    def event_read(self, caller: Caller, params: EventReadParams) -> bytes | Awaitable[bytes]:
        """Events after a token, or after the present; waits for the first when asked to."""
        fits, types = matcher(params.topics), self._visibility.types(caller)
        cursor, gap = self._place(params.after)
        cursor, found = self._collect(cursor, fits, types, params.limit)
        if found or gap is not None or params.timeout == 0:
            return self._page(cursor, found, gap)
        return self._read_later(cursor, fits, types, params)

    def release(self, sink: Sink) -> None:
        """The connection is gone: so are its subscriptions."""
        self._by_sink.pop(sink, None)

    def subscriptions(self) -> int:
        """How many there are."""
        return sum(map(len, self._by_sink.values()))

    # --- tokens ---

    def _token(self, sequence: int) -> bytes:
        return f"{self._journal.epoch}-{sequence}".encode()

    def _place(self, token: str | None) -> tuple[int, _Gap | None]:
        """Where a token stands, and what can no longer be had of what follows it."""
        journal = self._journal
        if token is None:
            return journal.last, None
        epoch, _, text = token.rpartition("-")
        if not epoch or not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
            raise InvalidParams(path="$.after", reason="not a resume token of this API")
        sequence = int(text)
        if epoch != journal.epoch or sequence > journal.last:
            return journal.last, _Gap("epoch")
        missed = journal.first - 1 - sequence
        return (sequence, None) if missed <= 0 else (journal.first - 1, _Gap("trimmed", missed))

    # --- reading ---

    def _collect(self, cursor: int, fits: Callable[[str], bool], types: Collection[str], limit: int) -> tuple[int, list[Entry]]:
        found: list[Entry] = []
        while len(found) < limit and cursor < self._journal.last:
            for entry in self._journal.read(cursor, _TURN):
                cursor = entry.sequence
                if entry.type in types and fits(entry.topic):
                    found.append(entry)
                    if len(found) == limit:
                        break
        return cursor, found

    def _page(self, cursor: int, found: Sequence[Entry], gap: _Gap | None) -> bytes:
        body = b'{"items":[' + b",".join(entry.data for entry in found) + b'],"resume":"' + self._token(cursor) + b'"'
        return body + (b"}" if gap is None else b',"gap":' + gap.encode() + b"}")

    async def _read_later(self, cursor: int, fits: Callable[[str], bool], types: frozenset[str], params: EventReadParams) -> bytes:
        news = asyncio.Event()
        self._readers.add(news)
        found: list[Entry] = []
        try:
            async with asyncio.timeout(params.timeout):
                while not found:
                    await news.wait()
                    news.clear()
                    cursor, found = self._collect(max(cursor, self._journal.first - 1), fits, types, params.limit)
        except TimeoutError:
            pass
        finally:
            self._readers.discard(news)
        return self._page(cursor, found, None)

    # --- delivering ---

    def _fill_snapshot(self, made: _Subscription) -> None:
        """All but the last of a snapshot resume from the beginning: half a snapshot is none."""
        shown = [s.event for s in self._snapshots.shown(made.cursor) if s.type in made.types and made.fits(s.topic)]
        made.pending.extend((event, 0) for event in shown[:-1])
        made.pending.extend((event, made.cursor) for event in shown[-1:])

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
        for _ in range(_TURN):
            if sink.is_full():
                self._wait_for_room(subscription)
                return False
            if not subscription.pending:
                break
            event, resume = subscription.pending.popleft()
            sink.deliver(subscription.head + self._token(resume) + b'","event":' + event + b"}")
        if subscription.pending:
            return True
        return self._deliver_records(subscription)

    def _deliver_records(self, subscription: _Subscription) -> bool:
        journal, sink = self._journal, subscription.sink
        missed = journal.first - 1 - subscription.cursor
        if missed > 0:
            subscription.gap, subscription.cursor = _Gap("trimmed", missed), journal.first - 1
        if subscription.gap is not None:
            gap, subscription.gap = subscription.gap, None
            sink.deliver(subscription.head + self._token(subscription.cursor) + b'","gap":' + gap.encode() + b"}")
        for entry in journal.read(subscription.cursor, _TURN):
            subscription.cursor = entry.sequence
            if entry.type in subscription.types and subscription.fits(entry.topic):
                sink.deliver(subscription.head + self._rest(entry))
                if sink.is_full():
                    self._wait_for_room(subscription)
                    return False
        return subscription.cursor < journal.last

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
