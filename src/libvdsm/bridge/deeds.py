"""The road of every verb that changes something: once, journalled, carried out, recorded, and only then answered (DESIGN 6).

A deed of the front is one transaction: its effect, its audit and its answer. A deed of a subsystem is two: the intent
before the work, and what became of it after. What lies between them when anything dies is found out by ``Recovery``.
A caller that goes away stops nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from libvdsm.base import faultpoints
from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.canonical import canonical
from libvdsm.bridge.errands import Errands, accepted
from libvdsm.bridge.fairness import FairQueue
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intents
from libvdsm.bridge.limits import Accounts
from libvdsm.bridge.options import check_time
from libvdsm.bridge.records import Records
from libvdsm.bridge.recovery import Recovery
from libvdsm.bridge.work import Work, internal_error
from libvdsm.interfaces.audit import Trail
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, OutcomeUnknown, ShuttingDown
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.store import Store
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Tasks

#: How many operations may be under way.
MOST_TASKS = 1000
#: Verbs that make room, or make an end: a full disk does not forbid them while the reserve lasts.
_MAKES_ROOM = ("delete", "revoke", "stop", "cancel", "purge")

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
        self._clock = clock
        self._running: set[asyncio.Future[Any]] = set()
        self._records = Records(
            store=store, intents=intents, tasks=tasks, answers=answers, authority=authority, trail=trail, work=work, clock=clock
        )
        self._errands = Errands(
            store=store,
            intents=intents,
            work=work,
            tasks=tasks,
            answers=answers,
            recovery=recovery,
            authority=authority,
            queue=queue,
            accounts=accounts,
            clock=clock,
            records=self._records,
            spawn=self._spawn,
            most_tasks=most_tasks,
        )

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
            return await self._errands.run(caller, entry, params, object_id, options, digest)

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
        self._errands.recover()

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
            return answer if task is None else accepted(task)
        await wait_for_end(task, seconds)
        return accepted(task)

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
        intent = self._records.intent(caller, entry, params, object_id, options, digest)
        try:
            answer = handler(caller, decoded)
            result = answer if isinstance(answer, bytes) else await answer
        except ApiError as error:
            self._records.record(intent, entry, error, forgets=error.retryable)
            await self._store.commit()
            raise
        except Exception as error:
            failure = internal_error(entry.name, error)
            self._records.record(intent, entry, failure)
            await self._store.commit()
            raise failure from error
        self._records.record(intent, entry, result)
        await self._store.commit()
        faultpoints.reach(entry.name, "after_journal")
        faultpoints.reach(entry.name, "before_answer")
        return result


class _AcceptedTask(msgspec.Struct):
    id: str


class _Accepted(msgspec.Struct):
    task: _AcceptedTask


def makes_room(entry: MethodEntry) -> bool:
    """Whether a verb is to work even when the disk is full."""
    return entry.name.partition(".")[2].startswith(_MAKES_ROOM)
