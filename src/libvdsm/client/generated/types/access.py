# Generated from the schema by vdsm-schema; do not edit.
"""Types of Access: Who may do what to which objects."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from libvdsm.client.runtime import values

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessCheck(values.Record):
    """Whether a call is allowed."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("allowed", "allowed"),
        ("permission", "permission"),
        ("grants", "grants"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"allowed", "grants", "permission"})

    allowed: bool
    """Whether it is."""
    permission: str | None = None
    """What the verb needs; absent if it needs nothing."""
    grants: list[Grant]
    """The grants that allow it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            allowed=data["allowed"],
            permission=data.get("permission"),
            grants=[Grant.from_wire(one) for one in data["grants"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccessExplanation(values.Record):
    """Why a call is refused."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("allowed", "allowed"),
        ("permission", "permission"),
        ("considered", "considered"),
        ("remedy", "remedy"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"allowed", "considered", "permission", "remedy"})

    allowed: bool
    """Whether it is allowed after all."""
    permission: str | None = None
    """What the verb needs; absent if it needs nothing."""
    considered: list[ConsideredGrant]
    """Every grant of the identity."""
    remedy: str | None = None
    """What would allow it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            allowed=data["allowed"],
            permission=data.get("permission"),
            considered=[ConsideredGrant.from_wire(one) for one in data["considered"]],
            remedy=data.get("remedy"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ConsideredGrant(values.Record):
    """A grant, and why it does or does not allow the call."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("grant", "grant"),
        ("fits", "fits"),
        ("reason", "reason"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"fits", "grant", "reason"})

    grant: Grant
    """The grant."""
    fits: bool
    """Whether it allows the call."""
    reason: str
    """Why."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            grant=Grant.from_wire(data["grant"]),
            fits=data["fits"],
            reason=data["reason"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EverywhereScope(values.Record):
    """All objects, and the host."""

    TAG: ClassVar[tuple[str, str] | None] = ("kind", "everywhere")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind"})

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grant(values.Record):
    """A role that an identity has somewhere."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("id", "id"),
        ("identity", "identity"),
        ("role", "role"),
        ("scope", "scope"),
        ("expires_at", "expiresAt"),
        ("created_at", "createdAt"),
        ("created_by", "createdBy"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"createdAt", "createdBy", "expiresAt", "id", "identity", "role", "scope"})

    id: str
    """Its id."""
    identity: str
    """Who has it."""
    role: str
    """The role."""
    scope: AccessScope
    """Where."""
    expires_at: str | None = None
    """When it ends by itself."""
    created_at: str
    """When it was given."""
    created_by: str
    """Who gave it."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            id=data["id"],
            identity=data["identity"],
            role=data["role"],
            scope=decode_access_scope(data["scope"]),
            expires_at=data.get("expiresAt"),
            created_at=data["createdAt"],
            created_by=data["createdBy"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GrantFilter(values.Record):
    """Which grants; every member that is there must fit."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("identity", "identity"),
        ("role", "role"),
        ("project", "project"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"identity", "project", "role"})

    identity: str | None = None
    """Is this identity's."""
    role: str | None = None
    """Gives this role."""
    project: str | None = None
    """Holds in this project alone."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            identity=data.get("identity"),
            role=data.get("role"),
            project=data.get("project"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GrantList(values.Record):
    """A page of grants."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("items", "items"),
        ("next", "next"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items", "next"})

    items: list[Grant]
    """The grants of this page."""
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Grant.from_wire(one) for one in data["items"]],
            next=data.get("next"),
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScope(values.Record):
    """One object."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("type", "type"),
        ("id", "id"),
    )
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "object")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"id", "kind", "type"})

    type: str
    """Its type, such as vm."""
    id: str
    """Its id."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            type=data["type"],
            id=data["id"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProjectScope(values.Record):
    """The objects of a project, those to come included."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("project", "project"),)
    TAG: ClassVar[tuple[str, str] | None] = ("kind", "project")
    KNOWN: ClassVar[frozenset[str]] = frozenset({"kind", "project"})

    project: str
    """The project."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            project=data["project"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Role(values.Record):
    """A set of permissions."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("name", "name"),
        ("summary", "summary"),
        ("permissions", "permissions"),
        ("built_in", "builtIn"),
    )
    KNOWN: ClassVar[frozenset[str]] = frozenset({"builtIn", "name", "permissions", "summary"})

    name: str
    """Its name."""
    summary: str
    """What it is for."""
    permissions: list[str]
    """What it lets do."""
    built_in: bool
    """Whether it comes with this API; such a role cannot be changed."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            name=data["name"],
            summary=data["summary"],
            permissions=list(data["permissions"]),
            built_in=data["builtIn"],
            extra=values.unknown_members(data, cls.KNOWN),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RoleList(values.Record):
    """All roles."""

    WIRE_NAMES: ClassVar[tuple[tuple[str, str], ...]] = (("items", "items"),)
    KNOWN: ClassVar[frozenset[str]] = frozenset({"items"})

    items: list[Role]
    """The roles, in the order of their names."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    """Members that this client does not know."""

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        """Read it from a JSON object."""
        return cls(
            items=[Role.from_wire(one) for one in data["items"]],
            extra=values.unknown_members(data, cls.KNOWN),
        )


#: Where a grant holds.
AccessScope: TypeAlias = EverywhereScope | ProjectScope | ObjectScope | values.UnknownKind


def decode_access_scope(data: Mapping[str, Any]) -> AccessScope:
    """The kind of AccessScope that ``kind`` names."""
    match data["kind"]:
        case "everywhere":
            return EverywhereScope.from_wire(data)
        case "project":
            return ProjectScope.from_wire(data)
        case "object":
            return ObjectScope.from_wire(data)
        case _:
            return values.UnknownKind(data)
