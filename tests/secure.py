"""A daemon that speaks TLS, and clients that know it: for tests of what certificates allow and refuse."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from libvdsm.client import sync
from libvdsm.subsystems.host.pki.authority import Authority, Pair
from tests.daemon_process import VdsmdProcess

VDSMSH = Path(sys.executable).with_name("vdsmsh")
PATIENCE_S = 60.0
LISTEN = ("--listen", "127.0.0.1:0")


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate, its key and the CA of the daemon."""

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True, slots=True)
class Secured:
    """A daemon with TLS, and a folder for certificates."""

    daemon: VdsmdProcess
    folder: Path

    @property
    def pki(self) -> Path:
        """Where the daemon has its own keys."""
        return self.folder_of_daemon / "state" / "pki"

    @property
    def folder_of_daemon(self) -> Path:
        """Where its state is."""
        return self.daemon.ready_file.parent

    def authority(self) -> Authority:
        """The daemon's CA, as a thief of its key would have it."""
        return Authority.load((self.pki / "ca.crt").read_bytes(), (self.pki / "ca.key").read_bytes())

    def write(self, pair: Pair, name: str) -> Files:
        """The files of a pair."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        return Files(str(certificate), str(key), str(self.pki / "ca.crt"))

    def shell(self, *words: str, fails: bool = False) -> str:
        """What vdsmsh prints, as administrator over the unix socket."""
        ran = subprocess.run([VDSMSH, "--url", self.daemon.url, *words], capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode != 0) is fails, ran.stderr
        return ran.stdout if not fails else ran.stderr

    def issue(self, name: str, *words: str) -> Files:
        """``vdsmsh pki issue``."""
        out = self.folder / name
        self.shell("pki", "issue", name, "--out", str(out), *words)
        return Files(str(out / f"{name}.crt"), str(out / f"{name}.key"), str(out / "ca.crt"))

    def client(self, files: Files | None, road: str = "tls", name: str | None = None) -> sync.Client:
        """A client with these files, or with nothing but the CA; ``name`` is what the daemon must be called."""
        url = f"{road}://127.0.0.1:{self.daemon.port}"
        if files is None:
            return sync.connect(url, ca=str(self.pki / "ca.crt"), server_name=name, connect_timeout=PATIENCE_S)
        return sync.connect(url, ca=files.ca, certificate=files.certificate, key=files.key, connect_timeout=PATIENCE_S)

    def context(self, files: Files | None = None) -> ssl.SSLContext:
        """How a bare client connects."""
        context = ssl.create_default_context(cafile=self.pki / "ca.crt")
        if files is not None:
            context.load_cert_chain(files.certificate, files.key)
        return context

    def wait_for_log(self, word: str, times: int = 1) -> None:
        """Until the daemon's log says so."""
        deadline = time.monotonic() + PATIENCE_S
        while self.daemon.log.count(word) < times:
            assert time.monotonic() < deadline, f"{word!r} is not in:\n{self.daemon.log[-3000:]}"
            time.sleep(0.02)
