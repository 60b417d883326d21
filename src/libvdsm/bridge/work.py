"""The roads to the subsystems: what travels with a call, and the queries that go there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping

import msgspec
from msgspec import UNSET, Raw

from libvdsm.base.ids import new_token, new_uuid
from libvdsm.bridge.intents import Intent
from libvdsm.bridge.options import NO_OPTIONS
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import GenerationConflict, InternalError, ObjectNotFound, ShuttingDown, SubsystemUnavailable
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.journal import Documents
from libvdsm.interfaces.messages import WorkMeta
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.service import FIRST_SNAPSHOT_S

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

#: Identities come and go: so many encoded metas are kept.
_MOST_PLAIN_METAS = 1000


def internal_error(method: str, error: BaseException) -> InternalError:
    """Our own defect: logged once, with a word that the caller is told."""
    incident = new_token()[:12]
    _log.error("incident %s in %s", incident, method, exc_info=error)
    return InternalError(incident=incident)


class Work:
    """Reaches the workers."""

    def __init__(self, *, ports: Mapping[str, WorkerPort], inventory: Inventory, documents: Documents) -> None:
        self.ports = ports
        self._inventory = inventory
        self._documents = documents
        self._vms_seen = inventory.seen("vm")
        self._plain_metas: dict[tuple[str, str], bytes] = {}
        self.is_closing = False

    def query(self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions) -> Awaitable[bytes]:
        """Have a worker answer a query; raises ``ApiError`` at once when that is known to be impossible."""
        port = self.port(entry)
        if entry.subsystem == "virt" and not self._inventory.is_seen("vm"):
            return self._after_first_snapshot(caller, port, entry, params, object_id, options)
        return self._ask(caller, port, entry, params, object_id, options)

    def plain(self, caller: Caller, entry: MethodEntry, params: bytes) -> Awaitable[bytes]:
        """As ``query``, for one about no object and without options: the shortest way."""
        meta = self._plain_metas.get((caller.identity, entry.name))
        if meta is None or self.is_closing or not self._vms_seen.is_set():
            return self.query(caller, entry, params, None, NO_OPTIONS)
        return self.ports[entry.subsystem].call(entry.name, params, meta, entry.timeout_s)

    def port(self, entry: MethodEntry) -> WorkerPort:
        """Whoever carries out the verb; raises ``ShuttingDown``, or ``SubsystemUnavailable`` if nobody ever will."""
        if self.is_closing:
            raise ShuttingDown
        port = self.ports.get(entry.subsystem)
        if port is None:
            raise SubsystemUnavailable(subsystem=entry.subsystem, reason="this daemon runs without it")
        return port

    async def first_snapshot(self, entry: MethodEntry) -> None:
        """Just after a start nobody knows what there is: wait a little rather than refuse."""
        if entry.subsystem != "virt" or self._inventory.is_seen("vm"):
            return
        try:
            async with asyncio.timeout(FIRST_SNAPSHOT_S):
                await self._inventory.seen("vm").wait()
        except TimeoutError:
            reason = str(self._inventory.condition_of(entry.subsystem).get("reason", "it has not reported yet"))
            raise SubsystemUnavailable(subsystem=entry.subsystem, reason=reason) from None

    def check(self, entry: MethodEntry, id: str | None, options: CallOptions) -> None:
        """What can be refused at once: nobody carries it out, or the object is not there or not as expected."""
        self.port(entry)
        if entry.subsystem != "virt" or self._inventory.is_seen("vm"):
            self.check_object(entry, id, options)

    def check_object(self, entry: MethodEntry, id: str | None, options: CallOptions) -> None:
        """Raise ``ObjectNotFound``, or ``GenerationConflict`` if the object is not as the caller expects it."""
        if id is None or entry.object_type != "vm":
            return
        item = self._inventory.vms.get(id)
        if item is None:
            raise ObjectNotFound(type="vm", id=id)
        expected = options.expected_generation
        if expected is not None and expected != item.generation:
            raise GenerationConflict(type="vm", id=id, expected=expected, actual=item.generation)

    def generation(self, entry: MethodEntry, id: str | None) -> int:
        """Of the object now; 0 if there is none."""
        item = None if id is None or entry.object_type != "vm" else self._inventory.vms.get(id)
        return 0 if item is None else item.generation

    def meta(self, intent: Intent, timeout: float) -> bytes:
        """What travels with the call that ``intent`` is, now."""
        subject = intent.subject
        desired = None if subject is None else self._documents.get(*subject)
        meta = WorkMeta(
            operationId=intent.id,
            identity=intent.actor.identity,
            address=intent.actor.address,
            timeout=timeout,
            flowId=intent.flow_id,
            generation=intent.generation,
            expectedGeneration=intent.expected_generation,
            desired=UNSET if desired is None else Raw(desired.document),
        )
        return _encode(meta)

    async def _after_first_snapshot(
        self, caller: Caller, port: WorkerPort, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions
    ) -> bytes:
        await self.first_snapshot(entry)
        return await self._ask(caller, port, entry, params, object_id, options)

    def _ask(
        self, caller: Caller, port: WorkerPort, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions
    ) -> Awaitable[bytes]:
        self.check_object(entry, object_id, options)
        if object_id is None and options is NO_OPTIONS:
            return port.call(entry.name, params, self._plain_meta(caller, entry), entry.timeout_s)
        timeout = entry.timeout_s if options.timeout is None else options.timeout
        generation = self.generation(entry, object_id)
        meta = WorkMeta(
            operationId=new_uuid(),
            identity=caller.identity,
            address=caller.address,
            timeout=timeout,
            flowId=options.flow_id,
            generation=generation,
        )
        return port.call(entry.name, params, _encode(meta), timeout)

    def _plain_meta(self, caller: Caller, entry: MethodEntry) -> bytes:
        """The meta of a query without options: it leaves no trace, so its operation needs no id of its own."""
        key = (caller.identity, entry.name)
        known = self._plain_metas.get(key)
        if known is None:
            if len(self._plain_metas) >= _MOST_PLAIN_METAS:
                self._plain_metas.clear()
            meta = WorkMeta(operationId="query", identity=caller.identity, timeout=entry.timeout_s)
            known = self._plain_metas[key] = _encode(meta)
        return known
