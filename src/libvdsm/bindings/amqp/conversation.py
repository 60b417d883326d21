"""One connection's conversation: links to destinations, messages both ways.

It is the ``Handler`` of the state machines in ``wire.amqp`` and a ``LineSession`` for whatever carries the octets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from libvdsm.base.errors import ApiError
from libvdsm.bindings.amqp import failures, messages, notes, terminus
from libvdsm.bindings.amqp.consumer import AmqpConsumer
from libvdsm.bindings.amqp.login import OK, Login
from libvdsm.interfaces.generated.errors import StateFull
from libvdsm.interfaces.messaging import Ack, Verdict, Wish
from libvdsm.wire.amqp import outcomes
from libvdsm.wire.amqp.connection import AmqpConnection, State
from libvdsm.wire.amqp.errors import FORCED, INVALID_FIELD, NOT_FOUND, RESOURCE_LIMIT, UNAUTHORIZED, AmqpError, Scope
from libvdsm.wire.amqp.links import Receiver, Sender
from libvdsm.wire.amqp.outcomes import IS_ACCEPTED, IS_RELEASED, Outcome
from libvdsm.wire.amqp.performatives import Attach, Open
from libvdsm.wire.amqp.values import Symbol

if TYPE_CHECKING:
    from libvdsm.bindings.amqp.config import AmqpCounters, ConversationLimits
    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import Line
    from libvdsm.interfaces.messaging import Exchange, Session
    from libvdsm.wire.amqp.links import Link

_SETTLED: Final = 1
#: Seconds between two looks of the sweep, and how short an interval needs a timer of its own.
_SWEEP_S: Final = 1.0
_SHORT_S: Final = 3.0
_VERDICTS: Final = {
    outcomes.ACCEPTED: Verdict.ACCEPTED,
    outcomes.REJECTED: Verdict.REJECTED,
    outcomes.RELEASED: Verdict.RELEASED,
    outcomes.MODIFIED: Verdict.RELEASED,
}
#: A virtual host as RabbitMQ's clients say it; there is one.
_VHOST: Final = "vhost:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all conversations share."""

    exchange: Exchange
    login: Callable[[Caller, str], None]
    limits: ConversationLimits
    counters: AmqpCounters
    container: str
    version: str | None  # None: nothing is told of us
    now: Callable[[], float]
    wall: Callable[[], float]


