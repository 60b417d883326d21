"""One connection's subscriptions, and the temporary queues behind the names that the client gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from libvdsm.bindings.stomp import names
from libvdsm.bindings.stomp.consumer import StompConsumer
from libvdsm.bridge.event_wish import read_event_wish
from libvdsm.interfaces.generated.errors import AlreadyExists, InvalidParams, LimitExceeded, ObjectNotFound
from libvdsm.interfaces.messaging import Ack, Wish
from libvdsm.wire.stomp.events import StompError

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.config import SessionLimits
    from libvdsm.bindings.stomp.session import StompSession
    from libvdsm.interfaces.messaging import Session

_ACKS: Final = {each.value: each for each in Ack}


class Subscriptions:
    """By their ids; see ``StompConsumer``."""

    def __init__(self, session: StompSession, broker: Session, limits: SessionLimits, *, changed: Callable[[], None]) -> None:
        """``changed`` is called when destinations may mean something else."""
        self.own: dict[str, StompConsumer] = {}  # where replies go, by destination as the client writes it
        self._session = session
        self._broker = broker
        self._limits = limits
        self._changed = changed
        self._by_id: dict[str, StompConsumer] = {}
        self._temporary: dict[str, str] = {}  # what the client calls its temporary queues, and what they are called

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(self, headers: Mapping[str, str]) -> None:
        """What SUBSCRIBE says. Raises ``StompError`` or ``ApiError``."""
        session = self._session
        destination = headers.get("destination")
        if not destination:
            raise StompError("the header destination is missing")
        id = headers.get("id")
        if id is None:
            if session.version != "1.0":
                raise StompError("the header id is missing")
            id = destination
        ack = _ACKS.get(headers.get("ack", "auto"))
        if ack is None or (ack is Ack.INDIVIDUAL and session.version == "1.0"):
            raise StompError("the header ack is auto, client or client-individual")
        if "selector" in headers:
            raise StompError("selectors are not supported")
        if ack is not Ack.AUTO:
            session.show_modern()
        session.consider(destination, headers)
        self._add(destination, id=id, ack=ack, headers=headers)

    def end(self, headers: Mapping[str, str]) -> None:
        """What UNSUBSCRIBE says. What the subscription has not settled stays so, and may be settled still."""
        id = headers.get("id")
        if id is None and self._session.version == "1.0":
            id = headers.get("destination")
        if id is None:
            raise StompError("the header id is missing")
        consumer = self._by_id.pop(id, None)
        if consumer is None:
            raise ObjectNotFound(type="subscription", id=id)
        consumer.is_over = True
        if consumer.subscription is not None:
            consumer.subscription.end()
        if self.own.get(consumer.destination) is consumer:
            del self.own[consumer.destination]
            others = (each for each in self._by_id.values() if each.destination == consumer.destination)
            if (other := next(others, None)) is not None:
                self.own[consumer.destination] = other
        self._changed()

    def look_at_pace(self) -> None:
        """Whether the client takes too little is found out in another way from now on."""
        for each in self._by_id.values():
            each.is_full = self._session.is_full

    def clear(self) -> None:
        """The connection is gone."""
        self._by_id.clear()
        self.own.clear()

    def real(self, destination: str) -> str:
        """What the broker calls a destination."""
        return self._temporary.get(destination, destination)

    def reply_queue(self, name: str) -> str:
        """The temporary queue that the client calls so. One that it has not subscribed to is subscribed to under its own name."""
        real = self._temporary.get(name)
        if real is not None or name in self.own:
            return real or name
        if name in self._temporary.values() or names.is_generated(name):
            return name  # of ours, or somebody else's: the broker knows
        self._add(name, id=name, ack=Ack.AUTO, headers={})
        return self._temporary[name]

    def _add(self, destination: str, *, id: str, ack: Ack, headers: Mapping[str, str]) -> None:
        if id in self._by_id:
            raise AlreadyExists(type="subscription", id=id)
        if len(self._by_id) >= self._limits.subscriptions:
            raise LimitExceeded(limit="subscriptions of a connection", maximum=self._limits.subscriptions)
        filter, coalesce_s = read_event_wish(headers.get("filter"), headers.get("coalesce"))
        real = destination
        if destination.startswith(names.TEMPORARY):
            own = self._temporary.get(destination)
            if own is None and not names.is_generated(destination):
                own = self._broker.temporary()
            real = own or destination  # what we made up ourselves is of this connection, or of somebody else
        consumer = StompConsumer(self._session, id=id, destination=destination, ack=ack, version=self._session.version)
        wish = Wish(
            destination=real,
            id=id,
            ack=ack,
            credit=self._prefetch(headers),
            after=headers.get("resume"),
            snapshot=headers.get("snapshot") == "true",
            filter=filter,
            coalesce_s=coalesce_s,
            browse=headers.get("browser") == "true",
        )
        consumer.subscription = self._broker.subscribe(wish, consumer)
        self._by_id[id] = consumer
        if real is not destination:
            self._temporary[destination] = real
        if names.is_own(destination):
            self.own.setdefault(destination, consumer)
        self._changed()

    def _prefetch(self, headers: Mapping[str, str]) -> int | None:
        text = headers.get("prefetch-count")
        if text is None:
            return None
        most = self._limits.prefetch
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 0 < int(text) <= most):
            raise InvalidParams(path="$.prefetch-count", reason=f"it is a number from 1 to {most}")
        return int(text)
