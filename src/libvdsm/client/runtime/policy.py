"""What both clients decide alike: how long to wait, what may be sent again, what a task has come to. No I/O."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from libvdsm.client.runtime.core import Failure, typed
from libvdsm.client.runtime.errors import ApiError, ConnectionLostError, NotSentError, ProtocolError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.generated.types import EventDelivery, Task
    from libvdsm.client.runtime.json import Json

#: Seconds that an answer may be late beyond the daemon's own limit.
GRACE_S: Final = 5.0
#: Seconds that the daemon has for verbs that this client does not know.
UNKNOWN_METHOD_S: Final = 60.0
#: Deliveries that wait for a slow reader; past that they are let go and asked for again.
MAX_DELIVERIES: Final = 10_000
#: Seconds of one look at a task where no events come, with and without someone who wants to see its progress.
WATCH_S: Final = 0.5
WAIT_S: Final = 30.0
#: Seconds of one wait for events where they are read.
POLL_S: Final = 30.0
#: Seconds of silence after which the daemon is asked for a sign of life.
BEAT_S: Final = 15.0

_ENDED: Final = frozenset({"done", "failed", "cancelled", "unknown"})
#: What belongs to a connection: done again on another it is another thing.
_OF_A_CONNECTION: Final = frozenset({"Event.subscribe", "Event.unsubscribe", "Identity.login", "Connection.close"})
#: Refusals of a subscription after which a task is looked at now and then instead.
WITHOUT_EVENTS: Final = frozenset({"PermissionDenied", "NeedsConnection", "LimitExceeded"})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What a client does by itself when a connection is lost or a call is refused for now.

    A call whose answer was lost is sent again only if that is safe: its verb is idempotent, or it has an idempotency key, by which
    the daemon recognises it. With ``keys`` every call that changes something is given one.
    """

    resends: int = 1  # how often a call is sent again after a lost answer
    refusals: int = 0  # how often a call is tried again that was refused with ``retryable``
    keys: bool = True
    first_s: float = 0.1  # the pause before the n-th attempt is between nothing and first_s * 2 ** n ...
    most_s: float = 5.0  # ... and never longer than this
    stream_s: float | None = None  # how long a stream of events tries to get its connection back; None: the connect timeout

    def pause(self, attempt: int) -> float:
        """Seconds before the next attempt: any between nothing and a bound that doubles, so that many clients do not come at once."""
        return random.uniform(0.0, min(self.most_s, self.first_s * 2.0 ** min(attempt, 30)))  # noqa: S311 - no secret depends on it


def limit(method: str, options: Mapping[str, Any]) -> float:
    """Seconds after which an answer is not waited for any more."""
    from libvdsm.client.generated.methods import METHODS

    known = METHODS.get(method)
    own = UNKNOWN_METHOD_S if known is None else known.timeout_s
    return float(options.get("timeout", own)) + float(options.get("wait", 0)) + GRACE_S


def is_idempotent(method: str) -> bool:
    """Whether a call may be sent again when its answer was lost."""
    from libvdsm.client.generated.methods import METHODS

    known = METHODS.get(method)
    return known is not None and known.idempotent


def needs_key(method: str) -> bool:
    """Whether the call changes something, so that a key makes it safe to ask again."""
    from libvdsm.client.generated.methods import METHODS

    known = METHODS.get(method)
    return known is not None and known.kind != "query" and method not in _OF_A_CONNECTION


class Attempts:
    """One call's way: with which options it goes, and what happens when it fails. The clock is the caller's."""

    def __init__(
        self, method: str, options: dict[str, Any], retry: Retry, *, now: float, connect_s: float, limit_s: float | None = None
    ) -> None:
        self._has_own_key = retry.keys and "idempotencyKey" not in options and needs_key(method)
        if self._has_own_key:
            options["idempotencyKey"] = os.urandom(16).hex()
        self.options = options
        self._retry = retry
        self._can_repeat = method not in _OF_A_CONNECTION and ("idempotencyKey" in options or is_idempotent(method))
        self._resends = self._refusals = self._pauses = 0
        self._lost: ConnectionLostError | None = None
        self._is_restarting = False
        self._limit_s = limit(method, options) if limit_s is None else limit_s
        self._connect_s = connect_s
        self._connect_until = now + connect_s

    @property
    def limit_s(self) -> float:
        """Seconds for one answer."""
        return self._limit_s

    def after(self, failure: Exception, now: float) -> float:
        """Seconds until the next attempt; raises why there is none."""
        match failure:
            case UntrustedError():
                raise self._lost or failure
            case NotSentError():  # this attempt was certainly not run; what was lost before may have been
                if now >= self._connect_until:
                    raise self._lost or failure
            case ConnectionLostError():
                self._lose(failure, now)
                return 0.0
            case ApiError():
                self._refuse(failure, now)
            case _:
                raise failure
        self._pauses += 1
        return self._retry.pause(self._pauses)

    def _lose(self, failure: ConnectionLostError, now: float) -> None:
        self._lost = failure
        if not self._can_repeat or self._resends >= self._retry.resends:
            raise failure
        self._resends += 1
        self._connect_until = now + self._connect_s

    def _refuse(self, failure: ApiError, now: float) -> None:
        if failure.error == "ShuttingDown" and self._can_repeat:  # what became of it, the daemon's next life knows
            if not self._is_restarting:
                self._is_restarting, self._connect_until = True, now + self._connect_s
            if now < self._connect_until:
                return
        elif failure.retryable and self._refusals < self._retry.refusals:
            self._refusals += 1
            if self._has_own_key:  # by the old one the same refusal would be answered again
                self.options["idempotencyKey"] = os.urandom(16).hex()
            return
        raise failure


def decoded(method: str, decode: Callable[[Json], _T], result: Json) -> _T:
    """The result as its type; ``ProtocolError`` if it is not as described."""
    try:
        return decode(result)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"the answer to {method} is not as described: {error!r}"
        raise ProtocolError(message) from error


def has_ended(task: Task) -> bool:
    """Whether the task is in a final state."""
    return task.state in _ENDED


def outcome(task: Task, decode: Callable[[Json], _T]) -> _T:
    """The result of an ended task, or its error raised."""
    if task.error is not None:
        raise typed(Failure(task.error.code, task.error.message, task.error.data or {}))
    return decoded(task.method, decode, task.result)


def merged(document: Json, patch: Json) -> Json:
    """A document with a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def seen(document: Json, delivery: EventDelivery) -> Json:
    """The object's document after a delivery; ``None`` if it must be read anew."""
    event = delivery.event
    if event is None or event.change == "removed":
        return None
    if event.object.revision <= document["revision"]:
        return document  # read later than it happened
    return event.patch if event.change == "added" else merged(document, event.patch)
