"""libvirt's states and their reasons as the schema's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from libvdsm.interfaces.generated.types import VmState

#: By libvirt's number: our state, and the reasons by theirs (None where libvirt does not know).
_STATES: Final[Mapping[int, tuple[VmState, tuple[str | None, ...]]]] = {
    0: (VmState.UNKNOWN, (None,)),
    1: (
        VmState.RUNNING,
        (None, "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-cancelled", "save-cancelled", "wakeup", "crashed",
         "postcopy", "postcopy-failed"),
    ),
    2: (VmState.RUNNING, (None,)),
    3: (
        VmState.PAUSED,
        (None, "user", "migration", "save", "dump", "io-error", "watchdog", "from-snapshot", "shutting-down", "snapshot", "crashed",
         "starting-up", "postcopy", "postcopy-failed", "api-error"),
    ),
    4: (VmState.STOPPING, (None, "user")),
    5: (VmState.STOPPED, (None, "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "daemon")),
    6: (VmState.CRASHED, (None, "panicked")),
    7: (VmState.PAUSED, ("suspended-by-guest",)),
}  # fmt: skip


class Seen(NamedTuple):
    """A state and why."""

    state: VmState
    reason: str | None


def state_of(number: int, reason: int, *, has_saved_state: bool) -> Seen:
    """The schema's state for ``virDomainGetState``'s numbers."""
    state, reasons = _STATES.get(number, (VmState.UNKNOWN, (None,)))
    word = reasons[reason] if reason < len(reasons) else None
    if state is VmState.STOPPED and has_saved_state:
        return Seen(VmState.HIBERNATED, word)
    return Seen(state, word)
