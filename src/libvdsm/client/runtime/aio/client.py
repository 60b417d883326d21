"""The client for asyncio: calls, tasks, events and byte streams over one connection that is renewed when lost."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from libvdsm.client.runtime import core, policy
from libvdsm.client.runtime.address import parse, secured
from libvdsm.client.runtime.aio.connection import Connection, HttpConnection, StreamConnection, dial, open_stream
from libvdsm.client.runtime.aio.events import EventStream
from libvdsm.client.runtime.errors import ApiError, ConnectionLostError, NoAnswerError, NotSentError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from libvdsm.client.generated.types import Task, TaskProgress
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.tls import Tls

T = TypeVar("T")


class BaseClient:
    """What every client can do; the interfaces of the API are added by the generated part."""

    def __init__(self, url: str, *, connect_timeout: float = 10.0, tls: Tls | None = None) -> None:
        """``connect_timeout``: seconds to get or regain a connection; ``tls``: what is shown and trusted, for ``tls`` and ``https``."""
        self.address = secured(parse(url), tls)
        self.connect_timeout = connect_timeout
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._streams: dict[str, EventStream] = {}
        self._stream_names = count(1)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and make sure that a daemon answers; raises ``TransportError`` if not."""
        await self._connected(first=True)
        with suppress(ApiError):  # a refusal is an answer
            await self.call("Host.ping", timeout=self.connect_timeout)

    async def close(self) -> None:
        """End the connection; calls that wait fail with ``ConnectionLostError``. Idempotent."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    @property
    def dropped_answers(self) -> int:
        """Answers on the present connection that nobody waited for: late ones, and ids that were never used."""
        return self._connection.core.dropped if isinstance(self._connection, StreamConnection) else 0

    def flow(self, flow_id: str) -> AbstractContextManager[None]:
        """Calls inside ``with c.flow("x")`` carry this word; it is in tasks, events and logs."""
        return core.flow(flow_id)

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        not_after: str | None = None,
        idempotency_key: str | None = None,
        expected_generation: int | None = None,
        wait: float | None = None,
        flow_id: str | None = None,
    ) -> Json:
        """Any verb by its name on the wire, raw JSON values in and out."""
        options = {
            "timeout": timeout,
            "notAfter": not_after,
            "idempotencyKey": idempotency_key,
            "expectedGeneration": expected_generation,
            "wait": wait,
            "flowId": flow_id,
        }
        return await self.exchange(method, params or {}, options)

    async def exchange(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> Json:
        """One call. If the connection is lost before the answer, an idempotent verb is sent once more."""
        meta = core.options(options)
        limit_s = policy.limit(method, meta)
        connection = await self._connected()
        try:
            return await connection.call(method, params, meta, limit_s)
        except ConnectionLostError:
            if self._closed or not policy.is_idempotent(method):
                raise
        connection = await self._connected()
        return await connection.call(method, params, meta, limit_s)

    async def invoke(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], decode: Callable[[Json], T]) -> T:
        """One call with its typed result."""
        return policy.decoded(method, decode, await self.exchange(method, params, options))

    async def start(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], decode: Callable[[Json], T]) -> TaskHandle[T]:
        """One operation: its task, of which ``decode`` reads the result."""
        from libvdsm.client.generated.types import TaskAccepted

        accepted = await self.invoke(method, params, options, TaskAccepted.from_wire)
        return TaskHandle(self, accepted.task, decode)

    def events(self, topics: Sequence[str] = ("#",), *, after: str | None = None, snapshot: bool = False) -> EventStream:
        """Deliveries of ``topics`` in order, for ever; to be iterated, and closed by ``async with`` or ``aclose``.

        A lost connection is renewed and the stream goes on where it was; what the daemon no longer has
        comes as a delivery with ``gap``.
        """
        return EventStream(self, topics, after=after, snapshot=snapshot)

    async def open_stream(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The byte stream that a ticket's ``path`` stands for, on a connection of its own."""
        return await open_stream(self.address, path, self.connect_timeout)

    def register(self, stream: EventStream) -> str:
        """A name for a subscription; its deliveries go to ``stream``."""
        name = f"s{next(self._stream_names)}"
        self._streams[name] = stream
        return name

    def unregister(self, name: str) -> None:
        """Nobody reads this subscription any more."""
        self._streams.pop(name, None)

    def _notified(self, notification: core.Notification) -> None:
        stream = self._streams.get(str(notification.params.get("subscriptionId")))
        if notification.method == "Event.deliver" and stream is not None:
            stream.push(notification.params)

    def _lost(self) -> None:
        for stream in list(self._streams.values()):
            stream.lost()

    async def _connected(self, *, first: bool = False) -> Connection:
        async with self._connecting:
            if self._closed:
                message = "the client is closed"
                raise NotSentError(message)
            if self._connection is None or not self._connection.is_open:
                self._connection = await self._connect(patient=not first)
            return self._connection

    async def _connect(self, *, patient: bool) -> Connection:
        if self.address.http:
            return HttpConnection(self.address)
        deadline = time.monotonic() + self.connect_timeout
        for attempt in count():
            try:
                async with asyncio.timeout(max(0.001, deadline - time.monotonic())):
                    reader, writer = await dial(self.address)
                return StreamConnection(reader, writer, self._notified, self._lost)
            except TimeoutError as error:
                message = f"cannot connect to {self.address.url} within {self.connect_timeout:g} s"
                raise NotSentError(message) from error
            except UntrustedError:
                raise
            except NotSentError:
                if not patient or time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(policy.pause(attempt))
        raise AssertionError


class TaskHandle(Generic[T]):
    """An operation that was accepted."""

    def __init__(self, client: BaseClient, task: Task, decode: Callable[[Json], T]) -> None:
        self._client = client
        self._decode = decode
        self.task = task  # as it was last seen

    @property
    def id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def has_ended(self) -> bool:
        """Whether it was seen in a final state."""
        return policy.has_ended(self.task)

    async def wait(self, *, progress: Callable[[TaskProgress], object] | None = None, timeout: float | None = None) -> T:
        """The result when the task has ended; its typed error is raised.

        ``progress`` is called with each new figure. When ``timeout`` (seconds) is up ``NoAnswerError``
        is raised and the task goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        seen: TaskProgress | None = None
        while True:
            if progress is not None and self.task.progress != seen:
                seen = self.task.progress
                progress(seen)
            if self.has_ended:
                return policy.outcome(self.task, self._decode)
            left = policy.WAIT_S if deadline is None else deadline - time.monotonic()
            if left <= 0:
                message = f"task {self.id} ({self.task.method}) has not ended within {timeout:g} s"
                raise NoAnswerError(message)
            await self._look(min(left, policy.WAIT_S if progress is None else policy.WATCH_S))

    async def refresh(self) -> Task:
        """The task as it is now."""
        await self._look(0)
        return self.task

    async def cancel(self) -> Task:
        """Ask the task to stop; wait for it to learn how it ended."""
        from libvdsm.client.generated.types import Task

        self.task = await self._client.invoke("Task.cancel", {"taskId": self.id}, {}, Task.from_wire)
        return self.task

    async def _look(self, seconds: float) -> None:
        from libvdsm.client.generated.types import Task

        params = {"taskId": self.id, "seconds": seconds}
        self.task = await self._client.invoke("Task.wait", params, {"timeout": seconds + policy.GRACE_S}, Task.from_wire)
