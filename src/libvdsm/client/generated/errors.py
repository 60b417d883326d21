# Generated from the schema by vdsm-schema; do not edit.
# ruff: noqa: N818 - the names are the schema's
"""Every failure that the schema declares, by what the daemon calls it."""

from __future__ import annotations

from typing import ClassVar, Final

from libvdsm.client.runtime.errors import ApiError


class AlreadyExists(ApiError):
    """There is such an object already.

    Choose another id, or use the object that is there.
    """

    name: ClassVar[str] = "AlreadyExists"

    @property
    def type(self) -> str:
        """The object's type."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """The id that is taken."""
        return str(self.params.get("id", ""))


class AnswerNotKept(ApiError):
    """The call was made before with this idempotency key, and its answer held something secret, so it was not kept.

    Use a new key for a new answer.
    """

    name: ClassVar[str] = "AnswerNotKept"

    @property
    def method(self) -> str:
        """The verb."""
        return str(self.params.get("method", ""))

    @property
    def key(self) -> str:
        """The key."""
        return str(self.params.get("key", ""))


class Cancelled(ApiError):
    """The work was cancelled as asked.

    None is needed; start it again if you want it done.
    """

    name: ClassVar[str] = "Cancelled"

    @property
    def method(self) -> str:
        """The verb."""
        return str(self.params.get("method", ""))


class DeadlineExceeded(ApiError):
    """The time for the call is up; for a mutating verb the work may still be done.

    Look at the object's state before you try again; give a longer timeout.
    """

    name: ClassVar[str] = "DeadlineExceeded"

    @property
    def seconds(self) -> float:
        """The time that was given."""
        return float(self.params.get("seconds", 0.0))


class GenerationConflict(ApiError):
    """The object was changed since it was read.

    Read the object again and apply your change to what you find.
    """

    name: ClassVar[str] = "GenerationConflict"

    @property
    def type(self) -> str:
        """The object's type."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.params.get("id", ""))

    @property
    def expected(self) -> int:
        """The generation that was expected."""
        return int(self.params.get("expected", 0))

    @property
    def actual(self) -> int:
        """The generation that it has."""
        return int(self.params.get("actual", 0))


class GuestUnresponsive(ApiError):
    """The virtual machine's process or guest does not answer; others are not touched.

    Wait for it, or pull its plug with VM.stop.
    """

    name: ClassVar[str] = "GuestUnresponsive"

    @property
    def id(self) -> str:
        """The virtual machine."""
        return str(self.params.get("id", ""))

    @property
    def reason(self) -> str:
        """What was tried."""
        return str(self.params.get("reason", ""))


class HypervisorError(ApiError):
    """The hypervisor refused or failed the work.

    Read the reason; the hypervisor's own log tells more.
    """

    name: ClassVar[str] = "HypervisorError"

    @property
    def call(self) -> str:
        """The hypervisor's call."""
        return str(self.params.get("call", ""))

    @property
    def number(self) -> int:
        """The hypervisor's own error number."""
        return int(self.params.get("number", 0))

    @property
    def reason(self) -> str:
        """The hypervisor's own words."""
        return str(self.params.get("reason", ""))


class HypervisorUnavailable(ApiError):
    """The hypervisor's daemon does not answer.

    Try again; look at libvirtd on the host if it stays so.
    """

    name: ClassVar[str] = "HypervisorUnavailable"

    @property
    def reason(self) -> str:
        """What was seen."""
        return str(self.params.get("reason", ""))


class IdempotencyConflict(ApiError):
    """The idempotency key was used for another call.

    Use a new key for every new call, and repeat a call with the same parameters.
    """

    name: ClassVar[str] = "IdempotencyConflict"

    @property
    def key(self) -> str:
        """The key."""
        return str(self.params.get("key", ""))


class InUse(ApiError):
    """The object is needed by others and cannot go.

    End its use first.
    """

    name: ClassVar[str] = "InUse"

    @property
    def type(self) -> str:
        """The object's type."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.params.get("id", ""))

    @property
    def reason(self) -> str:
        """By what."""
        return str(self.params.get("reason", ""))


class InternalError(ApiError):
    """We have a defect; the log holds the details under the incident.

    Report the incident with the daemon's log.
    """

    name: ClassVar[str] = "InternalError"

    @property
    def incident(self) -> str:
        """The word to search the log for."""
        return str(self.params.get("incident", ""))


class Interrupted(ApiError):
    """The daemon was interrupted, and looking afterwards showed that the work has had no effect.

    Send it again.
    """

    name: ClassVar[str] = "Interrupted"

    @property
    def method(self) -> str:
        """The verb."""
        return str(self.params.get("method", ""))

    @property
    def reason(self) -> str:
        """What happened."""
        return str(self.params.get("reason", ""))


class InvalidParams(ApiError):
    """The parameters do not fit the verb.

    Correct the parameter that the path names; the schema tells its shape.
    """

    name: ClassVar[str] = "InvalidParams"

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        return str(self.params.get("reason", ""))


class InvalidRequest(ApiError):
    """The JSON is not a JSON-RPC 2.0 request.

    Send {"jsonrpc": "2.0", "method": …, "params": …, "id": …}.
    """

    name: ClassVar[str] = "InvalidRequest"

    @property
    def reason(self) -> str:
        """What is wrong with the envelope."""
        return str(self.params.get("reason", ""))


class LimitExceeded(ApiError):
    """A limit that protects the host is reached.

    Use fewer at a time, or ask the host's owner to raise the limit.
    """

    name: ClassVar[str] = "LimitExceeded"

    @property
    def limit(self) -> str:
        """What is limited."""
        return str(self.params.get("limit", ""))

    @property
    def maximum(self) -> int:
        """The limit."""
        return int(self.params.get("maximum", 0))


class MethodNotFound(ApiError):
    """There is no such verb.

    Ask rpc.discover for the methods of this host.
    """

    name: ClassVar[str] = "MethodNotFound"

    @property
    def method(self) -> str:
        """The name that was asked for."""
        return str(self.params.get("method", ""))


class NeedsConnection(ApiError):
    """The verb needs a connection on which we can speak first.

    Use raw JSON-RPC over TCP or the unix socket, or poll with Event.read.
    """

    name: ClassVar[str] = "NeedsConnection"

    @property
    def method(self) -> str:
        """The verb."""
        return str(self.params.get("method", ""))


class NotACancellableTask(ApiError):
    """The task's work cannot be stopped half-way.

    Wait for its end.
    """

    name: ClassVar[str] = "NotACancellableTask"

    @property
    def id(self) -> str:
        """The task."""
        return str(self.params.get("id", ""))

    @property
    def method(self) -> str:
        """Its verb."""
        return str(self.params.get("method", ""))


class NotAuthenticated(ApiError):
    """What was shown as proof of an identity is not valid.

    Use a certificate or token that this host gave and that is neither expired nor revoked.
    """

    name: ClassVar[str] = "NotAuthenticated"

    @property
    def reason(self) -> str:
        """What is wrong with it."""
        return str(self.params.get("reason", ""))


class ObjectNotFound(ApiError):
    """The object is not there, or not yours to see.

    List the objects that you may see.
    """

    name: ClassVar[str] = "ObjectNotFound"

    @property
    def type(self) -> str:
        """The object's type: vm, task, subscription, device, ticket."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """The id that was given."""
        return str(self.params.get("id", ""))


