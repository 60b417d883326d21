"""``Host.diagnose``: everybody who knows something of this host is asked at once, and what is found is told in one list.

Who does not answer in time is a finding himself. Nothing is changed, and nothing waits for a hypervisor's job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.bridge import findings
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.types import Diagnosis, Finding, HostCapabilities, HostDiagnoseParams
from libvdsm.interfaces.messages import ReportTls, SeenCertificate, WorkMeta
from libvdsm.interfaces.store import Store
from libvdsm.interfaces.worker_port import WorkerPort
from libvdsm.inventory.inventory import Inventory

_encode = msgspec.json.Encoder().encode
_decode_capabilities = msgspec.json.Decoder(HostCapabilities).decode
_decode_diagnosis = msgspec.json.Decoder(Diagnosis).decode

#: How long a worker may take.
WORKER_S: Final = 8.0

#: What the process itself can look at; called for every diagnosis.
Look = Callable[[], Iterable[Finding]]


class DiagnosisService:
    """Answers what this host can and cannot do."""

    def __init__(
        self, *, inventory: Inventory, ports: Mapping[str, WorkerPort], store: Store, clock: Clock, looks: Mapping[str, Look]
    ) -> None:
        """``looks``: by the id of the finding that takes their place when they fail."""
        self._inventory = inventory
        self._ports = ports
        self._store = store
        self._clock = clock
        self._looks = looks
        self._certificates: dict[str, SeenCertificate] = {}

    def keys_seen(self, told: ReportTls) -> None:
        """What is served with from now on; of a kind of which there are two while keys are changed, the newer one counts."""
        self._certificates = {seen.kind: seen for seen in sorted(told.seen, key=lambda seen: seen.notAfter)}

    async def host_diagnose(self, caller: Caller, _params: HostDiagnoseParams) -> bytes:
        """The verb ``Host.diagnose``."""
        asked = await asyncio.gather(self._hypervisor(caller), self._host(caller))
        found = [finding for part in (*asked, self._own()) for finding in part]
        return _encode(Diagnosis(items=sorted(found, key=lambda finding: finding.id)))

    async def _hypervisor(self, caller: Caller) -> list[Finding]:
        try:
            answer = await self._ask("virt", "Host.getCapabilities", caller)
        except ApiError as error:
            return list(findings.of_no_capabilities(error.message))
        return list(findings.of_capabilities(_decode_capabilities(answer)))

    async def _host(self, caller: Caller) -> list[Finding]:
        try:
            answer = await self._ask("host", "host.diagnose", caller)
        except ApiError as error:
            return [findings.unknown("host.kernel", "What the kernel offers could not be looked at.", error.message)]
        return _decode_diagnosis(answer).items

    async def _ask(self, name: str, method: str, caller: Caller) -> bytes:
        meta = WorkMeta(operationId="query", identity=caller.identity, timeout=WORKER_S)
        return await self._ports[name].call(method, b"{}", _encode(meta), WORKER_S)

    def _own(self) -> Iterator[Finding]:
        for name in sorted(self._ports):
            yield findings.of_subsystem(self._inventory.condition_of(name))
        yield from findings.of_store(self._store.health())
        for seen in self._certificates.values():
            yield findings.of_certificate(seen.kind, seen.notAfter, self._clock.time())
        for id, look in self._looks.items():
            try:
                yield from look()
            except OSError as error:
                yield findings.unknown(id, "It could not be looked at.", error.strerror or str(error))
