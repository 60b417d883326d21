"""The connections of the libvirt driver.

Each road is a small pool of them, and each call has one for itself: on a connection that a hung call shares, libvirt's
client hands out the answers of other calls only when its keepalive timer ticks (measured: 1 to 2 s). Events and serial
consoles have connections of their own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final, get_args

from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.subsystems.virt.driver import DomainEvent, Listener, Road
from libvdsm.subsystems.virt.drivers import libvirt_api as api
from libvdsm.subsystems.virt.drivers import libvirt_events
from libvdsm.subsystems.virt.drivers.libvirt_errors import is_unsupported, translated
from libvdsm.subsystems.virt.threads import begin_thread

_KEEPALIVE: Final = (1, 3)  # seconds, times: a silent libvirtd is given up after 3 to 4 seconds


class Connections:
    """All of one driver, between ``open`` and ``close``; safe to use from many threads."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._life: _Life | None = None

    def open(self, listener: Listener) -> str:
        """Open one for each road and one for events; libvirt's name of its driver. What was open before is closed."""
        libvirt_events.ensure_event_loop()
        self.close()
        life = _Life(listener)
        with translated("virConnectOpen"):
            life.events = self._connect(life)
            kind = life.events.getType()
            libvirt_events.register(life.events, life.tell)
            for road in get_args(Road):
                life.give_back(road, 0, self._connect(life))
        self._life = life
        return kind

    def close(self) -> None:
        """Let go of all, and tell nothing any more. Idempotent."""
        life, self._life = self._life, None
        if life is None:
            return
        life.end()
        connections = [connection for road in get_args(Road) for connection in life.retire(road)]
        for connection in (*connections, life.events):
            if connection is not None:
                _close_in_thread(connection)

    def replace(self, road: Road) -> None:
        """Use none of a road that there is, but a fresh one; one on which a call hangs lives as long as that."""
        life = self._open_life()
        for connection in life.retire(road):
            _close_in_thread(connection)
        generation, _ = life.take(road)
        with translated("virConnectOpen"):
            life.give_back(road, generation, self._connect(life))

    @contextlib.contextmanager
    def on(self, road: Road) -> Iterator[api.Connect]:
        """One of a road, for one call alone. Raises ``HypervisorUnavailable``."""
        life = self._open_life()
        generation, connection = life.take(road)
        if connection is None:
            with translated("virConnectOpen"):
                connection = self._connect(life)
        try:
            yield connection
        finally:
            life.give_back(road, generation, connection)

    def _connect(self, life: _Life) -> api.Connect:
        connection = api.open_connection(self._uri)

        def closed(_connection: object, reason: int, _opaque: object) -> None:
            if reason != libvirt_events.CLOSED_BY_US:
                life.lose(libvirt_events.close_reason(reason))

        keep_alive(connection)
        unless_unsupported(lambda: connection.registerCloseCallback(closed, None))
        return connection

    def _open_life(self) -> _Life:
        if self._life is None:
            raise HypervisorUnavailable(reason="not connected")
        return self._life


class _Life:
    """The connections between two calls of ``open``. Once ended, it tells nothing."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._is_ended = False
        self._free: dict[Road, list[api.Connect]] = {road: [] for road in get_args(Road)}
        self._generations: dict[Road, int] = dict.fromkeys(get_args(Road), 0)
        self.events: api.Connect | None = None

    def tell(self, event: DomainEvent) -> None:
        """Pass an event on."""
        if not self._is_ended:
            self._listener.domain_event(event)

    def lose(self, reason: str) -> None:
        """Tell of the loss, once."""
        if self.end():
            self._listener.connection_lost(reason)

    def end(self) -> bool:
        """Be silent from now on; tells whether it was not so already."""
        with self._lock:
            was_ended, self._is_ended = self._is_ended, True
            return not was_ended

    def take(self, road: Road) -> tuple[int, api.Connect | None]:
        """A connection that nobody uses, if there is one, and the generation of the road."""
        with self._lock:
            free = self._free[road]
            return self._generations[road], free.pop() if free else None

    def give_back(self, road: Road, generation: int, connection: api.Connect) -> None:
        """A call is over: its connection is free again, unless its road was replaced meanwhile."""
        with self._lock:
            if not self._is_ended and generation == self._generations[road]:
                self._free[road].append(connection)
                return
        _close_in_thread(connection)

    def retire(self, road: Road) -> list[api.Connect]:
        """Use no connection of a road any more; those that nobody uses are given out to be closed."""
        with self._lock:
            self._generations[road] += 1
            free, self._free[road] = self._free[road], []
            return free


def keep_alive(connection: api.Connect) -> None:
    """Have libvirt's client find out when libvirtd answers nothing."""
    unless_unsupported(lambda: connection.setKeepAlive(*_KEEPALIVE))


def unless_unsupported(work: Callable[[], object]) -> None:
    """Do what not every hypervisor can do."""
    try:
        work()
    except api.Error as error:
        if not is_unsupported(error):
            raise


def _close_in_thread(connection: api.Connect) -> None:
    """Closing may hang too."""
    try:
        begin_thread("libvirt-close", close, connection)
    except HypervisorUnavailable:  # it is closed here, then: better to wait than to leak
        close(connection)


def close(connection: api.Connect) -> None:
    """Close it, which may hang."""
    with contextlib.suppress(api.Error):
        connection.close()
