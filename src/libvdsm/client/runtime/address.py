"""Where a daemon is, and what is spoken there: the URLs that ``connect`` takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from libvdsm.client.runtime.errors import AddressError
from libvdsm.client.runtime.tls import Tls

#: The port of the daemon if the URL names none.
PORT: Final = 54321
#: JSON-RPC on lines, in POST requests, in frames of STOMP, or in messages of a WebSocket.
Road: TypeAlias = Literal["json", "http", "stomp", "websocket"]

_UNIX: Final[dict[str, Road]] = {"unix": "json", "http+unix": "http", "stomp+unix": "stomp", "ws+unix": "websocket"}
_PLAIN: Final[dict[str, Road]] = {"tcp": "json", "http": "http", "stomp": "stomp", "ws": "websocket"}
_TLS: Final[dict[str, Road]] = {"tls": "json", "https": "http", "stomp+tls": "stomp", "wss": "websocket"}
_RESOURCES: Final[dict[Road, str]] = {"http": "/rpc", "websocket": "/ws"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A unix socket (``path``) or a TCP port, what is spoken there, and whether by TLS."""

    url: str
    path: str | None = None
    host: str = "localhost"
    port: int = PORT
    road: Road = "json"
    resource: str = ""  # the path in a request, for HTTP and WebSocket
    tls: Tls | None = None  # None: in plain

    @property
    def http(self) -> bool:
        """Whether calls go by HTTP, where the daemon never speaks first."""
        return self.road == "http"

    @property
    def authority(self) -> str:
        """What stands in the header ``Host``."""
        if self.path is not None:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Whether nobody between here and there can listen: TLS, a unix socket, or this very machine."""
        if self.tls is not None or self.path is not None or self.host == "localhost":
            return True
        import ipaddress  # seldom needed, and not quickly imported

        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse(url: str) -> Address:
    """Read a URL.

    ``unix:///path``, ``tcp://host:port``, ``tls://host:port`` (JSON-RPC on lines); ``stomp://``, ``stomp+tls://``, ``stomp+unix:///path``;
    ``ws://host:port``, ``wss://``, ``ws+unix:///path``; ``http://``, ``https://``, ``http+unix:///path``. Raises ``AddressError``,
    also for a name, a password or a query: what is in a URL ends up in logs.
    """
    parts = urlsplit(url)
    scheme = parts.scheme
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = (
            f"a URL of {scheme or 'the daemon'} holds a host, a port and a path and nothing else; give a token by token= or token_file="
        )
        raise AddressError(message)
    if scheme in _UNIX:
        if parts.netloc or not parts.path:
            message = f"{url}: write the path of the socket after three slashes, as in unix:///run/libvdsm/vdsmd.sock"
            raise AddressError(message)
        road = _UNIX[scheme]
        return Address(url=url, path=unquote(parts.path), road=road, resource=_RESOURCES.get(road, ""))
    found = _PLAIN.get(scheme) or _TLS.get(scheme)
    if found is None:
        message = f"{url}: the scheme is none of {', '.join((*_UNIX, *_PLAIN, *_TLS))}"
        raise AddressError(message)
    host, port = _host(url, parts)
    tls = Tls() if scheme in _TLS else None
    return Address(url=url, host=host, port=port, road=found, resource=_resource(url, parts.path, found), tls=tls)


def secured(address: Address, tls: Tls | None) -> Address:
    """``address`` with what is shown and trusted there; raises ``AddressError`` if it is not reached by TLS."""
    if tls is None:
        return address
    if address.tls is None:
        message = f"{address.url}: certificates are for {', '.join(f'{scheme}://' for scheme in _TLS)}"
        raise AddressError(message)
    return replace(address, tls=tls)


def _host(url: str, parts: SplitResult) -> tuple[str, int]:
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = f"{url}: {error}"
        raise AddressError(message) from error
    if not host:
        message = f"{url}: the host is missing"
        raise AddressError(message)
    return host, PORT if port is None else port


def _resource(url: str, path: str, road: Road) -> str:
    if road not in _RESOURCES or path in ("", "/"):
        return _RESOURCES.get(road, "")
    if not path.isascii() or not path.isprintable() or " " in path:
        message = f"{url}: the path is not one of a URL"
        raise AddressError(message)
    return path
