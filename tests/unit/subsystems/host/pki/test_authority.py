"""A CA of our own: what it signs is good for what it says and for nothing else."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libvdsm.base.tls import TlsError, TlsKeys, server_context
from libvdsm.subsystems.host.pki.authority import Authority, read_facts
from libvdsm.subsystems.host.pki.plan import DAY_S

NOW = 1_767_225_600.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("test CA", NOW)


def loaded(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "root") -> bytes:
    """A request that asks for more than it should get."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_ca_lives_ten_years_and_signs_no_other_ca(authority: Authority) -> None:
    facts = read_facts(authority.certificate)
    assert facts.is_ca
    assert facts.not_after == NOW + 3650 * DAY_S
    assert facts.subject == facts.issuer == "O=libvdsm,CN=test CA"
    assert loaded(authority.certificate).extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert b"BEGIN PRIVATE KEY" in authority.key


def test_a_ca_is_loaded_again_and_renewed_with_its_key(authority: Authority) -> None:
    """What it signs after its renewal is trusted by whoever trusts the old certificate."""
    again = Authority.load(authority.certificate, authority.key)
    renewed = again.renewed(NOW + 3000 * DAY_S)
    assert renewed.key == authority.key
    assert renewed.not_after > authority.not_after
    server = loaded(renewed.server(("localhost",), NOW).certificate)
    server.verify_directly_issued_by(loaded(authority.certificate))


def test_what_is_no_pair_is_refused(authority: Authority) -> None:
    other = Authority.create("other", NOW)
    for certificate, key in ((authority.certificate, other.key), (b"x", authority.key), (authority.certificate, b"x")):
        with pytest.raises(TlsError):
            Authority.load(certificate, key)


def test_a_server_s_certificate(authority: Authority) -> None:
    """EC P-256, a year, for servers alone, with all names."""
    pair = authority.server(("127.0.0.1", "::1", "host.example", "localhost"), NOW)
    facts = read_facts(pair.certificate)
    assert facts.names == ("IP Address:127.0.0.1", "IP Address:::1", "DNS:host.example", "DNS:localhost")
    assert facts.subject == "O=libvdsm,CN=host.example"
    assert facts.not_after == NOW + 365 * DAY_S
    assert facts.not_before == NOW - 300
    found = loaded(pair.certificate)
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key = serialization.load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    server_context(TlsKeys(certificate=pair.certificate, key=pair.key, client_cas=authority.certificate))


def test_a_client_s_certificate(authority: Authority) -> None:
    """For clients alone, known by its identity; never longer than its CA."""
    pair = authority.client("user:alice", 30, NOW)
    facts = read_facts(pair.certificate)
    assert facts.names == ("URI:urn:libvdsm:identity:user:alice",)
    assert facts.not_after == NOW + 30 * DAY_S
    assert not facts.is_ca
    found = loaded(pair.certificate)
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    late = read_facts(authority.client("user:alice", 3650, NOW + 3000 * DAY_S).certificate)
    assert late.not_after == authority.not_after
    assert "PRIVATE" not in repr(pair)


def test_of_a_request_nothing_counts_but_its_key(authority: Authority) -> None:
    """Neither the name nor the rights that it asks for."""
    key = ec.generate_private_key(ec.SECP384R1())
    pair = authority.client("user:alice", 30, NOW, request(key))
    found = loaded(pair.certificate)
    assert pair.key == b""
    assert found.public_key() == key.public_key()
    assert read_facts(pair.certificate).subject == "CN=user:alice"
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_requests_that_cannot_be_used_are_refused(authority: Authority) -> None:
    weak = request(rsa.generate_private_key(65537, 1024))
    good = request(ec.generate_private_key(ec.SECP256R1()))
    other = request(ec.generate_private_key(ec.SECP256K1()))
    spoiled = bytearray(good)
    spoiled[len(spoiled) // 2] = ord("A") if spoiled[len(spoiled) // 2] != ord("A") else ord("B")
    for csr in (weak, other, bytes(spoiled), b"", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"):
        with pytest.raises(TlsError, match="certificate request"):
            authority.client("user:alice", 30, NOW, csr)


def test_serial_numbers_differ(authority: Authority) -> None:
    serials = {read_facts(authority.client("user:a", 1, NOW).certificate).serial for _ in range(20)}
    assert len(serials) == 20


def test_facts_of_nonsense_are_refused() -> None:
    with pytest.raises(TlsError, match="cannot be read"):
        read_facts(b"nonsense")
