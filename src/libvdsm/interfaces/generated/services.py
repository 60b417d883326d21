# Generated from the schema by vdsm-schema; do not edit.
"""What each subsystem can be asked: one Protocol per worker, one method per verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from libvdsm.interfaces.generated import types
    from libvdsm.interfaces.work import WorkContext


class HostService(Protocol):
    """The verbs of subsystem host: none so far."""


class VirtService(Protocol):
    """The verbs of subsystem virt."""

    async def console_open(self, context: WorkContext, params: types.ConsoleOpenParams) -> types.ConsoleTicket:
        """Gives a one-use ticket for a console's byte stream.

        The bytes are had by GET /stream/<ticket> with "Connection: Upgrade" and "Upgrade: vdsm-stream" on any HTTP port or socket of this
        daemon, by the same identity, before the ticket expires. After the answer 101 the connection carries the console's bytes both ways.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """

    async def host_get_capabilities(self, context: WorkContext, params: types.HostGetCapabilitiesParams) -> types.HostCapabilities:
        """What this host's hypervisor can do, and what it cannot and why.

        Raises DeadlineExceeded, HypervisorUnavailable, InternalError, InvalidParams, LimitExceeded, PermissionDenied, ShuttingDown,
        SubsystemUnavailable, TooLate.
        """

    async def vm_create(self, context: WorkContext, params: types.VmCreateParams) -> types.VmCreateResult:
        """Defines a virtual machine; it does not start it.

        Raises AlreadyExists, AnswerNotKept, DeadlineExceeded, HypervisorError, HypervisorUnavailable, IdempotencyConflict, InternalError,
        Interrupted, InvalidParams, LimitExceeded, OutcomeUnknown, PermissionDenied, ResourceBusy, ShuttingDown, StateFull,
        StateUnavailable, SubsystemUnavailable, TooLate, Unsupported.
        """

    async def vm_delete(self, context: WorkContext, params: types.VmDeleteParams) -> types.Nothing:
        """Removes a stopped virtual machine's definition; its disks stay.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_pause(self, context: WorkContext, params: types.VmPauseParams) -> types.Nothing:
        """Stops the virtual processors; memory stays.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_reboot(self, context: WorkContext, params: types.VmRebootParams) -> types.VmShutdownResult:
        """Asks the guest to reboot; the task ends when the request was given and, where it can be seen, the guest has restarted.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_reset(self, context: WorkContext, params: types.VmResetParams) -> types.Nothing:
        """Presses the reset button; the guest may lose data.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_resume(self, context: WorkContext, params: types.VmResumeParams) -> types.Nothing:
        """Lets the virtual processors of a paused virtual machine go on.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_screenshot(self, context: WorkContext, params: types.VmScreenshotParams) -> types.VmScreenshot:
        """What the virtual machine's screen shows now, as a PNG image.

        Raises DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, InternalError, InvalidParams, LimitExceeded,
        ObjectNotFound, PermissionDenied, ResourceBusy, ShuttingDown, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """

    async def vm_shutdown(self, context: WorkContext, params: types.VmShutdownParams) -> types.VmShutdownResult:
        """Asks the guest to shut down.

        Tries the ways that are given, in their order, each for its share of the time that is left: the guest agent (agent), the power
        button (acpi). The task ends when the virtual machine is stopped. If it is not by the end of wait, its plug is pulled with force,
        else the task fails with GuestUnresponsive and the guest goes on.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_start(self, context: WorkContext, params: types.VmStartParams) -> types.Nothing:
        """Starts a stopped virtual machine.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ResourceBusy,
        ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported, WrongState.
        """

    async def vm_stop(self, context: WorkContext, params: types.VmStopParams) -> types.Nothing:
        """Pulls the plug; the guest may lose data.

        Raises AnswerNotKept, DeadlineExceeded, GuestUnresponsive, HypervisorError, HypervisorUnavailable, IdempotencyConflict,
        InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied, ShuttingDown, StateFull,
        StateUnavailable, SubsystemUnavailable, TooLate, WrongState.
        """

    async def vm_update(self, context: WorkContext, params: types.VmUpdateParams) -> types.VmUpdateResult:
        """Changes a virtual machine's name or configuration by a merge patch.

        Members of the patch replace those of the configuration, null clears optional ones, lists are replaced whole. Members that can
        change while it runs take effect at once, the others at its next start; the answer tells which.

        Raises AnswerNotKept, DeadlineExceeded, GenerationConflict, GuestUnresponsive, HypervisorError, HypervisorUnavailable,
        IdempotencyConflict, InternalError, Interrupted, InvalidParams, LimitExceeded, ObjectNotFound, OutcomeUnknown, PermissionDenied,
        ResourceBusy, ShuttingDown, StateFull, StateUnavailable, SubsystemUnavailable, TooLate, Unsupported.
        """
