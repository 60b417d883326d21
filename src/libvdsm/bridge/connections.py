"""The verbs of ``Connection``: who is connected, and putting an end to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from libvdsm.base.clock import timestamp
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.connections import Connections, OpenConnection
from libvdsm.interfaces.generated.errors import InvalidParams, ObjectNotFound
from libvdsm.interfaces.generated.types import (
    ConnectionCloseParams,
    ConnectionFilter,
    ConnectionInfo,
    ConnectionList,
    ConnectionListParams,
    IdentitySource,
)

_encode = msgspec.json.Encoder().encode
#: Ids are this letter and a number, so that nobody takes them for another object's.
_LETTER: Final = "c"
#: Digits of the greatest number that is an id.
_MOST_DIGITS: Final = 15
_ANY: Final = ConnectionFilter()


class ConnectionService:
    """Answers of the daemon about its connections. Its verbs' permissions are had everywhere or not at all."""

    def __init__(
        self, connections: Connections, *, behind: Callable[[Sink], tuple[int, int]], soon: Callable[[Callable[[], None]], object]
    ) -> None:
        """``behind``: how many subscriptions a sink has, and by how many events the slowest is behind. ``soon``: the loop's ``call_soon``."""
        self._connections = connections
        self._behind = behind
        self._soon = soon

    def connection_list(self, _caller: Caller, params: ConnectionListParams) -> bytes:
        """A page in the order of their making; one that is being made or has been closed is in none."""
        after = 0 if params.after is None else _number(params.after)
        if after is None:
            raise InvalidParams(path="$.after", reason="not a cursor of this list")
        wanted = _ANY if params.filter is None else params.filter
        page: list[ConnectionInfo] = []
        last = ""
        for connection in self._connections.after(after):
            caller = connection.caller
            if caller is None or not _fits(wanted, connection, caller):
                continue
            if len(page) == params.limit:
                return _encode(ConnectionList(items=page, next=last))
            page.append(self._info(connection, caller))
            last = page[-1].id
        return _encode(ConnectionList(items=page))

    def connection_close(self, caller: Caller, params: ConnectionCloseParams) -> bytes:
        """End it; what its calls had begun goes on as if its client had gone away. One's own still brings the answer."""
        found = self._find(params.connection_id)
        if found.caller is caller:
            self._soon(found.shut_down)
        else:
            found.end()
        return b"{}"

    def check_connection_close(self, _caller: Caller, params: ConnectionCloseParams) -> Iterator[ApiError]:
        """What speaks against it: that there is no such connection."""
        try:
            self._find(params.connection_id)
        except ObjectNotFound as refusal:
            yield refusal

    def _find(self, id: str) -> OpenConnection:
        number = _number(id)
        found = None if number is None else self._connections.find(number)
        if found is None:
            raise ObjectNotFound(type="connection", id=id)
        return found

    def _info(self, connection: OpenConnection, caller: Caller) -> ConnectionInfo:
        subscriptions, lag = connection.behind()
        sink = connection.sink
        if sink is not None:
            more, slowest = self._behind(sink)
            subscriptions, lag = subscriptions + more, max(lag, slowest)
        return ConnectionInfo(
            id=f"{_LETTER}{connection.number}",
            identity=caller.identity,
            source=IdentitySource(caller.source),
            address=connection.address,
            listener=connection.listener,
            protocol=connection.protocol,
            cipher=connection.cipher,
            connected_at=timestamp(connection.connected_at),
            heart_beat=connection.heart_beat_s,
            received_octets=connection.received_octets,
            sent_octets=connection.sent_octets,
            buffered_octets=connection.unsent_octets(),
            subscriptions=subscriptions,
            lag=lag,
            calls=connection.calls,
        )


def _number(id: str) -> int | None:
    digits = id.removeprefix(_LETTER)
    is_one = len(digits) == len(id) - 1 and digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) <= _MOST_DIGITS
    return int(digits) if is_one else None


def _fits(wanted: ConnectionFilter, connection: OpenConnection, caller: Caller) -> bool:
    """``stomp`` fits every version of it, and what a WebSocket carries of it does not."""
    protocol = wanted.protocol
    return (
        wanted.identity in (None, caller.identity)
        and wanted.address in (None, connection.address)
        and (protocol is None or connection.protocol == protocol or connection.protocol.startswith(f"{protocol}/"))
    )
