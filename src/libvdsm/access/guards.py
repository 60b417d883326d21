"""What is looked at before access is changed or told of: by the verbs, and by the checks of plans.

Nobody gives away a permission that he does not have there himself, and nobody learns of a grant where he may not read.
"""

from __future__ import annotations

from typing import Final

from libvdsm.access.access import Access
from libvdsm.access.explain import Question
from libvdsm.access.rights import ALL, Permissions, gives, needed
from libvdsm.access.tokens import Kept, Limit
from libvdsm.base.clock import Clock, seconds_of
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidParams, MethodNotFound, ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import (
    AccessCheckParams,
    AccessScope,
    AccessWhyDeniedParams,
    EverywhereScope,
    Grant,
    ObjectScope,
    ProjectScope,
    Role,
)
from libvdsm.interfaces.place import Place, Places, may

READ: Final = "access.read"
MANAGE: Final = "access.manage"


class Guards:
    """Each raises what somebody is told who may not, or tells what he may see."""

    def __init__(self, access: Access, *, clock: Clock, places: Places) -> None:
        self._access = access
        self._clock = clock
        self._places = places

    def role(self, name: str) -> Role:
        """The role; raises ``ObjectNotFound``."""
        role = self._access.roles.get(name)
        if role is None:
            raise ObjectNotFound(type="role", id=name)
        return role

    def most(self, limit: Limit) -> Permissions:
        """All that a token with this limit could ever do."""
        return ALL if limit.role is None else frozenset(self.role(limit.role).permissions)

    def must_manage(self, caller: Caller, scope: AccessScope) -> None:
        """Raise unless the caller may manage access in all of the scope."""
        self.must_give(caller, scope, frozenset((MANAGE,)))

    def must_give(self, caller: Caller, scope: AccessScope, permissions: Permissions) -> None:
        """Raise unless the caller has all of these in all of the scope."""
        project = self.place_of(caller, scope).project if isinstance(scope, ObjectScope) else None
        lacking = needed(scope, permissions) - gives(caller.rights, scope, project)
        if lacking:
            raise PermissionDenied(identity=caller.identity, permission=MANAGE if MANAGE in lacking else min(lacking))

    def place_of(self, caller: Caller, scope: ObjectScope) -> Place:
        """Where an object is; raises ``ObjectNotFound`` for one that is not there or not the caller's to see."""
        entry = OBJECTS.get(scope.type)
        place = None if entry is None or not entry.has_project else self._places.find(scope.type, scope.id)
        if place is None or entry is None or not may(caller.rights, entry.permission, place):
            raise ObjectNotFound(type=scope.type, id=scope.id)
        return place

    def sees(self, caller: Caller, grant: Grant, *permissions: str) -> bool:
        """Whether a grant is shown to somebody: by ``access.read`` (or ``access.manage``) in all of its scope."""
        given = self.given(caller, grant.scope)
        return any(permission in given for permission in permissions or (READ, MANAGE))

    def given(self, caller: Caller, scope: AccessScope) -> Permissions:
        """What the caller has in all of a scope, wherever its object is and whether or not he sees that."""
        place = self._places.find(scope.type, scope.id) if isinstance(scope, ObjectScope) else None
        return gives(caller.rights, scope, None if place is None else place.project)

    def sees_token(self, caller: Caller, kept: Kept) -> bool:
        """Whether a token is shown to somebody: his own; with one that has limits, that one and what was made by it."""
        if caller.identity == kept.token.identity:
            access = self._access
            by = access.token_of(caller) if caller.is_limited else None
            if not caller.is_limited or (by is not None and kept.token.id in access.tokens.family(by.token.id)):
                return True
        return READ in caller.rights.everywhere or MANAGE in caller.rights.everywhere

    def question(self, caller: Caller, params: AccessCheckParams | AccessWhyDeniedParams) -> Question:
        """What is asked, if the caller may know the whole answer; raises what he is told otherwise."""
        entry = METHODS.get(params.method)
        if entry is None:
            raise MethodNotFound(method=params.method)
        if params.object is not None:
            known = self._places.find(params.object.type, params.object.id)
            if known is None or not may(caller.rights, READ, known):
                raise ObjectNotFound(type=params.object.type, id=params.object.id)
            return Question(params.identity, entry, known)
        project = params.project or None
        scope: AccessScope = EverywhereScope() if project is None else ProjectScope(project=project)
        if READ not in gives(caller.rights, scope):
            raise PermissionDenied(identity=caller.identity, permission=READ)
        return Question(params.identity, entry, None, project)

    def future(self, at: str) -> float:
        """A time to come, in seconds since 1970; raises ``InvalidParams``."""
        try:
            until = seconds_of(at)
        except ValueError as error:
            raise InvalidParams(path="$.expiresAt", reason=str(error)) from None
        if until <= self._clock.time():
            raise InvalidParams(path="$.expiresAt", reason="it lies in the past")
        return until