class Conversation:
    """See ``LineSession`` and ``wire.amqp.connection.Handler``."""

    def __init__(self, caller: Caller, line: Line, setting: Setting) -> None:
        self.line = line
        self.wall = setting.wall
        self.blocked: list[Callable[[], None]] = []  # who waits for the window of a session
        self._caller = caller
        self._setting = setting
        self._limits = setting.limits
        self._counters = setting.counters
        self._login = Login(caller, setting.login, is_secure=line.is_secure)
        self._amqp = AmqpConnection(self, line.put, setting.limits.wire)
        self._broker: Session | None = None
        self._refusal: AmqpError | None = None
        self._consumers: set[AmqpConsumer] = set()
        self._held: set[Receiver] = set()  # senders that were stopped because the disk is full
        self._producers: dict[Receiver, Callable[[], None]] = {}  # those to one place, and how to be told no more of it
        self._last_id = 0
        self._storing = 0  # messages whose storing is awaited
        self._has_ended = self._is_closed = self._has_heard = self._flushes = False
        self._began_at = self._heard_at = self._beat_at = self._probed_at = setting.now()
        self._partial_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the line asks.

    @property
    def has_more(self) -> bool:
        """See ``LineSession``."""
        return self._amqp.has_more

    @property
    def is_waiting(self) -> bool:
        """See ``LineSession``."""
        return self._storing >= self._limits.pending

    @property
    def subscriptions(self) -> int:
        """See ``LineSession``."""
        return len(self._consumers)

    @property
    def lag(self) -> int:
        """See ``LineSession``."""
        return 0 if self._broker is None else self._broker.lag

    def receive(self, data: bytes) -> None:
        """See ``LineSession``."""
        self._has_heard = True
        self._amqp.receive_data(data)

    def work(self, units: int) -> int:
        """See ``LineSession``."""
        if self.is_waiting:
            return 0
        used = self._amqp.work(units)
        if not self._amqp.stream.is_partial:
            self._partial_since = 0.0
        elif used or not self._partial_since:  # behind others a frame has its own time
            self._partial_since = self._setting.now()
        return used

    def check_time(self, now: float) -> None:
        """See ``LineSession``."""
        amqp, limits = self._amqp, self._limits
        if amqp.state is State.OVER:
            return
        if self._has_heard:
            self._has_heard, self._heard_at = False, now
        if amqp.state is not State.OPEN:
            if now - self._began_at >= limits.login_s:
                amqp.close(AmqpError(RESOURCE_LIMIT, "the login took too long"))
            return
        idle_s = limits.wire.idle_ms / 1_000
        if idle_s and now - self._heard_at >= 2 * idle_s:
            self._counters.lost_peers += 1
            amqp.silent()
        elif self._partial_since and now - self._partial_since >= limits.frame_s:
            amqp.close(AmqpError(RESOURCE_LIMIT, "a frame took too long"))
        else:
            self._check_ours(now)

    def _check_ours(self, now: float) -> None:
        beat_s = self._amqp.idle_ms / 2_000
        if beat_s >= _SHORT_S and now - self._beat_at >= beat_s - _SWEEP_S:
            self._beat_at = now
            self._amqp.beat()
        if self._held and now - self._probed_at >= self._limits.probe_s:
            self._probed_at = now
            for link in self._held:
                link.probe()

    def _beat_often(self, beat_s: float) -> None:
        """The peer wants to hear from us more often than the sweep comes."""
        self._amqp.beat()
        if self._amqp.state is State.OPEN and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(beat_s, self._beat_often, beat_s)

    def refuse(self, failure: ApiError) -> None:
        """See ``LineSession``: said as soon as the peer has opened, because nothing can be said before."""
        self._refusal = failures.of_connection(failure)

    def shut_down(self) -> None:
        """See ``LineSession``."""
        self._amqp.close(AmqpError(FORCED, "the connection is ended from this side"))

    def _finish_if_done(self) -> None:
        """The line's last octet was read: close when nothing is due any more."""
        if not self._storing:
            self._amqp.close()
            self.line.finish()

    def close(self) -> None:
        """See ``LineSession``."""
        if self._is_closed:
            return
        self._is_closed = True
        self._amqp.state = State.OVER
        if self._timer is not None:
            self._timer.cancel()
        self._consumers.clear()
        self._producers.clear()
        self.blocked.clear()
        if self._broker is not None:
            self._broker.close()

    # What the state machines ask: the login.

    def may_skip_login(self) -> bool:
        """See ``Handler``."""
        return self._login.is_known

    def mechanisms(self) -> tuple[str, ...]:
        """See ``Handler``."""
        return self._login.mechanisms

    def login(self, mechanism: str, response: bytes | None) -> int | None:
        """See ``Handler``."""
        code = self._login.take(mechanism, response)
        if code is not None and code != OK:
            self._counters.refused_logins += 1
        return code

    def opened(self, peer: Open) -> Open:
        """See ``Handler``."""
        if self._refusal is not None:
            raise self._refusal
        host = peer.hostname or ""
        if host.startswith(_VHOST) and host not in {_VHOST, f"{_VHOST}/"}:
            raise AmqpError(NOT_FOUND, "there is one virtual host, and it has no name")
        setting, wire = self._setting, self._limits.wire
        self._broker = setting.exchange.open(self._caller)
        self._heard_at = self._beat_at = setting.now()
        self.line.agreed("amqp/1.0", 2 * wire.idle_ms / 1_000 or None)
        beat_s = (peer.idle_time_out or 0) / 2_000
        if 0 < beat_s < _SHORT_S:
            self._timer = asyncio.get_running_loop().call_later(beat_s / 2, self._beat_often, beat_s / 2)
        about: dict[object, object] | None = None
        if setting.version is not None:
            about = {Symbol("product"): "libvdsm", Symbol("version"): setting.version, Symbol("platform"): "Python"}
        return Open(
            setting.container,
            max_frame_size=wire.frame_octets,
            channel_max=wire.sessions - 1,
            idle_time_out=wire.idle_ms or None,
            offered_capabilities=("ANONYMOUS-RELAY",),
            properties=about,
        )

    # Links.

    def attached(self, link: Link, attach: Attach) -> None:
        """See ``Handler``."""
        broker = self._broker
        if broker is None:
            raise AmqpError(UNAUTHORIZED, "nobody is known yet", Scope.LINK)
        try:
            if isinstance(link, Sender):
                self._attach_consumer(broker, link, attach)
            elif isinstance(link, Receiver):
                self._attach_producer(broker, link, attach)
        except ApiError as failure:
            self._counters.refused_links += 1
            raise failures.of_link(failure) from failure

    def _attach_consumer(self, broker: Session, link: Sender, attach: Attach) -> None:
        origin, source = terminus.read_source(attach, broker.temporary)
        is_settled = attach.snd_settle_mode == _SETTLED
        settles = origin.is_taken and not is_settled
        consumer = AmqpConsumer(self, link, settles=settles)
        self._last_id += 1
        wish = Wish(
            destination=origin.destination,
            id=str(self._last_id),
            ack=Ack.INDIVIDUAL if settles else Ack.AUTO,
            credit=0,
            is_exact=True,
            after=origin.after,
            snapshot=origin.snapshot,
            filter=origin.filter,
            coalesce_s=origin.coalesce_s,
            browse=origin.browse,
        )
        consumer.subscription = broker.subscribe(wish, consumer)
        link.owner = consumer
        self._consumers.add(consumer)
        link.accept(source, settles=is_settled)

    def _attach_producer(self, broker: Session, link: Receiver, attach: Attach) -> None:
        """Who may not send there, or to what is not there, hears so at once; without an address every message is judged by its own."""
        destination, target = terminus.read_target(attach, broker.temporary)
        if destination is not None and not target.dynamic:
            self._producers[link] = broker.intend(destination, partial(self._cut, link))
        link.owner = destination
        link.accept(target)

    def _cut(self, link: Receiver, reason: ApiError) -> None:
        """What it sends to is gone, or the right to it: the link ends with that, and what is on its way counts no more."""
        self._release(link)
        link.end(failures.of_end(reason))

    def _release(self, link: Receiver) -> None:
        """Nothing is to be told to it any more."""
        self._held.discard(link)
        leave = self._producers.pop(link, None)
        if leave is not None:
            leave()

    def credited(self, link: Sender, *, drain: bool) -> None:
        """See ``Handler``."""
        consumer = link.owner
        if isinstance(consumer, AmqpConsumer):
            consumer.credited(drain=drain)

    def detached(self, link: Link) -> None:
        """See ``Handler``."""
        consumer = link.owner
        if isinstance(consumer, AmqpConsumer):
            self.forget(consumer)
            if consumer.subscription is not None:
                consumer.subscription.end()
        elif isinstance(link, Receiver):
            self._release(link)

    def drop(self) -> None:
        """An answer had no place to wait for credit."""
        self._counters.dropped_answers += 1

    def forget(self, consumer: AmqpConsumer) -> None:
        """A consumer is over."""
        self._consumers.discard(consumer)

    def writable(self) -> None:
        """See ``Handler``."""
        waiting, self.blocked[:] = tuple(self.blocked), []
        for resume in waiting:
            self.line.when_drained(resume)

    # Messages.

    def arrived(self, link: Receiver, number: int, payload: bytes, *, is_settled: bool) -> bytes | None:
        """See ``Handler``."""
        broker = self._broker
        if broker is None:
            return IS_RELEASED
        message, to, user = messages.read(payload, self.wall(), self._caller.identity)
        self._counters.messages += 1
        destination = link.owner if isinstance(link.owner, str) else to
        if destination is None:
            nowhere = AmqpError(INVALID_FIELD, "a message to nowhere: it has no to", Scope.LINK)
            return self._refused(link, nowhere, is_settled=is_settled)
        if user is not None and user != self._caller.identity.encode():
            return self._refused(link, AmqpError(UNAUTHORIZED, "user-id is somebody else", Scope.LINK), is_settled=is_settled)
        try:
            storing = broker.send(destination, message)
        except ApiError as failure:
            return self._failed(link, failure, is_settled=is_settled)
        if storing is not None:
            self._follow(link, number, storing)
            return None
        if link.is_held:
            self._held.discard(link)
            link.resume()
        return IS_ACCEPTED

    def _failed(self, link: Receiver, failure: ApiError, *, is_settled: bool) -> bytes:
        """It was not taken; while the disk is full senders get no credit, and what they sent is theirs again (AM-104)."""
        if isinstance(failure, StateFull):
            if not link.is_ending:
                self._held.add(link)
                link.hold()
            return IS_RELEASED
        return self._refused(link, failures.of_link(failure), is_settled=is_settled)

    def _refused(self, link: Receiver, failure: AmqpError, *, is_settled: bool) -> bytes:
        """Of a message that was settled before it came its sender would never hear: its link ends."""
        self._counters.refused_messages += 1
        if is_settled:
            raise failure
        return outcomes.rejected(failure, link.session.largest)

    def _follow(self, link: Receiver, number: int, storing: Awaitable[None]) -> None:
        self._storing += 1
        future = asyncio.ensure_future(storing)
        future.add_done_callback(partial(self._stored, link, number))

    def _stored(self, link: Receiver, number: int, done: asyncio.Future[None]) -> None:
        """A message is where it should be, or is not."""
        was_waiting = self.is_waiting
        self._storing -= 1
        failure = None if done.cancelled() else done.exception()
        if self._is_closed:
            return
        if done.cancelled():
            outcome = IS_RELEASED
        elif failure is None:
            outcome = IS_ACCEPTED
            if link.is_held:
                self._held.discard(link)
                link.resume()
        elif isinstance(failure, ApiError):
            outcome = self._failed(link, failure, is_settled=False)
        else:
            outcome = IS_RELEASED
        link.settle(number, outcome)
        self._flush_soon()
        if was_waiting:
            self.line.wake()
        if self._has_ended:
            self._finish_if_done()

    def _flush_soon(self) -> None:
        if not self._flushes:
            self._flushes = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushes = False
        if not self._is_closed:
            self._amqp.flush()

    def settled(self, tags: list[int], outcome: Outcome) -> None:
        """See ``Handler``."""
        if self._broker is None:
            return
        verdict, here = _VERDICTS[outcome.code], outcome.undeliverable_here
        if outcome.code == outcomes.MODIFIED and outcome.delivery_failed:
            verdict = Verdict.FAILED
        settle, note = self._broker.settle, notes.of(outcome)
        for tag in tags:
            try:
                if note is not None:
                    self._broker.amend(tag, note)
                recorded = settle(tag, verdict, undeliverable_here=here)
            except ApiError:
                continue  # its queue is gone
            if recorded is not None:
                asyncio.ensure_future(recorded).add_done_callback(_forget_failure)

    # The end; ``ended`` is both the line's word (the peer sends no more) and the state machines' (our last word is said).

    def ended(self) -> None:
        """See ``LineSession`` and ``Handler``."""
        if self._amqp.state is State.OVER:
            if self._broker is not None and not self._is_closed:
                for consumer in tuple(self._consumers):
                    if consumer.subscription is not None:
                        consumer.subscription.end()
                for link in tuple(self._producers):
                    self._release(link)
            self.line.finish()
            return
        self._has_ended = True
        self._finish_if_done()


def _forget_failure(done: asyncio.Future[None]) -> None:
    """It is delivered again when nobody could write down that it need not be."""
    if not done.cancelled():
        done.exception()
