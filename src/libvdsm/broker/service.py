"""The verbs of ``Queue``, and what speaks against them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import Final

import msgspec

from libvdsm.base.clock import timestamp
from libvdsm.base.errors import ApiError
from libvdsm.broker.items import Item
from libvdsm.broker.keeper import Recorded
from libvdsm.broker.queue import Queue
from libvdsm.broker.queues import Queues
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InUse, InvalidParams, ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import Queue as QueueDocument
from libvdsm.interfaces.generated.types import (
    QueueCount,
    QueueCreateParams,
    QueueDeleteParams,
    QueueGetParams,
    QueueList,
    QueueListParams,
    QueueMessage,
    QueueMessages,
    QueueMoveParams,
    QueuePeekParams,
    QueuePurgeParams,
    QueueStats,
)
from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.messaging import DEAD, DEAD_REASON
from libvdsm.interfaces.place import Place, may, may_see

_encode = msgspec.json.Encoder().encode

_READ: Final = "queue.read"
_MANAGE: Final = "queue.manage"
_ALL: Final = tuple(permission for permission in PERMISSIONS if permission.startswith("queue."))
#: No queue is called so.
_NOBODYS: Final = ""
#: Of a body, what is shown.
_SHOWN_OCTETS: Final = 64 * 1024
_MOST_DIGITS: Final = 16
#: The last second that a time stamp can say; a sender may ask for more.
_LAST_TIME: Final = 253402300799.0


class QueueService:
    """Answers the verbs by their names."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    # --- verbs that read ---

    def queue_list(self, caller: Caller, params: QueueListParams) -> bytes:
        """A page of what the caller may see; the cursor is the last name."""
        after = params.after or ""
        found = (kept.queue for kept in self._queues if kept.queue.id > after and self._sees(caller, kept.queue))
        page = list(islice(found, params.limit + 1))
        items = [self._shown(each) for each in page[: params.limit]]
        following = items[-1].id if len(page) > params.limit else None
        return _encode(QueueList(items=items, next=following))

    def queue_get(self, _caller: Caller, params: QueueGetParams) -> bytes:
        """One queue."""
        document, _ = self._queues.get(params.queue_id)
        return _encode(self._shown(document))

    def queue_peek(self, _caller: Caller, params: QueuePeekParams) -> bytes:
        """Its first messages; the cursor is how many were before."""
        _, queue = self._queues.get(params.queue_id)
        skip = 0 if params.after is None else _number(params.after)
        page = list(islice(queue.items(), skip, skip + params.limit + 1))
        following = str(skip + params.limit) if len(page) > params.limit else None
        return _encode(QueueMessages(items=[_message(item) for item in page[: params.limit]], next=following))

    # --- verbs that change ---

    def queue_create(self, caller: Caller, params: QueueCreateParams) -> bytes:
        """A new queue. That its name is taken is said whoever has it: there is one queue of a name, and success would be the only other answer."""
        self._check_letters(caller, params)
        return _encode(self._queues.create(params, Cause(kind="call", method="Queue.create", identity=caller.identity)))

    def queue_delete(self, caller: Caller, params: QueueDeleteParams) -> bytes:
        """One less."""
        self._check_empty(params)
        self._queues.delete(params.queue_id, Cause(kind="call", method="Queue.delete", identity=caller.identity))
        return b"{}"

    def queue_purge(self, _caller: Caller, params: QueuePurgeParams) -> bytes | Awaitable[bytes]:
        """All that waits is dropped."""
        _, queue = self._queues.get(params.queue_id)
        count, recorded = queue.purge()
        return _counted(count, recorded)

    def queue_move(self, caller: Caller, params: QueueMoveParams) -> bytes | Awaitable[bytes]:
        """Messages go to another queue: all that were asked for, or none."""
        source, target = self._both(caller, params)
        chosen = self._chosen(source, params)
        self._check_target(target, chosen)
        recorded: Recorded | None = None
        for item in chosen:
            message = item.message
            headers = {name: value for name, value in message.headers.items() if name not in DEAD}
            gone = source.remove(item)
            recorded = target.take_in(msgspec.structs.replace(message, headers=headers, alike=None)) or gone or recorded
        return _counted(len(chosen), recorded)

    # --- what speaks against them ---

    def check_queue_create(self, caller: Caller, params: QueueCreateParams) -> Iterator[ApiError]:
        """See ``Queue.create``. A plan leaves no record, so it does not tell of a queue that the caller does not know."""
        name = params.name if self._knows(caller, params.name) else _NOBODYS
        yield from _refusal(lambda: self._queues.check_new(name))
        yield from _refusal(lambda: self._check_letters(caller, params))

    def check_queue_purge(self, _caller: Caller, params: QueuePurgeParams) -> Iterator[ApiError]:
        """See ``Queue.purge``."""
        yield from _refusal(lambda: self._queues.get(params.queue_id))

    def check_queue_delete(self, _caller: Caller, params: QueueDeleteParams) -> Iterator[ApiError]:
        """See ``Queue.delete``."""
        yield from _refusal(lambda: self._check_empty(params))

    def check_queue_move(self, caller: Caller, params: QueueMoveParams) -> Iterator[ApiError]:
        """See ``Queue.move``."""

        def room() -> None:
            source, target = self._both(caller, params)
            chosen = self._chosen(source, params)
            self._check_target(target, chosen)

        yield from _refusal(room)

    # --- within ---

    def _check_empty(self, params: QueueDeleteParams) -> None:
        _, queue = self._queues.get(params.queue_id)
        if params.if_empty and queue.messages:
            raise InUse(type="queue", id=params.queue_id, reason=f"{queue.messages} messages are in it")

    def _check_letters(self, caller: Caller, params: QueueCreateParams) -> None:
        """Who makes a queue lets it send what it cannot deliver only where he himself may send."""
        if params.dead_letter is None:
            return
        if params.dead_letter == params.name:
            raise InvalidParams(path="$.deadLetter", reason="a queue cannot take its own dead letters")
        place = self._queues.find(params.dead_letter)
        if place is None or not (may_see(caller, _READ, place) or may(caller.rights, "queue.send", place)):
            raise ObjectNotFound(type="queue", id=params.dead_letter)
        if not may(caller.rights, "queue.send", place):
            raise PermissionDenied(identity=caller.identity, permission="queue.send")

    def _both(self, caller: Caller, params: QueueMoveParams) -> tuple[Queue, Queue]:
        _, source = self._queues.get(params.queue_id)
        place = self._queues.find(params.target)
        if place is None or not (may_see(caller, _READ, place) or may(caller.rights, _MANAGE, place)):
            raise ObjectNotFound(type="queue", id=params.target)
        if not may(caller.rights, _MANAGE, place):
            raise PermissionDenied(identity=caller.identity, permission=_MANAGE)
        _, target = self._queues.get(params.target)
        if target is source:
            raise InvalidParams(path="$.target", reason="it is the queue where they are")
        return source, target

    def _check_target(self, target: Queue, chosen: list[Item]) -> None:
        """Raise what would refuse any of them, before one is moved."""
        octets = sum(item.octets for item in chosen)
        target.check_room(len(chosen), octets, leaving=octets)
        if any(item.is_kept or (target.rules.durable and item.message.durable) for item in chosen):
            self._queues.keeper.check()

    @staticmethod
    def _chosen(source: Queue, params: QueueMoveParams) -> list[Item]:
        waiting = list(source.items())
        if params.message_ids is None:
            return waiting
        by_id = {str(item.sequence): item for item in waiting}
        for id in params.message_ids:
            if id not in by_id:
                raise ObjectNotFound(type="message", id=id)
        return sorted({by_id[id] for id in params.message_ids}, key=lambda item: item.sequence)

    def _knows(self, caller: Caller, name: str) -> bool:
        """Whether the caller sees a queue of that name, or may do anything with it."""
        place = self._queues.find(name)
        if place is None:
            return False
        return may_see(caller, _READ, place) or any(may(caller.rights, permission, place) for permission in _ALL)

    @staticmethod
    def _sees(caller: Caller, document: QueueDocument) -> bool:
        return may_see(caller, _READ, Place("queue", document.id, document.project))

    def _shown(self, document: QueueDocument) -> QueueDocument:
        queue = self._queues.queue(document.id)
        return document if queue is None else msgspec.structs.replace(document, stats=_stats(queue))


