"""The errors of the schema in AMQP's words."""

from __future__ import annotations

from typing import Final

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    LimitExceeded,
    NotAuthenticated,
    ObjectNotFound,
    PermissionDenied,
    StateFull,
    StateUnavailable,
    Unsupported,
    WrongState,
)
from libvdsm.wire.amqp import errors
from libvdsm.wire.amqp.errors import AmqpError, Scope

_CONDITIONS: Final[dict[type[ApiError], str]] = {
    AlreadyExists: errors.RESOURCE_LOCKED,
    InUse: errors.RESOURCE_LOCKED,
    InvalidParams: errors.INVALID_FIELD,
    LimitExceeded: errors.RESOURCE_LIMIT,
    NotAuthenticated: errors.UNAUTHORIZED,
    ObjectNotFound: errors.NOT_FOUND,
    PermissionDenied: errors.UNAUTHORIZED,
    StateFull: errors.RESOURCE_LIMIT,
    StateUnavailable: errors.RESOURCE_LIMIT,
    Unsupported: errors.NOT_IMPLEMENTED,
    WrongState: errors.PRECONDITION,
}


def of_link(failure: ApiError) -> AmqpError:
    """As the end of a link, or as why it did not begin."""
    return _in_words(failure, _condition(failure), Scope.LINK)


def of_end(failure: ApiError) -> AmqpError:
    """As the end of a link that was well: what is not there any more was deleted."""
    return _in_words(failure, errors.RESOURCE_DELETED if isinstance(failure, ObjectNotFound) else _condition(failure), Scope.LINK)


def of_connection(failure: ApiError) -> AmqpError:
    """As the end of a connection."""
    return _in_words(failure, _condition(failure), Scope.CONNECTION)


def _condition(failure: ApiError) -> str:
    return _CONDITIONS.get(type(failure), errors.INTERNAL)


def _in_words(failure: ApiError, condition: str, scope: Scope) -> AmqpError:
    return AmqpError(condition, failure.message, scope, name=failure.name, remedy=failure.remedy)
