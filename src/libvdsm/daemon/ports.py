"""The front's side of a subsystem (``interfaces.worker_port``): over ipc, or inside the front itself."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping

import msgspec
from msgspec import Raw

from libvdsm.base.errors import ApiError
from libvdsm.daemon.dispatch import Dispatcher
from libvdsm.daemon.reporting import EncodingReporter
from libvdsm.interfaces.generated.errors import DeadlineExceeded, SubsystemUnavailable
from libvdsm.interfaces.messages import ReportOffer
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.reply import Reply, promise
from libvdsm.interfaces.work import Reporter, Service
from libvdsm.interfaces.worker_port import WorkerReports
from libvdsm.ipc import failures
from libvdsm.ipc.channel import Channel
from libvdsm.ipc.descriptors import DescriptorSide

_log = logging.getLogger(__name__)
_decode_offer = msgspec.json.Decoder(ReportOffer).decode


class IpcPort:
    """A subsystem in a process of its own; ``attach`` is called for each new worker."""

    def __init__(self, name: str, reports: WorkerReports) -> None:
        self._name = name
        self._reports = reports
        self._channel: Channel | None = None
        self._side: DescriptorSide | None = None
        self._reason = "it is being started"
        self._held = ""  # why there will be no other worker soon

    @property
    def name(self) -> str:
        """See ``WorkerPort``."""
        return self._name

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> Reply:
        """See ``WorkerPort``."""
        if self._channel is not None:
            return self._channel.call(method, params, meta, timeout_s)
        future = promise(asyncio.get_running_loop())
        future.fail(SubsystemUnavailable(subsystem=self._name, reason=self._reason))
        return future

    def is_up(self) -> bool:
        """See ``WorkerPort``."""
        return self._channel is not None

    def reason(self) -> str:
        """See ``WorkerPort``."""
        return "" if self._channel is not None else self._reason

    def attach(self, frames: socket.socket, side: socket.socket) -> Coroutine[None, None, None]:
        """A worker was started at the other ends; both are now the port's to close. Takes the place of one before.

        It is known from now on, so that what the supervisor says next is about it; it is heard when what is answered has run.
        """
        self._held = ""
        self.close("another worker took its place")
        self._side = DescriptorSide(side)
        channel = self._channel = Channel(self._name, on_notice=self._noticed, on_loss=self._lost)
        self._reason = ""
        self._reports.attached(self._name)  # before anything that the worker may have said already
        return channel.open(frames)

    def held(self, reason: str) -> None:
        """The supervisor holds the worker down; said when the last words of the one that died have been heard."""
        self._held = reason
        if self._channel is None:
            self._tell_held()

    def degraded(self, reason: str) -> None:
        """The supervisor misses the worker's heartbeat, or (empty) has it back."""
        if self._channel is not None:
            self._reports.degraded(self._name, reason)

    def close(self, reason: str = "the daemon is shutting down") -> None:
        """Let the worker go; it ends when it sees that."""
        if self._channel is not None:
            self._channel.close(reason)
            self._lost(reason)

    def _noticed(self, method: str, params: Raw) -> None:
        if method == "report.offer" and self._side is not None:
            offer = _decode_offer(params)
            self._side.claim(offer.token, lambda stream: self._reports.offer(self._name, offer, stream))
        else:
            self._reports.report(self._name, method, params)

    def _lost(self, reason: str) -> None:
        self._channel = None
        if self._side is not None:
            self._side.close()
            self._side = None
        self._reason = reason
        self._reports.lost(self._name, reason)
        if self._held:
            self._tell_held()

    def _tell_held(self) -> None:
        self._reason = self._held
        self._reports.held(self._name, self._held)


class LocalPort:
    """A subsystem in the front's own loop, taking the same encoded bytes (``--in-process``)."""

    def __init__(self, name: str, methods: Mapping[str, MethodEntry], build: Callable[[Reporter], Service], reports: WorkerReports) -> None:
        self._name = name
        self._reports = reports
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, socket.socket] = {}
        self._answering: set[asyncio.Future[bytes]] = set()
        self._is_up = False
        self._service = build(EncodingReporter(self._tell, self._keep_stream))
        self._dispatcher = Dispatcher(name, self._service, methods, self._tell)

    @property
    def name(self) -> str:
        """See ``WorkerPort``."""
        return self._name

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> Reply:
        """See ``WorkerPort``."""
        future = promise(self._loop)
        if not self._is_up:
            future.fail(SubsystemUnavailable(subsystem=self._name, reason=self.reason()))
            return future
        try:
            answer = self._dispatcher.handle(method, params, meta)
        except Exception as failure:  # noqa: BLE001 - the border between the rooms: as if it were another process
            future.fail(_as_api_error(failure, method))
            return future
        if isinstance(answer, bytes):
            future.settle(answer)
            return future
        later = asyncio.ensure_future(answer)
        self._answering.add(later)
        late = self._loop.call_later(timeout_s, _give_up, future, timeout_s)
        later.add_done_callback(lambda done: self._answered(done, future, late, method))
        return future

    def is_up(self) -> bool:
        """See ``WorkerPort``."""
        return self._is_up

    def reason(self) -> str:
        """See ``WorkerPort``."""
        return "" if self._is_up else "it is not running"

    async def start(self) -> None:
        """Begin to serve."""
        self._is_up = True
        self._reports.attached(self._name)
        await self._service.start()

    async def stop(self) -> None:
        """End the service."""
        self._is_up = False
        await self._dispatcher.stop()
        await self._service.stop()
        for stream in self._streams.values():
            stream.close()

    def _tell(self, method: str, params: bytes) -> None:
        """In the loop's next turn, as a channel would."""
        self._loop.call_soon(self._told, method, Raw(params))

    def _told(self, method: str, params: Raw) -> None:
        if method == "report.offer":
            offer = _decode_offer(params)
            self._reports.offer(self._name, offer, self._streams.pop(offer.token))
        else:
            self._reports.report(self._name, method, params)

    def _keep_stream(self, stream: socket.socket) -> int:
        stream.setblocking(False)
        self._streams[stream.fileno()] = stream
        return stream.fileno()

    def _answered(self, done: asyncio.Future[bytes], future: Reply, late: asyncio.TimerHandle, method: str) -> None:
        self._answering.discard(done)
        late.cancel()
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        if failure is None:
            future.settle(done.result())
        else:
            future.fail(_as_api_error(failure, method))


def _give_up(future: Reply, timeout_s: float) -> None:
    future.fail(DeadlineExceeded(seconds=timeout_s))


def _as_api_error(failure: BaseException, method: str) -> ApiError:
    return failure if isinstance(failure, ApiError) else failures.incident(failure, method)
