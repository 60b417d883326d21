"""The keeper: first keys, renewal in time, changed files, and what is trusted in a switch-over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from libvdsm.base.clock import ManualClock
from libvdsm.base.tls import TlsError
from libvdsm.subsystems.host.pki.authority import read_facts
from libvdsm.subsystems.host.pki.config import PkiConfig
from libvdsm.subsystems.host.pki.files import split_pem, write_whole
from libvdsm.subsystems.host.pki.keeper import Generation, HostNames, Keeper, is_complete, prepare
from libvdsm.subsystems.host.pki.plan import DAY_S
from tests.fakes.certificates import Pki

NAMES = HostNames(hostname="host", addresses=("192.0.2.2",))


class Kept:
    """A keeper over a folder, its clock and what it told."""

    def __init__(self, config: PkiConfig) -> None:
        self.config = config
        self.clock = ManualClock()
        self.told: list[Generation] = []
        self.names = NAMES
        prepare(config, NAMES, self.clock.time())
        self.keeper = self.again()

    def again(self) -> Keeper:
        return Keeper(self.config, lambda: self.names, self.clock, self.told.append)

    def look(self, days: float = 0) -> int:
        """How many generations were told by a look so many days later."""
        self.clock.advance(days * DAY_S)
        before = len(self.told)
        self.keeper.look()
        return len(self.told) - before


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(PkiConfig(folder=tmp_path / "pki"))


def test_the_first_look_tells_what_is_served(kept: Kept) -> None:
    """And the next ones nothing, as long as nothing changes."""
    assert kept.look() == 1
    assert [kind for kind, _ in kept.told[0].facts] == ["server", "ca"]
    assert kept.told[0].facts[0][1].names == ("IP Address:127.0.0.1", "IP Address:192.0.2.2", "IP Address:::1", "DNS:host", "DNS:localhost")
    assert kept.told[0].ca == kept.config.ca_file.read_bytes()
    assert kept.look() == 0
    assert is_complete(kept.config)


def test_prepare_makes_nothing_twice(kept: Kept) -> None:
    before = {path.name: path.read_bytes() for path in kept.config.folder.iterdir()}
    prepare(kept.config, NAMES, kept.clock.time())
    assert {path.name: path.read_bytes() for path in kept.config.folder.iterdir()} == before


def test_the_server_s_certificate_is_renewed_thirty_days_before_its_end(kept: Kept) -> None:
    kept.look()
    assert kept.look(days=334) == 0
    assert kept.look(days=2) == 1
    assert kept.told[1].keys.key != kept.told[0].keys.key
    assert kept.told[1].keys.client_cas == kept.told[0].keys.client_cas
    assert read_facts(kept.told[1].keys.certificate).not_after == kept.clock.time() + 365 * DAY_S


def test_the_ca_is_renewed_with_its_key_while_it_outlives_what_it_signs(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.look()
    key = kept.config.ca_key_file.read_bytes()
    kept.look(days=3249)
    ca = kept.config.ca_file.read_bytes()
    assert kept.look(days=2) == 1
    assert kept.config.ca_file.read_bytes() != ca
    assert kept.config.ca_key_file.read_bytes() == key
    assert "our own CA was renewed" in caplog.text


def test_a_new_name_of_the_host_makes_a_new_certificate(kept: Kept) -> None:
    kept.look()
    kept.names = HostNames(hostname="host", addresses=("192.0.2.2", "192.0.2.3"))
    assert kept.look() == 0
    assert kept.look(days=1) == 1
    assert "IP Address:192.0.2.3" in kept.told[1].facts[0][1].names
    kept.names = HostNames(hostname="host", addresses=())
    assert kept.look(days=1) == 0  # one that is gone is no reason


def test_files_that_are_lost_are_made_anew(kept: Kept) -> None:
    kept.look()
    kept.config.key_file.unlink()
    assert kept.look(days=1) == 1


def test_a_pair_that_does_not_match_is_said_once_and_left(kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Until the other file is there as well."""
    kept.look()
    other = Pki(tmp_path / "other", now=kept.clock.time()).server
    write_whole(kept.config.certificate_file, other.certificate)
    assert kept.look() == kept.look() == 0
    assert caplog.text.count("key values mismatch; what was served before is served on") == 1
    write_whole(kept.config.key_file, other.key)
    assert kept.look() == 1
    assert kept.told[1].keys.certificate == other.certificate


@pytest.mark.parametrize(
    "spoil", (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:50]), lambda path: path.chmod(0o644))
)
def test_a_spoiled_key_is_left(kept: Kept, spoil: Callable[[Path], object]) -> None:
    kept.look()
    spoil(kept.config.key_file)
    assert kept.look() == 0


class Given:
    """Two CAs of others, one after the other in the same file."""

    def __init__(self, tmp_path: Path, now: float) -> None:
        self.first, self.second = Pki(tmp_path / "first", now=now), Pki(tmp_path / "second", now=now)
        self.file = tmp_path / "clients.pem"
        self.file.write_bytes(self.first.authority.certificate)


def test_a_client_ca_that_is_replaced_stays_trusted_until_told_otherwise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Across a restart too; taken out of the file of former ones, it is trusted no more."""
    given = Given(tmp_path, ManualClock().time())
    kept = Kept(PkiConfig(folder=tmp_path / "pki", client_ca=given.file))
    kept.look()
    old, new = given.first.authority.certificate, given.second.authority.certificate
    own = kept.config.ca_file.read_bytes()
    assert split_pem(kept.told[-1].keys.client_cas) == (own, old)
    kept.keeper = kept.again()  # restarted
    given.file.write_bytes(new)
    assert kept.look() == 1
    assert split_pem(kept.told[-1].keys.client_cas) == (own, new, old)
    assert [kind for kind, _ in kept.told[-1].facts] == ["server", "ca", "ca", "ca"]
    assert "trusted on until they end" in caplog.text
    assert kept.look() == 0
    kept.config.former_file.unlink()
    assert kept.look() == 1
    assert split_pem(kept.told[-1].keys.client_cas) == (own, new)


def test_an_empty_client_ca_changes_nothing(tmp_path: Path) -> None:
    """It may be half-written."""
    given = Given(tmp_path, ManualClock().time())
    kept = Kept(PkiConfig(folder=tmp_path / "pki", client_ca=given.file))
    kept.look()
    given.file.write_bytes(b"")
    assert kept.look() == 0
    given.file.write_bytes(given.first.authority.certificate)
    assert kept.look() == 0  # the same again
    assert not kept.config.former_file.exists()


def test_a_given_server_needs_our_ca_for_clients_alone(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "given", now=ManualClock().time())
    certificate = pki.write(pki.server, "server")
    config = PkiConfig(folder=tmp_path / "pki", certificate=certificate, key=certificate.with_suffix(".key"))
    kept = Kept(config)
    assert kept.look() == 1
    assert sorted(path.name for path in config.folder.iterdir()) == ["ca.crt", "ca.key"]
    assert kept.look(days=400) == 0  # its end is its owner's business


def test_what_cannot_be_served_is_refused_at_the_start(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "given")
    certificate = pki.write(pki.server, "server")
    certificate.write_bytes(b"nothing")
    with pytest.raises(TlsError, match="cannot be used together"):
        prepare(PkiConfig(folder=tmp_path / "pki", certificate=certificate, key=certificate.with_suffix(".key")), NAMES, 0.0)