class OutcomeUnknown(ApiError):
    """The work was begun and its end could not be seen.

    Look at the object's state and decide.
    """

    name: ClassVar[str] = "OutcomeUnknown"

    @property
    def method(self) -> str:
        """The verb."""
        return str(self.params.get("method", ""))

    @property
    def reason(self) -> str:
        """Why the end was not seen."""
        return str(self.params.get("reason", ""))


class ParseError(ApiError):
    """The bytes are not one JSON value.

    Send one JSON value in UTF-8, without duplicate keys, NaN or more than 64 levels.
    """

    name: ClassVar[str] = "ParseError"

    @property
    def reason(self) -> str:
        """What the parser met."""
        return str(self.params.get("reason", ""))


class PermissionDenied(ApiError):
    """The identity lacks the permission.

    Ask an administrator of this host for the permission.
    """

    name: ClassVar[str] = "PermissionDenied"

    @property
    def identity(self) -> str:
        """Who asked."""
        return str(self.params.get("identity", ""))

    @property
    def permission(self) -> str:
        """What the verb needs."""
        return str(self.params.get("permission", ""))


class ResourceBusy(ApiError):
    """Something that the work needs is in use.

    Try again a little later.
    """

    name: ClassVar[str] = "ResourceBusy"

    @property
    def type(self) -> str:
        """What is busy."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """Which one."""
        return str(self.params.get("id", ""))

    @property
    def reason(self) -> str:
        """With what."""
        return str(self.params.get("reason", ""))


class ShuttingDown(ApiError):
    """The daemon is going down and takes no new work.

    Connect again when it is back.
    """

    name: ClassVar[str] = "ShuttingDown"


class StateFull(ApiError):
    """The disk that holds the daemon's state is full; only what makes room can be done.

    Make room on the file system of the daemon's state; deletions still work, and all works again by itself then.
    """

    name: ClassVar[str] = "StateFull"

    @property
    def reason(self) -> str:
        """What the disk answered."""
        return str(self.params.get("reason", ""))


class StateUnavailable(ApiError):
    """What is asked for cannot be recorded, so it is not done.

    Look at the disk and at vdsmd --check-state; reading goes on.
    """

    name: ClassVar[str] = "StateUnavailable"

    @property
    def reason(self) -> str:
        """What failed."""
        return str(self.params.get("reason", ""))


class SubsystemUnavailable(ApiError):
    """The part of the daemon that does this is not there at the moment.

    Try again; it is restarted by itself. See Host.getInfo for its condition.
    """

    name: ClassVar[str] = "SubsystemUnavailable"

    @property
    def subsystem(self) -> str:
        """virt, host, storage or network."""
        return str(self.params.get("subsystem", ""))

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.params.get("reason", ""))


class TooLate(ApiError):
    """The call arrived after its notAfter and was not run.

    Decide whether it is still wanted, and send it again.
    """

    name: ClassVar[str] = "TooLate"

    @property
    def not_after(self) -> str:
        """The end of its time."""
        return str(self.params.get("notAfter", ""))


class Unsupported(ApiError):
    """This host or hypervisor cannot do it.

    See Host.getCapabilities for what this host can do.
    """

    name: ClassVar[str] = "Unsupported"

    @property
    def feature(self) -> str:
        """What was asked for."""
        return str(self.params.get("feature", ""))

    @property
    def reason(self) -> str:
        """Why it cannot be had."""
        return str(self.params.get("reason", ""))


class WrongState(ApiError):
    """The object's state refuses the verb now.

    Bring the object into the needed state first.
    """

    name: ClassVar[str] = "WrongState"

    @property
    def type(self) -> str:
        """The object's type."""
        return str(self.params.get("type", ""))

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.params.get("id", ""))

    @property
    def state(self) -> str:
        """The state that it is in."""
        return str(self.params.get("state", ""))

    @property
    def needs(self) -> str:
        """The states in which the verb works, separated by a comma and a blank."""
        return str(self.params.get("needs", ""))


#: Every class by the error's name.
ERRORS: Final[dict[str, type[ApiError]]] = {
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
