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

    def lost(reason: str) -> None:
        _log.info("the front is gone: %s", reason)
        gone.set()

    front = Channel("front", on_loss=lost)
    descriptors = DescriptorSide(side)
    service = build_subsystem(name, config, EncodingReporter(front.notify, descriptors.send))
    dispatcher = Dispatcher(name, service, METHODS, front.notify)
    front.serve(dispatcher.handle)
    await front.open(frames)
    loaded()
    await service.start()
    _log.info("serves")
    await gone.wait()
    with contextlib.suppress(TimeoutError, ApiError):
        async with asyncio.timeout(STOP_S):
            await dispatcher.stop()
            await service.stop()
    front.close()
    descriptors.close()
    return 0
