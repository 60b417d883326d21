"""The reactor of STOMP on a stream: the line of a session, which has the frames and their meaning (``bindings.stomp``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.interfaces.caller import is_stranger
from libvdsm.interfaces.endpoint import CallSession
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.transports.connection import CHECK_OCTETS
from libvdsm.transports.line import LineConnection
from libvdsm.transports.turns import UNIT_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.interfaces.endpoint import Line
    from libvdsm.transports.connection import Hub


class StompConnection(LineConnection[CallSession]):
    """A client that speaks STOMP. A usual call is answered in the turn in which it came, by the shortest way."""

    __slots__ = ("_stranger_since", "_take")

    def __init__(self, hub: Hub, open_session: Callable[[Line], CallSession], *, is_secure: bool) -> None:
        super().__init__(hub, open_session, protocol="stomp", is_secure=is_secure)
        self._take = self._session.take
        self._stranger_since: float | None = hub.now()  # until it is known who it is

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.is_lingering or self.is_closing:
            return
        self.received_octets += len(data)
        share = self._share
        if share.left > 0 and not (self._is_waiting or self._is_full):
            answer = self._take(data)
            if answer is not None:
                share.left -= 1
                self.calls += 1
                self.hub.counters.messages += 1
                if answer:
                    self._write_answer(answer)
                return
        self._receive(data)

    def check_time(self, now: float) -> None:
        """See ``Connection``. The session has its time for a greeting; who has greeted and is nobody has no more."""
        super().check_time(now)
        if self._stranger_since is None or self.is_lingering or self.is_closing:
            return
        if not is_stranger(self.caller):
            self._stranger_since = None
        elif now - self._stranger_since >= self.hub.limits.login_s:
            self.hub.counters.detect_timeouts += 1
            self.turn_away(NotAuthenticated(reason="nobody logged in"))

    def _write_answer(self, answer: bytes) -> None:
        if len(answer) < CHECK_OCTETS and not self._out and self._transport is not None:
            self.sent_octets += len(answer)
            self._transport.write(answer)
        else:
            self._share.left -= len(answer) >> UNIT_BITS
            self.put(answer)
