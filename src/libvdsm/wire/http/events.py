"""What is said over HTTP, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class Request(msgspec.Struct, frozen=True):
    """One request with all of its body."""

    method: bytes
    target: bytes  # as sent
    headers: dict[bytes, bytes]  # names in lower case; what occurs more than once is joined (RFC 9110, 5.3)
    body: bytes = b""
    version: str = "1.1"
    is_persistent: bool = True  # the client would send another one
    is_upgrade: bool = False


class Response(msgspec.Struct, frozen=True, gc=False):
    """One answer."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for ``100 Continue`` before it sends the body of ``head``, a request without it."""

    head: Request


@dataclass(frozen=True, slots=True)
class Begun:
    """A request whose body comes in parts: ``head`` is the request without it."""

    head: Request

    @property
    def expects(self) -> bool:
        """Whether the client waits for ``100 Continue``."""
        return self.head.version != "1.0" and b"expect" in self.head.headers


@dataclass(frozen=True, slots=True)
class Part:
    """Octets of the body that has begun."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The body that had begun is complete."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer broke the protocol or a limit; nothing more is read after it."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What follows an accepted upgrade, as far as it was read."""

    data: bytes


Event = Request | Continue | Begun | Part | Finished | Refused | Upgraded
