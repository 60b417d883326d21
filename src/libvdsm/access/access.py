"""Identities and their rights, from a socket's peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from libvdsm.interfaces.caller import Caller, Rights, Sink
from libvdsm.interfaces.generated.types import IdentityWhoAmIParams
from libvdsm.interfaces.method import MethodEntry

_encode = msgspec.json.Encoder().encode

ADMINISTRATOR = "administrator"


class Access:
    """Who may do what. Whoever is not known here has no rights."""

    def __init__(self, *, methods: Mapping[str, MethodEntry], administrators: Iterable[int], allow_anonymous: bool) -> None:
        """``administrators``: user ids that may do everything; ``allow_anonymous``: so may anybody (``--insecure``)."""
        self._all = frozenset(entry.permission for entry in methods.values() if entry.permission is not None)
        self._administrators = frozenset(administrators)
        self._allow_anonymous = allow_anonymous

    def unix(self, uid: int, gid: int, pid: int, address: str = "", sink: Sink | None = None) -> Caller:
        """The identity of a unix socket's peer, by its credentials."""
        del gid, pid
        is_administrator = uid in self._administrators
        return self._caller(f"unix:{uid}", "unix", is_administrator=is_administrator, address=address, sink=sink)

    def anonymous(self, address: str = "", sink: Sink | None = None) -> Caller:
        """Somebody of whom nothing is known."""
        return self._caller("anonymous", "anonymous", is_administrator=self._allow_anonymous, address=address, sink=sink)

    def connector(self, name: str, sink: Sink | None = None) -> Caller:
        """A connector inside the daemon that the configuration enables."""
        return self._caller(f"connector:{name}", "connector", is_administrator=True, address="", sink=sink)

    def identity_who_am_i(self, caller: Caller, _params: IdentityWhoAmIParams) -> bytes:
        """The verb ``Identity.whoAmI``."""
        told = {
            "identity": caller.identity,
            "source": caller.source,
            "roles": list(caller.roles),
            "permissions": sorted(caller.permissions),
        }
        return _encode(told)

    def _caller(self, identity: str, source: str, *, is_administrator: bool, address: str, sink: Sink | None) -> Caller:
        return Caller(
            identity=identity,
            source=source,
            roles=(ADMINISTRATOR,) if is_administrator else (),
            rights=Rights(self._all) if is_administrator else Rights(),
            address=address,
            sink=sink,
        )
