"""What certificates ought to be."""

from __future__ import annotations

from libvdsm.subsystems.host.pki import plan

FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 192.0.2.2
           /32 host LOCAL
"""
IF_INET6 = """00000000000000000000000000000001 01 80 10 80       lo
fd000000000000000000000000000002 02 40 00 80     eth0
fe800000000000000000000000000001 02 40 20 80     eth0
"""


def test_addresses_are_read_from_what_the_kernel_shows() -> None:
    assert plan.local_addresses(FIB_TRIE, IF_INET6) == ("127.0.0.1", "192.0.2.2", "::1", "fd00::2", "fe80::1")
    assert plan.local_addresses("", "nonsense here\n") == ()


def test_a_server_is_known_by_its_names_and_addresses() -> None:
    """Each once, sorted; wildcards, link-local addresses and what is no name are left out."""
    names = plan.server_names(
        "Host.Example", ("0.0.0.0", "192.0.2.2", "fe80::1", "::"), ("vdsm.example", "not a name", "-x", "", "fd00::2")
    )
    assert names == ("127.0.0.1", "192.0.2.2", "::1", "fd00::2", "host.example", "localhost", "vdsm.example")


def test_names_are_bounded() -> None:
    assert len(plan.server_names("h", [f"192.0.2.{n}" for n in range(200)], ())) == 64


def test_a_certificate_is_due_days_before_its_end() -> None:
    day = plan.DAY_S
    assert not plan.is_due(100 * day, 70 * day, 30)
    assert plan.is_due(100 * day, 70 * day + 1, 30)
    assert plan.client_end(0, 10, 5 * day) == 5 * day
    assert plan.client_end(0, 3, 5 * day) == 3 * day


def test_an_identity_is_a_uri() -> None:
    assert plan.identity_uri("user:alice") == "urn:libvdsm:identity:user:alice"
    assert plan.identity_uri("user:Ärger & co") == "urn:libvdsm:identity:user:%C3%84rger%20%26%20co"
