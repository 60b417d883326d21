"""Which verbs an object's state refuses, by the schema's table alone; and in which it leaves them nothing to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from libvdsm.interfaces.generated.errors import WrongState
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import VmState
from libvdsm.interfaces.method import MethodEntry

#: The states in their own order, in which errors name them.
_ORDER: Final = {state.value: place for place, state in enumerate(VmState)}
#: What nobody knows refuses nothing: whoever does the work will see.
_UNKNOWN: Final = VmState.UNKNOWN.value


def wrong_state(entry: MethodEntry, id: str, state: str) -> WrongState | None:
    """What the verb's object being in ``state`` speaks against it; None if it works there or has nothing left to do."""
    if not entry.works_in or state == _UNKNOWN or state in entry.works_in or state in entry.done_in:
        return None
    return WrongState(type=entry.object_type or "", id=id, state=state, needs=_needs(entry))


def is_done(entry: MethodEntry, state: str) -> bool:
    """Whether the verb has nothing left to do in ``state``."""
    return state in entry.done_in


def _refused(state: str) -> dict[str, str]:
    """The verbs about a virtual machine that ``state`` refuses, and why."""
    about = (entry for entry in METHODS.values() if entry.object_type == "vm")
    errors = ((entry.name, wrong_state(entry, "", state)) for entry in about)
    return {name: f"is {state}; this needs {error.params['needs']}" for name, error in errors if error is not None}


def _needs(entry: MethodEntry) -> str:
    return ", ".join(sorted((*entry.works_in, *entry.done_in), key=lambda state: _ORDER.get(state, len(_ORDER))))


#: The member ``actions`` of a virtual machine, encoded, by its state.
VM_ACTIONS: Final[Mapping[str, Raw]] = {state: Raw(msgspec.json.encode(_refused(state))) for state in _ORDER}
