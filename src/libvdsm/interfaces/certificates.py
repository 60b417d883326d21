"""What ``Access`` asks of the room that keeps certificates: whom one speaks for, and to be told when it no longer does."""

from __future__ import annotations

from typing import Protocol

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.endpoint import PeerCertificate


class CertificateRegister(Protocol):
    """The certificates that this host has issued."""

    def identify(self, certificate: PeerCertificate) -> str | None:
        """Whom it was issued for (``user:alice``); ``None`` for one that is not ours, which a mapping may know.

        Raises ``NotAuthenticated``, with the reason, for one that was revoked.
        """
        ...

    def hold(self, caller: Caller, certificate: PeerCertificate) -> None:
        """``caller`` proved itself with this certificate: when it is revoked, ``caller.revoke`` is called. Held weakly."""
        ...
