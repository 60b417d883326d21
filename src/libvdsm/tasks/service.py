"""The verbs of ``Task``, as the front answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from itertools import islice

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, NotACancellableTask, WrongState
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import (
    TaskCancelParams,
    TaskDeleteParams,
    TaskFilter,
    TaskGetParams,
    TaskListParams,
    TaskWaitParams,
)
from libvdsm.interfaces.place import may_see
from libvdsm.tasks.tasks import Task, Tasks

#: What shows a task.
READ = OBJECTS["task"].permission
#: Digits of the greatest place that fits a JSON integer.
_MOST_DIGITS = 16


class TaskService:
    """Reads and controls tasks."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    def task_list(self, caller: Caller, params: TaskListParams) -> bytes:
        """A page of what the caller may see, newest first; the cursor is the place of the last task of the page before."""
        found = (task for task in self._tasks if _fits(task, params.filter))
        if READ not in caller.permissions:
            found = (task for task in found if may_see(caller, READ, task.place()))
        if params.after is not None:
            last = _place(params.after)
            found = (task for task in found if task.number < last)
        page = list(islice(found, params.limit + 1))
        body = b'{"items":[' + b",".join(task.fragment for task in page[: params.limit]) + b"]"
        if len(page) > params.limit:
            body += b',"next":' + b'"%d"' % page[params.limit - 1].number
        return body + b"}"

    def task_get(self, _caller: Caller, params: TaskGetParams) -> bytes:
        """One task."""
        return self._tasks.get(params.task_id).fragment

    def task_wait(self, _caller: Caller, params: TaskWaitParams) -> bytes | Awaitable[bytes]:
        """Its end, or its present state when the time is up."""
        task = self._tasks.get(params.task_id)
        if task.end_is_told or params.seconds == 0:
            return task.fragment
        return wait_for_end(task, params.seconds)

    def task_cancel(self, _caller: Caller, params: TaskCancelParams) -> bytes:
        """Ask it to stop; an ended task is answered as it is."""
        task = self._tasks.get(params.task_id)
        if not task.has_ended:
            if task.cancel is None:
                raise NotACancellableTask(id=task.id, method=task.method)
            self._tasks.cancelling(task)
            task.cancel()
        return task.fragment

    def task_delete(self, _caller: Caller, params: TaskDeleteParams) -> bytes:
        """Forget it."""
        self._tasks.delete(self._tasks.get(params.task_id))
        return b"{}"

    # --- checks of plans ---

    def check_task_cancel(self, _caller: Caller, params: TaskCancelParams) -> Iterator[ApiError]:
        """What speaks against ``Task.cancel`` now."""
        task = self._tasks.find(params.task_id)
        if task is not None and not task.has_ended and task.cancel is None:
            yield NotACancellableTask(id=task.id, method=task.method)

    def check_task_delete(self, _caller: Caller, params: TaskDeleteParams) -> Iterator[ApiError]:
        """What speaks against ``Task.delete`` now."""
        task = self._tasks.find(params.task_id)
        if task is not None and not task.has_ended:
            yield WrongState(type="task", id=task.id, state=task.state, needs="done, failed, cancelled, unknown")


def _fits(task: Task, wanted: TaskFilter | None) -> bool:
    if wanted is None:
        return True
    return (
        (wanted.states is None or task.state in wanted.states)
        and (wanted.method is None or task.method == wanted.method)
        and (wanted.object_id is None or (task.subject is not None and task.subject[1] == wanted.object_id))
    )


def _place(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise InvalidParams(path="$.after", reason="not a cursor of this list")
    return int(cursor)


async def wait_for_end(task: Task, seconds: float) -> bytes:
    """The encoded task when it has ended, or as it is after ``seconds``; leaves nothing behind when cancelled."""
    ended = asyncio.Event()
    task.on_end.append(ended.set)
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        pass
    finally:
        if ended.set in task.on_end:
            task.on_end.remove(ended.set)
    return task.fragment
