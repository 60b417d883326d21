"""The room as its worker runs it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from libvdsm.base.clock import SystemClock
from libvdsm.interfaces.generated.errors import InvalidParams, SubsystemUnavailable
from libvdsm.interfaces.messages import PkiIssue, PkiIssued
from libvdsm.subsystems.host.pki.authority import read_facts
from libvdsm.subsystems.host.pki.config import PkiConfig
from libvdsm.subsystems.host.pki.files import write_whole
from libvdsm.subsystems.host.pki.service import PkiService
from tests.fakes.certificates import Pki
from tests.fakes.reports import RecordingReporter


async def issue(service: PkiService, asked: PkiIssue) -> PkiIssued:
    return msgspec.json.decode(await service.internal["pki.issue"](msgspec.json.encode(asked)), type=PkiIssued)


async def test_what_is_served_is_told_and_so_is_each_change(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    config = PkiConfig(folder=tmp_path / "pki", look_s=0.01)
    service = PkiService(config, reporter, SystemClock())
    service.start()
    try:
        await reporter.until(lambda: reporter.tls_told)
        first = reporter.tls_told[0]
        assert [each.kind for each in first.seen] == ["server", "ca"]
        assert "PRIVATE" in first.key
        assert "PRIVATE" not in repr(first)
        other = Pki(tmp_path / "other").server
        write_whole(config.certificate_file, other.certificate)
        write_whole(config.key_file, other.key)
        await reporter.until(lambda: len(reporter.tls_told) == 2)
        assert reporter.tls_told[1].certificate == other.certificate.decode()
    finally:
        service.stop()


async def test_a_client_s_certificate_is_made_on_request(tmp_path: Path) -> None:
    """The CA is made if there is none yet, also where nobody is served with TLS."""
    config = PkiConfig(folder=tmp_path / "pki", serves=False)
    service = PkiService(config, RecordingReporter(), SystemClock())
    service.start()
    try:
        made = await issue(service, PkiIssue("user:alice", 30))
        assert made.key is not None
        assert "PRIVATE" not in repr(made)
        facts = read_facts(made.certificate.encode())
        assert (facts.fingerprint, facts.subject, list(facts.names)) == (made.fingerprint, made.subject, made.names)
        assert made.ca == config.ca_file.read_text("ascii")
        with pytest.raises(InvalidParams) as refused:
            await issue(service, PkiIssue("user:alice", 30, csr="nonsense"))
        assert refused.value.params["path"] == "$.csr"
        config.ca_key_file.chmod(0o644)
        with pytest.raises(SubsystemUnavailable, match="has mode 0644"):
            await issue(service, PkiIssue("user:alice", 30))
    finally:
        service.stop()
