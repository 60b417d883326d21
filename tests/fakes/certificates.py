"""A CA with a server's and clients' certificates, for tests; some as a real one would never make them."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from libvdsm.base.tls import TlsKeys
from libvdsm.subsystems.host.pki.authority import Authority, Pair

DAY_S = 86_400.0


class Pki:
    """One CA. ``now`` is when it and its server's certificate are made; all of it is in ``folder`` as well."""

    def __init__(self, folder: Path, *, now: float | None = None, names: tuple[str, ...] = ("localhost", "127.0.0.1")) -> None:
        self.folder = folder
        self.now = time.time() if now is None else now
        self.authority = Authority.create("test CA", self.now)
        self.server = self.authority.server(names, self.now)
        folder.mkdir(parents=True, exist_ok=True)
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(self.authority.certificate)

    @property
    def keys(self) -> TlsKeys:
        """What a server shows and trusts."""
        return TlsKeys(certificate=self.server.certificate, key=self.server.key, client_cas=self.authority.certificate)

    def client(self, identity: str = "user:alice", *, days: int = 30, now: float | None = None) -> Pair:
        """A client's certificate."""
        return self.authority.client(identity, days, self.now if now is None else now)

    def write(self, pair: Pair, name: str = "client") -> Path:
        """The file of a pair, with its key beside it."""
        path = self.folder / f"{name}.crt"
        path.write_bytes(pair.certificate)
        key = path.with_suffix(".key")
        key.write_bytes(pair.key)
        key.chmod(0o600)
        return path

    def context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """How a client connects: it trusts this CA, and shows ``pair``."""
        context = ssl.create_default_context(cadata=self.authority.certificate.decode())
        if pair is not None:
            both = self.folder / "both.pem"
            both.write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(both)
        return context
