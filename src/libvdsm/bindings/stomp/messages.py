"""The table between frames and messages (docs/guide/messages.md): headers that have a meaning, and the sender's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.messaging import Message
from libvdsm.wire.stomp.frames import encode_lines

#: Members of a message by the header that carries them.
MEMBERS: Final = {
    "content-type": "content_type",
    "content-encoding": "content_encoding",
    "correlation-id": "correlation_id",
    "reply-to": "reply_to",
    "subject": "subject",
    "amqp-message-id": "message_id",
}
_USUAL: Final = ("content-type", "content-encoding", "reply-to", "subject")
#: So many heads of messages that are alike are kept.
_KEPT: Final = 256
#: Headers with a meaning of their own; a sender's are read or dropped, and never passed on as its own.
RESERVED: Final = frozenset(
    {
        *MEMBERS,
        "ack",
        "content-length",
        "delivery-count",
        "destination",
        "expires",
        "message-id",
        "persistent",
        "priority",
        "receipt",
        "redelivered",
        "resume",
        "subscription",
        "transaction",
        "user-id",
    }
)
_HIGHEST_PRIORITY: Final = 9
_USUAL_PRIORITY: Final = 4
_MS_PER_S: Final = 1_000
#: Milliseconds since 1970 have no more digits for some thousands of years.
_TIME_DIGITS: Final = 15


def read_members(headers: Mapping[str, str]) -> dict[str, object]:
    """What a SEND frame's headers say, as the members of a ``Message`` without its body. Raises ``InvalidParams``."""
    members: dict[str, object] = {}
    own: dict[str, str] = {}
    for name, value in headers.items():
        member = MEMBERS.get(name)
        if member is not None:
            members[member] = value
        elif name not in RESERVED:
            own[name] = value
    if own:
        members["headers"] = own
    if "priority" in headers:
        members["priority"] = _number(headers, "priority", _HIGHEST_PRIORITY)
    if "expires" in headers:
        expires = _number(headers, "expires", 10**_TIME_DIGITS)
        if expires:  # JMS: 0 is never
            members["expires_at"] = expires / _MS_PER_S
    if headers.get("persistent") == "false":
        members["durable"] = False
    return members


def _number(headers: Mapping[str, str], name: str, most: int) -> int:
    text = headers[name]
    if text.isascii() and text.isdigit() and len(text) <= _TIME_DIGITS and int(text) <= most:
        return int(text)
    raise InvalidParams(path=f"$.{name}", reason=f"it is a number up to {most}")


def write_shared(message: Message, destination: str, version: str) -> bytes:
    """Of a MESSAGE frame what all its deliveries have in common: headers behind those of the delivery, and the body with its NUL."""
    return b"%bcontent-length:%d\n\n%b\0" % (write_lines(message, destination, version), len(message.body), message.body)


def write_lines(message: Message, destination: str, version: str) -> bytes:
    """The headers of these, but for the length of the body."""
    if message.correlation_id is None and message.message_id is None and message.expires_at is None and not message.headers:
        return _usual_lines(
            destination,
            version,
            message.content_type,
            message.content_encoding,
            message.reply_to,
            message.subject,
            message.user,
            message.priority,
        )
    headers = [("destination", destination)]
    for name, member in MEMBERS.items():
        value = getattr(message, member)
        if value is not None:
            headers.append((name, value))
    headers += _of_sender(message.user, message.priority)
    if message.expires_at is not None:
        headers.append(("expires", str(round(message.expires_at * _MS_PER_S))))
    headers += [(name, value) for name, value in message.headers.items() if name and name not in RESERVED]
    return encode_lines(headers, version)


@lru_cache(maxsize=_KEPT)
def _usual_lines(
    destination: str,
    version: str,
    content_type: str | None,
    content_encoding: str | None,
    reply_to: str | None,
    subject: str | None,
    user: str | None,
    priority: int,
) -> bytes:
    """The headers of a message without any that is but its own."""
    told = zip(_USUAL, (content_type, content_encoding, reply_to, subject), strict=True)
    headers = [("destination", destination), *((name, value) for name, value in told if value is not None)]
    return encode_lines([*headers, *_of_sender(user, priority)], version)


def _of_sender(user: str | None, priority: int) -> list[tuple[str, str]]:
    found = [] if user is None else [("user-id", user)]
    if priority != _USUAL_PRIORITY:
        found.append(("priority", str(priority)))
    return found
