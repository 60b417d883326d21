"""URLs say where the daemon is, or are refused with a reason."""

from __future__ import annotations

import pytest

from libvdsm.client.runtime.address import Address, parse, secured
from libvdsm.client.runtime.errors import AddressError
from libvdsm.client.runtime.tls import Tls


def test_forms() -> None:
    assert parse("unix:///run/x.sock") == Address(url="unix:///run/x.sock", path="/run/x.sock")
    assert parse("http+unix:///a%20b").path == "/a b"
    assert parse("http+unix:///a").http
    tcp = parse("tcp://host:1")
    assert (tcp.host, tcp.port, tcp.http, tcp.authority) == ("host", 1, False, "host:1")
    http = parse("http://[::1]")
    assert (http.host, http.port, http.http, http.authority, http.tls) == ("::1", 54321, True, "[::1]:54321", None)
    assert [(found.http, found.tls) for found in (parse("tls://host:1"), parse("https://host:1"))] == [(False, Tls()), (True, Tls())]


def test_certificates_go_with_tls_alone() -> None:
    shown = Tls(ca="/ca.crt")
    assert secured(parse("tls://host"), shown).tls == shown
    assert secured(parse("tcp://host"), None).tls is None
    with pytest.raises(AddressError, match="certificates are for"):
        secured(parse("tcp://host"), shown)


@pytest.mark.parametrize(
    ("url", "reason"),
    (
        ("unix://run/x", "three slashes"),
        ("unix:", "three slashes"),
        ("tcp://", "host is missing"),
        ("tcp://host:x", "[Pp]ort"),
        ("tcp://host:99999", "[Pp]ort"),
        ("host:1", "none of"),
        ("", "none of"),
    ),
)
def test_refusals(url: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse(url)
