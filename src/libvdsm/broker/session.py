"""All that one connection does with messages: its rights at every step, its subscriptions, what it has not settled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import force_setattr, replace

from libvdsm.broker.destinations import RESPONSES, Destination, Kind, check_topic, is_owned, parse
from libvdsm.broker.items import GONE, HELD, Holder, Item
from libvdsm.broker.listeners import OwnSubscription, TopicSubscription
from libvdsm.broker.queue import not_there
from libvdsm.broker.receivers import Browser, Receiver
from libvdsm.broker.senders import Sender
from libvdsm.broker.topics import matcher
from libvdsm.broker.transactions import Transactions
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, ObjectNotFound, PermissionDenied
from libvdsm.interfaces.messaging import DEAD, Ack, Alike, Consumer, Message, Subscription, Verdict, Wish

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.broker.exchange import MessageExchange
    from libvdsm.broker.keeper import Recorded
    from libvdsm.broker.queue import Queue
    from libvdsm.broker.transactions import Put
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.messaging import Requests

_ACCEPTED = Verdict.ACCEPTED
_REJECTED = Verdict.REJECTED
_RELEASED = Verdict.RELEASED
_FAILED = Verdict.FAILED

#: Where clients' own topics are, as far as rights are concerned: with the queues of which nobody said another project.
PROJECT: Final = "default"


class BrokerSession:
    """See ``interfaces.messaging.Session``."""

    __slots__ = (
        "_identity",
        "_is_closed",
        "_puts",
        "_quotas",
        "_replies",
        "_transactions",
        "by_destination",
        "caller",
        "exchange",
        "senders",
        "subscriptions",
        "tag",
        "temporaries",
        "unsettled",
        "ways",
    )

    def __init__(self, exchange: MessageExchange, caller: Caller) -> None:
        self.exchange = exchange
        self.caller = caller
        self.tag = 0  # of the last delivery
        self.unsettled: dict[int, Item] = {}
        self.subscriptions: dict[str, Holder] = {}
        self.senders: set[Sender] = set()
        self.by_destination: dict[str, list[OwnSubscription | TopicSubscription]] = {}
        self.temporaries: dict[str, Queue] = {}  # by destination
        self._identity = caller.identity
        self._puts: dict[str, Put] = {}  # by destination, for which the rights were looked at
        self._replies: set[str] = set()  # addresses for replies that were looked at
        self._transactions = Transactions(exchange)
        self._quotas: dict[str, Callable[[], None]] = {}  # how the end of a subscription is told, by its name
        self._is_closed = False
        self.ways = 0  # how often ways had to be looked for anew
        caller.on_change.append(self._rights_changed)

    @property
    def lag(self) -> int:
        """See ``Session``."""
        return max((each.lag for each in self.subscriptions.values() if isinstance(each, TopicSubscription)), default=0)

    # --- sending ---

    def send(self, destination: str, message: Message, *, transaction: str | None = None) -> Awaitable[None] | None:
        """See ``Session``."""
        put = self._puts.get(destination)
        if put is None:
            put = self._resolve(destination)
        if message.user != self._identity or message.headers or message.reply_to is not None:
            self._sign(message)
        if transaction is not None:
            self._transactions.send(transaction, destination, message)
            return None
        return put(message)

    def intend(self, destination: str, ended: Callable[[ApiError], None]) -> Callable[[], None]:
        """See ``Session``. Looked at anew, because the way to another's temporary queue outlives it."""
        self._resolve(destination)
        kind = parse(destination).kind
        permission = "topic.publish" if kind is Kind.TOPIC else "" if kind is Kind.REQUESTS else "queue.send"
        sender = Sender(self, self.exchange.queue_at(destination), permission, ended)
        self.senders.add(sender)
        return sender.end

    def road(self, destination: str, like: Message) -> Callable[[bytes], Awaitable[None] | None]:
        """See ``Session``."""
        like = replace(like, alike=Alike())
        put, ways = self._sent_by(destination, like), self.ways

        def send(body: bytes) -> Awaitable[None] | None:
            nonlocal put, ways
            if ways != self.ways:
                put, ways = self._sent_by(destination, like), self.ways
            return put(replace(like, body=body))

        return send

    def _sent_by(self, destination: str, message: Message) -> Put:
        """How a message goes there, if the caller may send it; it is signed."""
        put = self._puts.get(destination) or self._resolve(destination)
        self._sign(message)
        return put

    def _sign(self, message: Message) -> None:
        """A message says who sent it, nothing that only the broker says, and no address for replies but the sender's own."""
        if message.user != self._identity:
            force_setattr(message, "user", self._identity)
            if message.alike is not None:  # those that he sent before keep theirs
                force_setattr(message, "alike", Alike())
        if message.headers and not DEAD.isdisjoint(message.headers):
            force_setattr(message, "headers", {name: value for name, value in message.headers.items() if name not in DEAD})
        if message.reply_to is not None and message.reply_to not in self._replies:
            self._check_reply(message.reply_to)

    def _resolve(self, text: str) -> Put:
        """Whither messages for a destination go, if the caller may send there."""
        put = self._way(parse(text), text)
        if len(self._puts) >= self.exchange.limits.remembered:
            self._puts.clear()
        self._puts[text] = put
        return put

    def _way(self, found: Destination, text: str) -> Put:
        if self._is_closed or self.caller.only is not None:
            raise self._denied("queue.send")
        if found.kind is Kind.QUEUE:
            queue = self._queue(found.name, "queue.send")
            return queue.put
        if found.kind is Kind.TOPIC:
            check_topic(found.name)
            if is_owned(found.name) or not self._has("topic.publish"):
                raise self._denied("topic.publish")
            return partial(self.exchange.publish, found.name, text)
        if found.kind is Kind.TEMPORARY:
            queue_of_other = self.exchange.temporaries.get(text)
            if queue_of_other is None or not (text in self.temporaries or self.caller.rights.anywhere("queue.send")):
                raise ObjectNotFound(type="queue", id=text)
            return queue_of_other.put
        if found.kind is Kind.REQUESTS:
            if self.exchange.requests is None:
                raise ObjectNotFound(type="queue", id=text)
            return partial(self._request, self.exchange.requests)
        raise ObjectNotFound(type="queue", id=text)

    def _check_reply(self, address: str) -> None:
        """Raise ``PermissionDenied`` unless the address is the sender's own to hear from."""
        found = parse(address)
        if found.kind is Kind.QUEUE:
            self._queue(found.name, "queue.receive")
        elif found.kind is Kind.TOPIC:
            if not self._has("topic.subscribe"):
                raise self._denied("topic.subscribe")
        elif found.kind is Kind.TEMPORARY:
            if address not in self.temporaries:
                raise self._denied("queue.receive")
        elif found.kind is Kind.REQUESTS:
            raise InvalidParams(path="$.replyTo", reason="requests are not replies")
        if len(self._replies) >= self.exchange.limits.remembered:
            self._replies.clear()
        self._replies.add(address)

    # --- requests ---

    def _request(self, requests: Requests, message: Message) -> None:
        """Have it answered; the answer goes to this session and nobody else."""
        answer = requests.answer(self.caller, message)
        if answer is None:
            return
        if isinstance(answer, Message):
            self._reply(message.reply_to, answer)
        else:
            self.exchange.when_answered(answer, partial(self._reply, message.reply_to))

    def _reply(self, address: str | None, reply: Message | None) -> None:
        if reply is None:
            return
        if self._is_closed or not self._deliver_reply(RESPONSES if address is None else address, reply):
            self.exchange.counters.dropped_answers += 1

    def _deliver_reply(self, address: str, reply: Message) -> bool:
        own = self.by_destination.get(address)
        if own:
            for subscription in own:
                if isinstance(subscription, OwnSubscription):
                    subscription.give(reply)
                else:
                    subscription.give(reply, address, None)
            return True
        queue = self.temporaries.get(address)
        try:
            if queue is None:
                found = parse(address)
                if found.kind is not Kind.QUEUE:
                    return False
                queue = self._queue(found.name, "queue.receive")
            queue.put(reply)
        except Exception as failure:  # noqa: BLE001 - there is nobody who could be told
            self.exchange.complain(failure)
            return False
        return True

    # --- receiving ---

    def subscribe(self, wish: Wish, consumer: Consumer) -> Subscription:
        """See ``Session``."""
        limits = self.exchange.limits
        if wish.id in self.subscriptions:
            raise AlreadyExists(type="subscription", id=wish.id)
        if len(self.subscriptions) >= limits.subscriptions:
            raise LimitExceeded(limit="subscriptions of a connection", maximum=limits.subscriptions)
        if self.exchange.quota is None:
            return self._subscribe(wish, consumer)
        give_back = self.exchange.quota(self.caller)
        try:
            made = self._subscribe(wish, consumer)
        except BaseException:
            give_back()
            raise
        self._quotas[wish.id] = give_back
        return made

    def _subscribe(self, wish: Wish, consumer: Consumer) -> Subscription:
        found = parse(wish.destination)
        if self._is_closed or self.caller.only is not None:
            raise self._denied("queue.receive")
        if found.kind is not Kind.TOPIC and (wish.filter is not None or wish.coalesce_s):
            raise InvalidParams(path="$.filter", reason="only events can be filtered and merged")
        credit = wish.credit if wish.credit is not None else (0 if wish.is_exact else self.exchange.limits.window)
        if found.kind is Kind.QUEUE or found.kind is Kind.TEMPORARY:
            return self._receive(wish, consumer, found, credit)
        if wish.browse:
            raise InvalidParams(path="$.browse", reason="only queues can be browsed")
        if found.kind is Kind.TOPIC:
            return self._listen(wish, consumer, found.name, credit)
        if found.kind is Kind.REQUESTS:
            raise self._denied("queue.receive")
        own = OwnSubscription(self, wish, consumer)
        self.subscriptions[wish.id] = own
        self.by_destination.setdefault(wish.destination, []).append(own)
        return own

    def _receive(self, wish: Wish, consumer: Consumer, found: Destination, credit: int) -> Subscription:
        if found.kind is Kind.TEMPORARY:
            queue = self.temporaries.get(wish.destination)
            if queue is None:
                raise ObjectNotFound(type="queue", id=wish.destination)
        else:
            queue = self._queue(found.name, "queue.browse" if wish.browse else "queue.receive")
        if wish.browse:
            browser = Browser(self, wish, consumer, queue, credit)
            queue.browsers.add(browser)
            queue.wake()
            self.subscriptions[wish.id] = browser
            return browser
        receiver = Receiver(self, wish, consumer, queue, credit)
        queue.attach(receiver)
        self.subscriptions[wish.id] = receiver
        return receiver

    def _listen(self, wish: Wish, consumer: Consumer, pattern: str, credit: int) -> Subscription:
        fits = matcher([pattern])
        made = TopicSubscription(self, wish, consumer, credit)
        self.exchange.listen(made, wish, pattern, fits)
        self.subscriptions[wish.id] = made
        self.by_destination.setdefault(wish.destination, []).append(made)
        return made

    def ended(self, subscription: Holder) -> None:
        """A subscription of this session is over; what it has stays until it is settled."""
        if self.subscriptions.get(subscription.id) is subscription:
            del self.subscriptions[subscription.id]
            give_back = self._quotas.pop(subscription.id, None)
            if give_back is not None:
                give_back()
        same = self.by_destination.get(subscription.destination)
        if same is not None:
            same[:] = [each for each in same if each is not subscription]
            if not same:
                del self.by_destination[subscription.destination]

    def hold(self, tag: int, message: Message, holder: Holder) -> None:
        """A delivery that is of no queue has to be settled all the same."""
        item = Item(sequence=tag, message=message, state=HELD, holder=holder)
        self.unsettled[tag] = item
        if holder.ack is Ack.CLIENT:
            holder.open[tag] = item

    # --- settling ---

    def held(self, tag: int) -> Consumer | None:
        """See ``Session``."""
        item = self.unsettled.get(tag)
        return None if item is None or item.transaction is not None or item.holder is None else item.holder.consumer

    def accept(self, tag: int) -> Awaitable[None] | None:
        """See ``Session``. What has no record and is of a queue that still is there, which is most, takes the shortest way."""
        item = self.unsettled.get(tag)
        if item is None or item.is_kept or item.transaction is not None:
            return self.settle(tag, _ACCEPTED)
        queue, holder = item.queue, item.holder
        if queue is None or queue.is_ended or type(holder) is not Receiver:
            return self.settle(tag, _ACCEPTED)
        earlier = holder.open
        if not earlier:
            del self.unsettled[tag]
            item.state = GONE
            queue.settled(1, item.octets)
            holder.settled_many(1)
            return None
        return self._accept_up_to(tag, queue, holder, earlier)

    def _accept_up_to(self, tag: int, queue: Queue, holder: Receiver, earlier: dict[int, Item]) -> Awaitable[None] | None:
        octets, done = 0, []
        for each, item in earlier.items():
            if item.is_kept or item.transaction is not None:
                return self.settle(tag, _ACCEPTED)
            octets += item.octets
            done.append(each)
            if each == tag:
                break
        unsettled = self.unsettled
        for each in done:
            del unsettled[each]
            earlier.pop(each).state = GONE
        queue.settled(len(done), octets)
        holder.settled_many(len(done))
        return None

    def amend(self, tag: int, change: Callable[[Message, str], Message]) -> None:
        """See ``Session``."""
        item = self.unsettled.get(tag)
        if item is not None and item.transaction is None and item.queue is not None and not item.queue.is_ended:
            item.queue.amend(item, change(item.message, item.queue.destination))

    def settle(
        self, tag: int, verdict: Verdict, *, undeliverable_here: bool = False, transaction: str | None = None
    ) -> Awaitable[None] | None:
        """See ``Session``."""
        item = self.unsettled.get(tag)
        if item is None or item.transaction is not None:
            raise ObjectNotFound(type="delivery", id=str(tag))
        holder = item.holder
        if holder is not None and tag in holder.open:
            chosen = [(each, its) for each, its in holder.open.items() if each <= tag and its.transaction is None]
        else:
            chosen = [(tag, item)]
        if transaction is not None:
            self._transactions.settle(transaction, [(each, its, verdict, undeliverable_here) for each, its in chosen])
            return None
        recorded: Awaitable[None] | None = None
        for each, its in chosen:
            recorded = self._settle(each, its, verdict, undeliverable_here) or recorded
        return recorded

    def _settle(self, tag: int, item: Item, verdict: Verdict, undeliverable_here: bool) -> Recorded | None:
        del self.unsettled[tag]
        queue, holder = item.queue, item.holder
        item.transaction = None
        recorded = None
        if queue is not None:
            if queue.is_ended:
                queue.forget_held(item)
            elif verdict is _ACCEPTED:
                recorded = queue.accept(item)
            elif verdict is _REJECTED:
                recorded = queue.reject(item)
            else:
                if undeliverable_here and isinstance(holder, Receiver):
                    item.avoids = {holder} if item.avoids is None else item.avoids | {holder}
                if verdict is _FAILED:
                    recorded = queue.fail(item)
                else:
                    queue.give_back(item)
        if holder is not None:
            holder.settled(tag)
        return recorded

    # --- transactions ---

    def begin(self, transaction: str) -> None:
        """See ``Session``."""
        self._transactions.begin(transaction)

    def commit(self, transaction: str) -> Awaitable[None] | None:
        """See ``Session``."""
        found = self._transactions.find(transaction)
        try:
            puts = [(self._resolve(destination), destination, message) for destination, message in found.sends]
            self._transactions.check_room(puts, found.settles)
        except BaseException:
            self._transactions.abort(transaction)
            raise
        self._transactions.end(transaction)
        recorded: Recorded | None = None
        for tag, item, verdict, undeliverable_here in found.settles:
            if tag in self.unsettled:
                recorded = self._settle(tag, item, verdict, undeliverable_here) or recorded
        return self.exchange.put_all(puts, found.settles, recorded)

    def abort(self, transaction: str) -> None:
        """See ``Session``."""
        self._transactions.abort(transaction)

    # --- the session itself ---

    def temporary(self) -> str:
        """See ``Session``."""
        most = self.exchange.limits.temporary_queues
        if len(self.temporaries) >= most:
            raise LimitExceeded(limit="temporary queues of a connection", maximum=most)
        queue = self.exchange.make_temporary()
        self.temporaries[queue.destination] = queue
        return queue.destination

    def drop_temporary(self, destination: str) -> None:
        """End a temporary queue of this session before its end; raises ``ObjectNotFound``."""
        queue = self.temporaries.pop(destination, None)
        if queue is None:
            raise ObjectNotFound(type="queue", id=destination)
        self.forget_ways()
        self.exchange.end_temporary(queue)

    def close(self) -> None:
        """See ``Session``."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._rights_changed in self.caller.on_change:
            self.caller.on_change.remove(self._rights_changed)
        self._transactions.clear()
        for subscription in list(self.subscriptions.values()):
            subscription.end()
        for sender in tuple(self.senders):
            sender.end()
        unsettled, self.unsettled = self.unsettled, {}
        for item in unsettled.values():
            item.transaction = None
            if item.queue is not None:
                item.queue.give_back(item)
        for queue in self.temporaries.values():
            self.exchange.end_temporary(queue)
        self.temporaries.clear()
        self.forget_ways()
        self.exchange.closed(self)

    # --- rights ---

    def forget_ways(self) -> None:
        """Queues have come or gone: ways are looked for anew."""
        self.ways += 1
        self._puts.clear()
        self._replies.clear()

    def _rights_changed(self) -> None:
        """Ways are looked for anew, and subscriptions and senders that may not be any more end."""
        self._identity = self.caller.identity
        self.forget_ways()
        for subscription in list(self.subscriptions.values()):
            if isinstance(subscription, TopicSubscription) and subscription.event_part is not None:
                subscription.event_part.see_anew()
            refusal = self._objection(subscription)
            if refusal is not None:
                subscription.cut(refusal)
        for sender in tuple(self.senders):
            if not self._may_go_on(sender):
                queue = sender.queue
                permission = sender.permission or "queue.send"
                sender.cut(self._denied(permission) if queue is None else self._denied_at(permission, queue.name, queue))

    def _may_go_on(self, sender: Sender) -> bool:
        queue = sender.queue
        if self.caller.only is not None:
            return False
        if queue is None:
            return not sender.permission or self._has(sender.permission)
        if queue.destination in self.exchange.temporaries:
            return queue.destination in self.temporaries or self.caller.rights.anywhere("queue.send")
        return self._may("queue.send", queue)

    def _objection(self, subscription: Holder) -> ApiError | None:
        if self.caller.only is not None:
            return self._denied("queue.receive")
        if isinstance(subscription, (Receiver, Browser)):
            queue = subscription.queue
            permission = "queue.browse" if isinstance(subscription, Browser) else "queue.receive"
            is_own = queue.destination in self.temporaries
            return None if is_own or self._may(permission, queue) else self._denied_at(permission, queue.name, queue)
        if isinstance(subscription, TopicSubscription):
            return self.exchange.objection(subscription)
        return None

    def _queue(self, name: str, permission: str) -> Queue:
        """The queue, if the caller may; one that he may not even see is not there."""
        queue = self.exchange.queue(name)
        if queue is None:
            if not self.caller.rights.anywhere(permission):
                raise self._denied_at(permission, name, None)
            raise self._hidden(permission, name, None)
        if not self._may(permission, queue):
            if self._may("queue.read", queue) or not self.caller.rights.anywhere(permission):
                raise self._denied_at(permission, name, queue)
            raise self._hidden(permission, name, queue)
        return queue

    def _hidden(self, permission: str, name: str, queue: Queue | None) -> ObjectNotFound:
        """It is not there, or not his: said alike, and recorded for whoever may read the audit of its project."""
        if permission not in self.caller.permissions:
            self._denied_at(permission, name, queue)
        return not_there(name)

    def _may(self, permission: str, queue: Queue) -> bool:
        return self.caller.rights.allows(permission, type="queue", id=queue.name, project=queue.project)

    def _has(self, permission: str) -> bool:
        return self.caller.rights.allows(permission, project=PROJECT)

    def has(self, permission: str) -> bool:
        """Whether the caller may do this with topics."""
        return self._has(permission)

    def _denied(self, permission: str) -> PermissionDenied:
        """Of topics, or of nothing that has a name."""
        return self._refusal(permission, None, PROJECT if permission.startswith("topic.") else None)

    def _denied_at(self, permission: str, name: str, queue: Queue | None) -> PermissionDenied:
        """Of a queue, or of a name that none has; temporary ones are nobody's affair."""
        is_known = queue is None or bool(queue.project)
        return self._refusal(permission, ("queue", name) if is_known else None, None if queue is None else queue.project or None)

    def _refusal(self, permission: str, object: tuple[str, str] | None, project: str | None) -> PermissionDenied:
        if self.exchange.refused is not None:
            self.exchange.refused(self.caller, permission, object, project)
        return PermissionDenied(identity=self.caller.identity, permission=permission)

    def denied(self, permission: str) -> PermissionDenied:
        """The refusal of something that needs a permission."""
        return self._denied(permission)
