"""What is on record of a deed: the intent before it, and after it the task's end, the answer by key and the audit, in one transaction."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from libvdsm.audit.paths import paths_of
from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.base.ids import new_uuid
from libvdsm.bridge.authority import Authority
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.intents import Intent, Intents
from libvdsm.bridge.recovery import Outcome
from libvdsm.bridge.work import Work
from libvdsm.interfaces.audit import Actor, Deed, Trail
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import CallOptions
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.redaction import redacted
from libvdsm.interfaces.store import Store
from libvdsm.tasks.tasks import Tasks

#: By these a subsystem says that it has not begun, and may later: no answer for ever.
_REFUSALS: Final = frozenset({"LimitExceeded", "ResourceBusy"})
_OUTCOMES: Final = {"Cancelled": "cancelled", "OutcomeUnknown": "unknown", "PermissionDenied": "refused", "NotAuthenticated": "refused"}


class Records:
    """Makes them."""

    def __init__(
        self,
        *,
        store: Store,
        intents: Intents,
        tasks: Tasks,
        answers: Answers,
        authority: Authority,
        trail: Trail,
        work: Work,
        clock: Clock,
    ) -> None:
        self._store = store
        self._intents = intents
        self._tasks = tasks
        self._answers = answers
        self._authority = authority
        self._trail = trail
        self._work = work
        self._clock = clock

    def intent(
        self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, options: CallOptions, digest: str | None
    ) -> Intent:
        """What a call is, before it is begun. ``params`` by name; ``digest`` of them, if there is a key."""
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

    def refused(self, caller: Caller, entry: MethodEntry, params: bytes, object_id: str | None, error: ApiError) -> None:
        """Somebody may not do it, or no longer."""
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

    async def conclude(self, intent: Intent, entry: MethodEntry | None, outcome: Outcome) -> None:
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
        self.record(intent, entry, outcome.error or outcome.result or b"{}", forgets=forgets)
        self._intents.end(intent)
        await self._store.commit()

    def record(self, intent: Intent, entry: MethodEntry | None, answer: bytes | ApiError, *, forgets: bool = False) -> None:
        """The answer by key, and the audit; part of this turn's transaction. ``forgets``: it can be made again."""
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


def made_by(method: str, answer: bytes | ApiError) -> tuple[str, str] | None:
    """The object that a verb has made, by its answer: that names it by its type, or is its document."""
    type = method.partition(".")[0].lower()
    if type not in OBJECTS or isinstance(answer, ApiError):
        return None
    members = msgspec.json.decode(answer)
    id = members.get(f"{type}Id", members.get("id")) if isinstance(members, dict) else None
    return (type, id) if isinstance(id, str) else None
