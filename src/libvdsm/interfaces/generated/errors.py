# Generated from the schema by vdsm-schema; do not edit.
# ruff: noqa: N818 - the names are the schema's
"""Every failure that the schema declares.

``ERRORS`` finds a class by its name; ``restore`` rebuilds one from the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from libvdsm.base.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping


class AlreadyExists(ApiError):
    """There is such an object already."""

    name: ClassVar[str] = "AlreadyExists"
    number: ClassVar[int] = 4
    template: ClassVar[str] = "there is a {type} {id} already"
    remedy_template: ClassVar[str] = "Choose another id, or use the object that is there."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, type: str, id: str) -> None:
        super().__init__(type=type, id=id)


class AnswerNotKept(ApiError):
    """The call was made before with this idempotency key, and its answer held something secret, so it was not kept."""

    name: ClassVar[str] = "AnswerNotKept"
    number: ClassVar[int] = 24
    template: ClassVar[str] = "{method} was done before with the key {key}; its answer was not kept"
    remedy_template: ClassVar[str] = "Use a new key for a new answer."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, method: str, key: str) -> None:
        super().__init__(method=method, key=key)


class Cancelled(ApiError):
    """The work was cancelled as asked."""

    name: ClassVar[str] = "Cancelled"
    number: ClassVar[int] = 11
    template: ClassVar[str] = "{method} was cancelled"
    remedy_template: ClassVar[str] = "None is needed; start it again if you want it done."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, method: str) -> None:
        super().__init__(method=method)


class DeadlineExceeded(ApiError):
    """The time for the call is up; for a mutating verb the work may still be done."""

    name: ClassVar[str] = "DeadlineExceeded"
    number: ClassVar[int] = 9
    template: ClassVar[str] = "no answer within {seconds} s"
    remedy_template: ClassVar[str] = "Look at the object's state before you try again; give a longer timeout."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = False

    def __init__(self, *, seconds: float) -> None:
        super().__init__(seconds=seconds)


class GenerationConflict(ApiError):
    """The object was changed since it was read."""

    name: ClassVar[str] = "GenerationConflict"
    number: ClassVar[int] = 16
    template: ClassVar[str] = "{type} {id} has generation {actual}, not {expected}"
    remedy_template: ClassVar[str] = "Read the object again and apply your change to what you find."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, type: str, id: str, expected: int, actual: int) -> None:
        super().__init__(type=type, id=id, expected=expected, actual=actual)


class GuestUnresponsive(ApiError):
    """The virtual machine's process or guest does not answer; others are not touched."""

    name: ClassVar[str] = "GuestUnresponsive"
    number: ClassVar[int] = 15
    template: ClassVar[str] = "VM {id} does not answer: {reason}"
    remedy_template: ClassVar[str] = "Wait for it, or pull its plug with VM.stop."
    fault: ClassVar[str] = "guest"
    retryable: ClassVar[bool] = True

    def __init__(self, *, id: str, reason: str) -> None:
        super().__init__(id=id, reason=reason)


class HypervisorError(ApiError):
    """The hypervisor refused or failed the work."""

    name: ClassVar[str] = "HypervisorError"
    number: ClassVar[int] = 8
    template: ClassVar[str] = "{call} failed: {reason}"
    remedy_template: ClassVar[str] = "Read the reason; the hypervisor's own log tells more."
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = False

    def __init__(self, *, call: str, number: int, reason: str) -> None:
        super().__init__(call=call, number=number, reason=reason)


class HypervisorUnavailable(ApiError):
    """The hypervisor's daemon does not answer."""

    name: ClassVar[str] = "HypervisorUnavailable"
    number: ClassVar[int] = 7
    template: ClassVar[str] = "the hypervisor does not answer: {reason}"
    remedy_template: ClassVar[str] = "Try again; look at libvirtd on the host if it stays so."
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = True

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class IdempotencyConflict(ApiError):
    """The idempotency key was used for another call."""

    name: ClassVar[str] = "IdempotencyConflict"
    number: ClassVar[int] = 20
    template: ClassVar[str] = "the idempotency key {key} was used for another call"
    remedy_template: ClassVar[str] = "Use a new key for every new call, and repeat a call with the same parameters."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, key: str) -> None:
        super().__init__(key=key)


class InUse(ApiError):
    """The object is needed by others and cannot go."""

    name: ClassVar[str] = "InUse"
    number: ClassVar[int] = 26
    template: ClassVar[str] = "{type} {id} is in use: {reason}"
    remedy_template: ClassVar[str] = "End its use first."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, type: str, id: str, reason: str) -> None:
        super().__init__(type=type, id=id, reason=reason)


class InternalError(ApiError):
    """We have a defect; the log holds the details under the incident."""

    name: ClassVar[str] = "InternalError"
    number: ClassVar[int] = -32603
    template: ClassVar[str] = "internal error, incident {incident}"
    remedy_template: ClassVar[str] = "Report the incident with the daemon's log."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = False

    def __init__(self, *, incident: str) -> None:
        super().__init__(incident=incident)


