"""The binding as listeners and WebSockets are given it; one for all connections."""

from __future__ import annotations

import time
from collections.abc import Callable

from libvdsm.bindings.amqp.config import AmqpCounters, ConversationLimits
from libvdsm.bindings.amqp.conversation import Conversation, Setting
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.endpoint import Line
from libvdsm.interfaces.messaging import Exchange


class AmqpEndpoint:
    """AMQP 1.0 over the broker ``exchange``."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        login: Callable[[Caller, str], None],
        limits: ConversationLimits | None = None,
        container: str = "libvdsm",
        version: str | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``login`` is ``Access.login``; ``version`` is what open says of us, ``None`` for nothing."""
        self.counters = AmqpCounters()
        self._setting = Setting(
            exchange=exchange,
            login=login,
            limits=limits or ConversationLimits(),
            counters=self.counters,
            container=container,
            version=version,
            now=now,
            wall=wall,
        )

    def open(self, caller: Caller, line: Line, *, is_strict: bool = False, versions: tuple[str, ...] = ()) -> Conversation:
        """Begin to serve ``caller``; see ``LineEndpoint``. There is one version, and it is always strict."""
        del is_strict, versions
        self.counters.connections += 1
        return Conversation(caller, line, self._setting)
