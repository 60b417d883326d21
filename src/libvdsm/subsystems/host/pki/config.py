"""Where certificates and keys are, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiConfig:
    """The settings of this room."""

    folder: Path  # ours; made with mode 0700
    certificate: Path | None = None  # the server's, if the administrator gives one ...
    key: Path | None = None  # ... with its key
    client_ca: Path | None = None  # further CAs of clients
    names: tuple[str, ...] = ()  # further names and addresses of the server
    listens_on: str = ""  # the address that is listened on; 0.0.0.0 and :: stand for all
    look_s: float = 1.0
    serves: bool = True  # whether somebody listens with TLS

    @property
    def is_own(self) -> bool:
        """Whether the server's certificate is one that we make."""
        return self.certificate is None

    @property
    def certificate_file(self) -> Path:
        """The server's certificate."""
        return self.certificate or self.folder / "server.crt"

    @property
    def key_file(self) -> Path:
        """The server's key."""
        return self.key or self.folder / "server.key"

    @property
    def ca_file(self) -> Path:
        """The certificate of our own CA."""
        return self.folder / "ca.crt"

    @property
    def ca_key_file(self) -> Path:
        """The key of our own CA."""
        return self.folder / "ca.key"

    @property
    def former_file(self) -> Path:
        """CAs of clients that are trusted on, though ``client_ca`` names them no more."""
        return self.folder / "former-client-ca.pem"

    @property
    def seen_file(self) -> Path:
        """What ``client_ca`` held when it was last looked at."""
        return self.folder / "seen-client-ca.pem"

    @property
    def watched(self) -> tuple[Path, ...]:
        """The files whose change makes a new generation."""
        given = () if self.client_ca is None else (self.client_ca,)
        return (self.certificate_file, self.key_file, self.ca_file, self.former_file, *given)
