"""What a receiving link gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from libvdsm.bindings.amqp import failures, messages

if TYPE_CHECKING:
    from libvdsm.base.errors import ApiError
    from libvdsm.bindings.amqp.conversation import Conversation
    from libvdsm.interfaces.messaging import Delivery, Subscription
    from libvdsm.wire.amqp.links import Sender

_KEY: Final = "amqp"


class AmqpConsumer:
    """A subscription; see ``Consumer``. ``settles``: somebody wants to know what became of each delivery."""

    __slots__ = ("_conversation", "_held", "_is_line_full", "_resumes", "_session", "_settles", "link", "subscription")

    def __init__(self, conversation: Conversation, link: Sender, *, settles: bool) -> None:
        self._conversation = conversation
        self._settles = settles
        self._session = link.session
        self._is_line_full = conversation.line.is_full
        self.link = link
        self.subscription: Subscription | None = None
        self._held: deque[Delivery] = deque()  # answers and gaps, which come unasked: they wait for credit
        self._resumes: list[Callable[[], None]] = []

    def deliver(self, delivery: Delivery) -> None:
        """Send it, if there is credit."""
        link = self.link
        if link.is_ending:
            return
        if link.credit > 0:
            self._send(link, delivery)
        elif len(self._held) < link.session.limits.credit:
            self._held.append(delivery)
        else:
            self._conversation.drop()

    def credited(self, *, drain: bool) -> None:
        """The peer takes more: first what waits, then what is new."""
        link, held, subscription = self.link, self._held, self.subscription
        while held and link.credit > 0:
            self._send(link, held.popleft())
        if not held:
            resumes, self._resumes = self._resumes, []
            for resume in resumes:
                self._conversation.line.when_drained(resume)
        if subscription is not None:
            subscription.set_credit(link.credit)
            if drain:
                subscription.drain()

    def _send(self, link: Sender, delivery: Delivery) -> None:
        shared, message = delivery.shared, delivery.message
        tag = delivery.tag if self._settles else None
        if shared is None and delivery.resume is None:
            usual = messages.usual(message, delivery.count)
            if usual is not None:
                link.send(*usual, tag)
                return
        if delivery.resume is not None:
            annotation = messages.resume_annotation(delivery.resume)
            tail = shared.get(_KEY) if shared is not None else None
            if tail is None:
                tail = messages.tail(message, delivery.destination, is_first=False)
                if shared is not None:
                    shared[_KEY] = tail
            tail = annotation + tail
        elif shared is None:
            tail = messages.tail(message, delivery.destination)
        else:
            tail = shared.get(_KEY) or shared.setdefault(_KEY, messages.tail(message, delivery.destination))
        link.send(messages.header(delivery, self._conversation.wall()), tail, tag)

    def is_full(self) -> bool:
        """Whether the client takes too little."""
        session = self._session
        return session.remote_window <= 0 or bool(session.blocked) or bool(self._held) or self._is_line_full()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when it takes again."""
        if self._held:
            self._resumes.append(resume)
        elif self.link.session.is_blocked:
            self._conversation.blocked.append(resume)
        else:
            self._conversation.line.when_drained(resume)

    def drained(self) -> None:
        """The credit that is left is used up."""
        if not self.link.is_ending:
            self.link.drained()

    def ended(self, reason: ApiError) -> None:
        """The queue is gone, or the right to it: the link ends with that."""
        self._conversation.forget(self)
        self.link.end(failures.of_end(reason))
