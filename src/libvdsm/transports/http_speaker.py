"""For whom the requests on an HTTP connection speak, and who answers them for him."""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.interfaces.caller import is_stranger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.interfaces.caller import Caller
    from libvdsm.interfaces.endpoint import HttpSession
    from libvdsm.transports.site import Site


class Speaker:
    """The connection's own caller, or whoever a token in a request's header proves; sessions are opened for him alone."""

    __slots__ = ("_site", "authorization", "caller", "peer", "sessions")

    def __init__(self, site: Site, peer: Caller) -> None:
        self._site = site
        self.peer = self.caller = peer  # the connection's own, and for whom it speaks now
        self.authorization: bytes | None = None  # the header by which that is another
        self.sessions: dict[bytes, HttpSession] = {}  # by path; always the same dictionary

    def is_known(self, headers: Mapping[bytes, bytes], address: str) -> bool:
        """Whether a request with these headers speaks for somebody."""
        authorization = headers.get(b"authorization")
        if authorization is None:
            return not is_stranger(self.peer)
        return authorization == self.authorization or self._site.authenticate(authorization, address, self.peer) is not None

    def change(self, authorization: bytes | None, address: str) -> bool:
        """From now on requests are the bearer's, or the connection's own again; whether that was proved."""
        caller = self.peer if authorization is None else self._site.authenticate(authorization, address, self.peer)
        if caller is None:
            return False
        self.close()
        self.authorization, self.caller = authorization, caller
        return True

    def expires_at(self) -> float | None:
        """When what he proved himself with counts no longer, in seconds since 1970; None: what held before holds on; 0: no such time."""
        own = self.peer.expires_at
        if self.authorization is None:
            return own or 0.0
        until = self.caller.expires_at
        return None if until is None else min(until, own or until)

    def open(self, path: bytes) -> HttpSession:
        """Who answers for a path of the site."""
        session = self.sessions.get(path)
        if session is None:
            session = self.sessions[path] = self._site.endpoints[path].open(self.caller)
        return session

    def close(self) -> None:
        """Let go of all of them."""
        for session in self.sessions.values():
            session.close()
        self.sessions.clear()
