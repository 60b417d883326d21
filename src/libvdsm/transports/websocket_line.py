"""STOMP or AMQP over a WebSocket: its messages are pieces of the stream that the session reads, wherever they are cut.

What the session writes goes out frame by frame, each in a message: of AMQP in binary, of STOMP as text where it is UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.transports.connection import Connection
from libvdsm.transports.pager import WebSocketPager
from libvdsm.transports.websocket import WebSocketReactor
from libvdsm.wire.websocket.events import Code
from libvdsm.wire.websocket.frames import encode_binary, encode_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.base.errors import ApiError
    from libvdsm.interfaces.endpoint import Line, LineSession
    from libvdsm.transports.connection import Hub
    from libvdsm.transports.pager import LinePager
    from libvdsm.wire.websocket.events import Message


class LineWebSocket(WebSocketReactor):
    """A client that speaks a protocol with frames of its own; see ``Line``."""

    def __init__(self, hub: Hub, open_session: Callable[[Line], LineSession], *, protocol: str, is_text: bool, is_secure: bool) -> None:
        super().__init__(hub)
        self.protocol = f"websocket/{protocol}"
        self.is_secure = is_secure
        self._is_text = is_text
        self._wrap = _wrap_text if is_text else encode_binary
        self._session = open_session(self)

    # The peer sends.

    def take(self, message: Message, units: int) -> int:
        """See ``WebSocketReactor``."""
        self._session.receive(message.data)
        return max(self._work_session(units) - 1, 0)

    def go_on_with(self, units: int) -> int:
        """See ``WebSocketReactor``."""
        return self._work_session(units) if self.has_left() else 0

    def _work_session(self, units: int) -> int:
        used = self._session.work(max(units, 1))
        self.calls += used
        self.hub.counters.messages += used
        return used

    def has_left(self) -> bool:
        """See ``WebSocketReactor``."""
        return self._session.has_more and not self._session.is_waiting

    def is_held(self) -> bool:
        """See ``WebSocketReactor``."""
        return self._session.is_waiting

    def ended(self) -> None:
        """See ``WebSocketReactor``."""
        self._session.ended()

    def gone(self) -> None:
        """Let go of what the session held."""
        self._session.close()

    def check_time(self, now: float) -> None:
        """The session has a clock of its own, for logins and for beats; see ``Connection``."""
        self._session.check_time(now)
        if not (self.is_closing or self.is_lingering):
            super().check_time(now)

    def logs_in_late(self, waited_s: float) -> bool:
        """The session has its time for a greeting, and says so in its own words; who has greeted and is nobody has no more."""
        return super().logs_in_late(waited_s - self.hub.limits.sweep_s)

    def turn_away(self, refusal: ApiError) -> None:
        """Nothing is served; see ``Connection``."""
        self._session.refuse(refusal)
        super().turn_away(refusal)

    def shut_down(self) -> None:
        """The daemon is going down."""
        self._is_last = True
        self.pause_reading()
        self._session.shut_down()

    def behind(self) -> tuple[int, int]:
        """See ``Connection``."""
        return self._session.subscriptions, self._session.lag

    # The session sends; ``is_full``, ``when_drained`` and ``abort`` are those of every connection.

    def agreed(self, protocol: str, beat_s: float | None) -> None:
        """What is spoken."""
        self.protocol = f"websocket/{protocol}"
        self.heart_beat_s = beat_s or self.hub.limits.beat_s

    def put(self, data: bytes) -> None:
        """Send one whole frame of the session in a message."""
        Connection.put(self, self._wrap(data))

    @property
    def pager(self) -> LinePager:
        """See ``Line``."""
        if self._pager is None:
            self._pager = WebSocketPager(self, self._wrap, "websocket text" if self._is_text else "websocket")
        return self._pager

    def put_now(self, data: bytes) -> None:
        """Send one whole frame of the session at once, apart from all others."""
        self.flush()
        self.put(data)
        self.flush()

    def wake(self) -> None:
        """What the session waited for has come."""
        if not self.is_closing:
            self.wait_for_turn()

    def finish(self) -> None:
        """The last frame of the session was put."""
        self.conclude(Code.NORMAL, "")


def _wrap_text(data: bytes) -> bytes:
    return encode_text(data) if _is_utf8(data) else encode_binary(data)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
