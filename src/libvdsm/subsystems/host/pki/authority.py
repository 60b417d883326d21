"""Our own CA: it makes keys and signs certificates. The one module that knows the library ``cryptography``.

Certificates of clients are good for clients only, and the CA can sign no other CA: whoever can make it sign gets no
server out of it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libvdsm.base.tls import TlsError
from libvdsm.subsystems.host.pki import plan

_LEAST_RSA_BITS: Final = 2048
_MOST_RSA_BITS: Final = 8192
_MOST_CN: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a certificate says."""

    fingerprint: str
    subject: str
    issuer: str
    serial: str
    names: tuple[str, ...]
    not_before: float
    not_after: float
    is_ca: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, in PEM; ``key`` is empty if it was never here."""

    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """A CA with its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, name: str, now: float) -> Self:
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(_self_signed(_subject(name, "libvdsm"), key, now), key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Self:
        """One that was made before; raises ``TlsError``."""
        try:
            loaded = serialization.load_pem_private_key(key, None)
            shown = x509.load_pem_x509_certificate(certificate)
        except (ValueError, TypeError, UnsupportedAlgorithm) as failure:
            raise TlsError("the CA's certificate or key cannot be read") from failure
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != shown.public_key():
            raise TlsError("the CA's key is not that of its certificate")
        return cls(shown, loaded)

    @property
    def certificate(self) -> bytes:
        """Its certificate in PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        """Its key in PEM."""
        return _key_pem(self._key)

    @property
    def not_after(self) -> float:
        """Its end."""
        return self._certificate.not_valid_after_utc.timestamp()

    def renewed(self, now: float) -> Self:
        """The same CA with a longer life: its key and name stay, so whoever trusts the old certificate trusts what it signs."""
        return type(self)(_self_signed(self._certificate.subject, self._key, now), self._key)

    def server(self, names: Sequence[str], now: float) -> Pair:
        """A new key and certificate for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(_subject(_best_name(names), "libvdsm"), key.public_key(), now, self._end(now, plan.SERVER_DAYS))
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return Pair(certificate=self._sign(builder), key=_key_pem(key))

    def client(self, identity: str, days: int, now: float, csr: bytes | None = None) -> Pair:
        """A certificate for an identity: for the key of ``csr`` (PEM), of which nothing else counts, or for a new one.

        Raises ``TlsError`` for a request that cannot be used.
        """
        own = ec.generate_private_key(ec.SECP256R1()) if csr is None else None
        public = own.public_key() if own is not None else _requested_key(csr or b"")
        builder = self._leaf(_subject(identity), public, now, self._end(now, days))
        uri = x509.UniformResourceIdentifier(plan.identity_uri(identity))
        builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        return Pair(certificate=self._sign(builder), key=b"" if own is None else _key_pem(own))

    def _end(self, now: float, days: int) -> float:
        return plan.client_end(now, days, self.not_after)

    def _leaf(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey,
        now: float,
        end: float,
    ) -> x509.CertificateBuilder:
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(subject, self._certificate.subject, now, end)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_ca=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer_key, critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def read_facts(pem: bytes) -> Facts:
    """What the first certificate in ``pem`` says; raises ``TlsError``."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        names = _names(found)
        constraints = _constraints(found)
    except ValueError as failure:
        raise TlsError("a certificate cannot be read") from failure
    return Facts(
        fingerprint=found.fingerprint(hashes.SHA256()).hex(),
        subject=_words(found.subject),
        issuer=_words(found.issuer),
        serial=f"{found.serial_number:x}",
        names=names,
        not_before=found.not_valid_before_utc.timestamp(),
        not_after=found.not_valid_after_utc.timestamp(),
        is_ca=constraints,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    kinds: dict[object, str] = {
        x509.DNSName: "DNS",
        x509.IPAddress: "IP Address",
        x509.UniformResourceIdentifier: "URI",
        x509.RFC822Name: "email",
    }
    return tuple(f"{kinds[type(name)]}:{name.value}" for name in found if type(name) in kinds)


def _constraints(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _words(name: x509.Name) -> str:
    return ",".join(f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in name)


def _requested_key(csr: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    try:
        request = x509.load_pem_x509_csr(csr)
        is_signed = request.is_signature_valid
        public = request.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as failure:
        raise TlsError("the certificate request cannot be read") from failure
    if not is_signed:
        raise TlsError("the certificate request is not signed by its own key")
    if isinstance(public, rsa.RSAPublicKey) and _LEAST_RSA_BITS <= public.key_size <= _MOST_RSA_BITS:
        return public
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
        return public
    if isinstance(public, ed25519.Ed25519PublicKey):
        return public
    raise TlsError("the certificate request's key must be EC (P-256, P-384, P-521), Ed25519, or RSA of 2048 to 8192 bits")


def _self_signed(name: x509.Name, key: ec.EllipticCurvePrivateKey, now: float) -> x509.Certificate:
    public = key.public_key()
    return (
        _builder(name, name, now, now + plan.CA_DAYS * plan.DAY_S)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, now: float, end: float) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(int.from_bytes(os.urandom(16)) >> 1 or 1)
        .not_valid_before(_date(now - plan.BACKDATED_S))
        .not_valid_after(_date(end))
    )


def _subject(name: str, organisation: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name[:_MOST_CN])]
    if organisation:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _best_name(names: Sequence[str]) -> str:
    """What a host is best known by: a name rather than an address, and any rather than localhost."""
    words = [name for name in names if isinstance(_general_name(name), x509.DNSName)]
    return next((name for name in words if name != "localhost"), "localhost")


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
