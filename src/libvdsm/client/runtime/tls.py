"""What a client shows and trusts over TLS. The server's certificate and its name are always verified."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from libvdsm.client.runtime.errors import AddressError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM; read anew for every connection, so a renewed certificate is used by the next one."""

    ca: str | None = None  # by which the server is known; the system's CAs if absent
    certificate: str | None = None  # the client's own ...
    key: str | None = None  # ... and its key, if it is not in the same file
    server_name: str | None = None  # the name that the server's certificate must have, if not that of the URL

    def context(self) -> ssl.SSLContext:
        """A context for one connection; raises ``AddressError`` if a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ValueError) as error:
            message = f"the CA {self.ca} cannot be used: {error}"
            raise AddressError(message) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        heed_ends(context)
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
            except (OSError, ValueError) as error:
                message = f"the certificate {self.certificate} and its key cannot be used: {error}"
                raise AddressError(message) from error
        return context


def heed_ends(context: ssl.SSLContext) -> None:
    """An end without a word is no end: Pythons before 3.11.3 take it for one."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF


def _no_password() -> bytes:
    message = "the key has a password"
    raise ValueError(message)
