"""The road of every verb that changes something: once, journalled, carried out, recorded, and only then answered (DESIGN 6).

A deed of the front is one transaction: its effect, its audit and its answer. A deed of a subsystem is two: the intent
before the work, and what became of it after. What lies between them when anything dies is found out by ``Recovery``.
A caller that goes away stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Raw

from libvdsm.audit.paths import paths_of
from libvdsm.base import faultpoints
from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_uuid
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.canonical import canonical
from libvdsm.bridge.fairness import FairQueue
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intent, Intents
from libvdsm.bridge.limits import Accounts
from libvdsm.bridge.options import check_time
from libvdsm.bridge.recovery import Outcome, Recovery
from libvdsm.bridge.work import Work, internal_error
from libvdsm.interfaces.audit import Actor, Deed, Trail
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    Cancelled,
    InvalidParams,
    LimitExceeded,
    OutcomeUnknown,
    ResourceBusy,
    ShuttingDown,
    SubsystemUnavailable,
)
from libvdsm.interfaces.generated.permissions import OBJECTS, PERMISSIONS
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.messages import WorkCancel
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.redaction import redacted
from libvdsm.interfaces.store import Store
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Task, Tasks

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

#: What a deed may take beyond its own timeout before it is asked what became of it.
_SLACK_S = 5.0
#: How many operations may be under way.
MOST_TASKS = 1000
#: How long a deed waits for what is being found out about its object.
_MOST_WAIT_S = 4.0
#: Verbs that make room, or make an end: a full disk does not forbid them while the reserve lasts.
_MAKES_ROOM = ("delete", "revoke", "stop", "cancel", "purge")
#: The one failure of the outside that says nothing of what was done before it.
_HYPERVISOR_LOST = "HypervisorUnavailable"
#: After these nobody has seen whether the work was done.
_UNSEEN = frozenset({"SubsystemUnavailable", "DeadlineExceeded", _HYPERVISOR_LOST})
#: By these a subsystem says that it has not begun, and may later: no answer for ever.
_REFUSALS = frozenset({"LimitExceeded", "ResourceBusy"})
_OUTCOMES = {"Cancelled": "cancelled", "OutcomeUnknown": "unknown", "PermissionDenied": "refused", "NotAuthenticated": "refused"}

#: A verb that the front carries out itself: its effect is in the store when it answers.
Handler = Callable[[Caller, Any], bytes | Awaitable[bytes]]


def is_deed(entry: MethodEntry) -> bool:
    """Whether a verb is journalled, audited and answered once: it changes something that outlives its connection."""
    return entry.kind != "query" and (entry.permission is None or PERMISSIONS[entry.permission])


def unguarded(entry: MethodEntry, expected_generation: int | None) -> InvalidParams | None:
    """What speaks against expecting a generation of what has none: it would guard nothing."""
    if expected_generation is None or entry.object_type == "vm":
        return None
    return InvalidParams(path="$.meta.expectedGeneration", reason=f"{entry.name} is about no object that has a generation")


class Deeds:
    """Carries out what changes something."""

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
        trail: Trail,
        queue: FairQueue,
        accounts: Accounts,
        clock: Clock,
        most_tasks: int = MOST_TASKS,
    ) -> None:
        self._store = store
        self._intents = intents
        self._work = work
        self._tasks = tasks
        self._answers = answers
        self._recovery = recovery
        self._authority = authority
        self._trail = trail
        self._queue = queue
        self._accounts = accounts
        self._clock = clock
        self._most_tasks = most_tasks
        self._running: set[asyncio.Future[Any]] = set()
        self._unsettled: dict[tuple[str, str], set[asyncio.Future[Any]]] = {}

    # --- what the bridge calls ---

    def call(
        self,
        caller: Caller,
        entry: MethodEntry,
        handler: Handler | None,
        params: bytes,
        decoded: object,
        object_id: str | None,
        options: CallOptions,
    ) -> Awaitable[bytes]:
        """The answer of a deed. ``params`` by name; ``decoded`` the same, decoded. Raises ``ApiError`` now or later."""
        if self._work.is_closing:
            raise ShuttingDown
        if (mistake := unguarded(entry, options.expected_generation)) is not None:
            raise mistake

        def admit() -> None:
            self._store.check(deletes=makes_room(entry))
            if handler is None:
                self._work.check(entry, object_id, options)

        async def run(digest: str | None) -> bytes:
            if handler is not None:
                return await self._own(caller, entry, handler, params, decoded, object_id, options, digest)
            return await self._foreign(caller, entry, params, object_id, options, digest)

        async def run_admitted(digest: str | None) -> bytes:
            admit()
            return await run(digest)

        if options.idempotency_key is not None:
            # What was done before is answered as it was, whatever has become of its object, its generation or our disk.
            return self._once(caller, entry, canonical(decoded), options, run_admitted)
        admit()
        return asyncio.shield(self._spawn(self._told_when_closing(entry, run(None), has_key=False)))

    def recover(self) -> None:
        """Begin to find out what became of all that the life before did not finish."""
        for intent in self._intents:
            finding = self._spawn(self._find_out(intent, "the daemon was interrupted"))
            self._mark_unsettled(intent, finding)
            self._beyond_reach(intent)
            if intent.key is not None and intent.digest is not None and not intent.is_task:
                self._answers.expect(intent.actor.identity, intent.key, intent.digest, finding)

    def unsettled(self) -> int:
        """How many deeds have not ended."""
        return len(self._intents)

    async def close(self) -> None:
        """Begin nothing more. What runs is left to the next life, which finds out what became of it."""
        self._work.is_closing = True
        for running in list(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    # --- once ---

    async def _once(
        self, caller: Caller, entry: MethodEntry, params: bytes, options: CallOptions, run: Callable[[str | None], Awaitable[bytes]]
    ) -> bytes:
        key = options.idempotency_key or ""
        answer = await self._answers.once(
            caller.identity, key, entry.name, params, lambda digest: self._spawn(self._told_when_closing(entry, run(digest), has_key=True))
        )
        if entry.kind != "operation" or not options.wait:
            return answer
        return await self._waited(answer, options.wait)

    async def _waited(self, answer: bytes, seconds: float) -> bytes:
        id = msgspec.json.decode(answer, type=_Accepted).task.id
        task = self._tasks.find(id)
        if task is None or task.end_is_told:
            return answer if task is None else _accepted(task)
        await wait_for_end(task, seconds)
        return _accepted(task)

    async def _told_when_closing(self, entry: MethodEntry, work: Awaitable[bytes], *, has_key: bool) -> bytes:
        """What ends with the daemon is found out by its next life: whoever has a key is told to ask again, others that nobody knows."""
        try:
            return await work
        except asyncio.CancelledError:
            if not self._work.is_closing:
                raise
            if has_key:
                raise ShuttingDown from None
            raise OutcomeUnknown(method=entry.name, reason="the daemon is going down, and finds it out when it is back") from None

    def _spawn(self, work: Awaitable[bytes]) -> asyncio.Future[bytes]:
        running = asyncio.ensure_future(work)
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # whoever waits has it; that nobody does is no accident

    # --- deeds of the front ---

    async def _own(
        self,
        caller: Caller,
        entry: MethodEntry,
        handler: Handler,
        params: bytes,
        decoded: object,
        object_id: str | None,
        options: CallOptions,
        digest: str | None,
    ) -> bytes:
        faultpoints.reach(entry.name, "before_journal")
        check_time(options, self._clock)
        intent = self._intent(caller, entry, params, object_id, options, digest)
        try:
            answer = handler(caller, decoded)
            result = answer if isinstance(answer, bytes) else await answer
        except ApiError as error:
            self._record(intent, entry, error, forgets=error.retryable)
            await self._store.commit()
            raise
        except Exception as error:
            failure = internal_error(entry.name, error)
            self._record(intent, entry, failure)
            await self._store.commit()
            raise failure from error
        self._record(intent, entry, result)
        await self._store.commit()
        faultpoints.reach(entry.name, "after_journal")
        faultpoints.reach(entry.name, "before_answer")
        return result

    # --- deeds of a subsystem ---

    async def _foreign(
        self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions, digest: str | None
    ) -> bytes:
        port = self._work.port(entry)
        await self._work.first_snapshot(entry)
        turn = await self._queue.enter(caller, entry.subsystem, entry.cost)
        try:
            await self._settled(entry, object_id)
            check_time(options, self._clock)
            self._still_may(caller, entry, params, object_id)
            self._work.check_object(entry, object_id, options)
            if not port.is_up():
                raise SubsystemUnavailable(subsystem=entry.subsystem, reason=port.reason())
            faultpoints.reach(entry.name, "before_journal")
            intent = self._intent(caller, entry, params, object_id, options, digest)
            if entry.kind != "operation":
                return await self._command(port, entry, intent, params)
            task = await self._begin_task(caller, port, entry, intent, params)
        finally:
            turn.leave()
        if options.wait:
            await wait_for_end(task, options.wait)
        return _accepted(task)

    def _still_may(self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None) -> None:
        """Whoever had to wait may have lost the right meanwhile, or the object its place: what was allowed then is not begun now."""
        try:
            self._authority.require(caller, entry, params)
        except ApiError as error:
            self._trail.refusal(
                Deed(
                    actor=Actor(caller.identity, caller.source, caller.address),
                    method=entry.name,
                    outcome="refused",
                    object=None if object_id is None or entry.object_type is None else (entry.object_type, object_id),
                    project=self._authority.project(entry, object_id, params),
                    error=error.name,
                )
            )
            raise

    async def _command(self, port: WorkerPort, entry: MethodEntry, intent: Intent, params: bytes) -> bytes:
        self._intents.begin(intent)
        await self._committed(intent)
        faultpoints.reach(entry.name, "after_journal")
        outcome = await self._carried_out(port, entry, intent, params)
        if outcome.error is not None and outcome.error.name == _HYPERVISOR_LOST:
            self._find_out_later(intent, outcome.error)
            raise outcome.error
        await self._conclude(intent, entry, outcome)
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
                self._answers.keep(caller.identity, intent.key, intent.digest, entry.name, _accepted(task), task=task.id)
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
        await self._conclude(intent, entry, outcome)
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
            self._mark_unsettled(intent, me)
        self._beyond_reach(intent)
        return await self._recovery.outcome(intent, reason)

    # --- what a life before has left, or a worker ---

    def _find_out_later(self, intent: Intent, error: ApiError) -> None:
        """Whoever sends it again by its key waits until that is known, and so does everybody else with this object."""
        finding = self._spawn(self._find_out(intent, error.message))
        self._mark_unsettled(intent, finding)
        if intent.key is not None and intent.digest is not None:
            self._answers.expect(intent.actor.identity, intent.key, intent.digest, finding)

    def _beyond_reach(self, intent: Intent) -> None:
        task = self._tasks.find(intent.id) if intent.is_task else None
        if task is not None:
            self._tasks.beyond_reach(task)

    async def _find_out(self, intent: Intent, reason: str) -> bytes:
        entry = self._recovery.entry(intent)
        outcome = await self._recovery.outcome(intent, reason)
        await self._conclude(intent, entry, outcome)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result or b"{}"

    def _mark_unsettled(self, intent: Intent, finding: asyncio.Future[Any]) -> None:
        """Until it is known what became of it, nothing else is begun on its object."""
        subject = intent.subject or _to_be_made(intent)
        if subject is None:
            return
        found = self._unsettled.setdefault(subject, set())
        found.add(finding)

        def done(_future: asyncio.Future[Any]) -> None:
            found.discard(finding)
            if not found and self._unsettled.get(subject) is found:
                del self._unsettled[subject]

        finding.add_done_callback(done)

    async def _settled(self, entry: MethodEntry, object_id: str | None) -> None:
        found = None if object_id is None else self._unsettled.get((entry.object_type or "", object_id))
        if not found:
            return
        await asyncio.wait(tuple(found), timeout=_MOST_WAIT_S)
        if self._unsettled.get((entry.object_type or "", object_id or "")):
            reason = "what became of an interrupted call is still being found out"
            raise ResourceBusy(type=entry.object_type or "", id=object_id or "", reason=reason)

    # --- the record ---

    async def _conclude(self, intent: Intent, entry: MethodEntry | None, outcome: Outcome) -> None:
        """Record what became of it: intent, task, answer and audit in one transaction."""
        if intent.is_task:
            task = self._tasks.find(intent.id)
            if task is not None and outcome.error is not None:
                self._tasks.fail(task, outcome.error)
            elif task is not None:
                self._tasks.done(task, outcome.result or b"{}")
        forgets = outcome.had_no_effect or (outcome.error is not None and outcome.error.name in _REFUSALS)
        if forgets and intent.key is not None:
            self._answers.forget(intent.actor.identity, intent.key)
        self._record(intent, entry, outcome.error or outcome.result or b"{}", forgets=forgets)
        self._intents.end(intent)
        await self._store.commit()

    def _record(self, intent: Intent, entry: MethodEntry | None, answer: bytes | ApiError, *, forgets: bool = False) -> None:
        """The answer by key, and the audit."""
        error = answer if isinstance(answer, ApiError) else None
        if intent.key is not None and intent.digest is not None and not intent.is_task and not forgets:
            is_secret = entry is not None and entry.uncacheable and error is None
            self._answers.keep(intent.actor.identity, intent.key, intent.digest, intent.method, None if is_secret else answer)
        deed = Deed(
            actor=intent.actor,
            method=intent.method,
            outcome="done" if error is None else _OUTCOMES.get(error.name, "failed"),
            operation_id=intent.id,
            object=intent.subject or made_by(intent.method, answer),
            project=intent.project,
            changed=() if entry is None else paths_of(bytes(intent.params), entry),
            error=None if error is None else error.name,
            flow_id=intent.flow_id,
        )
        (self._trail.refusal if deed.outcome == "refused" else self._trail.deed)(deed)

    def _intent(
        self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions, digest: str | None
    ) -> Intent:
        return Intent(
            id=new_uuid(),
            method=entry.name,
            params=Raw(redacted(params, entry)),
            actor=Actor(caller.identity, caller.source, caller.address),
            begun_at=self._clock.time(),
            timeout=entry.timeout_s if options.timeout is None else options.timeout,
            is_task=entry.kind == "operation",
            subject=None if object_id is None or entry.object_type is None else (entry.object_type, object_id),
            project=self._authority.project(entry, object_id, params),
            flow_id=options.flow_id,
            key=options.idempotency_key,
            digest=digest,
            generation=self._work.generation(entry, object_id),
            expected_generation=options.expected_generation,
        )

    def _ask_to_stop(self, port: WorkerPort, task: Task) -> None:
        self._spawn(self._cancel(port, task))

    async def _cancel(self, port: WorkerPort, task: Task) -> bytes:
        try:
            return bytes(await port.call("work.cancel", _encode(WorkCancel(operationId=task.id)), b"{}", 10))
        except ApiError as error:
            _log.info("task %s could not be asked to stop: %s", task.id, error.message)
            return b""


class _AcceptedTask(msgspec.Struct):
    id: str


class _Accepted(msgspec.Struct):
    task: _AcceptedTask


def _accepted(task: Task) -> bytes:
    return b'{"task":' + task.fragment + b"}"


def made_by(method: str, answer: bytes | ApiError) -> tuple[str, str] | None:
    """The object that a verb has made, by its answer: that names it by its type, or is its document."""
    type = method.partition(".")[0].lower()
    if type not in OBJECTS or isinstance(answer, ApiError):
        return None
    members = msgspec.json.decode(answer)
    id = members.get(f"{type}Id", members.get("id")) if isinstance(members, dict) else None
    return (type, id) if isinstance(id, str) else None


def _to_be_made(intent: Intent) -> tuple[str, str] | None:
    """The object that an interrupted verb was to make, if its id was chosen by the caller."""
    type = intent.method.partition(".")[0].lower()
    members = msgspec.json.decode(intent.params) if type in OBJECTS else None
    id = members.get(f"{type}Id") if isinstance(members, dict) else None
    return (type, id) if isinstance(id, str) else None


def makes_room(entry: MethodEntry) -> bool:
    """Whether a verb is to work even when the disk is full."""
    return entry.name.partition(".")[2].startswith(_MAKES_ROOM)
