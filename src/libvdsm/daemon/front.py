"""The front: owns the port, serves every caller, asks the workers. No rights but its sockets once it serves."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from types import ModuleType

import uvloop

from libvdsm.base.tls import TlsKeys
from libvdsm.daemon import kernel
from libvdsm.daemon.build import Description, FrontCore, build_front, build_listeners
from libvdsm.daemon.child import ChildEnds, loaded
from libvdsm.daemon.config import Config
from libvdsm.daemon.connectors import Connectors
from libvdsm.daemon.control import ControlEnd, Notice, Received
from libvdsm.daemon.heartbeat import Heartbeat
from libvdsm.daemon.state import open_queues, open_store
from libvdsm.daemon.tls import read_served_keys
from libvdsm.journal.failures import StoreError

_log = logging.getLogger(__name__)

#: To answer what was accepted when asked to stop; the supervisor kills later.
STOP_S = 15.0
#: Of that, for answers that are due.
ANSWER_S = 5.0
#: Exit status when the state cannot be opened, or a write of it failed.
NO_STATE = 74
#: For callers to hear that a write failed.
_LAST_WORDS_S = 0.25
#: Loaded at first use by what we have loaded; it cannot be once we are nobody.
_LATE_MODULES = ("encodings.idna", "linecache", "traceback", "tokenize", "concurrent.futures.thread", "encodings.unicode_escape")


def run_front(config: Config, user: kernel.User | None, started_by: int, ends: ChildEnds) -> int:
    """Serve until told to stop, or the supervisor is gone; answers the exit status.

    ``user``: whom to become before serving, if we are root. ``started_by``: the user who is administrator beside root.
    """
    if ends.control is None:
        raise ValueError("the front needs its end of the control socket")
    parent = os.getppid()
    kernel.map_great_blocks()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    connectors = Connectors.load(config)
    os.chdir(config.front_dir)  # ours, but the folders above it may be closed to whom we become
    description = Description.read(config.http.ui)
    keys = read_served_keys(config)
    if user is not None:
        for name in _LATE_MODULES:
            importlib.import_module(name)
        sys.meta_path.insert(0, _LateImports())
        kernel.become(user)
        kernel.die_with(parent)
    administrators = frozenset({0, started_by})
    try:
        return loop.run_until_complete(_serve(config, administrators, description, ends, ControlEnd(ends.control), connectors, keys))
    except StoreError as failure:
        _log.critical("%s", failure)
        return NO_STATE


async def _serve(
    config: Config,
    administrators: frozenset[int],
    description: Description,
    ends: ChildEnds,
    control: ControlEnd,
    connectors: Connectors,
    keys: TlsKeys | None,
) -> int:
    loop = asyncio.get_running_loop()
    Heartbeat(ends.heartbeat)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    store = open_store(config.state)
    store.on_breakdown(partial(_end_for_state, loop))
    store.start()
    messages = open_queues(config.state)
    messages.on_breakdown(partial(_end_for_state, loop))
    messages.start()
    core = build_front(config, administrators, description, store, messages)
    listeners = build_listeners(core, config, ends.listeners, keys)
    supervisor = _Supervisor(core, control, stop)
    loop.add_reader(control.fileno(), supervisor.hear)
    await core.start()
    for listener in listeners:
        await listener.start()
    await connectors.start(core.bridge, core.access)
    loaded()
    supervisor.say_ready()
    _log.info("answers calls")
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await connectors.stop()
            await asyncio.gather(*(listener.stop(ANSWER_S) for listener in listeners))
            await core.close()
            await messages.close()
            await store.close()
    supervisor.close()
    _log.info("has stopped")
    return 0


def _end_for_state(loop: asyncio.AbstractEventLoop, reason: str) -> None:
    """Memory may hold what the disk does not: the next life reads what is true."""
    _log.critical("the state: %s; the front ends, and begins again with what is on disk", reason)
    loop.call_later(_LAST_WORDS_S, os._exit, NO_STATE)


class _LateImports(MetaPathFinder):
    """Tells of modules that were not loaded in time: where our files cannot be read any more, they will be missed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        del path, target
        _log.warning("%s is loaded late", fullname)


class _Supervisor:
    """The supervisor, as the front hears it."""

    def __init__(self, core: FrontCore, control: ControlEnd, stop: asyncio.Event) -> None:
        self._core = core
        self._control = control
        self._stop = stop
        self._attaching: set[asyncio.Task[None]] = set()

    def say_ready(self) -> None:
        self._control.send(Notice("ready"))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control.fileno())
        self._control.close()

    def hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while (received := self._control.receive()) is not None:
                self._deal_with(received)
            _log.error("the supervisor is gone")
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._stop.set()

    def _deal_with(self, received: Received) -> None:
        notice = received.notice
        streams = [socket.socket(fileno=descriptor) for descriptor in received.descriptors]
        port = self._core.ports.get(notice.name)
        if notice.what == "attach" and port is not None and len(streams) == 2:  # noqa: PLR2004 - frames and descriptors
            task = asyncio.ensure_future(port.attach(*streams))
            self._attaching.add(task)
            task.add_done_callback(self._attaching.discard)
            return
        for stream in streams:
            stream.close()
        if notice.what == "held" and port is not None:
            port.held(notice.reason)
        elif notice.what == "degraded" and port is not None:
            port.degraded(notice.reason)
