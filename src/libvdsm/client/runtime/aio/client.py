"""The client for asyncio: calls, tasks, events and byte streams over one connection that is renewed when lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from libvdsm.client.runtime import core, policy
from libvdsm.client.runtime.address import parse, secured
from libvdsm.client.runtime.aio.events import EventStream
from libvdsm.client.runtime.aio.line import Line
from libvdsm.client.runtime.aio.tasks import TaskHandle
from libvdsm.client.runtime.errors import ApiError, NotSentError
from libvdsm.client.runtime.following import Gaps, Position
from libvdsm.client.runtime.login import Login, checked

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from libvdsm.client.generated.types import EventFilter
    from libvdsm.client.runtime.address import Address
    from libvdsm.client.runtime.json import Json
    from libvdsm.client.runtime.state import LinkState, StateCallback
    from libvdsm.client.runtime.tls import Tls

__all__ = ["BaseClient", "TaskHandle"]

T = TypeVar("T")


class BaseClient:
    """What every client can do; the interfaces of the API are added by the generated part."""

    def __init__(
        self,
        url: str,
        *,
        connect_timeout: float = 10.0,
        tls: Tls | None = None,
        login: Login | None = None,
        retry: policy.Retry | None = None,
        heartbeat: float = policy.BEAT_S,
        on_state: StateCallback | None = None,
    ) -> None:
        """See ``connect``."""
        address = secured(parse(url), tls)
        found = checked(address, login)
        self.line = Line(
            address, found, connect_timeout=connect_timeout, retry=retry or policy.Retry(), beat_s=heartbeat, on_state=on_state
        )
        self._flow_id: str | None = None
        self._timeout: float | None = None
        self._is_guest = False
        self._closed = False
        self._streams: set[EventStream] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def client(self, *, flow_id: str | None = None, timeout: float | None = None) -> Self:
        """Another client of the same daemon on the same connection, for another part of the program.

        Its calls carry ``flow_id`` and have ``timeout`` (seconds) where they do not say otherwise. Closing it ends its own streams of
        events and nothing else; the connection ends with the client that ``connect`` has made.
        """
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made._flow_id, made._timeout, made._is_guest, made._streams = flow_id, timeout, True, set()
        return made

    async def open(self) -> None:
        """Connect, and make sure that a daemon answers; raises ``TransportError`` if not."""
        await self.line.open()
        with suppress(ApiError):  # a refusal is an answer
            await self.line.exchange("Host.ping", {}, {"timeout": self.connect_timeout}, limit_s=self.connect_timeout)

    async def close(self) -> None:
        """End the connection; calls that wait fail with ``ConnectionLostError``. Idempotent."""
        self._closed = True
        if not self._is_guest:
            await self.line.close()
            return
        for stream in list(self._streams):
            await stream.aclose()

    @property
    def address(self) -> Address:
        """Where the daemon is."""
        return self.line.address

    @property
    def connect_timeout(self) -> float:
        """Seconds to get or regain a connection."""
        return self.line.connect_timeout

    @property
    def state(self) -> LinkState:
        """How the connection is."""
        return self.line.state

    @property
    def dropped_answers(self) -> int:
        """Answers on the present connection that nobody waited for: late ones, and ids that were never used."""
        return self.line.dropped_answers

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
        """One call. If the connection is lost before the answer, it is sent again where that is safe: see ``Retry``."""
        if self._closed and self._is_guest and method != "Event.unsubscribe":
            message = "the client is closed"
            raise NotSentError(message)
        return await self.line.exchange(method, params, core.options(options, flow_id=self._flow_id, timeout=self._timeout))

    async def invoke(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], decode: Callable[[Json], T]) -> T:
        """One call with its typed result."""
        return policy.decoded(method, decode, await self.exchange(method, params, options))

    async def start(self, method: str, params: Mapping[str, Any], options: Mapping[str, Any], decode: Callable[[Json], T]) -> TaskHandle[T]:
        """One operation: its task, of which ``decode`` reads the result."""
        from libvdsm.client.generated.types import TaskAccepted

        accepted = await self.invoke(method, params, options, TaskAccepted.from_wire)
        return TaskHandle(self, accepted.task, decode)

    def events(
        self,
        topics: Sequence[str] = ("#",),
        *,
        after: str | None = None,
        snapshot: bool = False,
        filter: EventFilter | None = None,
        coalesce: float | None = None,
        gaps: Gaps = "tell",
    ) -> EventStream:
        """Deliveries of ``topics`` in order, for ever; to be iterated, and closed by ``async with`` or ``aclose``.

        A lost connection is renewed and the stream goes on where it was; what the daemon no longer has comes as a delivery with
        ``gap``, or, with ``gaps="raise"``, as a ``GapError`` after which the iteration can go on. ``coalesce``: changes of one
        object within so many seconds (60 at most) may come as one. Over HTTP events are asked for (long-poll), and none are merged.

        ``snapshot``: what there is comes first, unless ``after`` is given, and again behind each gap: with a gap all that such a
        stream has told is void. One whose reason is ``snapshot`` says that a snapshot was cut off and is taken anew.
        """
        made = EventStream(self, Position(topics, after=after, snapshot=snapshot, filter=filter, coalesce=coalesce, gaps=gaps))
        self._streams.add(made)
        return made

    def forget(self, stream: EventStream) -> None:
        """The stream was closed."""
        self._streams.discard(stream)

    async def open_stream(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The byte stream that a ticket's ``path`` stands for, on a connection of its own."""
        return await self.line.open_stream(path)
