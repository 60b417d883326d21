"""What is said over HTTP, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request with all of its body."""

    method: bytes
    target: bytes  # as sent
    headers: tuple[tuple[bytes, bytes], ...]  # names in lower case, in order
    body: bytes = b""
    version: str = "1.1"
    is_persistent: bool = True  # the client would send another one
    is_upgrade: bool = False

    def header(self, name: bytes) -> bytes | None:
        """The first header called ``name`` (lower case)."""
        for found, value in self.headers:
            if found == name:
                return value
        return None

    def header_values(self, name: bytes) -> list[bytes]:
        """All headers called ``name`` (lower case)."""
        return [value for found, value in self.headers if found == name]


class Response(msgspec.Struct, frozen=True, gc=False):
    """One answer."""

    status: int
    body: bytes = b""
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for ``100 Continue`` before it sends the body."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer broke the protocol or a limit; nothing more is read after it."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What follows an accepted upgrade, as far as it was read."""

    data: bytes


Event = Request | Continue | Refused | Upgraded
