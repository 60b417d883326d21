"""What both clients decide alike: how long to wait, what may be sent again, what a task has come to. No I/O."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, TypeVar

from libvdsm.client.runtime.core import Failure, typed
from libvdsm.client.runtime.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.client.generated.types import Task
    from libvdsm.client.runtime.json import Json

#: Seconds that an answer may be late beyond the daemon's own limit.
GRACE_S: Final = 5.0
#: Seconds that the daemon has for verbs that this client does not know.
UNKNOWN_METHOD_S: Final = 60.0
#: Deliveries that wait for a slow reader; past that they are let go and asked for again.
MAX_DELIVERIES: Final = 10_000
#: Seconds of one look at a task, with and without someone who wants to see its progress.
WATCH_S: Final = 0.5
WAIT_S: Final = 30.0

_ENDED: Final = frozenset({"done", "failed", "cancelled", "unknown"})
_T = TypeVar("_T")


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


def pause(attempt: int) -> float:
    """Seconds before the next attempt to connect: growing, and not the same for all."""
    return min(2.0, 0.05 * float(2 ** min(attempt, 10))) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


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
