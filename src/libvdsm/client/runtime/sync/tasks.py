"""Operations that were accepted, for threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from libvdsm.client.runtime import policy
from libvdsm.client.runtime.errors import ApiError, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.client.generated.types import Task, TaskProgress
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.sync.client import BaseClient
    from libvdsm.client.runtime.sync.events import EventStream

T = TypeVar("T")


class TaskHandle(Generic[T]):
    """An operation that was accepted."""

    def __init__(self, client: BaseClient, task: Task, decode: Callable[[Json], T]) -> None:
        self._client = client
        self._decode = decode
        self._told: TaskProgress | None = None
        self.task = task  # as it was last seen

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def has_ended(self) -> bool:
        """Whether it was seen in a final state."""
        return policy.has_ended(self.task)

    def wait(self, *, progress: Callable[[TaskProgress], object] | None = None, timeout: float | None = None) -> T:
        """The result when the task has ended; its typed error is raised.

        ``progress`` is called with each new figure: by events where the connection carries them and the caller may have them, else by
        looking now and then. When ``timeout`` (seconds) is up ``NoAnswerError`` is raised and the task goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if progress is not None:
            self._tell(progress)
            if not self.has_ended and not self._client.address.http:
                self._follow(progress, deadline)
        while not self.has_ended:
            left = policy.WAIT_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                message = f"task {self.id} ({self.task.method}) has not ended within {timeout:g} s"
                raise NoAnswerError(message)
            self._look(min(left, policy.WAIT_S if progress is None else policy.WATCH_S))
            if progress is not None:
                self._tell(progress)
        return policy.outcome(self.task, self._decode)

    def refresh(self) -> Task:
        """The task as it is now."""
        self._look(0)
        return self.task

    def cancel(self) -> Task:
        """Ask the task to stop; wait for it to learn how it ended."""
        from libvdsm.client.generated.types import Task

        self.task = self._client.invoke("Task.cancel", {"taskId": self.id}, {}, Task.from_wire)
        return self.task

    def _tell(self, progress: Callable[[TaskProgress], object]) -> None:
        if self.task.progress != self._told:
            self._told = self.task.progress
            progress(self._told)

    def _follow(self, progress: Callable[[TaskProgress], object], deadline: float | None) -> None:
        """Tell of each event until the task ends or the time is up; no events for this caller is no failure."""
        try:
            with self._client.events([f"task.{self.id}"]) as stream:
                is_over = self._watch(stream, progress, deadline)
        except ApiError as refusal:
            if refusal.error not in policy.WITHOUT_EVENTS:
                raise
        else:
            if is_over:
                self._look(0)  # the whole result, which events may leave out

    def _watch(self, stream: EventStream, progress: Callable[[TaskProgress], object], deadline: float | None) -> bool:
        """Listen first, then look, so that nothing happens between the two. Whether the task has ended, and not the time."""
        self._look(0)
        self._tell(progress)
        while not self.has_ended:
            try:
                delivery = stream.receive(None if deadline is None else deadline - time.monotonic())
            except TimeoutError:
                return False
            seen = policy.seen(self.task.to_wire(), delivery)
            if seen is None:
                self._look(0)
            else:
                self._see(seen)
            self._tell(progress)
        return True

    def _see(self, document: Json) -> None:
        from libvdsm.client.generated.types import Task

        self.task = policy.decoded("Event.deliver", Task.from_wire, document)

    def _look(self, seconds: float) -> None:
        from libvdsm.client.generated.types import Task

        params = {"taskId": self.id, "seconds": seconds}
        self.task = self._client.invoke("Task.wait", params, {"timeout": seconds + policy.GRACE_S}, Task.from_wire)