class Interrupted(ApiError):
    """The daemon was interrupted, and looking afterwards showed that the work has had no effect."""

    name: ClassVar[str] = "Interrupted"
    number: ClassVar[int] = 23
    template: ClassVar[str] = "{method} was interrupted and has had no effect: {reason}"
    remedy_template: ClassVar[str] = "Send it again."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = True

    def __init__(self, *, method: str, reason: str) -> None:
        super().__init__(method=method, reason=reason)


class InvalidParams(ApiError):
    """The parameters do not fit the verb."""

    name: ClassVar[str] = "InvalidParams"
    number: ClassVar[int] = -32602
    template: ClassVar[str] = "{reason} at {path}"
    remedy_template: ClassVar[str] = "Correct the parameter that the path names; the schema tells its shape."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(path=path, reason=reason)


class InvalidRequest(ApiError):
    """The JSON is not a JSON-RPC 2.0 request."""

    name: ClassVar[str] = "InvalidRequest"
    number: ClassVar[int] = -32600
    template: ClassVar[str] = "not a JSON-RPC 2.0 request: {reason}"
    remedy_template: ClassVar[str] = 'Send {{"jsonrpc": "2.0", "method": …, "params": …, "id": …}}.'
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class LimitExceeded(ApiError):
    """A limit that protects the host is reached."""

    name: ClassVar[str] = "LimitExceeded"
    number: ClassVar[int] = 14
    template: ClassVar[str] = "the limit of {maximum} {limit} is reached"
    remedy_template: ClassVar[str] = "Use fewer at a time, or ask the host's owner to raise the limit."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = True

    def __init__(self, *, limit: str, maximum: int) -> None:
        super().__init__(limit=limit, maximum=maximum)


class MethodNotFound(ApiError):
    """There is no such verb."""

    name: ClassVar[str] = "MethodNotFound"
    number: ClassVar[int] = -32601
    template: ClassVar[str] = "there is no method {method}"
    remedy_template: ClassVar[str] = "Ask rpc.discover for the methods of this host."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, method: str) -> None:
        super().__init__(method=method)


class NeedsConnection(ApiError):
    """The verb needs a connection on which we can speak first."""

    name: ClassVar[str] = "NeedsConnection"
    number: ClassVar[int] = 5
    template: ClassVar[str] = "{method} needs a connection that stays open"
    remedy_template: ClassVar[str] = "Use raw JSON-RPC over TCP or the unix socket, or poll with Event.read."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, method: str) -> None:
        super().__init__(method=method)


class NotACancellableTask(ApiError):
    """The task's work cannot be stopped half-way."""

    name: ClassVar[str] = "NotACancellableTask"
    number: ClassVar[int] = 19
    template: ClassVar[str] = "task {id} ({method}) cannot be cancelled"
    remedy_template: ClassVar[str] = "Wait for its end."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, id: str, method: str) -> None:
        super().__init__(id=id, method=method)


class NotAuthenticated(ApiError):
    """What was shown as proof of an identity is not valid."""

    name: ClassVar[str] = "NotAuthenticated"
    number: ClassVar[int] = 25
    template: ClassVar[str] = "{reason}"
    remedy_template: ClassVar[str] = "Use a certificate or token that this host gave and that is neither expired nor revoked."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class ObjectNotFound(ApiError):
    """The object is not there, or not yours to see."""

    name: ClassVar[str] = "ObjectNotFound"
    number: ClassVar[int] = 2
    template: ClassVar[str] = "there is no {type} {id}"
    remedy_template: ClassVar[str] = "List the objects that you may see."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, type: str, id: str) -> None:
        super().__init__(type=type, id=id)


class OutcomeUnknown(ApiError):
    """The work was begun and its end could not be seen."""

    name: ClassVar[str] = "OutcomeUnknown"
    number: ClassVar[int] = 10
    template: ClassVar[str] = "{method} was begun; whether it ended well is not known: {reason}"
    remedy_template: ClassVar[str] = "Look at the object's state and decide."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = False

    def __init__(self, *, method: str, reason: str) -> None:
        super().__init__(method=method, reason=reason)


class ParseError(ApiError):
    """The bytes are not one JSON value."""

    name: ClassVar[str] = "ParseError"
    number: ClassVar[int] = -32700
    template: ClassVar[str] = "the message is not valid JSON: {reason}"
    remedy_template: ClassVar[str] = "Send one JSON value in UTF-8, without duplicate keys, NaN or more than 64 levels."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class PermissionDenied(ApiError):
    """The identity lacks the permission."""

    name: ClassVar[str] = "PermissionDenied"
    number: ClassVar[int] = 1
    template: ClassVar[str] = "{identity} lacks the permission {permission}"
    remedy_template: ClassVar[str] = "Ask an administrator of this host for the permission."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, identity: str, permission: str) -> None:
        super().__init__(identity=identity, permission=permission)


class ResourceBusy(ApiError):
    """Something that the work needs is in use."""

    name: ClassVar[str] = "ResourceBusy"
    number: ClassVar[int] = 13
    template: ClassVar[str] = "{type} {id} is busy: {reason}"
    remedy_template: ClassVar[str] = "Try again a little later."
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = True

    def __init__(self, *, type: str, id: str, reason: str) -> None:
        super().__init__(type=type, id=id, reason=reason)


