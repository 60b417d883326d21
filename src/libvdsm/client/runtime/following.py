"""What a stream of events asks for and where it is, alike for both clients. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from libvdsm.client.runtime.errors import (
    ApiError,
    ConnectionLostError,
    GapError,
    NoAnswerError,
    NotSentError,
    ProtocolError,
    UnsupportedError,
    UntrustedError,
)
from libvdsm.client.runtime.policy import MAX_DELIVERIES, POLL_S, decoded
from libvdsm.client.runtime.values import to_wire

if TYPE_CHECKING:
    from libvdsm.client.generated.types import Event, EventDelivery, EventFilter, EventGap

#: The reason of a gap that the client tells: a snapshot was cut off and is taken anew, and what was told of it is void.
CUT_OFF: Final = "snapshot"
#: Whether a gap is a delivery like others, or is raised as ``GapError``.
Gaps: TypeAlias = Literal["tell", "raise"]


class Position:
    """The place of one stream: what was handed out, what waits, how to go on.

    ``resume`` is the token of what was handed out last, and what waits when it is asked for again waits no more: so nothing is lost and
    nothing comes twice. Merged changes are told with a token from before them until the last of them; what is told
    again of them after a loss is dropped.

    A snapshot that was not complete is taken anew. If a part of it was handed out, a gap with the reason ``snapshot`` comes
    first: what was told so far is void. To a stream that began with a snapshot every gap means this, and a new snapshot follows it.
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
        self._queue: deque[Mapping[str, Any]] = deque()
        self._wish: dict[str, Any] = {"topics": list(topics)}
        if filter is not None:
            self._wish["filter"] = to_wire(filter)
        self._coalesce = coalesce
        self._raises = gaps == "raise"
        self._has_snapshots = snapshot
        self._lacks_snapshot = snapshot and after is None  # its last object was not handed out yet
        self._part: str | None = None  # the token of a part of such a one that was handed out
        self._is_filling = False  # what comes belongs to a snapshot
        self._is_void = False  # what comes is behind a gap, which a snapshot is to fill
        self._told: dict[tuple[str, str], int] = {}  # changes beyond ``resume``: by object, the number of the last that was handed out

    def subscription(self, name: str) -> dict[str, Any]:
        """The parameters of ``Event.subscribe``; what comes from now on is of that subscription, and what waits still comes again by it."""
        self._queue.clear()
        params = {**self._wish, "subscriptionId": name}
        if self._coalesce is not None:
            params["coalesce"] = self._coalesce
        if self._lacks_snapshot:
            params["snapshot"] = True
            if self._part is not None:
                self._queue.append({"subscriptionId": name, "resume": self._part, "gap": {"reason": CUT_OFF}})
        elif self.resume is not None:
            params["after"] = self.resume
        self._is_filling, self._is_void = self._lacks_snapshot, False
        return params

    def subscribed(self, resume: str) -> None:
        """It has begun there."""
        if self.resume is None and not self._lacks_snapshot:
            self.resume = resume

    def reading(self) -> dict[str, Any]:
        """The parameters of ``Event.read``."""
        if self._lacks_snapshot:
            message = "over HTTP there are no snapshots: read the objects and then events, or use another road"
            raise UnsupportedError(message)
        self._has_snapshots = False
        return {**self._wish, "timeout": 0} if self.resume is None else {**self._wish, "timeout": POLL_S, "after": self.resume}

    def read(self, answer: Mapping[str, Any]) -> None:
        """What ``Event.read`` has answered, as if it had been delivered."""
        items, resume = answer["items"], answer["resume"]
        place = resume.rpartition("-")[0]  # the journal, and what the caller sees: only the number differs within a page
        if answer.get("gap") is not None:
            before = f"{place}-{items[0]['sequence'] - 1}" if items else resume
            self._queue.append({"subscriptionId": "", "resume": before, "gap": answer["gap"]})
        for item in items:
            self._queue.append({"subscriptionId": "", "resume": f"{place}-{item['sequence']}", "event": item})
        if not self._queue:
            self.resume = resume

    def push(self, delivery: Mapping[str, Any]) -> bool:
        """Have a delivery wait; false if nothing more is wanted of its subscription. A snapshot waits whole, however large it is."""
        if self._is_void or (len(self._queue) >= MAX_DELIVERIES and not self._is_filling):
            return False
        if delivery.get("gap") is not None:
            self._is_void = self._has_snapshots
        elif not _is_beginning(delivery.get("resume")):
            self._is_filling = False
        self._queue.append(delivery)
        return not self._is_void

    def take(self) -> EventDelivery | None:
        """Hand out the next of what waits, if there is any; raises ``GapError`` if that was asked for.

        What is not as described is a ``ProtocolError``, and the next comes behind it.
        """
        try:
            return self._take()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"a delivery is not as described: {error!r}"
            raise ProtocolError(message) from error

    def _take(self) -> EventDelivery | None:
        from libvdsm.client.generated.types import EventDelivery

        while self._queue:
            found = decoded("Event.deliver", EventDelivery.from_wire, self._queue.popleft())
            if found.gap is not None:
                return self._gap(found, found.gap)
            if self._lacks_snapshot and _is_beginning(found.resume):
                is_news = found.event is not None
                self._part = found.resume if is_news else self._part
            else:
                self._lacks_snapshot, self._part = False, None
                is_news = found.event is not None and self._is_news(found.resume, found.event)
                self._advance(found.resume)
            if is_news:
                return found
        return None

    def _gap(self, found: EventDelivery, gap: EventGap) -> EventDelivery:
        self._told.clear()
        self._part = None
        if self._has_snapshots:  # until the snapshot is there, the token leads back to it
            self._lacks_snapshot = True
            found = replace(found, resume=f"{found.resume.rpartition('-')[0]}-0")
        else:
            self.resume = found.resume
        if self._raises:
            raise GapError(gap.reason, gap.missed, found.resume)
        return found

    def _is_news(self, token: str, event: Event) -> bool:
        """Whether it was not handed out before. A token from before its event says that more comes that was merged with it."""
        number = _number(token)
        is_ahead = 0 <= number < event.sequence
        if not (is_ahead or self._told):
            return True
        object = event.object.type, event.object.id
        is_news = self._told.get(object, -1) < event.sequence
        if is_ahead:
            self._told[object] = max(event.sequence, self._told.get(object, -1))
        else:
            self._told = {one: sequence for one, sequence in self._told.items() if sequence > number}
        return is_news

    def _advance(self, token: str) -> None:
        """The place is behind this now, and never before where it was."""
        here = self.resume
        if here is None or here.rpartition("-")[0] != token.rpartition("-")[0] or _number(here) < _number(token):
            self.resume = token


def _is_beginning(token: object) -> bool:
    """Whether more of a snapshot follows what has this token."""
    return isinstance(token, str) and token.endswith("-0")


def _number(token: str) -> int:
    """The number of the record behind which a token is; -1 if it says none."""
    text = token.rpartition("-")[2]
    return int(text) if text.isascii() and text.isdigit() else -1


def may_return(failure: Exception) -> bool:
    """Whether a stream that failed so may go on later."""
    if isinstance(failure, ApiError):
        return failure.error in ("ShuttingDown", "SubsystemUnavailable", "StateUnavailable")
    return isinstance(failure, (NotSentError, ConnectionLostError, NoAnswerError)) and not isinstance(failure, UntrustedError)
