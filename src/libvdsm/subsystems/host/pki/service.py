"""The room of certificates as the host's worker runs it: a thread that looks, and the messages that have something signed.

Keys leave this process by two ways only: the server's to the front, which shows it, and a client's to who asked for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.base.tls import TlsError
from libvdsm.interfaces.generated.errors import InvalidParams, SubsystemUnavailable
from libvdsm.interfaces.messages import PkiIssue, PkiIssued, ReportTls, SeenCertificate
from libvdsm.interfaces.work import Reporter
from libvdsm.subsystems.host.pki.config import PkiConfig
from libvdsm.subsystems.host.pki.keeper import Generation, HostNames, Keeper, load_authority, prepare_authority
from libvdsm.subsystems.host.pki.names import host_names

_log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(PkiIssue).decode
_encode = msgspec.json.Encoder().encode


class PkiService:
    """Started and stopped with its worker. Everything that touches files or makes keys is done in one thread."""

    def __init__(self, config: PkiConfig, reporter: Reporter, clock: Clock, names: Callable[[], HostNames] = host_names) -> None:
        self._config = config
        self._reporter = reporter
        self._clock = clock
        self._names = names
        self._keeper = Keeper(config, names, clock, self._told)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(1, "pki")
        self._looking: asyncio.Task[None] | None = None
        self.internal: Mapping[str, Callable[[bytes], Awaitable[bytes]]] = {"pki.issue": self._issue}

    def start(self) -> None:
        """Begin to look, if anybody is served with TLS."""
        self._loop = asyncio.get_running_loop()
        if self._config.serves:
            self._looking = self._loop.create_task(self._look_on(), name="pki")

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _look_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._thread, self._keeper.look)
            except Exception:  # noqa: BLE001 - the top of a task: what goes wrong once must not end the looking
                _log.exception("certificates cannot be looked at")
            await asyncio.sleep(self._config.look_s)

    def _told(self, generation: Generation) -> None:
        """In the thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._reporter.tls, _report(generation))

    async def _issue(self, params: bytes) -> bytes:
        asked = _decode(params)
        try:
            return _encode(await asyncio.get_running_loop().run_in_executor(self._thread, self._sign, asked))
        except OSError as failure:
            raise SubsystemUnavailable(subsystem="host", reason=f"the CA cannot be used: {failure.strerror}") from failure

    def _sign(self, asked: PkiIssue) -> PkiIssued:
        from libvdsm.subsystems.host.pki.authority import read_facts

        now = self._clock.time()
        try:
            prepare_authority(self._config, self._names().hostname, now)
            authority = load_authority(self._config)
        except TlsError as failure:
            raise SubsystemUnavailable(subsystem="host", reason=str(failure)) from failure
        try:
            pair = authority.client(asked.identity, asked.days, now, None if asked.csr is None else asked.csr.encode())
        except TlsError as failure:
            raise InvalidParams(path="$.csr", reason=str(failure)) from failure
        facts = read_facts(pair.certificate)
        return PkiIssued(
            certificate=pair.certificate.decode(),
            key=pair.key.decode() or None,
            ca=authority.certificate.decode(),
            fingerprint=facts.fingerprint,
            subject=facts.subject,
            serial=facts.serial,
            names=list(facts.names),
            notBefore=facts.not_before,
            notAfter=facts.not_after,
        )


def _report(generation: Generation) -> ReportTls:
    keys = generation.keys
    return ReportTls(
        generation=keys.generation,
        certificate=keys.certificate.decode("ascii", "replace"),
        key=keys.key.decode("ascii", "replace"),
        clientCas=keys.client_cas.decode("ascii", "replace"),
        ca=generation.ca.decode("ascii", "replace"),
        seen=[
            SeenCertificate(
                kind=kind,
                fingerprint=facts.fingerprint,
                subject=facts.subject,
                serial=facts.serial,
                names=list(facts.names),
                notBefore=facts.not_before,
                notAfter=facts.not_after,
            )
            for kind, facts in generation.facts
        ],
    )
