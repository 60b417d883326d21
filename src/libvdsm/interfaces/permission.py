"""What the daemon knows of permissions at run time; the tables themselves are generated (``generated.permissions``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEntry:
    """One role that comes with the API."""

    name: str
    summary: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEntry:
    """One type of objects whose changes are told."""

    type: str  # "vm"
    permission: str  # that of its getter: who has it sees the object and its events
    has_project: bool  # otherwise it is seen only by those who have the permission everywhere
