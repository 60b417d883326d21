"""The binding as listeners and WebSockets are given it; one for all connections."""

from __future__ import annotations

import time
from collections.abc import Callable

from libvdsm.bindings.stomp.beats import Sweep
from libvdsm.bindings.stomp.config import VERSIONS, SessionLimits, StompCounters
from libvdsm.bindings.stomp.session import Setting, StompSession
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.endpoint import Line, StreamEndpoint
from libvdsm.interfaces.messaging import Exchange


class StompEndpoint:
    """STOMP over the broker ``exchange``; calls are answered by ``rpc``."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        rpc: StreamEndpoint,
        login: Callable[[Caller, str], None],
        limits: SessionLimits | None = None,
        server: str | None = "libvdsm",
        now: Callable[[], float] = time.monotonic,
        sweep: Sweep | None = None,
    ) -> None:
        """``login`` is ``Access.login``; ``server`` is what CONNECTED says of us, ``None`` for nothing."""
        self.counters = StompCounters()
        self._exchange = exchange
        self._rpc = rpc
        self._setting = Setting(
            login=login, limits=limits or SessionLimits(), server=server, now=now, sweep=sweep or Sweep(now=now), counters=self.counters
        )

    def open(self, caller: Caller, line: Line, *, is_strict: bool = False, versions: tuple[str, ...] = ()) -> StompSession:
        """Begin to serve ``caller``; see ``LineEndpoint``."""
        self.counters.sessions += 1
        return StompSession(
            caller,
            line,
            broker=self._exchange.open(caller),
            rpc=self._rpc.open(caller),
            setting=self._setting,
            is_strict=is_strict,
            versions=versions or VERSIONS,
        )
