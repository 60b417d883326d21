"""Where a daemon is: the URLs that ``connect`` takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urlsplit

from libvdsm.client.runtime.errors import AddressError
from libvdsm.client.runtime.tls import Tls

#: The port of the daemon if the URL names none.
PORT: Final = 54321


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A unix socket (``path``) or a TCP port, whether calls go by HTTP, and whether by TLS."""

    url: str
    path: str | None = None
    host: str = "localhost"
    port: int = PORT
    http: bool = False
    tls: Tls | None = None  # None: in plain

    @property
    def authority(self) -> str:
        """What stands in the header ``Host``."""
        if self.path is not None:
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """Read ``unix:///path``, ``tls://host:port``, ``https://host:port``, ``tcp://...``, ``http://...`` or ``http+unix:///path``."""
    parts = urlsplit(url)
    match parts.scheme:
        case "unix" | "http+unix":
            if parts.netloc or not parts.path:
                message = f"{url}: write the path of the socket after three slashes, as in unix:///run/libvdsm/vdsmd.sock"
                raise AddressError(message)
            return Address(url=url, path=unquote(parts.path), http=parts.scheme != "unix")
        case "tcp" | "http" | "tls" | "https":
            host, port = _host(url)
            is_tls = parts.scheme in ("tls", "https")
            return Address(url=url, host=host, port=port, http=parts.scheme.startswith("http"), tls=Tls() if is_tls else None)
        case _:
            message = f"{url}: the scheme is none of unix, tls, https, tcp, http and http+unix"
            raise AddressError(message)


def secured(address: Address, tls: Tls | None) -> Address:
    """``address`` with what is shown and trusted there; raises ``AddressError`` if it is not reached by TLS."""
    if tls is None:
        return address
    if address.tls is None:
        message = f"{address.url}: certificates are for tls:// and https://"
        raise AddressError(message)
    return replace(address, tls=tls)


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = f"{url}: {error}"
        raise AddressError(message) from error
    if not host:
        message = f"{url}: the host is missing"
        raise AddressError(message)
    return host, PORT if port is None else port
