"""Subscriptions on connections that take encoded deliveries."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from libvdsm.broker.event_follower import EventFollower
from libvdsm.broker.groups import divide
from libvdsm.interfaces.caller import Caller, PageSink, Sink
from libvdsm.interfaces.messaging import Delivery, Message

if TYPE_CHECKING:
    from libvdsm.broker.broker import Broker
    from libvdsm.broker.groups import Told
    from libvdsm.broker.reading import Claim, Gap
    from libvdsm.interfaces.journal import Entry
    from libvdsm.interfaces.pages import Membership, Road

_encode = msgspec.json.Encoder().encode
#: A page of so many octets is sent without a look at the bound of each connection before its end.
_SHORT_OCTETS: Final = 32 * 1024
#: So many ways of sending a page are kept while it goes round.
_MOST_MADE: Final = 64


class _Page(list[tuple[int, bytes]]):
    """What a class is told: each record's number and what its deliveries have in common; and what sinks send for all of it."""

    __slots__ = ("is_short", "made")

    def __init__(self, records: Iterable[tuple[int, bytes]]) -> None:
        super().__init__(records)
        self.is_short = sum(len(rest) for _, rest in self) <= _SHORT_OCTETS
        self.made: dict[tuple[type[Sink], bytes], bytes] = {}  # by the kind of sink, and how its deliveries begin


class _SharedPages:
    """How a subscription is told with others; see ``Pages``. Of its deliveries the bodies alone are looked at: what they have in common."""

    __slots__ = ("_sink", "_subscription")

    def __init__(self, subscription: Subscription, sink: PageSink) -> None:
        self._subscription = subscription
        self._sink = sink

    def page_key(self) -> tuple[Hashable, Hashable]:
        """See ``Pages``."""
        return type(self._sink), self._subscription.head

    def page_head(self, name: str) -> bytes:
        """See ``Pages``: events have numbers of their own."""
        del name
        return self._subscription.head

    def page_rests(self, deliveries: Sequence[Delivery]) -> Sequence[bytes]:
        """See ``Pages``."""
        return [each.message.body for each in deliveries]

    def page(self, head: bytes, rests: Sequence[bytes]) -> bytes:
        """See ``Pages``."""
        return self._sink.page(head + rest for rest in rests)

    def join(self, membership: Membership) -> Road | None:
        """See ``Pages``."""
        return self._sink.pager.join(membership)

    def part(self, membership: Membership) -> None:
        """See ``Pages``."""
        self._sink.pager.part(membership)


class Subscription(EventFollower):
    """One ``Event.subscribe``, on a connection that takes encoded deliveries."""

    __slots__ = ("_key", "_pages", "_renew", "give_back", "head", "id", "sink")

    def __init__(
        self, source: Broker, caller: Caller, fits: Callable[[str], bool], cursor: int, gap: Gap | Claim | None, *, id: str, sink: Sink
    ) -> None:
        super().__init__(source, caller, fits, cursor, gap)
        self.id = id
        self.sink = sink
        self._pages = sink if isinstance(sink, PageSink) else None
        self.page_consumer = None if self._pages is None else _SharedPages(self, self._pages)
        self._begin_deliveries()
        self.give_back: Callable[[], None] | None = None
        self._renew = self.see_anew
        caller.on_change.append(self._renew)

    def _begin_deliveries(self) -> None:
        self.head = b'{"subscriptionId":' + _encode(self.id) + b',"resume":"' + self.mark
        self._key = (type(self.sink), self.head)

    def mark_anew(self, mark: str) -> None:
        """See ``EventFollower``."""
        super().mark_anew(mark)
        self._begin_deliveries()

    def end(self) -> None:
        """See ``EventFollower``."""
        if self._renew in self.caller.on_change:
            self.caller.on_change.remove(self._renew)
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()
        super().end()

    def is_full(self) -> bool:
        """See ``Follower``."""
        return self.sink.is_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """See ``Follower``."""
        self.sink.when_drained(resume)

    def tell_entry(self, entry: Entry) -> None:
        """See ``EventFollower``."""
        self.sink.deliver(self.head + self.source.rest(entry))

    def prepare(self, records: Sequence[Entry]) -> _Page:
        """See ``Follower``."""
        return _Page((record.sequence, self.source.rest(record)) for record in records if self.wants(record))

    def tell_prepared(self, prepared: _Page) -> bool:  # type: ignore[override]  # its class is told what it has prepared
        """See ``Follower``."""
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

    def deliveries(self, records: Sequence[Entry]) -> Sequence[Told]:
        """See ``Follower``."""
        wanted = [record for record in records if self.wants(record)]
        rest = self.source.rest
        return divide([Delivery(tag=each.sequence, message=Message(body=rest(each)), destination="") for each in wanted])

    def count_told(self, count: int) -> None:
        """See ``Follower``."""
        if self._pages is not None:
            self._pages.count_events(count)

    def tell_event(self, event: bytes, sequence: int) -> None:
        """See ``EventFollower``."""
        self.sink.deliver(self.head + self.source.token(sequence) + b'","event":' + event + b"}")

    def deliver_gap(self, gap: Gap) -> None:
        """See ``EventFollower``."""
        self.sink.deliver(self.head + self.source.token(self.cursor) + b'","gap":' + gap.encode() + b"}")
