"""The few verbs that are nobody's but the daemon's own."""

from __future__ import annotations

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.types import HostPingParams, SchemaDiscoverParams


class OwnService:
    """Answers of the daemon about itself."""

    def __init__(self, openrpc: bytes) -> None:
        """``openrpc`` is the emitted OpenRPC document."""
        self._openrpc = openrpc

    def host_ping(self, _caller: Caller, _params: HostPingParams) -> bytes:
        """It lives."""
        return b'{"pong":true}'

    def schema_discover(self, _caller: Caller, _params: SchemaDiscoverParams) -> bytes:
        """The OpenRPC document."""
        return self._openrpc
