"""What is served over HTTP on a listener, and to whom it is refused whatever it asks for.

Whether the client may call us by that name (Host), whether the page that sends it may (Origin), which path is whose.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.bodies import TakingEndpoint
from libvdsm.transports.config import LOCAL_HOSTS
from libvdsm.wire.http.events import Response
from libvdsm.wire.http.frames import UsualAnswers

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import HttpEndpoint
    from libvdsm.transports.config import ListenerPolicy
    from libvdsm.transports.websocket_upgrade import Sockets
    from libvdsm.wire.http.events import Request

_KNOWN_HOSTS = 64
#: RFC 6750, 2.1.
_BEARER = re.compile(rb"Bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


def refusal(status: int, reason: str, **more: object) -> Response:
    """An answer that says why not."""
    return Response(status, json.dumps({"error": reason, **more}).encode() + b"\n")


UNAUTHENTICATED = Response(401, b'{"error":"the token is not valid"}\n', headers=((b"WWW-Authenticate", b"Bearer"),))


class Site:
    """What is served over HTTP on a listener; shared by its connections."""

    def __init__(
        self,
        endpoints: Mapping[str, HttpEndpoint],
        *,
        policy: ListenerPolicy,
        checks_host: bool,
        redeem: Callable[[Caller, str], socket.socket],
        bearer: Callable[[str, str, Caller], Caller],
        sockets: Sockets,
    ) -> None:
        """``redeem``: the stream for a ticket. ``bearer``: who presents a token, from which address, on whose connection."""
        self.sockets = sockets
        self._bearer = bearer
        self.endpoints = {path.encode(): endpoint for path, endpoint in endpoints.items()}
        #: Paths below which all is one endpoint's, the longest first.
        self._prefixes = sorted((path for path in self.endpoints if path.endswith(b"/")), key=len, reverse=True)
        self._taking = {path: each for path, each in self.endpoints.items() if isinstance(each, TakingEndpoint)}
        self.takes_bodies = bool(self._taking)
        self.redeem = redeem
        self.not_found = refusal(404, "there is nothing at this path", paths=sorted([*endpoints, "/stream/<ticket>", "/ws"]))
        self.encode_usual = UsualAnswers().encode
        self._checks_host = checks_host
        self._hosts = frozenset(host.lower().encode() for host in (*LOCAL_HOSTS, *policy.hosts))
        self._origins = frozenset(origin.lower().encode() for origin in policy.origins)
        self._known: set[bytes] = set()  # Host headers as sent that were found good

    def find_path(self, path: bytes) -> bytes | None:
        """The path of the endpoint that serves this one."""
        if path in self.endpoints:
            return path
        return next((prefix for prefix in self._prefixes if path.startswith(prefix)), None)

    def most(self, head: Request) -> int | None:
        """How long a body may be that is taken while it comes; ``None`` for one that is not."""
        endpoint = self._taking.get(self.find_path(path_of(head.target)) or b"")
        return None if endpoint is None else endpoint.most(head)

    def find_refusal(self, request: Request) -> Response | None:
        """Why this request is not looked at any further, if so."""
        headers = request.headers
        if b"origin" in headers and headers[b"origin"].lower() not in self._origins:
            return refusal(403, "this web origin may not call")
        if not self._checks_host:
            return None
        host = headers.get(b"host")
        if request.target[:1] != b"/" and b"://" in request.target:
            host = request.target.split(b"://", 1)[1].partition(b"/")[0].partition(b"?")[0]  # RFC 9112, 3.2.2: it counts, not Host
        if host in self._known:
            return None
        if host is None:
            return refusal(400, "there must be a Host")
        return None if self._is_ours(host) else refusal(421, "this host does not answer to that name")

    def authenticate(self, authorization: bytes, address: str, own: Caller) -> Caller | None:
        """For whom a request with this header speaks; None for what proves nothing."""
        found = _BEARER.fullmatch(authorization)
        if found is None:
            return None
        try:
            return self._bearer(found.group(1).decode("ascii"), address, own)
        except ApiError:
            return None

    def _is_ours(self, host: bytes) -> bool:
        whole = host.lower()
        name, colon, port = whole.rpartition(b":")
        has_port = bool(colon) and (port.isdigit() or not port)
        is_ours = whole in self._hosts or (has_port and name in self._hosts)
        if is_ours and len(self._known) < _KNOWN_HOSTS:
            self._known.add(host)
        return is_ours


def path_of(target: bytes) -> bytes:
    """The path of a request target, without its query."""
    if target[:1] != b"/" and b"://" in target:
        rest = target.split(b"://", 1)[1].partition(b"?")[0]
        target = b"/" + rest.partition(b"/")[2]
    return target.partition(b"?")[0]
