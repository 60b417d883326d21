"""How a client proves who it is (1.0 part 5, 5.3): what may be tried, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller, Rights, is_called
from libvdsm.interfaces.generated.errors import NotAuthenticated

#: Outcomes (5.3.3.6).
OK: Final = 0
REFUSED: Final = 1
SYSTEM: Final = 2
_PARTS: Final = 3


class Login:
    """One connection's login. ``login`` is ``Access.login``."""

    def __init__(self, caller: Caller, login: Callable[[Caller, str], None], *, is_secure: bool) -> None:
        self._caller = caller
        self._login = login
        self._is_private = is_secure or caller.source == "unix"  # nobody else reads what is said
        self._mechanism = ""
        self._mechanisms = self._offer()

    @property
    def is_known(self) -> bool:
        """Whether the connection itself proved who it is, or nobody need."""
        caller = self._caller
        if caller.only is not None:
            return False
        return caller.source != "anonymous" or bool(caller.roles) or caller.rights != Rights()

    def _offer(self) -> tuple[str, ...]:
        """EXTERNAL for what the connection proved, PLAIN where nobody listens, ANONYMOUS where anybody may come."""
        offered = []
        if self.is_known:
            offered.append("ANONYMOUS" if self._caller.source == "anonymous" else "EXTERNAL")
        if self._is_private and self._caller.only is None:
            offered.append("PLAIN")
        return tuple(offered)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What is offered."""
        return self._mechanisms

    def take(self, mechanism: str, response: bytes | None) -> int | None:
        """The outcome; ``None``: the client is asked for its response. ``mechanism`` is empty for an answer to that."""
        asked = self._mechanism
        if mechanism:
            if asked or mechanism not in self._mechanisms:
                return REFUSED
            self._mechanism = mechanism
            if response is None and mechanism == "PLAIN":
                return None
        elif asked != "PLAIN" or response is None:
            return REFUSED
        self._mechanism = "done"
        if mechanism == "ANONYMOUS":
            return OK
        if mechanism == "EXTERNAL":
            return OK if not response or response == self._caller.identity.encode() else REFUSED
        return self._plain(response or b"")

    def _plain(self, response: bytes) -> int:
        """RFC 4616: whom it wants to be, who it is, and the token. An empty token proves nothing."""
        try:
            parts = response.decode().split("\0")
        except UnicodeDecodeError:
            return REFUSED
        if len(parts) != _PARTS or not parts[2]:
            return REFUSED
        wanted, name, token = parts
        try:
            self._login(self._caller, token)
        except NotAuthenticated:
            return REFUSED
        except ApiError:
            return SYSTEM
        identity = self._caller.identity
        if not is_called(identity, name) or wanted not in {"", identity}:
            return REFUSED
        return OK
