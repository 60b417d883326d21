"""Destinations: one grammar for all protocols (DESIGN 9), and vdsm's names for some of them.

A name that begins with no slash is nobody's but the session's own: what it subscribes to gets the replies to its own
requests and nothing else, so it needs no permission and nobody can send to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS

TOPIC: Final = "/topic/"
QUEUE: Final = "/queue/"
TEMPORARY: Final = "/temp-queue/"
REQUESTS: Final = "/exchange/requests"
#: Where vdsm's clients expect answers that they named no place for.
RESPONSES: Final = "jms.topic.vdsm_responses"
#: vdsm's names.
ALIASES: Final = {
    "jms.topic.vdsm_requests": REQUESTS,
    "jms.topic.vdsm_irs_requests": REQUESTS,
    "jms.queue.events": f"{TOPIC}event",
}
#: Topics whose first word is one of these are told by what happens to objects, and by nobody else; of some types nothing is told so far.
OWNED: Final = frozenset(OBJECTS) | {entry.object_type for entry in METHODS.values() if entry.object_type is not None} | {"event"}
#: Of the topic that stands for all events.
ALL_EVENTS: Final = "event"
_MOST_OCTETS: Final = 512
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")
_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Kind(Enum):
    """What a destination is."""

    TOPIC = auto()
    QUEUE = auto()
    TEMPORARY = auto()
    REQUESTS = auto()
    OWN = auto()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go to or come from."""

    kind: Kind
    name: str  # without what tells its kind


def parse(text: str) -> Destination:
    """What ``text`` stands for; raises ``InvalidParams`` for what is none."""
    if not text or len(text) > _MOST_OCTETS:
        raise InvalidParams(path="$.destination", reason=f"a destination has 1 to {_MOST_OCTETS} characters")
    text = ALIASES.get(text, text)
    if text == REQUESTS:
        return Destination(Kind.REQUESTS, "")
    if text.startswith(TOPIC):
        return Destination(Kind.TOPIC, text.removeprefix(TOPIC))
    if text.startswith(TEMPORARY):
        return Destination(Kind.TEMPORARY, text.removeprefix(TEMPORARY))
    if text.startswith(QUEUE):
        name = text.removeprefix(QUEUE)
        if _QUEUE_NAME.fullmatch(name) is None:
            raise InvalidParams(path="$.destination", reason="the name of a queue is letters, digits, dots, _ and -")
        return Destination(Kind.QUEUE, name)
    if text.startswith("/"):
        reason = f"a destination is {TOPIC}<topic>, {QUEUE}<name>, {TEMPORARY}<name> or {REQUESTS}"
        raise InvalidParams(path="$.destination", reason=reason)
    return Destination(Kind.OWN, text)


def check_topic(topic: str) -> None:
    """Raise ``InvalidParams`` unless something can be published to ``topic``."""
    if not all(map(_WORD.fullmatch, topic.split("."))):
        reason = "a topic is words of letters, digits, _ and -, joined by dots; only a subscription may have * and #"
        raise InvalidParams(path="$.destination", reason=reason)


def is_owned(topic: str) -> bool:
    """Whether only a subsystem's objects make what is told there."""
    return topic.partition(".")[0] in OWNED


def may_be_owned(pattern: str) -> bool:
    """Whether a pattern fits topics that are owned."""
    return pattern.partition(".")[0] in OWNED | {"*", "#"}


def may_be_free(pattern: str) -> bool:
    """Whether a pattern fits topics that clients publish to."""
    return pattern.partition(".")[0] not in OWNED
