"""A worker: one subsystem's service in a process of its own, answering the front over ipc until the front is gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import uvloop

from libvdsm.base.errors import ApiError
from libvdsm.daemon.child import ChildEnds, loaded
from libvdsm.daemon.config import Config
from libvdsm.daemon.dispatch import Dispatcher
from libvdsm.daemon.heartbeat import Heartbeat
from libvdsm.daemon.reporting import EncodingReporter
from libvdsm.daemon.subsystems import build_subsystem
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.ipc import channel
from libvdsm.ipc.channel import Channel
from libvdsm.ipc.descriptors import DescriptorSide

_log = logging.getLogger(__name__)

#: To end after the front is gone; the supervisor kills a little later.
STOP_S = 3.0


def run_worker(name: str, config: Config, ends: ChildEnds) -> int:
    """Serve until the front is gone; answers the exit status."""
    if ends.frames is None or ends.side is None:
        raise ValueError("a worker needs both ends of its ipc")
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    # Not asyncio.run: it would wait for threads that hang in an outward call.
    return loop.run_until_complete(_serve(name, config, ends.heartbeat, ends.frames, ends.side))


async def _serve(name: str, config: Config, heartbeat: int, frames: socket.socket, side: socket.socket) -> int:
    Heartbeat(heartbeat)
    gone = asyncio.Event()
    front = _Front(gone)
    descriptors = DescriptorSide(side)
    service = build_subsystem(name, config, EncodingReporter(front.tell, descriptors.send))
    dispatcher = Dispatcher(name, service, METHODS, front.tell)
    front.channel = await channel.connect(frames, "front", on_request=dispatcher.handle, on_loss=front.lost)
    loaded()
    await service.start()
    _log.info("serves")
    await gone.wait()
    with contextlib.suppress(TimeoutError, ApiError):
        async with asyncio.timeout(STOP_S):
            await dispatcher.stop()
            await service.stop()
    front.channel.close()
    descriptors.close()
    return 0


class _Front:
    """The front as the service speaks to it; what is said before the channel is there waits."""

    def __init__(self, gone: asyncio.Event) -> None:
        self._gone = gone
        self._early: list[tuple[str, bytes]] = []
        self._channel: Channel | None = None

    @property
    def channel(self) -> Channel:
        if self._channel is None:
            raise RuntimeError("the channel is not there yet")
        return self._channel

    @channel.setter
    def channel(self, channel: Channel) -> None:
        self._channel = channel
        for method, params in self._early:
            channel.notify(method, params)

    def tell(self, method: str, params: bytes) -> None:
        if self._channel is None:
            self._early.append((method, params))
        else:
            self._channel.notify(method, params)

    def lost(self, reason: str) -> None:
        _log.info("the front is gone: %s", reason)
        self._gone.set()
