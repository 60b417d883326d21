"""Where clients may come, and what each of these places is for. Standard library only: the supervisor reads it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

#: Roads over ``http``: WebSockets, Server-Sent Events at ``/events``, figures at ``/metrics``.
OVER_HTTP: Final = ("websocket", "sse", "metrics")
#: What a connection may speak; each can be switched off.
PROTOCOLS: Final = ("json", "http", *OVER_HTTP, "stomp", "amqp")
SOCKET_PATH_LIMIT: Final = 107  # octets: sun_path of Linux, less its end
_UNIX: Final = "unix:"
_SYSTEMD: Final = "systemd:"
_LAST_PORT: Final = 65535
_IPV6: Final = 6


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address."""

    host: str
    port: int  # 0: any free one

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        """``127.0.0.1:54321`` or ``[::1]:54321``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A path of a unix socket."""

    path: Path

    def __str__(self) -> str:
        """``unix:/run/libvdsm/other.sock``."""
        return f"{_UNIX}{self.path}"


@dataclass(frozen=True, slots=True)
class Activated:
    """A socket that whoever started us has bound already, under this name (systemd's FileDescriptorName=)."""

    name: str

    def __str__(self) -> str:
        """``systemd:NAME``."""
        return f"{_SYSTEMD}{self.name}"


Place: TypeAlias = Address | UnixAddress | Activated


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Table ``[[listen]]``: one place and who may come there. What is not said is as everywhere else."""

    address: Place
    name: str = ""  # in the log and in Connection.list; the address if nothing is said
    tls: bool | None = None  # false: plain, which needs insecure; none: TLS, and with insecure plain beside it
    protocols: tuple[str, ...] = ()  # of those that [bindings] enables; none: all of them
    client_certificates: str | None = None  # optional | required
    strict_stomp: bool = False  # old and careless STOMP clients are refused
    idle_seconds: int | None = None  # after which an HTTP connection without requests is closed

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or str(self.address)


def parse_address(text: str) -> Address:
    """``HOST:PORT`` with a numeric host, ``[HOST]:PORT`` for IPv6, or ``localhost:PORT``; raises ``ValueError``."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise ValueError(f"must be HOST:PORT, not {text!r}")
    bracketed = host.startswith("[") and host.endswith("]")
    host = "127.0.0.1" if host == "localhost" else host[1:-1] if bracketed else host
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"must be a numeric address or localhost, not {host!r}") from None
    if (parsed.version == _IPV6) != bracketed:
        raise ValueError(f"must be written [HOST]:PORT for IPv6 and HOST:PORT for IPv4, not {text!r}")
    return Address(str(parsed), int(port))


def parse_place(text: str) -> Place:
    """A TCP address, ``unix:/PATH`` or ``systemd:NAME``; raises ``ValueError``."""
    if text.startswith(_UNIX):
        path = Path(text.removeprefix(_UNIX))
        if not path.is_absolute() or "\0" in text or len(str(path).encode()) > SOCKET_PATH_LIMIT:
            raise ValueError(f"must be an absolute path of at most {SOCKET_PATH_LIMIT} octets after unix:, not {text!r}")
        return UnixAddress(path)
    if text.startswith(_SYSTEMD):
        name = text.removeprefix(_SYSTEMD)
        if not name or ":" in name or not name.isprintable():
            raise ValueError(f"must have the name of a socket after systemd:, not {text!r}")
        return Activated(name)
    return parse_address(text)
