"""The few verbs that are nobody's but the daemon's own."""

from __future__ import annotations

from collections.abc import Callable

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.types import HostPingParams, SchemaDiscoverParams


class OwnService:
    """Answers of the daemon about itself."""

    def __init__(self, openrpc: Callable[[], bytes]) -> None:
        """``openrpc`` reads the emitted OpenRPC document; it is asked once, at first use."""
        self._read = openrpc
        self._document = b""

    def host_ping(self, _caller: Caller, _params: HostPingParams) -> bytes:
        """It lives."""
        return b'{"pong":true}'

    def schema_discover(self, _caller: Caller, _params: SchemaDiscoverParams) -> bytes:
        """The OpenRPC document."""
        if not self._document:
            self._document = self._read()
        return self._document
