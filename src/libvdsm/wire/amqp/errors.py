"""What goes wrong between two peers, in AMQP's own words (1.0 part 2, 2.8.15 to 2.8.18)."""

from __future__ import annotations

import enum


class Scope(enum.Enum):
    """What an error ends."""

    CONNECTION = "connection"
    SESSION = "session"
    LINK = "link"


INTERNAL = "amqp:internal-error"
NOT_FOUND = "amqp:not-found"
UNAUTHORIZED = "amqp:unauthorized-access"
DECODE = "amqp:decode-error"
RESOURCE_LIMIT = "amqp:resource-limit-exceeded"
NOT_ALLOWED = "amqp:not-allowed"
INVALID_FIELD = "amqp:invalid-field"
NOT_IMPLEMENTED = "amqp:not-implemented"
RESOURCE_LOCKED = "amqp:resource-locked"
PRECONDITION = "amqp:precondition-failed"
RESOURCE_DELETED = "amqp:resource-deleted"
ILLEGAL_STATE = "amqp:illegal-state"
FORCED = "amqp:connection:forced"
FRAMING = "amqp:connection:framing-error"
WINDOW_VIOLATION = "amqp:session:window-violation"
ERRANT_LINK = "amqp:session:errant-link"
HANDLE_IN_USE = "amqp:session:handle-in-use"
UNATTACHED_HANDLE = "amqp:session:unattached-handle"
DETACH_FORCED = "amqp:link:detach-forced"
TRANSFER_LIMIT = "amqp:link:transfer-limit-exceeded"
MESSAGE_SIZE = "amqp:link:message-size-exceeded"
STOLEN = "amqp:link:stolen"


class AmqpError(Exception):
    """The peer broke the protocol, or asks for what is not had; ``str()`` is said to it.

    ``name`` is what the error is called elsewhere, if it is of no protocol; ``remedy`` is what to do about it, if not what its condition says.
    """

    def __init__(
        self, condition: str, description: str, scope: Scope = Scope.CONNECTION, *, name: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(description)
        self.condition = condition
        self.scope = scope
        self.name = name
        self.remedy = remedy


class DecodeError(AmqpError):
    """Octets that are no value, or not the value that stands at their place."""

    def __init__(self, description: str, scope: Scope = Scope.CONNECTION) -> None:
        super().__init__(DECODE, description, scope)
