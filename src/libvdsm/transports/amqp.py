"""The reactor of AMQP on a stream: the line of a conversation, which has the frames and their meaning (``bindings.amqp``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.interfaces.endpoint import LineSession
from libvdsm.transports.line import LineConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from libvdsm.interfaces.endpoint import Line
    from libvdsm.transports.connection import Hub


class AmqpConnection(LineConnection[LineSession]):
    """A client that speaks AMQP."""

    __slots__ = ()

    def __init__(self, hub: Hub, open_session: Callable[[Line], LineSession], *, is_secure: bool) -> None:
        super().__init__(hub, open_session, protocol="amqp", is_secure=is_secure)

    def close(self) -> None:
        """Whatever ends it, an expired certificate or an administrator: the peer is told so in its own words."""
        if not (self.is_closing or self.is_lingering):
            self._session.shut_down()
        super().close()
