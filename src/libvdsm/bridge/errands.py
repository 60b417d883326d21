"""Deeds that a subsystem carries out: the intent before the work, what became of it after, and what is found out when nobody saw its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from libvdsm.base import faultpoints
from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.fairness import FairQueue
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intent, Intents
from libvdsm.bridge.limits import Accounts
from libvdsm.bridge.options import check_time
from libvdsm.bridge.records import Records
from libvdsm.bridge.recovery import Outcome, Recovery
from libvdsm.bridge.unsettled import Unsettled
from libvdsm.bridge.work import Work, internal_error
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import Cancelled, LimitExceeded, SubsystemUnavailable
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.messages import WorkCancel
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.store import Store
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Task, Tasks

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

#: Begins work that goes on when whoever asked for it is gone.
Spawn: TypeAlias = Callable[[Awaitable[bytes]], asyncio.Future[bytes]]

#: What a deed may take beyond its own timeout before it is asked what became of it.
_SLACK_S: Final = 5.0
#: The one failure of the outside that says nothing of what was done before it.
_HYPERVISOR_LOST: Final = "HypervisorUnavailable"
#: After these nobody has seen whether the work was done.
_UNSEEN: Final = frozenset({"SubsystemUnavailable", "DeadlineExceeded", _HYPERVISOR_LOST})


class Errands:
    """Has them carried out."""

    def __init__(
        self,
        *,
        store: Store,
        intents: Intents,
        work: Work,
        tasks: Tasks,
        answers: Answers,
        recovery: Recovery,
        authority: Authority,
        queue: FairQueue,
        accounts: Accounts,
        clock: Clock,
        records: Records,
        spawn: Spawn,
        most_tasks: int,
    ) -> None:
        self._store = store
        self._intents = intents
        self._work = work
        self._tasks = tasks
        self._answers = answers
        self._recovery = recovery
        self._authority = authority
        self._queue = queue
        self._accounts = accounts
        self._clock = clock
        self._records = records
        self._spawn = spawn
        self._most_tasks = most_tasks
        self._unsettled = Unsettled()

    def recover(self) -> None:
        """Begin to find out what became of all that the life before did not finish."""
        for intent in self._intents:
            finding = self._spawn(self._find_out(intent, "the daemon was interrupted"))
            self._unsettled.mark(intent, finding)
            self._beyond_reach(intent)
            if intent.key is not None and intent.digest is not None and not intent.is_task:
                self._answers.expect(intent.actor.identity, intent.key, intent.digest, finding)

    async def run(
        self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions, digest: str | None
    ) -> bytes:
        """The answer, or the task that will have it. ``params`` by name; ``digest`` of them, if there is a key."""
        port = self._work.port(entry)
        await self._work.first_snapshot(entry)
        turn = await self._queue.enter(caller, entry.subsystem, entry.cost)
        try:
            await self._unsettled.wait(entry, object_id)
            check_time(options, self._clock)
            self._still_may(caller, entry, params, object_id)
            self._work.check_object(entry, object_id, options)
            if not port.is_up():
                raise SubsystemUnavailable(subsystem=entry.subsystem, reason=port.reason())
            faultpoints.reach(entry.name, "before_journal")
            intent = self._records.intent(caller, entry, params, object_id, options, digest)
            if entry.kind != "operation":
                return await self._command(port, entry, intent, params)
            task = await self._begin_task(caller, port, entry, intent, params)
        finally:
            turn.leave()
        if options.wait:
            await wait_for_end(task, options.wait)
        return accepted(task)

    def _still_may(self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None) -> None:
        """Whoever had to wait may have lost the right meanwhile, or the object its place: what was allowed then is not begun now."""
        try:
            self._authority.require(caller, entry, params)
        except ApiError as error:
            self._records.refused(caller, entry, params, object_id, error)
            raise

    async def _command(self, port: WorkerPort, entry: MethodEntry, intent: Intent, params: bytes) -> bytes:
        self._intents.begin(intent)
        await self._committed(intent)
        faultpoints.reach(entry.name, "after_journal")
        outcome = await self._carried_out(port, entry, intent, params)
        if outcome.error is not None and outcome.error.name == _HYPERVISOR_LOST:
            self._find_out_later(intent, outcome.error)
            raise outcome.error
        await self._records.conclude(intent, entry, outcome)
        faultpoints.reach(entry.name, "before_answer")
        if outcome.error is not None:
            raise outcome.error
        return outcome.result or b"{}"

    async def _begin_task(self, caller: Caller, port: WorkerPort, entry: MethodEntry, intent: Intent, params: bytes) -> Task:
        account = self._accounts.of(caller)
        if self._tasks.running() >= self._most_tasks:
            raise LimitExceeded(limit="tasks under way", maximum=self._most_tasks)
        account.tasks.take()
        try:
            self._intents.begin(intent)
            task = self._tasks.create(
                id=intent.id,
                method=entry.name,
                subject=intent.subject,
                subsystem=entry.subsystem,
                identity=caller.identity,
                flow_id=intent.flow_id,
                unit=entry.progress_unit or "percent",
                project=intent.project or "",
            )
            if intent.key is not None and intent.digest is not None:
                self._answers.keep(caller.identity, intent.key, intent.digest, entry.name, accepted(task), task=task.id)
            await self._committed(intent)
        except BaseException:
            account.tasks.give()
            raise
        faultpoints.reach(entry.name, "after_journal")
        task.cancel = lambda: self._ask_to_stop(port, task)
        running = self._spawn(self._run_task(port, entry, intent, task, params))
        running.add_done_callback(lambda _done: account.tasks.give())
        return task

    async def _committed(self, intent: Intent) -> None:
        """The intent is on disk; else it was never begun."""
        try:
            await self._store.commit()
        except ApiError:
            self._intents.end(intent)
            task = self._tasks.find(intent.id)
            if task is not None:
                self._tasks.discard(task)
            if intent.key is not None:
                self._answers.forget(intent.actor.identity, intent.key)
            raise

    async def _run_task(self, port: WorkerPort, entry: MethodEntry, intent: Intent, task: Task, params: bytes) -> bytes:
        """The whole of a task's work: whatever happens, exactly one final state."""
        outcome = await self._carried_out(port, entry, intent, params)
        if outcome.error is not None and outcome.error.name == "Cancelled" and task.state == "cancelling":
            outcome = Outcome(error=Cancelled(method=entry.name))
        await self._records.conclude(intent, entry, outcome)
        faultpoints.reach(entry.name, "before_answer")
        return b""

    async def _carried_out(self, port: WorkerPort, entry: MethodEntry, intent: Intent, params: bytes) -> Outcome:
        """Have the worker do it; a worker that goes away, or does not answer, may have done it: then that is found out.

        So may one whose hypervisor has gone away. A command is not kept waiting for that: its caller hears of the loss at once.
        """
        try:
            result = await port.call(entry.name, params, self._work.meta(intent, intent.timeout), intent.timeout + _SLACK_S)
        except ApiError as error:
            if error.name not in _UNSEEN or (error.name == _HYPERVISOR_LOST and not intent.is_task and entry.probe != "none"):
                return Outcome(error=error)
            outcome = await self._looked_up(intent, error.message)
            return Outcome(error=error) if outcome.had_no_effect and error.name == "DeadlineExceeded" else outcome
        except Exception as error:  # noqa: BLE001 - a deed's top: nothing may leave it without an outcome
            return Outcome(error=internal_error(entry.name, error))
        return Outcome(result=bytes(result))

    async def _looked_up(self, intent: Intent, reason: str) -> Outcome:
        me = asyncio.current_task()
        if me is not None:
            self._unsettled.mark(intent, me)
        self._beyond_reach(intent)
        return await self._recovery.outcome(intent, reason)

    # --- what a worker has left ---

    def _find_out_later(self, intent: Intent, error: ApiError) -> None:
        """Whoever sends it again by its key waits until that is known, and so does everybody else with this object."""
        finding = self._spawn(self._find_out(intent, error.message))
        self._unsettled.mark(intent, finding)
        if intent.key is not None and intent.digest is not None:
            self._answers.expect(intent.actor.identity, intent.key, intent.digest, finding)

    def _beyond_reach(self, intent: Intent) -> None:
        task = self._tasks.find(intent.id) if intent.is_task else None
        if task is not None:
            self._tasks.beyond_reach(task)

    async def _find_out(self, intent: Intent, reason: str) -> bytes:
        entry = self._recovery.entry(intent)
        outcome = await self._recovery.outcome(intent, reason)
        await self._records.conclude(intent, entry, outcome)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result or b"{}"

    def _ask_to_stop(self, port: WorkerPort, task: Task) -> None:
        self._spawn(self._cancel(port, task))

    async def _cancel(self, port: WorkerPort, task: Task) -> bytes:
        try:
            return bytes(await port.call("work.cancel", _encode(WorkCancel(operationId=task.id)), b"{}", 10))
        except ApiError as error:
            _log.info("task %s could not be asked to stop: %s", task.id, error.message)
            return b""


def accepted(task: Task) -> bytes:
    """``TaskAccepted`` as JSON."""
    return b'{"task":' + task.fragment + b"}"