def _stats(queue: Queue) -> QueueStats:
    counters = queue.counters
    return QueueStats(
        waiting=queue.waiting,
        unsettled=queue.unsettled,
        octets=queue.octets,
        consumers=len(queue.receivers),
        received=counters.received,
        delivered=counters.delivered,
        redelivered=counters.redelivered,
        dead_lettered=counters.dead_lettered,
        expired=counters.expired,
        dropped=counters.dropped,
    )


def _message(item: Item) -> QueueMessage:
    message = item.message
    return QueueMessage(
        id=str(item.sequence),
        sent_at=timestamp(item.sent_at),
        sent_by=message.user or "",
        expires_at=None if item.expires_at is None else timestamp(min(max(item.expires_at, 0.0), _LAST_TIME)),
        deliveries=item.count,
        content_type=message.content_type,
        headers=dict(message.headers),
        octets=len(message.body),
        body=b64encode(message.body[:_SHOWN_OCTETS]).decode(),
        reason=message.headers.get(DEAD_REASON),
    )


def _counted(count: int, recorded: Recorded | None) -> bytes | Awaitable[bytes]:
    answer = _encode(QueueCount(messages=count))
    return answer if recorded is None else _when(recorded, answer)


async def _when(recorded: Recorded, answer: bytes) -> bytes:
    await recorded
    return answer


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise InvalidParams(path="$.after", reason="not a cursor of this list")
    return int(cursor)


def _refusal(guard: Callable[[], object]) -> Iterator[ApiError]:
    """With what a guard refuses, if it does."""
    try:
        guard()
    except ApiError as error:
        yield error
