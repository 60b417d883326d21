"""The tasks of this host.

A task is recorded in the store with every event that tells of it, in one transaction.
What callers are shown of an end, and those who wait for it, is what is on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import ObjectNotFound, WrongState
from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.place import Place
from libvdsm.interfaces.store import Store
from libvdsm.journal.recorder import Recorder, merge_patch

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode

#: Its kind in the store.
KIND = "task"
FINAL_STATES = frozenset({"done", "failed", "cancelled", "unknown"})


@dataclass(slots=True, eq=False)
class Task:
    """One task. ``Tasks`` alone changes it."""

    id: str
    method: str
    subject: tuple[str, str] | None  # object type and id
    subsystem: str
    identity: str
    flow_id: str | None
    unit: str
    created_at: float
    number: int  # its place in the order of creation
    project: str = ""  # of its object when it was made; empty: it has no object, or that belongs to no project
    state: str = "running"
    value: float = 0
    result: bytes | None = None
    error: dict[str, object] | None = None
    cancellable: bool = True
    ended_at: float | None = None
    revision: int = 0  # of what is shown
    fragment: bytes = b""
    end_is_told: bool = False  # its end is on disk, and callers see it
    cancel: Callable[[], None] | None = None  # asks the work to stop
    on_end: list[Callable[[], None]] = field(default_factory=list)

    @property
    def has_ended(self) -> bool:
        """Whether its final state is reached."""
        return self.state in FINAL_STATES

    def place(self) -> Place:
        """Where it stands: with its object as that was when it was made, and with whoever asked for it."""
        return Place("task", self.id, self.project or None, self.subject, self.identity)

    def cause(self) -> Cause:
        """This task as the cause of a change."""
        return Cause(kind="call", method=self.method, operationId=self.id, identity=self.identity)


def error_document(error: ApiError) -> dict[str, object]:
    """An error as an error answer has it."""
    return {"code": error.number, "message": error.message, "data": error.data()}


class _Kept(msgspec.Struct, frozen=True):
    """A task in the store."""

    number: int
    document: dict[str, object]  # the record ``Task`` of the schema
    created_at: float
    ended_at: float | None


class Tasks:
    """All tasks: those that run, and the newest of those that have ended."""

    def __init__(
        self, *, recorder: Recorder, clock: Clock, store: Store | None = None, most_ended: int = 1000, keep_s: float = 86_400
    ) -> None:
        """``store``: where they are kept across restarts; those that it has are here from the start."""
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._tasks: OrderedDict[str, Task] = OrderedDict()  # oldest first
        self._ended: OrderedDict[str, Task] = OrderedDict()  # by their end
        self._created = 0
        self._most_ended = most_ended
        self._keep_s = keep_s
        self._committing: set[asyncio.Future[None]] = set()
        if store is not None:
            self._load(store.understood(KIND, _read))

    def __iter__(self) -> Iterator[Task]:
        """Newest first."""
        return reversed(self._tasks.values())

    def get(self, id: str) -> Task:
        """One task; raises ``ObjectNotFound``."""
        task = self._tasks.get(id)
        if task is None:
            raise ObjectNotFound(type="task", id=id)
        return task

    def find(self, id: str) -> Task | None:
        """One task, if it is known."""
        return self._tasks.get(id)

    def shown(self, id: str) -> bytes | None:
        """One task as callers see it, if it is known."""
        task = self._tasks.get(id)
        return None if task is None else task.fragment

    def discard(self, task: Task) -> None:
        """It never was: what was to be recorded of it could not be."""
        self._tasks.pop(task.id, None)
        self._ended.pop(task.id, None)

    def running(self) -> int:
        """How many have not ended."""
        return len(self._tasks) - len(self._ended)

    def create(
        self,
        *,
        id: str,
        method: str,
        subject: tuple[str, str] | None,
        subsystem: str,
        identity: str,
        flow_id: str | None,
        unit: str,
        project: str = "",
    ) -> Task:
        """Begin a task."""
        self._created += 1
        task = Task(
            id=id,
            method=method,
            subject=subject,
            subsystem=subsystem,
            identity=identity,
            flow_id=flow_id,
            unit=unit,
            created_at=self._clock.time(),
            number=self._created,
            project=project,
        )
        self._tasks[id] = task
        self._publish(task)
        self._keep(task)
        return task

    def progress(self, id: str, value: float) -> None:
        """How far it is; never goes back, nothing after the end."""
        task = self._tasks.get(id)
        if task is not None and not task.has_ended and value > task.value:
            task.value = value
            self._publish(task)
            self._keep(task)  # what was told of it is told for good: a later life goes on from there

    def cancelling(self, task: Task) -> None:
        """It was asked to stop."""
        if task.state == "running":
            task.state = "cancelling"
            self._publish(task)
            self._keep(task)

    def beyond_reach(self, task: Task) -> None:
        """Nobody works at it any more, and what became of it is being found out: there is nothing left to stop."""
        if not task.has_ended and task.cancellable:
            task.cancellable, task.cancel = False, None
            self._publish(task)
            self._keep(task)

    def done(self, task: Task, result: bytes) -> None:
        """It has ended well."""
        task.result = result
        if task.unit == "percent":
            task.value = 100
        self._end(task, "done")

    def fail(self, task: Task, error: ApiError) -> None:
        """It has ended otherwise; the error tells the final state."""
        task.error = error_document(error)
        self._end(task, {"Cancelled": "cancelled", "OutcomeUnknown": "unknown"}.get(error.name, "failed"))

    def delete(self, task: Task) -> None:
        """Forget an ended task; raises ``WrongState`` while it runs."""
        if not task.has_ended:
            raise WrongState(type="task", id=task.id, state=task.state, needs="done, failed, cancelled, unknown")
        self._forget(task, Cause(kind="call", method="Task.delete"))

    def _end(self, task: Task, state: str) -> None:
        if task.has_ended:
            return
        shown = task.fragment, task.revision
        task.state, task.ended_at, task.cancellable, task.cancel = state, self._clock.time(), False, None
        self._ended[task.id] = task
        self._publish(task)
        if self._store is None:
            self._tell_end(task)
        else:
            self._keep(task)
            ended = task.fragment, task.revision
            task.fragment, task.revision = shown  # until it is on disk
            self._when_committed(self._store, task, ended)
        self._trim()

    def _when_committed(self, store: Store, task: Task, ended: tuple[bytes, int]) -> None:
        def told(committed: asyncio.Future[None]) -> None:
            self._committing.discard(committed)
            if not committed.cancelled() and committed.exception() is not None:
                _log.error("the end of task %s could not be recorded: %s", task.id, committed.exception())
                return  # the store has failed: a later life finds out what became of it
            task.fragment, task.revision = ended
            self._tell_end(task)

        committing = asyncio.ensure_future(store.commit())
        self._committing.add(committing)
        committing.add_done_callback(told)

    @staticmethod
    def _tell_end(task: Task) -> None:
        task.end_is_told = True
        waiting, task.on_end = task.on_end, []
        for resume in waiting:
            resume()

    def _keep(self, task: Task) -> None:
        if self._store is not None:
            kept = _Kept(number=task.number, document=_document(task), created_at=task.created_at, ended_at=task.ended_at)
            self._store.put(KIND, task.id, _encode(kept))

    def _load(self, records: Mapping[str, tuple[int, Task]]) -> None:
        """The tasks of the lives before, oldest first; those that had not ended wait for whoever finds out."""
        for _number, task in sorted(records.values(), key=lambda found: found[0]):
            self._tasks[task.id] = task
            self._created = max(self._created, task.number)
        for task in sorted((task for task in self._tasks.values() if task.has_ended), key=lambda task: task.ended_at or 0):
            self._ended[task.id] = task

    def _trim(self) -> None:
        """Forget ended tasks by number and age."""
        oldest = self._clock.time() - self._keep_s
        while self._ended:
            task = next(iter(self._ended.values()))
            if len(self._ended) <= self._most_ended and (task.ended_at or 0) >= oldest:
                return
            self._forget(task, Cause(kind="daemon", detail="trimmed"))

    def _forget(self, task: Task, cause: Cause) -> None:
        del self._tasks[task.id]
        if self._store is not None:
            self._store.remove(KIND, task.id)
        self._ended.pop(task.id, None)
        self._record(task, "removed", None, cause)

    def _publish(self, task: Task) -> None:
        """Encode the task as it is now, and record the difference."""
        old = _decode(task.fragment) if task.fragment else None
        task.revision = self._recorder.next_revision()
        task.fragment = _encode(_document(task))
        new = _decode(task.fragment)
        change, patch = ("added", new) if old is None else ("changed", merge_patch(old, new))
        self._record(task, change, patch, task.cause())

    def _record(self, task: Task, change: str, patch: Mapping[str, object] | None, cause: Cause) -> None:
        topic = f"task.{task.id}"
        self._recorder.record(type="task", id=task.id, topic=topic, change=change, patch=patch, cause=cause, project=task.project)


def _read(data: bytes) -> tuple[int, Task]:
    """A task of the store, with its place in the order; raises ``ValueError``."""
    kept = msgspec.json.decode(data, type=_Kept)
    return kept.number, _restored(kept)


def _restored(kept: _Kept) -> Task:
    told = msgspec.convert(kept.document, _Told)
    return Task(
        id=told.id,
        method=told.method,
        subject=None if told.subject is None else (told.subject["type"], told.subject["id"]),
        subsystem=told.subsystem,
        identity=told.identity,
        flow_id=told.flow_id,
        unit=told.progress.unit,
        created_at=kept.created_at,
        number=kept.number,
        project=told.project,
        state=told.state,
        value=told.progress.value,
        result=None if "result" not in kept.document else _encode(kept.document["result"]),
        error=told.error,
        cancellable=told.cancellable,
        ended_at=kept.ended_at,
        revision=told.revision,
        end_is_told=kept.ended_at is not None,
        fragment=_encode(kept.document),
    )


class _Progress(msgspec.Struct):
    value: float
    unit: str


class _Told(msgspec.Struct, rename="camel"):
    """What a task's document tells."""

    id: str
    method: str
    subsystem: str
    identity: str
    state: str
    progress: _Progress
    cancellable: bool
    revision: int
    subject: dict[str, str] | None = msgspec.field(name="object", default=None)
    project: str = ""
    flow_id: str | None = None
    error: dict[str, object] | None = None


def _document(task: Task) -> dict[str, object]:
    """The record ``Task`` of the schema."""
    document: dict[str, object] = {"id": task.id, "method": task.method}
    if task.subject is not None:
        document["object"] = {"type": task.subject[0], "id": task.subject[1]}
    if task.project:
        document["project"] = task.project
    document |= {"subsystem": task.subsystem, "identity": task.identity}
    if task.flow_id is not None:
        document["flowId"] = task.flow_id
    document |= {"state": task.state, "progress": {"value": task.value, "unit": task.unit}}
    if task.result is not None:
        document["result"] = Raw(task.result)
    if task.error is not None:
        document["error"] = task.error
    document |= {"cancellable": task.cancellable, "createdAt": timestamp(task.created_at)}
    if task.ended_at is not None:
        document["endedAt"] = timestamp(task.ended_at)
    return document | {"revision": task.revision}
