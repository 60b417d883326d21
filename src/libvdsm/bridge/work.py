"""Verbs that a subsystem carries out: commands and queries are calls to its worker, operations are tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping

import msgspec
from msgspec import UNSET, Raw

from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_token, new_uuid
from libvdsm.bridge.options import NO_OPTIONS
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    Cancelled,
    GenerationConflict,
    InternalError,
    LimitExceeded,
    ObjectNotFound,
    OutcomeUnknown,
    ShuttingDown,
    SubsystemUnavailable,
)
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.journal import Documents
from libvdsm.interfaces.messages import WorkCancel, WorkMeta
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.inventory.inventory import Inventory
from libvdsm.inventory.service import FIRST_SNAPSHOT_S
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Task, Tasks

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

#: What a task's work may take beyond its own timeout before its end is called unknown.
_SLACK_S = 5.0
#: Identities come and go: so many encoded metas are kept.
_MOST_PLAIN_METAS = 1000


def internal_error(method: str, error: BaseException) -> InternalError:
    """Our own defect: logged once, with a word that the caller is told."""
    incident = new_token()[:12]
    _log.error("incident %s in %s", incident, method, exc_info=error)
    return InternalError(incident=incident)


class Work:
    """Sends verbs to workers."""

    def __init__(
        self,
        *,
        ports: Mapping[str, WorkerPort],
        inventory: Inventory,
        documents: Documents,
        tasks: Tasks,
        most_tasks: int = 1000,
    ) -> None:
        self._ports = ports
        self._inventory = inventory
        self._documents = documents
        self._tasks = tasks
        self._most_tasks = most_tasks
        self._plain_metas: dict[tuple[str, str], bytes] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def call(self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions) -> Awaitable[bytes]:
        """Have a worker carry out a verb; raises ``ApiError`` at once when that is known to be impossible."""
        if self._is_closing:
            raise ShuttingDown
        port = self._ports.get(entry.subsystem)
        if port is None:
            raise SubsystemUnavailable(subsystem=entry.subsystem, reason="this daemon runs without it")
        if entry.subsystem == "virt" and not self._inventory.is_seen("vm"):
            return self._after_first_snapshot(caller, port, entry, params, object_id, options)
        return self._begin(caller, port, entry, params, object_id, options)

    async def close(self) -> None:
        """Take no more work, and end what runs as unknown: a later life looks what became of it."""
        self._is_closing = True
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _after_first_snapshot(
        self, caller: Caller, port: WorkerPort, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions
    ) -> bytes:
        """Just after a start nobody knows what there is: wait a little rather than refuse."""
        try:
            async with asyncio.timeout(FIRST_SNAPSHOT_S):
                await self._inventory.seen("vm").wait()
        except TimeoutError:
            reason = str(self._inventory.condition_of(entry.subsystem).get("reason", "it has not reported yet"))
            raise SubsystemUnavailable(subsystem=entry.subsystem, reason=reason) from None
        return await self._begin(caller, port, entry, params, object_id, options)

    def _begin(
        self, caller: Caller, port: WorkerPort, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions
    ) -> Awaitable[bytes]:
        if object_id is not None and entry.object_type == "vm":
            self._check_object(object_id, options)
        if entry.kind == "operation":
            return self._operation(caller, port, entry, params, object_id, options)
        if entry.kind == "query" and object_id is None and options is NO_OPTIONS:
            return port.call(entry.name, params, self._plain_meta(caller, entry), entry.timeout_s)
        timeout = entry.timeout_s if options.timeout is None else options.timeout
        meta = self._meta(caller, new_uuid(), entry, object_id, options, timeout)
        return port.call(entry.name, params, meta, timeout)

    def _check_object(self, id: str, options: CallOptions) -> None:
        item = self._inventory.vms.get(id)
        if item is None:
            raise ObjectNotFound(type="vm", id=id)
        expected = options.expected_generation
        if expected is not None and expected != item.generation:
            raise GenerationConflict(type="vm", id=id, expected=expected, actual=item.generation)

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

    def _meta(
        self, caller: Caller, operation_id: str, entry: MethodEntry, object_id: str | None, options: CallOptions, timeout: float
    ) -> bytes:
        desired = generation = None
        if object_id is not None and entry.object_type is not None:
            desired = self._documents.get(entry.object_type, object_id)
            item = self._inventory.vms.get(object_id) if entry.object_type == "vm" else None
            generation = item.generation if item is not None else 0
        meta = WorkMeta(
            operationId=operation_id,
            identity=caller.identity,
            timeout=timeout,
            flowId=options.flow_id,
            generation=generation or 0,
            expectedGeneration=options.expected_generation,
            desired=UNSET if desired is None else Raw(desired.document),
        )
        return _encode(meta)

    # --- operations ---

    async def _operation(
        self, caller: Caller, port: WorkerPort, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions
    ) -> bytes:
        if self._tasks.running() >= self._most_tasks:
            raise LimitExceeded(limit="tasks under way", maximum=self._most_tasks)
        if not port.is_up():
            raise SubsystemUnavailable(subsystem=entry.subsystem, reason=port.reason())
        id = new_uuid()
        subject = None if object_id is None or entry.object_type is None else (entry.object_type, object_id)
        timeout = entry.timeout_s if options.timeout is None else options.timeout
        meta = self._meta(caller, id, entry, object_id, options, timeout)
        task = self._tasks.create(
            id=id,
            method=entry.name,
            subject=subject,
            subsystem=entry.subsystem,
            identity=caller.identity,
            flow_id=options.flow_id,
            unit=entry.progress_unit or "percent",
        )
        task.cancel = lambda: self._spawn(self._cancel(port, task))
        self._spawn(self._run(port, entry, task, params, meta, timeout))
        if options.wait:
            await wait_for_end(task, options.wait)
        return b'{"task":' + task.fragment + b"}"

    def _spawn(self, work: Awaitable[None]) -> None:
        running = asyncio.ensure_future(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, port: WorkerPort, entry: MethodEntry, task: Task, params: bytes, meta: bytes, timeout: float) -> None:
        """The whole of a task's work: whatever happens, exactly one final state."""
        try:
            result = await port.call(entry.name, params, meta, timeout + _SLACK_S)
        except ApiError as error:
            self._tasks.fail(task, self._seen_end(entry, task, error))
        except asyncio.CancelledError:
            self._tasks.fail(task, OutcomeUnknown(method=entry.name, reason="the daemon went down"))
        except Exception as error:  # noqa: BLE001 - a task's top: nothing may leave it without a final state
            self._tasks.fail(task, internal_error(entry.name, error))
        else:
            self._tasks.done(task, bytes(result))

    @staticmethod
    def _seen_end(entry: MethodEntry, task: Task, error: ApiError) -> ApiError:
        """A worker that went away, or did not answer, may have done the work: then its end is unknown."""
        if error.name in ("SubsystemUnavailable", "DeadlineExceeded"):
            return OutcomeUnknown(method=entry.name, reason=error.message).because(error)
        if error.name == "Cancelled" and task.state == "cancelling":
            return Cancelled(method=entry.name)
        return error

    async def _cancel(self, port: WorkerPort, task: Task) -> None:
        try:
            await port.call("work.cancel", _encode(WorkCancel(operationId=task.id)), b"{}", 10)
        except ApiError as error:
            _log.info("task %s could not be asked to stop: %s", task.id, error.message)
