"""TLS and plain on one port: the first octet of a connection tells them apart before any of it is read.

The octet is looked at and left where it is (MSG_PEEK), so that TLS finds its hello whole. ``start_tls`` could not do
that: it loses what was read already (docs/adr/0017).
"""

from __future__ import annotations

import asyncio
import enum
import socket
import ssl
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from libvdsm.interfaces.endpoint import PeerCertificate
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.wire.http.events import Response

#: A TLS record of a handshake begins with it (RFC 8446, 5.1), and nothing else of ours does.
_HANDSHAKE: Final = b"\x16"
#: What an HTTP client is told that speaks in plain where TLS is needed; others are closed without a word.
PLAIN_HTTP: Final = Response(400, b'{"error":"this port speaks TLS: use https"}\n')
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LEAP_SECOND: Final = 60
_SUBJECT_WORDS: Final = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU"}


class First(enum.Enum):
    """What the first octet of a connection says."""

    TLS = "tls"
    PLAIN = "plain"
    GONE = "gone"  # there is none, and will be none
    NOTHING_YET = "nothing yet"


def peek(sock: socket.socket) -> First:
    """Look at the first octet of a non-blocking socket and leave it there."""
    try:
        first = sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return First.NOTHING_YET
    except OSError:
        return First.GONE
    if not first:
        return First.GONE
    return First.TLS if first == _HANDSHAKE else First.PLAIN


class Reader(asyncio.BufferedProtocol):
    """Between a TLS transport and who reads from it: octets arrive in one buffer that all connections of a listener share.

    Without it the loop would reserve 256 KiB for every read, whatever is read.
    """

    __slots__ = ("_buffer", "protocol")

    def __init__(self, protocol: asyncio.Protocol, buffer: memoryview) -> None:
        self.protocol = protocol  # takes it from here on; may be changed
        self._buffer = buffer

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """See asyncio."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio."""
        self.protocol.data_received(self._buffer[:nbytes].tobytes())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.protocol.connection_made(transport)

    def eof_received(self) -> bool | None:
        """See asyncio."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """See asyncio."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio."""
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.protocol.connection_lost(exc)


def peer_certificate(transport: asyncio.BaseTransport) -> PeerCertificate | None:
    """The certificate that the peer has proved to hold, if it showed one. Raises ``NotAuthenticated`` for one without an end that can be read."""
    link = transport.get_extra_info("ssl_object")
    der = link.getpeercert(binary_form=True) if link is not None else None
    if not der:
        return None
    told = link.getpeercert()
    return PeerCertificate(
        fingerprint=sha256(der).hexdigest(),
        subject=_name(told.get("subject", ())),
        names=tuple(f"{kind}:{value}" for kind, value in told.get("subjectAltName", ())),
        not_before=_seconds(told["notBefore"]),
        not_after=_seconds(told["notAfter"]),
        serial=told["serialNumber"].lower(),
        issuer=_name(told.get("issuer", ())),
    )


def _seconds(text: str) -> float:
    """``Jan  5 09:34:43 2027 GMT`` in seconds since 1970; the standard library's way loads code, and we may be nobody by now.

    A leap second is the one that follows; RFC 5280, 4.1.2.5 knows none. ``Bad time value``, as OpenSSL calls others, is no time.
    """
    try:
        month, day, clock, year, _zone = text.split()
        hour, minute, second = map(int, clock.split(":"))
        is_leap = second == _LEAP_SECOND
        started = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second - is_leap, tzinfo=UTC)
    except ValueError:
        raise NotAuthenticated(reason="the times of the certificate cannot be read") from None
    return started.timestamp() + is_leap


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return ",".join(f"{_SUBJECT_WORDS.get(key, key)}={value}" for part in parts for key, value in part)


def why(failure: BaseException) -> str:
    """Why a handshake failed, in words for the log."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return failure.verify_message or str(failure)
    if isinstance(failure, ssl.SSLError):
        return (failure.reason or str(failure)).replace("_", " ").lower()
    if isinstance(failure, ConnectionResetError):
        return "the client broke off the handshake"
    return str(failure) or type(failure).__name__
