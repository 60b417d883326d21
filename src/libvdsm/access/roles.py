"""The roles that can be granted: those of the API, and those of this host."""

from __future__ import annotations

from typing import Final

import msgspec

from libvdsm.access.rights import NOTHING, Permissions
from libvdsm.interfaces.generated.permissions import ROLES
from libvdsm.interfaces.generated.types import Role
from libvdsm.interfaces.store import Store

#: Their kind in the store.
KIND: Final = "role"
ADMINISTRATOR: Final = "administrator"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Role).decode


class Roles:
    """Roles by name. A change counts at once."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._built_in = {
            name: Role(name=name, summary=entry.summary, permissions=list(entry.permissions), built_in=True)
            for name, entry in ROLES.items()
        }
        self._own = {} if store is None else store.understood(KIND, _decode)
        self._effective = {name: frozenset(role.permissions) for name, role in (self._built_in | self._own).items()}

    def all(self) -> list[Role]:
        """Every role, by name."""
        return [role for _, role in sorted((self._own | self._built_in).items())]

    def get(self, name: str) -> Role | None:
        """One role."""
        return self._built_in.get(name) or self._own.get(name)

    def permissions(self, name: str) -> Permissions:
        """What a role gives now; nothing if there is no such role."""
        return self._effective.get(name, NOTHING)

    def define(self, role: Role) -> None:
        """Record one of this host's own; it counts at once."""
        self._own[role.name] = role
        self._effective[role.name] = frozenset(role.permissions)
        if self._store is not None:
            self._store.put(KIND, role.name, _encode(role))

    def restore(self, name: str, before: Role | None) -> None:
        """What was defined or deleted could not be recorded: as it was."""
        if before is None:
            self._own.pop(name, None)
            self._effective.pop(name, None)
        else:
            self._own[name] = before
            self._effective[name] = frozenset(before.permissions)

    def delete(self, name: str) -> None:
        """Forget one of this host's own."""
        del self._own[name]
        self._effective.pop(name, None)
        if self._store is not None:
            self._store.remove(KIND, name)
