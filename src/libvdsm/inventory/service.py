"""The verbs of ``VM`` and ``Host`` that read state, as the front answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import cast

import msgspec
from msgspec import Raw

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, ObjectNotFound, SubsystemUnavailable
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import (
    VM,
    HostGetInfoParams,
    HostGetStatsParams,
    VmFilter,
    VmGetParams,
    VmGetStatsParams,
    VmListParams,
    VmStats,
)
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.objects import Item
from libvdsm.inventory.states import VM_ACTIONS

_encode = msgspec.json.Encoder().encode
_split = msgspec.json.Decoder(dict[str, Raw]).decode

#: What shows a virtual machine.
READ = OBJECTS["vm"].permission
_VM_MEMBERS = frozenset(VM.__struct_encode_fields__)
_STATS_MEMBERS = frozenset(VmStats.__struct_encode_fields__)
#: Of a state that nobody knows: it refuses nothing.
_NO_ACTIONS = Raw(b"{}")
#: How long a read waits for the first snapshot after a start before it says that there is none yet.
FIRST_SNAPSHOT_S = 5.0


class InventoryService:
    """Reads of state; never a hypervisor's business."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def vm_list(self, caller: Caller, params: VmListParams) -> bytes | Awaitable[bytes]:
        """A page of what the caller may see, in the order of ids; whole documents are spliced as they lie."""
        return self._once_seen("vm", "virt", lambda: self._list(caller, params))

    def vm_get(self, _caller: Caller, params: VmGetParams) -> bytes | Awaitable[bytes]:
        """One document."""
        show = _with_actions if params.actions else _fragment
        item = self._inventory.vms.get(params.vm_id)
        if item is not None and self._inventory.is_seen("vm"):
            return show(item)
        return self._once_seen("vm", "virt", lambda: show(self._vm(params.vm_id)))

    def vm_get_stats(self, caller: Caller, params: VmGetStatsParams) -> bytes | Awaitable[bytes]:
        """Encoded statistics of what the caller may see, spliced as they lie unless groups are selected."""
        if self._inventory.is_seen("vm"):
            return self._stats(caller, params)
        return self._once_seen("vm", "virt", lambda: self._stats(caller, params))

    def host_get_info(self, _caller: Caller, _params: HostGetInfoParams) -> bytes | Awaitable[bytes]:
        """The host's document."""
        return self._once_seen("host", "host", lambda: next(iter(self._inventory.hosts)).fragment)

    def host_get_stats(self, _caller: Caller, _params: HostGetStatsParams) -> bytes | Awaitable[bytes]:
        """The host's figures, and our own count of virtual machines."""
        return self._once_seen("host.stats", "host", lambda: _encode({**self._inventory.host_stats, "vms": self._inventory.vm_counts()}))

    def _vm(self, id: str) -> Item:
        item = self._inventory.vms.get(id)
        if item is None:
            raise ObjectNotFound(type="vm", id=id)
        return item

    def _list(self, caller: Caller, params: VmListParams) -> bytes:
        vms = self._inventory.vms
        found: Iterable[Item] = vms if params.after is None else vms.after(params.after)
        if READ not in caller.permissions:
            found = filter(_shown_to(caller), found)
        if params.filter is not None:
            fits = _filter(params.filter)
            found = (item for item in found if fits(item))
        page = list(islice(found, params.limit + 1))
        shown = page[: params.limit]
        parts = [i.fragment for i in shown] if params.fields is None else _select(shown, params.fields)
        body = b'{"items":[' + b",".join(parts) + b"]"
        if len(page) > params.limit:
            body += b',"next":' + _encode(shown[-1].id)
        return body + b"}"

    def _stats(self, caller: Caller, params: VmGetStatsParams) -> bytes:
        vms = self._inventory.vms
        found: Iterable[Item] = vms
        if params.vm_ids is not None:
            found = (item for item in map(vms.get, sorted(set(params.vm_ids))) if item is not None)
        if READ not in caller.permissions:
            found = filter(_shown_to(caller), found)
        parts = [item.stats for item in found]
        if params.fields is not None:
            keep = _wanted(params.fields, _STATS_MEMBERS) | {"vmId", "state"}
            parts = [_encode({name: raw for name, raw in _split(part).items() if name in keep}) for part in parts]
        return b'{"items":[' + b",".join(parts) + b"]}"

    def _once_seen(self, type: str, subsystem: str, answer: Callable[[], bytes]) -> bytes | Awaitable[bytes]:
        """``answer`` now, or after the subsystem's first snapshot: before it, an empty list would be a lie."""
        if self._inventory.is_seen(type):
            return answer()
        return self._when_seen(type, subsystem, answer)

    async def _when_seen(self, type: str, subsystem: str, answer: Callable[[], bytes]) -> bytes:
        try:
            async with asyncio.timeout(FIRST_SNAPSHOT_S):
                await self._inventory.seen(type).wait()
        except TimeoutError:
            reason = str(self._inventory.condition_of(subsystem).get("reason", "it has not reported yet"))
            raise SubsystemUnavailable(subsystem=subsystem, reason=reason) from None
        return answer()


def _shown_to(caller: Caller) -> Callable[[Item], bool]:
    """Whether a virtual machine is shown to a caller who may not read all of them."""
    allows = caller.rights.allows
    return lambda item: allows(READ, type="vm", id=item.id, project=item.project)


def _wanted(fields: Sequence[str], members: frozenset[str]) -> set[str]:
    for place, name in enumerate(fields):
        if name not in members:
            raise InvalidParams(path=f"$.fields[{place}]", reason=f"there is no member {name}; there are {', '.join(sorted(members))}")
    return set(fields)


def _select(items: Iterable[Item], fields: Sequence[str]) -> list[bytes]:
    keep = _wanted(fields, _VM_MEMBERS) | {"id"}
    split = _split_with_actions if "actions" in keep else _split_item
    return [_encode({name: raw for name, raw in split(item).items() if name in keep}) for item in items]


def _fragment(item: Item) -> bytes:
    return item.fragment


def _with_actions(item: Item) -> bytes:
    return _encode(_split_with_actions(item))


def _split_item(item: Item) -> dict[str, Raw]:
    return _split(item.fragment)


def _split_with_actions(item: Item) -> dict[str, Raw]:
    """The members of a virtual machine and the opt-in one, which depends on nothing but the state."""
    return _split(item.fragment) | {"actions": VM_ACTIONS.get(item.state, _NO_ACTIONS)}


def _filter(wanted: VmFilter) -> Callable[[Item], bool]:
    """The filter as one test; cheap members first, the document is decoded last and only if needed."""
    ids = None if wanted.ids is None else frozenset(wanted.ids)
    states = None if wanted.states is None else frozenset(map(str, wanted.states))
    contains = None if wanted.name_contains is None else wanted.name_contains.casefold()
    metadata = None if not wanted.metadata else wanted.metadata.items()

    def fits(item: Item) -> bool:
        if ids is not None and item.id not in ids:
            return False
        if wanted.project is not None and item.project != wanted.project:
            return False
        if states is not None and item.state not in states:
            return False
        if wanted.name is not None and item.name != wanted.name:
            return False
        if contains is not None and contains not in item.name.casefold():
            return False
        return metadata is None or metadata <= _metadata(item).items()

    return fits


def _metadata(item: Item) -> dict[str, str]:
    config = cast("dict[str, object]", item.document()["config"])
    return cast("dict[str, str]", config.get("metadata", {}))
