"""What the reactors of STOMP and AMQP share: the line of a session that has frames of its own.

It reads at the pace of the session and of its turns, and writes what the session puts; frames and their meaning are the binding's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from libvdsm.interfaces.endpoint import LineSession
from libvdsm.transports.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.base.errors import ApiError
    from libvdsm.interfaces.endpoint import Line
    from libvdsm.transports.connection import Hub

S = TypeVar("S", bound=LineSession)

#: Received and not worked off, in octets: then no more is read.
_MUCH = 64 * 1024


class LineConnection(Connection, Generic[S]):
    """A client whose session has frames of its own; see ``Line``. ``protocol`` is what it is called until the session knows better."""

    __slots__ = (
        "_is_held_back",
        "_session",
        "_waiting_octets",
        "is_secure",
    )

    def __init__(self, hub: Hub, open_session: Callable[[Line], S], *, protocol: str, is_secure: bool) -> None:
        super().__init__(hub)
        self.protocol = protocol
        self.is_secure = is_secure
        self._session = open_session(self)
        self._waiting_octets = 0
        self._is_held_back = False

    # The peer sends.

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.is_lingering or self.is_closing:
            return
        self.received_octets += len(data)
        self._receive(data)

    def _receive(self, data: bytes) -> None:
        """The session takes it, and what it may do in this turn is done."""
        self._session.receive(data)
        if self._is_waiting or self._is_full or self._session.is_waiting:
            self._hold_back(len(data))
            return
        share = self._share
        self._work(share.left if share.left > 0 or share.renew() else 0)

    def _hold_back(self, octets: int) -> None:
        """It is not this connection's turn; a peer that goes on all the same is not read."""
        self._is_held_back = True
        self._waiting_octets += octets
        if self._waiting_octets >= _MUCH or (self._is_waiting and self.hub.turns.is_shared):
            self.hold_off()

    def go_on(self, units: int) -> int:
        """See ``Connection``."""
        return self._work(units)

    def _work(self, units: int) -> int:
        session = self._session
        was_corked, self._is_corked = self._is_corked, True  # what is put now is written below
        used = self._use(units) if units > 0 else 0
        self._share.left -= used
        self.calls += used
        self.hub.counters.messages += used
        self.uncork(was_corked=was_corked)
        if self._is_full or self.is_lingering or self.is_closing:
            return used
        if session.is_waiting:
            self._is_held_back = True
            self.pause_reading()
        elif session.has_more:
            self.wait_for_turn()
        elif self._is_held_back:
            self._is_held_back = False
            self._waiting_octets = 0
            self.resume_reading()
        return used

    def _use(self, units: int) -> int:
        """Have the session work; beside others no longer than they can bear."""
        session, turns = self._session, self.hub.turns
        if not turns.is_shared:
            return session.work(units)
        clock = turns.clock
        until = clock() + turns.slice_s
        used = 0
        while used < units and (step := session.work(1)):
            used += step
            if clock() >= until:
                break
        return used

    def drained(self) -> None:
        """There is room again: go on with what was received before more is read."""
        self._is_held_back = True
        self.wait_for_turn()

    def eof_received(self) -> bool:
        """See asyncio. Half-closed: what is due is still sent."""
        self._session.ended()
        if self.is_lingering:  # both have said their last word
            self.close()
        return self._half_closes

    def gone(self) -> None:
        """Let go of what the session held."""
        self._session.close()

    def check_time(self, now: float) -> None:
        """See ``Connection``."""
        self._session.check_time(now)

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served; see ``Connection``."""
        self._session.refuse(refusal)

    def shut_down(self) -> None:
        """The daemon is going down."""
        self.pause_reading()
        self._session.shut_down()

    # The session sends; ``put`` and ``when_drained`` are those of every connection.

    def agreed(self, protocol: str, beat_s: float | None) -> None:
        """What is spoken."""
        self.protocol, self.heart_beat_s = protocol, beat_s

    def behind(self) -> tuple[int, int]:
        """See ``Connection``."""
        return self._session.subscriptions, self._session.lag

    def put_now(self, data: bytes) -> None:
        """Send one whole frame at once, apart from all others."""
        self.flush()
        self.put(data)
        self.flush()

    def wake(self) -> None:
        """What the session waited for has come."""
        if not self.is_closing:
            self.wait_for_turn()

    def finish(self) -> None:
        """The last frame was put: let the peer read it, then close."""
        self.linger()
