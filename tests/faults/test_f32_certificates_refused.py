"""F-32: certificates that are expired, not yet valid, revoked, of another CA, or for another name. Each is refused, and the log says why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from libvdsm.client import ApiError, ClientError, TransportError, UntrustedError
from libvdsm.subsystems.host.pki.plan import DAY_S
from tests.conftest import StartVdsmd
from tests.fakes.certificates import Pki
from tests.secure import LISTEN, Files, Secured


@pytest.fixture
def secured(vdsmd: StartVdsmd, tmp_path: Path) -> Secured:
    return Secured(vdsmd(*LISTEN, hypervisor="simulator:1", listen=None), tmp_path)


def refused(secured: Secured, files: Files) -> None:
    """On both roads."""
    for road in ("tls", "https"):
        with pytest.raises(TransportError):
            secured.client(files, road).call("Identity.whoAmI")


def test_f32_expired(secured: Secured) -> None:
    pair = secured.authority().client("user:alice", 1, time.time() - 2 * DAY_S)
    refused(secured, secured.write(pair, "expired"))
    secured.wait_for_log("refused 127.0.0.1: TLS: certificate has expired", 2)


def test_f32_not_yet_valid(secured: Secured) -> None:
    pair = secured.authority().client("user:alice", 30, time.time() + DAY_S)
    refused(secured, secured.write(pair, "early"))
    secured.wait_for_log("refused 127.0.0.1: TLS: certificate is not yet valid", 2)


def test_f32_another_ca(secured: Secured, tmp_path: Path) -> None:
    """Also one that calls itself as ours does."""
    refused(secured, secured.write(Pki(tmp_path / "other").client(), "stranger"))
    secured.wait_for_log("refused 127.0.0.1: TLS: unable to get local issuer certificate", 2)


def test_f32_a_server_s_certificate_is_no_client_s(secured: Secured) -> None:
    pair = secured.authority().server(("localhost",), time.time())
    refused(secured, secured.write(pair, "server"))
    secured.wait_for_log("refused 127.0.0.1: TLS: unsuitable certificate purpose", 2)


def test_f32_revoked(secured: Secured) -> None:
    """The open connection ends, and no other is opened."""
    files = secured.issue("alice")
    with secured.client(files) as alice:
        assert alice.call("Identity.whoAmI")["identity"] == "user:alice"
        secured.shell("pki", "revoke", "alice")
        secured.wait_for_log("ends the connection of user:alice from 127.0.0.1: the certificate")
        with pytest.raises(ClientError):
            alice.call("Identity.whoAmI")
    refused(secured, files)
    secured.wait_for_log("of user:alice was revoked at")


def test_f32_another_name_is_refused_by_the_client(secured: Secured) -> None:
    """The address is not among the certificate's names: nothing is sent."""
    with pytest.raises(UntrustedError, match="mismatch"):
        secured.client(None, name="other.example").open()


def test_f32_another_server_is_refused_by_the_client(secured: Secured, tmp_path: Path) -> None:
    """It shows a certificate of another CA."""
    files = secured.issue("alice")
    other = Pki(tmp_path / "other")
    with pytest.raises(UntrustedError, match="self-signed"):
        secured.client(Files(files.certificate, files.key, str(other.ca_file))).open()


def test_f32_of_the_right_ca_without_a_mapping(secured: Secured) -> None:
    """It has an identity and no rights: this host knows nothing of having made it."""
    pair = secured.authority().client("user:root", 30, time.time())
    with secured.client(secured.write(pair, "forged")) as forged:
        who = forged.call("Identity.whoAmI")
        assert who["identity"].startswith("certificate:")
        assert who["permissions"] == []
        with pytest.raises(ApiError, match=r"vm\.read"):
            forged.call("VM.list")


def test_f32_a_connection_ends_with_its_certificate(secured: Secured) -> None:
    """One that is open when the time comes; ten seconds of life are left when it is made."""
    pair = secured.authority().client("user:alice", 1, time.time() - DAY_S + 10)
    with secured.client(secured.write(pair, "short")) as short:
        assert short.call("Identity.whoAmI")["source"] == "certificate"
        secured.wait_for_log("from 127.0.0.1: its certificate has expired")
        with pytest.raises(ClientError):
            short.call("Identity.whoAmI")
    secured.wait_for_log("TLS: certificate has expired")
