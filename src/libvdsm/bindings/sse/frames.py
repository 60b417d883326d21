"""The stream: encoded deliveries as events. What is told of an object is the data, its resume token is the id."""

from __future__ import annotations

from typing import Final

CONTENT_TYPE: Final = b"text/event-stream"
#: A comment; it keeps what stands between from closing an idle connection, and finds out who is gone.
BEAT: Final = b": still here\n\n"
#: The name of the subscription within its own connection.
NAME: Final = "sse"
_HEAD: Final = b'{"subscriptionId":"sse","resume":"'
_EVENT: Final = b'"event":'
_GAP: Final = b'"gap":'


def encode_start(resume: bytes, retry_ms: int) -> bytes:
    """The first lines: when to come back after a loss, and from where if nothing is told before it."""
    return b"retry: %d\nid: %b\n\n" % (retry_ms, resume)


def encode_delivery(delivery: bytes) -> bytes:
    """An encoded ``EventDelivery`` as an event: its type is ``message`` with an ``Event``, or ``gap`` with an ``EventGap``."""
    end = delivery.index(b'"', len(_HEAD))
    token, rest = delivery[len(_HEAD) : end], delivery[end + 2 :]
    if rest.startswith(_EVENT):
        return b"id: %b\ndata: %b\n\n" % (token, _line(rest[len(_EVENT) : -1]))
    return b"event: gap\nid: %b\ndata: %b\n\n" % (token, _line(rest[len(_GAP) : -1]))


def _line(data: bytes) -> bytes:
    """JSON on one line: between its values blanks mean what line ends mean, and within strings there are none."""
    return data.translate(_BLANKS) if b"\n" in data or b"\r" in data else data


_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")
