"""The binding for ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from libvdsm.bindings.faces import only_get, refuse
from libvdsm.bindings.metrics.text import CONTENT_TYPE
from libvdsm.bindings.pieces import Pieces, compress
from libvdsm.interfaces.bodies import Streamed
from libvdsm.interfaces.generated.errors import PermissionDenied
from libvdsm.wire.http.ranges import accepts

if TYPE_CHECKING:
    from libvdsm.bindings.metrics.machines import Machines
    from libvdsm.bindings.metrics.text import Group
    from libvdsm.interfaces.caller import Caller
    from libvdsm.wire.http.events import Request, Response

PERMISSION: Final = "metrics.read"
_VARY: Final = (b"Vary", b"Accept-Encoding")

#: Some figures of the daemon, as whoever asks may see them; ``None`` while it works on the next ones.
Source = Callable[["Caller"], Iterator["Group | None"]]


class MetricsEndpoint:
    """The binding; one for all connections."""

    def __init__(self, sources: Sequence[Source], machines: Machines, refused: Callable[[Caller, PermissionDenied], None]) -> None:
        """``refused`` is told of callers without the permission."""
        self._sources = sources
        self._machines = machines
        self.refused = refused

    def open(self, caller: Caller) -> MetricsSession:
        """Begin to serve ``caller`` on a connection."""
        return MetricsSession(self, caller)

    def pieces(self, caller: Caller) -> Iterator[bytes]:
        """All figures, a little at a time."""
        for source in self._sources:
            for group in source(caller):
                if group is None:
                    yield b""
                else:
                    yield from group.pieces()
        yield from self._machines.pieces(caller)


class MetricsSession:
    """One connection's requests."""

    __slots__ = ("_caller", "_endpoint")

    def __init__(self, endpoint: MetricsEndpoint, caller: Caller) -> None:
        self._endpoint = endpoint
        self._caller = caller

    def usual(self, request: Request) -> None:
        """They are never the same again."""

    def handle(self, request: Request) -> Response | Streamed:
        """The figures as they are now."""
        refusal = only_get(request.method)
        if refusal is not None:
            return refusal
        caller = self._caller
        if PERMISSION not in caller.permissions or caller.only is not None:
            denied = PermissionDenied(identity=caller.identity, permission=PERMISSION)
            self._endpoint.refused(caller, denied)
            return refuse(denied)
        pieces = self._endpoint.pieces(caller)
        if accepts(request.headers, b"gzip"):
            return Streamed(body=Pieces(compress(pieces)), content_type=CONTENT_TYPE, headers=(_VARY, (b"Content-Encoding", b"gzip")))
        return Streamed(body=Pieces(pieces), content_type=CONTENT_TYPE, headers=(_VARY,))

    def close(self) -> None:
        """The client went away."""
