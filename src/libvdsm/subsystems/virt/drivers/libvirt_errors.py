"""libvirt's failures as the schema's errors, with the cause kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    GuestUnresponsive,
    HypervisorError,
    HypervisorUnavailable,
    ObjectNotFound,
    ResourceBusy,
    Unsupported,
)
from libvdsm.subsystems.virt.drivers import libvirt_api as api

_flag = api.flag
_FROM_RPC: Final = _flag("VIR_FROM_RPC")
_LOST: Final = frozenset(
    {
        _flag("VIR_ERR_RPC"),
        _flag("VIR_ERR_NO_CONNECT"),
        _flag("VIR_ERR_INVALID_CONN"),
        _flag("VIR_ERR_AUTH_FAILED"),
        _flag("VIR_ERR_AUTH_CANCELLED"),
        _flag("VIR_ERR_AUTH_UNAVAILABLE"),
    }
)
_UNSUPPORTED: Final = frozenset(
    {
        _flag("VIR_ERR_NO_SUPPORT"),
        _flag("VIR_ERR_CONFIG_UNSUPPORTED"),
        _flag("VIR_ERR_OPERATION_UNSUPPORTED"),
        _flag("VIR_ERR_ARGUMENT_UNSUPPORTED"),
    }
)
_SILENT: Final = frozenset(
    {
        _flag("VIR_ERR_OPERATION_TIMEOUT"),  # cannot acquire state change lock: another call hangs
        _flag("VIR_ERR_AGENT_UNRESPONSIVE"),
        _flag("VIR_ERR_AGENT_UNSYNCED"),
    }
)
_BUSY_CONSOLE: Final = "Active console session exists"


@contextmanager
def translated(call: str, vm_id: str | None = None, *, wrong_state: Callable[[], ApiError] | None = None) -> Iterator[None]:
    """Raise the schema's error for what libvirt raises in this block.

    ``call`` is libvirt's name of the work; ``wrong_state`` makes the error for work that the domain's state refuses.
    """
    try:
        yield
    except api.Error as error:
        raise translate(error, call, vm_id, wrong_state) from error


def is_unsupported(error: Exception) -> bool:
    """Whether a driver of libvirt's simply does not have the call."""
    return api.of_error(error).get_error_code() in _UNSUPPORTED


def translate(error: Exception, call: str, vm_id: str | None = None, wrong_state: Callable[[], ApiError] | None = None) -> ApiError:
    """The schema's error for one of libvirt's."""
    face = api.of_error(error)
    number, reason = face.get_error_code() or 0, face.get_error_message() or str(error)
    if number in _LOST or face.get_error_domain() == _FROM_RPC or "client socket is closed" in reason:
        return HypervisorUnavailable(reason=reason)
    if number in _UNSUPPORTED or (number == _flag("VIR_ERR_INVALID_ARG") and reason.startswith("unsupported flags")):
        return Unsupported(feature=call, reason=reason)
    if vm_id is not None:
        found = _about_vm(number, reason, vm_id, wrong_state)
        if found is not None:
            return found
    return HypervisorError(call=call, number=number, reason=reason)


def _about_vm(number: int, reason: str, vm_id: str, wrong_state: Callable[[], ApiError] | None) -> ApiError | None:
    if number == _flag("VIR_ERR_NO_DOMAIN"):
        return ObjectNotFound(type="vm", id=vm_id)
    if number == _flag("VIR_ERR_DOM_EXIST"):
        return AlreadyExists(type="vm", id=vm_id)
    if number in _SILENT:
        return GuestUnresponsive(id=vm_id, reason=reason)
    if number == _flag("VIR_ERR_RESOURCE_BUSY") or _BUSY_CONSOLE in reason:
        return ResourceBusy(type="vm", id=vm_id, reason=reason)
    if number == _flag("VIR_ERR_OPERATION_INVALID") and wrong_state is not None:
        return wrong_state()
    return None
