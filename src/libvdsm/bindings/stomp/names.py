"""Destinations, as a STOMP client may write them."""

from __future__ import annotations

import re
from typing import Final

TEMPORARY: Final = "/temp-queue/"
REQUESTS: Final = "/exchange/requests"
#: Where vdsm's clients expect what they named no place for.
RESPONSES: Final = "jms.topic.vdsm_responses"
_VDSM_REQUESTS: Final = ("jms.topic.vdsm_requests", "jms.topic.vdsm_irs_requests")
_VDSM: Final = "jms."
#: What the broker calls temporary queues.
_GENERATED: Final = re.compile(r"/temp-queue/[A-Za-z0-9_-]{24}")


def is_requests(destination: str) -> bool:
    """Whether what is sent there is a call; vdsm's names may go on behind a dot."""
    if destination == REQUESTS:
        return True
    if not destination.startswith(_VDSM):
        return False
    return any(destination == name or destination.startswith(f"{name}.") for name in _VDSM_REQUESTS)


def is_vdsm(destination: str) -> bool:
    """Whether it is one of vdsm's names."""
    return destination.startswith(_VDSM)


def is_own(destination: str) -> bool:
    """Whether only the connection itself can be meant: a temporary queue, or a name without a slash at its head."""
    return destination.startswith(TEMPORARY) or not (destination.startswith("/") or is_vdsm_shared(destination))


def is_vdsm_shared(destination: str) -> bool:
    """Whether it is one of vdsm's names for what all clients share: requests and events."""
    return is_requests(destination) or destination == "jms.queue.events"


def is_generated(destination: str) -> bool:
    """Whether it looks like the name of somebody's temporary queue, not like what a client calls its own."""
    return _GENERATED.fullmatch(destination) is not None