class ShuttingDown(ApiError):
    """The daemon is going down and takes no new work."""

    name: ClassVar[str] = "ShuttingDown"
    number: ClassVar[int] = 18
    template: ClassVar[str] = "the daemon is shutting down"
    remedy_template: ClassVar[str] = "Connect again when it is back."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()


class StateFull(ApiError):
    """The disk that holds the daemon's state is full; only what makes room can be done."""

    name: ClassVar[str] = "StateFull"
    number: ClassVar[int] = 21
    template: ClassVar[str] = "the state of this host cannot grow: {reason}"
    remedy_template: ClassVar[str] = (
        "Make room on the file system of the daemon's state; deletions still work, and all works again by itself then."
    )
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = True

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class StateUnavailable(ApiError):
    """What is asked for cannot be recorded, so it is not done."""

    name: ClassVar[str] = "StateUnavailable"
    number: ClassVar[int] = 22
    template: ClassVar[str] = "the state of this host cannot be written: {reason}"
    remedy_template: ClassVar[str] = "Look at the disk and at vdsmd --check-state; reading goes on."
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = True

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason)


class SubsystemUnavailable(ApiError):
    """The part of the daemon that does this is not there at the moment."""

    name: ClassVar[str] = "SubsystemUnavailable"
    number: ClassVar[int] = 6
    template: ClassVar[str] = "subsystem {subsystem} is not available: {reason}"
    remedy_template: ClassVar[str] = "Try again; it is restarted by itself. See Host.getInfo for its condition."
    fault: ClassVar[str] = "server"
    retryable: ClassVar[bool] = True

    def __init__(self, *, subsystem: str, reason: str) -> None:
        super().__init__(subsystem=subsystem, reason=reason)


class TooLate(ApiError):
    """The call arrived after its notAfter and was not run."""

    name: ClassVar[str] = "TooLate"
    number: ClassVar[int] = 17
    template: ClassVar[str] = "the call was to run until {notAfter}; it was not run"
    remedy_template: ClassVar[str] = "Decide whether it is still wanted, and send it again."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, not_after: str) -> None:
        super().__init__(notAfter=not_after)


class Unsupported(ApiError):
    """This host or hypervisor cannot do it."""

    name: ClassVar[str] = "Unsupported"
    number: ClassVar[int] = 12
    template: ClassVar[str] = "{feature} is not supported here: {reason}"
    remedy_template: ClassVar[str] = "See Host.getCapabilities for what this host can do."
    fault: ClassVar[str] = "host"
    retryable: ClassVar[bool] = False

    def __init__(self, *, feature: str, reason: str) -> None:
        super().__init__(feature=feature, reason=reason)


class WrongState(ApiError):
    """The object's state refuses the verb now."""

    name: ClassVar[str] = "WrongState"
    number: ClassVar[int] = 3
    template: ClassVar[str] = "{type} {id} is {state}; this needs {needs}"
    remedy_template: ClassVar[str] = "Bring the object into the needed state first."
    fault: ClassVar[str] = "client"
    retryable: ClassVar[bool] = False

    def __init__(self, *, type: str, id: str, state: str, needs: str) -> None:
        super().__init__(type=type, id=id, state=state, needs=needs)


#: Every class by the error's name.
ERRORS: Final[Mapping[str, type[ApiError]]] = {
    "AlreadyExists": AlreadyExists,
    "AnswerNotKept": AnswerNotKept,
    "Cancelled": Cancelled,
    "DeadlineExceeded": DeadlineExceeded,
    "GenerationConflict": GenerationConflict,
    "GuestUnresponsive": GuestUnresponsive,
    "HypervisorError": HypervisorError,
    "HypervisorUnavailable": HypervisorUnavailable,
    "IdempotencyConflict": IdempotencyConflict,
    "InUse": InUse,
    "InternalError": InternalError,
    "Interrupted": Interrupted,
    "InvalidParams": InvalidParams,
    "InvalidRequest": InvalidRequest,
    "LimitExceeded": LimitExceeded,
    "MethodNotFound": MethodNotFound,
    "NeedsConnection": NeedsConnection,
    "NotACancellableTask": NotACancellableTask,
    "NotAuthenticated": NotAuthenticated,
    "ObjectNotFound": ObjectNotFound,
    "OutcomeUnknown": OutcomeUnknown,
    "ParseError": ParseError,
    "PermissionDenied": PermissionDenied,
    "ResourceBusy": ResourceBusy,
    "ShuttingDown": ShuttingDown,
    "StateFull": StateFull,
    "StateUnavailable": StateUnavailable,
    "SubsystemUnavailable": SubsystemUnavailable,
    "TooLate": TooLate,
    "Unsupported": Unsupported,
    "WrongState": WrongState,
}


def restore(name: str, params: Mapping[str, object]) -> ApiError:
    """The error ``name`` with these parameters by their wire names; ``KeyError`` if there is none or one is missing."""
    kind = ERRORS[name]
    error = kind.__new__(kind)
    ApiError.__init__(error, **params)
    return error
