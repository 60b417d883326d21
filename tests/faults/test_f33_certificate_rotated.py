"""F-33: certificates are replaced in place, file by file and at any moment; nobody who connects meanwhile notices.

``LIBVDSM_SWAPS`` says how often (1,000 for the whole test), ``LIBVDSM_SEED`` repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import pytest
import uvloop

from libvdsm.base.clock import SystemClock
from libvdsm.base.tls import server_context
from libvdsm.subsystems.host.pki.config import PkiConfig
from libvdsm.subsystems.host.pki.files import read_keys, write_whole
from libvdsm.subsystems.host.pki.keeper import Generation, HostNames, Keeper, prepare
from tests.conftest import StartVdsmd
from tests.fakes.certificates import Pki
from tests.fakes.recording_bridge import serve
from tests.secure import LISTEN, Secured

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'
SWAPS = int(os.environ.get("LIBVDSM_SWAPS", "150"))


class Swapper(threading.Thread):
    """Puts one generation in the place of another, as a careless administrator would: in pieces, in any order."""

    def __init__(self, config: PkiConfig, pkis: list[Pki], look: Keeper, seed: int) -> None:
        super().__init__(name="swapper")
        self._config = config
        self._pkis = pkis
        self._keeper = look
        self._random = random.Random(seed)
        self.done = 0

    def run(self) -> None:
        for _ in range(SWAPS):
            pki = self._random.choice(self._pkis)
            pair = pki.authority.server(("localhost", "127.0.0.1"), pki.now)
            files = [(self._config.certificate_file, pair.certificate), (self._config.key_file, pair.key)]
            self._random.shuffle(files)
            for path, data in files:
                self._put(path, data)
            self._keeper.look()
            self.done += 1

    def _put(self, path: Path, data: bytes) -> None:
        """Whole, or in two pieces; looked at in between."""
        if self._random.random() < 0.5:
            write_whole(path, data)
        else:
            cut = self._random.randrange(len(data))
            for content in (data[:cut], data):
                with path.open("wb") as file:
                    file.write(content)
                self._pause()
        self._pause()

    def _pause(self) -> None:
        time.sleep(self._random.random() * 0.002)
        if self._random.random() < 0.5:
            self._keeper.look()


def test_f33_no_handshake_fails_while_certificates_are_swapped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Clients connect all the while; one that was connected before the first swap still is after the last."""
    seed = int(os.environ["LIBVDSM_SEED"])
    sys.stdout.write(f"LIBVDSM_SEED={seed} LIBVDSM_SWAPS={SWAPS}\n")
    pkis = [Pki(tmp_path / "one"), Pki(tmp_path / "two")]
    trusted = ssl.create_default_context(cadata="".join(pki.authority.certificate.decode() for pki in pkis))
    config = PkiConfig(folder=tmp_path / "pki", certificate=tmp_path / "server.crt", key=tmp_path / "server.key")
    write_whole(tmp_path / "server.key", pkis[0].server.key)
    write_whole(tmp_path / "server.crt", pkis[0].server.certificate)
    names = HostNames(hostname="host", addresses=())
    prepare(config, names, time.time())

    async def attempt() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        async with serve(tls=server_context(read_keys(config))) as served:
            contexts = 0

            def renew(generation: Generation) -> None:
                nonlocal contexts
                contexts += 1
                served.tcp.renew(server_context(generation.keys))

            def tell(generation: Generation) -> None:
                loop.call_soon_threadsafe(renew, generation)

            keeper = Keeper(config, lambda: names, SystemClock(), tell)
            lasting_reader, lasting_writer = await asyncio.open_connection(
                "127.0.0.1", served.port, ssl=trusted, server_hostname="localhost"
            )
            swapper = Swapper(config, pkis, keeper, seed)
            swapper.start()
            connected = 0
            while swapper.is_alive():
                reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=trusted, server_hostname="localhost")
                writer.write(PING)
                assert await reader.readline() == PONG
                writer.close()
                connected += 1
            swapper.join()
            lasting_writer.write(PING)
            assert await lasting_reader.readline() == PONG
            lasting_writer.close()
            assert served.tcp.counters.refused_handshakes == 0
            return connected, contexts

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        connected, contexts = runner.run(asyncio.wait_for(attempt(), 110))
    assert connected >= SWAPS // 4
    assert SWAPS // 4 <= contexts <= SWAPS + 1
    assert "what was served before is served on" in caplog.text  # half-written pairs were met, and said


def test_f33_the_daemon_serves_what_was_put_in_its_files(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """A pair that does not match is said and left; then the matching one is served, to new connections."""
    first, second = Pki(tmp_path / "one"), Pki(tmp_path / "two")
    certificate, key = first.write(first.server, "server"), first.folder / "server.key"
    settings = tmp_path / "vdsmd.toml"
    settings.write_text(f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    secured = Secured(vdsmd(*LISTEN, "--config", str(settings), hypervisor="simulator:1", listen=None), tmp_path)
    address = ("127.0.0.1", secured.daemon.port or 0)

    def serial(pki: Pki) -> str:
        """Of the certificate that the daemon shows now."""
        with socket.create_connection(address, 10) as plain, pki.context().wrap_socket(plain, server_hostname="localhost") as link:
            link.sendall(b'{"jsonrpc":"2.0","id":1,"method":"Host.ping"}\n')
            assert b"pong" in link.recv(4096)
            return str((link.getpeercert() or {})["serialNumber"])

    before = serial(first)
    write_whole(certificate, second.server.certificate)
    secured.wait_for_log("cannot be used together: key values mismatch; what was served before is served on")
    assert serial(first) == before
    write_whole(key, second.server.key)
    secured.wait_for_log("a new generation of certificates is served")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert serial(second) != before
            break
        except ssl.SSLCertVerificationError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
