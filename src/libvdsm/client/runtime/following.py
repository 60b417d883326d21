"""What a stream of events asks for and where it is, alike for both clients. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from libvdsm.client.runtime.errors import (
    ApiError,
    ConnectionLostError,
    GapError,
    NoAnswerError,
    NotSentError,
    UnsupportedError,
    UntrustedError,
)
from libvdsm.client.runtime.policy import MAX_DELIVERIES, POLL_S, decoded
from libvdsm.client.runtime.values import to_wire

if TYPE_CHECKING:
    from libvdsm.client.generated.types import EventDelivery, EventFilter

#: Whether a gap is a delivery like others, or is raised as ``GapError``.
Gaps: TypeAlias = Literal["tell", "raise"]


class Position:
    """The place of one stream: what was handed out, what waits, how to go on.

    What waits is always handed out before it is asked for again, and ``resume`` is the token of what was handed out last: so nothing
    is lost and nothing comes twice. A snapshot that was not complete is taken anew.
    """

    def __init__(
        self,
        topics: Sequence[str],
        *,
        after: str | None,
        snapshot: bool,
        filter: EventFilter | None = None,
        coalesce: float | None = None,
        gaps: Gaps = "tell",
    ) -> None:
        self.resume = after
        self.queue: deque[Mapping[str, Any]] = deque()
        self._wish: dict[str, Any] = {"topics": list(topics)}
        if filter is not None:
            self._wish["filter"] = to_wire(filter)
        self._coalesce = coalesce
        self._snapshot = snapshot and after is None
        self._raises = gaps == "raise"

    def subscription(self, name: str) -> dict[str, Any]:
        """The parameters of ``Event.subscribe``."""
        params = {**self._wish, "subscriptionId": name}
        if self._coalesce is not None:
            params["coalesce"] = self._coalesce
        if self.resume is not None:
            params["after"] = self.resume
        elif self._snapshot:
            params["snapshot"] = True
        return params

    def subscribed(self, resume: str) -> None:
        """It has begun there."""
        if self.resume is None and not self._snapshot:
            self.resume = resume

    def reading(self) -> dict[str, Any]:
        """The parameters of ``Event.read``."""
        if self._snapshot:
            message = "over HTTP there are no snapshots: read the objects and then events, or use another road"
            raise UnsupportedError(message)
        return {**self._wish, "timeout": 0} if self.resume is None else {**self._wish, "timeout": POLL_S, "after": self.resume}

    def read(self, answer: Mapping[str, Any]) -> None:
        """What ``Event.read`` has answered, as if it had been delivered."""
        items, resume = answer["items"], answer["resume"]
        if answer.get("gap") is not None:
            before = f"{items[0]['epoch']}-{items[0]['sequence'] - 1}" if items else resume
            self.queue.append({"subscriptionId": "", "resume": before, "gap": answer["gap"]})
        for item in items:
            self.queue.append({"subscriptionId": "", "resume": f"{item['epoch']}-{item['sequence']}", "event": item})
        if not self.queue:
            self.resume = resume

    def push(self, delivery: Mapping[str, Any]) -> bool:
        """Have a delivery wait; false if too many do."""
        if len(self.queue) >= MAX_DELIVERIES:
            return False
        self.queue.append(delivery)
        return True

    def take(self) -> EventDelivery:
        """Hand out what waits; raises ``GapError`` if that was asked for."""
        from libvdsm.client.generated.types import EventDelivery

        found = decoded("Event.deliver", EventDelivery.from_wire, self.queue.popleft())
        if self._snapshot and found.gap is None and found.resume.endswith("-0"):
            return found  # the token of a snapshot of which more follows
        self._snapshot = False
        self.resume = found.resume
        if found.gap is not None and self._raises:
            raise GapError(found.gap.reason, found.gap.missed, found.resume)
        return found


def may_return(failure: Exception) -> bool:
    """Whether a stream that failed so may go on later."""
    if isinstance(failure, ApiError):
        return failure.error in ("ShuttingDown", "SubsystemUnavailable", "StateUnavailable")
    return isinstance(failure, (NotSentError, ConnectionLostError, NoAnswerError)) and not isinstance(failure, UntrustedError)
