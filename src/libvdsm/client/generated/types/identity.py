# Generated from the schema by vdsm-schema; do not edit.
"""Types of Identity: Who you are to this host."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self

from libvdsm.client.generated import types
from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from libvdsm.client.generated.types.access import AccessScope
    from libvdsm.client.generated.types.task import ObjectRef


class IdentitySource(values.Word):
    """How an identity was established."""

    UNIX = "unix"
    """By the credentials of a unix socket's peer."""
    ANONYMOUS = "anonymous"
    """Not at all; the daemon runs with --insecure."""
    CONNECTOR = "connector"
    """By a connector inside the daemon."""
    CERTIFICATE = "certificate"
    """By a client certificate."""
    TOKEN = "token"
    """By a token."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IdentityInfo(values.Record):
    """An identity and its rights."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("identity", "identity"),
        ("source", "source"),
        ("roles", "roles"),
        ("permissions", "permissions"),
        ("projects", "projects"),
        ("objects", "objects"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"identity", "objects", "permissions", "projects", "roles", "source"})

    identity: str
    """Its name, such as unix:0."""
    source: IdentitySource
    """How it was established."""
    roles: list[str]
    """Its roles."""
    permissions: list[str]
    """What it may do."""
    projects: list[ProjectRights] | None = None
    """What it may do besides in single projects."""
    objects: list[ObjectRights] | None = None
    """What it may do besides to single objects."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            identity=data["identity"],
            source=IdentitySource(data["source"]),
            roles=list(data["roles"]),
            permissions=list(data["permissions"]),
            projects=None if data.get("projects") is None else [ProjectRights.from_wire(one) for one in data["projects"]],
            objects=None if data.get("objects") is None else [ObjectRights.from_wire(one) for one in data["objects"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRights(values.Record):
    """What may be done to an object."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("object", "object"),
        ("permissions", "permissions"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"object", "permissions"})

    object: ObjectRef
    """The object."""
    permissions: list[str]
    """What may be done to it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            object=types.ObjectRef.from_wire(data["object"]),
            permissions=list(data["permissions"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRights(values.Record):
    """What may be done in a project."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("project", "project"),
        ("permissions", "permissions"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"permissions", "project"})

    project: str
    """The project."""
    permissions: list[str]
    """What may be done there."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            project=data["project"],
            permissions=list(data["permissions"]),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token(values.Record):
    """A token, without what it is: only its digest is kept."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("label", "label"),
        ("identity", "identity"),
        ("role", "role"),
        ("scope", "scope"),
        ("created_at", "createdAt"),
        ("created_by", "createdBy"),
        ("expires_at", "expiresAt"),
        ("used_at", "usedAt"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset(
        {"createdAt", "createdBy", "expiresAt", "id", "identity", "label", "role", "scope", "usedAt"}
    )

    id: str
    """Its id."""
    label: str
    """What it is for."""
    identity: str
    """For whom it speaks."""
    role: str | None = None
    """It can do no more than this role."""
    scope: AccessScope | None = None
    """It can do nothing outside of this."""
    created_at: str
    """When it was made."""
    created_by: str
    """By whom."""
    expires_at: str
    """When it ends."""
    used_at: str | None = None
    """When it was last used, to the hour."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            label=data["label"],
            identity=data["identity"],
            role=data.get("role"),
            scope=None if data.get("scope") is None else types.decode_access_scope(data["scope"]),
            created_at=data["createdAt"],
            created_by=data["createdBy"],
            expires_at=data["expiresAt"],
            used_at=data.get("usedAt"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TokenList(values.Record):
    """A page of tokens."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[Token]
    """The tokens of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Token.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade(values.Record):
    """A new token."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("token_id", "tokenId"),
        ("token", "token"),
        ("expires_at", "expiresAt"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"expiresAt", "token", "tokenId"})

    token_id: str
    """Its id."""
    token: str
    """The token; it is shown this once."""
    expires_at: str
    """When it ends."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            token_id=data["tokenId"],
            token=data["token"],
            expires_at=data["expiresAt"],
            extra=values.unknown_members(data, cls.KNOWN),
        )
