"""What a client's frames do once its session is open: to subscriptions, deliveries and transactions, by their commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from libvdsm.interfaces.messaging import Verdict
from libvdsm.wire.stomp.events import Frame, StompError

if TYPE_CHECKING:
    from libvdsm.bindings.stomp.acknowledgements import Acknowledgements
    from libvdsm.bindings.stomp.known import Known
    from libvdsm.bindings.stomp.session import StompSession
    from libvdsm.bindings.stomp.subscriptions import Subscriptions
    from libvdsm.bindings.stomp.transactions import Transactions
    from libvdsm.interfaces.messaging import Session

#: Carries a frame out: done, or to be awaited. May raise ``StompError`` or ``ApiError``.
Handler: TypeAlias = "Callable[[Frame], Awaitable[None] | None]"


class Commands:
    """Those of one connection, all but SEND and those that begin and end the session."""

    __slots__ = ("_acknowledgements", "_broker", "_known", "_session", "_subscriptions", "_transactions")

    def __init__(
        self,
        session: StompSession,
        broker: Session,
        subscriptions: Subscriptions,
        acknowledgements: Acknowledgements,
        transactions: Transactions,
        known: Known,
    ) -> None:
        self._session = session
        self._broker = broker
        self._subscriptions = subscriptions
        self._acknowledgements = acknowledgements
        self._transactions = transactions
        self._known = known

    def handlers(self) -> dict[str, Handler]:
        """Who carries out what, by its name."""
        return {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "ACK": self._ack,
            "NACK": self._nack,
            "BEGIN": self._begin,
            "COMMIT": self._commit,
            "ABORT": self._abort,
        }

    # SUBSCRIBE.

    def _subscribe(self, frame: Frame) -> None:
        self._subscriptions.begin(frame.headers)

    def _unsubscribe(self, frame: Frame) -> None:
        self._subscriptions.end(frame.headers)

    # ACK and NACK.

    def _ack(self, frame: Frame) -> Awaitable[None] | None:
        self._session.show_modern()
        kind = self._acknowledgements.kind(frame) if self._known.knows_no_ack else None
        waiting = self._acknowledgements.settle(frame.headers, Verdict.ACCEPTED)
        if kind is not None:
            self._known.learn_ack(*kind)
        return waiting

    def _nack(self, frame: Frame) -> Awaitable[None] | None:
        """Tried in vain; with ``requeue:false`` it is not to be tried again."""
        if self._session.version == "1.0":
            raise StompError("NACK is not known in STOMP 1.0")
        self._session.show_modern()
        is_hopeless = frame.headers.get("requeue") == "false"
        return self._acknowledgements.settle(frame.headers, Verdict.REJECTED if is_hopeless else Verdict.FAILED)

    # Transactions.

    def _transaction(self, frame: Frame) -> str:
        self._session.show_modern()
        name = frame.headers.get("transaction")
        if not name:
            raise StompError("the header transaction is missing")
        return name

    def _begin(self, frame: Frame) -> None:
        name = self._transaction(frame)
        self._transactions.begin(name)
        self._broker.begin(name)

    def _commit(self, frame: Frame) -> Awaitable[None] | None:
        name = self._transaction(frame)
        self._transactions.end(name)
        return self._broker.commit(name)

    def _abort(self, frame: Frame) -> None:
        name = self._transaction(frame)
        self._transactions.end(name)
        self._broker.abort(name)
