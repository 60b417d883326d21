"""What of queues is on disk: a record for each message that is to survive, all those of a turn in one transaction.

A durable message is in its queue from when its record is on disk; then its sender hears of it, and consumers get it.
An acknowledged one is out of memory at once; should its removal not be recorded, it is back, as it is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from libvdsm.broker.items import GONE, Item
from libvdsm.interfaces.messaging import Message
from libvdsm.interfaces.store import Store

if TYPE_CHECKING:
    from libvdsm.broker.queue import Queue

_log = logging.getLogger(__name__)

#: The kind of the records.
KIND: Final = "message"


class Recorded(asyncio.Future[None]):
    """Whether a turn's transaction came to be. Shared by all who wait for it, so nobody can cancel it."""

    def cancel(self, msg: object | None = None) -> bool:
        """Others wait for it as well."""
        del msg
        return False


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The record of a message."""

    queue: str  # the birth of its queue: one of the same name made later is another
    sent_at: float
    count: int
    body: bytes
    headers: dict[str, str]
    content_type: str | None
    content_encoding: str | None
    correlation_id: str | None
    reply_to: str | None
    subject: str | None
    message_id: str | None
    user: str | None
    priority: int
    expires_at: float | None
    amqp: bytes | None
    item_expires_at: float | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


@dataclass(slots=True)
class _Batch:
    """What is recorded in one turn."""

    recorded: Recorded
    added: list[Item] = field(default_factory=list)
    settled: list[Item] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)  # called once it is recorded


class Keeper:
    """Records messages, and tells when they are recorded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._batch: _Batch | None = None
        self.last_sequence = 0  # of all messages, in all queues together

    def next_sequence(self) -> int:
        """The number of the next message."""
        self.last_sequence += 1
        return self.last_sequence

    def load(self) -> Iterator[tuple[int, Kept]]:
        """All that was kept, the oldest first; for the start only."""
        records: Mapping[str, bytes] = self._store.load(KIND)
        for key, data in sorted(records.items()):
            sequence = int(key, 16)
            self.last_sequence = max(self.last_sequence, sequence)
            try:
                yield sequence, _decode(data)
            except msgspec.DecodeError as failure:
                _log.error("message %d cannot be understood: %s", sequence, failure)

    def check(self) -> None:
        """Raise ``StateFull`` or ``StateUnavailable`` if nothing could be added now."""
        self._store.check()

    def add(self, item: Item, birth: str) -> Recorded:
        """Record it; its queue hears of it by ``recorded``."""
        item.is_kept = True
        self._store.put(KIND, f"{item.sequence:016x}", encoded(item, birth))
        batch = self._now()
        batch.added.append(item)
        return batch.recorded

    def join_turn(self, items: Iterable[Item]) -> None:
        """They have no record, and are there when this turn's records are on disk, or not at all."""
        self._now().added.extend(items)

    def change(self, item: Item, birth: str) -> Recorded:
        """Record that it was tried in vain once more."""
        self._store.put(KIND, f"{item.sequence:016x}", encoded(item, birth))
        return self._now().recorded

    def settle(self, item: Item) -> Recorded:
        """Forget it, because it is done; it is back if that cannot be recorded."""
        self._store.remove(KIND, f"{item.sequence:016x}")
        batch = self._now()
        batch.settled.append(item)
        return batch.recorded

    def forget(self, sequence: int) -> Recorded:
        """Forget what is no longer in any queue."""
        self._store.remove(KIND, f"{sequence:016x}")
        return self._now().recorded

    def join(self) -> _Batch | None:
        """What is being recorded in this turn, if anything."""
        return self._batch

    def _now(self) -> _Batch:
        batch = self._batch
        if batch is None:
            loop = asyncio.get_running_loop()
            batch = self._batch = _Batch(Recorded(loop=loop))
            committing = asyncio.ensure_future(self._store.commit())
            committing.add_done_callback(lambda done, batch=batch: _settled(batch, done))  # type: ignore[misc]
            loop.call_soon(self._end_turn)  # right behind the store's own: nothing comes between them
        return batch

    def _end_turn(self) -> None:
        self._batch = None


def _settled(batch: _Batch, done: asyncio.Future[None]) -> None:
    failure: BaseException | None = asyncio.CancelledError() if done.cancelled() else done.exception()
    touched: dict[Queue, None] = {}
    for item in batch.added:
        queue = item.queue
        if queue is not None:
            if failure is not None:
                queue.lose(item)
            else:
                item.is_recorded = True
            touched[queue] = None
    if failure is not None:
        for item in batch.settled:
            if item.queue is not None and item.state is GONE:
                item.queue.restore(item)
        batch.recorded.set_exception(failure)
        batch.recorded.exception()  # whoever waits has it; that nobody does is no accident
    else:
        for act in batch.after:
            act()
        batch.recorded.set_result(None)
    for queue in touched:
        queue.release()


def encoded(item: Item, birth: str) -> bytes:
    """The record of an item."""
    message = item.message
    return _encode(
        Kept(
            birth,
            item.sent_at,
            item.count,
            message.body,
            dict(message.headers),
            message.content_type,
            message.content_encoding,
            message.correlation_id,
            message.reply_to,
            message.subject,
            message.message_id,
            message.user,
            message.priority,
            message.expires_at,
            message.amqp,
            item.expires_at,
        )
    )


def restored(sequence: int, kept: Kept) -> Item:
    """The item of a record: nobody knows any more whether it was delivered."""
    message = Message(
        body=kept.body,
        headers=kept.headers,
        content_type=kept.content_type,
        content_encoding=kept.content_encoding,
        correlation_id=kept.correlation_id,
        reply_to=kept.reply_to,
        subject=kept.subject,
        message_id=kept.message_id,
        user=kept.user,
        priority=kept.priority,
        expires_at=kept.expires_at,
        amqp=kept.amqp,
    )
    return Item(
        sequence=sequence,
        message=message,
        octets=message.octets,
        sent_at=kept.sent_at,
        is_kept=True,
        is_recorded=True,
        count=kept.count,
        redelivered=True,
        expires_at=kept.item_expires_at,
    )
