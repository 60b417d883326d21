"""What a TLS server shows and trusts, as bytes, and the one way to make a server's context of it.

Keys never touch a file on the way into a context: they pass through memory that has a name only inside this process,
so a front without rights can take newer ones. Standard library only.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

#: How clients call what we speak inside, if they say it (RFC 7301); that they say nothing is as good, because the first
#: bytes tell. Only HTTP's name is a registered one.
ALPN: Final = {"http": "http/1.1", "stomp": "stomp", "amqp": "amqp", "json": "jsonrpc"}
#: For TLS 1.2 only, if the settings allow it: forward secrecy and authenticated ciphers.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsError(Exception):
    """Certificates or a key that cannot be used; ``str()`` says which and why, and never what is in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsKeys:
    """What a server shows and trusts; all in PEM."""

    certificate: bytes  # the server's own, then those that lead to its CA
    key: bytes = field(repr=False)
    client_cas: bytes = b""  # whose clients we know; empty: no client has a certificate that counts

    @property
    def generation(self) -> str:
        """Another one for other keys."""
        return sha256(b"\0".join((self.certificate, self.key, self.client_cas))).hexdigest()[:16]


def server_context(keys: TlsKeys, minimum: str = "1.3", protocols: Collection[str] = ("http",)) -> ssl.SSLContext:
    """A context for connections that are accepted; raises ``TlsError`` if the pair does not match or cannot be read.

    A client may show a certificate; if it does, its chain and times must be right, or the handshake fails. Whether it must
    show one is decided later, because whoever lost a certificate by its expiry may still enrol anew. Sessions are not
    resumed: every connection is judged by today's certificates. ``protocols`` are offered by ALPN, those that have a name for it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[minimum]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    context.set_alpn_protocols([name for protocol, name in ALPN.items() if protocol in protocols])
    try:
        with _named(keys.certificate + b"\n" + keys.key) as path:
            context.load_cert_chain(path, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as failure:
        raise TlsError(f"the certificate and its key cannot be used together: {_reason(failure)}") from failure
    if keys.client_cas.strip():
        try:
            context.load_verify_locations(cadata=keys.client_cas.decode("ascii"))
        except (ssl.SSLError, ValueError) as failure:
            raise TlsError(f"the client CA cannot be read: {_reason(failure)}") from failure
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _no_password() -> bytes:
    raise ValueError("the key has a password, and nobody is there to type it")


def _reason(failure: Exception) -> str:
    """OpenSSL's own words, without its file names."""
    if isinstance(failure, ssl.SSLError):
        return failure.reason.replace("_", " ").lower() if failure.reason else "this is not PEM"
    return str(failure)


@contextmanager
def _named(data: bytes) -> Iterator[str]:
    """A path that names ``data`` for as long as it is needed, in this process alone."""
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
