# Generated from the schema by vdsm-schema; do not edit.
"""Types of Certificate: Certificates by which clients prove who they are, and those of this host."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


class CertificateKind(values.Word):
    """What a certificate is for."""

    CLIENT = "client"
    """It proves who a client is."""
    SERVER = "server"
    """It proves that this is this host."""
    CA = "ca"
    """It vouches for others."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(values.Record):
    """A certificate."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("kind", "kind"),
        ("identity", "identity"),
        ("subject", "subject"),
        ("names", "names"),
        ("fingerprint", "fingerprint"),
        ("serial", "serial"),
        ("created_at", "createdAt"),
        ("created_by", "createdBy"),
        ("expires_at", "expiresAt"),
        ("expiry_warning", "expiryWarning"),
        ("revoked_at", "revokedAt"),
        ("revoked_by", "revokedBy"),
        ("replaced_by", "replacedBy"),
        ("revision", "revision"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {
            "createdAt",
            "createdBy",
            "expiresAt",
            "expiryWarning",
            "fingerprint",
            "id",
            "identity",
            "kind",
            "names",
            "replacedBy",
            "revision",
            "revokedAt",
            "revokedBy",
            "serial",
            "subject",
        }
    )

    id: str
    """Its id on this host."""
    kind: CertificateKind
    """What it is for."""
    identity: str | None = None
    """Whom it speaks for."""
    subject: str
    """Its subject."""
    names: list[str]
    """Its further names (SANs) with their kinds."""
    fingerprint: str
    """The SHA-256 of its bytes, hexadecimal."""
    serial: str
    """Its number, hexadecimal."""
    created_at: str
    """When it was made."""
    created_by: str | None = None
    """Who asked for it."""
    expires_at: str
    """When it ends."""
    expiry_warning: int | None = None
    """That its end is near: 30, 7 or 1, so many days or fewer are left; 0, it is over. Unit: count."""
    revoked_at: str | None = None
    """When it was revoked."""
    revoked_by: str | None = None
    """Who revoked it."""
    replaced_by: str | None = None
    """The certificate that follows it."""
    revision: int
    """The event sequence of its last change."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            kind=CertificateKind(data["kind"]),
            identity=data.get("identity"),
            subject=data["subject"],
            names=list(data["names"]),
            fingerprint=data["fingerprint"],
            serial=data["serial"],
            created_at=data["createdAt"],
            created_by=data.get("createdBy"),
            expires_at=data["expiresAt"],
            expiry_warning=data.get("expiryWarning"),
            revoked_at=data.get("revokedAt"),
            revoked_by=data.get("revokedBy"),
            replaced_by=data.get("replacedBy"),
            revision=data["revision"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFilter(values.Record):
    """Which certificates; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("kind", "kind"),
        ("identity", "identity"),
        ("fingerprint", "fingerprint"),
        ("valid", "valid"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"fingerprint", "identity", "kind", "valid"})

    kind: CertificateKind | None = None
    """Is for this."""
    identity: str | None = None
    """Speaks for this identity."""
    fingerprint: str | None = None
    """Has this fingerprint."""
    valid: bool | None = None
    """Is neither revoked nor over, or (false) is."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            kind=None if data.get("kind") is None else CertificateKind(data["kind"]),
            identity=data.get("identity"),
            fingerprint=data.get("fingerprint"),
            valid=data.get("valid"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIssued(values.Record):
    """A certificate with all that its holder needs."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("identity", "identity"),
        ("certificate", "certificate"),
        ("key", "key"),
        ("ca", "ca"),
        ("expires_at", "expiresAt"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"ca", "certificate", "expiresAt", "id", "identity", "key"})

    id: str
    """Its id on this host."""
    identity: str
    """Whom it speaks for."""
    certificate: str
    """The certificate in PEM."""
    key: str | None = None
    """Its key in PEM, shown this once; absent if it was asked for by csr."""
    ca: str
    """The CA of this host in PEM, by which its server is known."""
    expires_at: str
    """When it ends."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            identity=data["identity"],
            certificate=data["certificate"],
            key=data.get("key"),
            ca=data["ca"],
            expires_at=data["expiresAt"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList(values.Record):
    """A page of certificates."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[Certificate]
    """The certificates of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Certificate.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentMade(values.Record):
    """The right to get one certificate."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("token", "token"),
        ("expires_at", "expiresAt"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"expiresAt", "token"})

    token: str
    """The token, shown this once."""
    expires_at: str
    """When it can no longer be used."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            token=data["token"],
            expires_at=data["expiresAt"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
