"""The verbs of ``Access``, as the front answers them.

A change counts at once, and is in the store within the same turn: the bridge commits it together with its audit, before it
answers. If that fails, what was given is taken back, and what was taken away is not given again before the next start.
Nobody gives away a permission that he does not have there himself.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from libvdsm.access.access import Access
from libvdsm.access.commits import Commits
from libvdsm.access.cursors import number_of
from libvdsm.access.explain import answer_check, answer_why
from libvdsm.access.guards import MANAGE, READ, Guards
from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    ObjectNotFound,
    PermissionDenied,
    WrongState,
)
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import (
    AccessCheckParams,
    AccessDefineRoleParams,
    AccessDeleteRoleParams,
    AccessGrantParams,
    AccessListParams,
    AccessListRolesParams,
    AccessRevokeParams,
    AccessWhyDeniedParams,
    EverywhereScope,
    Grant,
    GrantFilter,
    GrantList,
    ProjectScope,
    Role,
    RoleList,
)
from libvdsm.interfaces.store import Store

_encode = msgspec.json.Encoder().encode


class AccessService:
    """Answers who may do what, and changes it."""

    def __init__(self, access: Access, guards: Guards, *, store: Store | None, clock: Clock) -> None:
        self._access = access
        self._guards = guards
        self._clock = clock
        self._commits = Commits(store)

    def access_grant(self, caller: Caller, params: AccessGrantParams) -> bytes:
        """Give a role; answers the grant that is there already, if there is one."""
        access = self._access
        role = self._guards.role(params.role)
        self._guards.must_give(caller, params.scope, frozenset(role.permissions) | {MANAGE})
        until = None if params.expires_at is None else self._guards.future(params.expires_at)
        grant = Grant(
            id=new_uuid(),
            identity=params.identity,
            role=params.role,
            scope=params.scope,
            expires_at=None if until is None else timestamp(until),
            created_at=timestamp(self._clock.time()),
            created_by=caller.identity,
        )
        known = access.grants.find(grant)
        if known is not None:
            return _encode(known)
        access.grants.add(grant)
        access.changed((grant.identity,))
        if until is not None:
            access.expect(until)

        def take_back() -> None:
            access.grants.forget(grant.id)
            access.changed((grant.identity,))

        self._commits.when_recorded(failed=take_back)
        return _encode(grant)

    def access_revoke(self, caller: Caller, params: AccessRevokeParams) -> bytes:
        """Take a grant away."""
        access = self._access
        grant = access.grants.get(params.grant_id)
        if grant is None or not self._guards.sees(caller, grant):
            raise ObjectNotFound(type="grant", id=params.grant_id)
        if MANAGE not in self._guards.given(caller, grant.scope):
            raise PermissionDenied(identity=caller.identity, permission=MANAGE)
        access.grants.suspend(grant.id)
        access.changed((grant.identity,))
        self._commits.when_recorded(lambda: access.grants.forget(grant.id))
        return b"{}"

    def access_list(self, caller: Caller, params: AccessListParams) -> bytes:
        """A page in the order of making."""
        after = number_of(params.after)
        found = (
            (number, grant)
            for number, grant in self._access.grants
            if number > after and _fits(grant, params.filter) and self._guards.sees(caller, grant, READ)
        )
        page = list(islice(found, params.limit + 1))
        shown = page[: params.limit]
        following = str(shown[-1][0]) if len(page) > params.limit else None
        return _encode(GrantList(items=[grant for _, grant in shown], next=following))

    def access_check(self, caller: Caller, params: AccessCheckParams) -> bytes:
        """Whether an identity may call a verb."""
        return _encode(
            answer_check(self._access, self._guards.question(caller, params), lambda grant: self._guards.sees(caller, grant, READ))
        )

    def access_why_denied(self, caller: Caller, params: AccessWhyDeniedParams) -> bytes:
        """Why not, grant by grant."""
        return _encode(
            answer_why(self._access, self._guards.question(caller, params), lambda grant: self._guards.sees(caller, grant, READ))
        )

    def access_list_roles(self, _caller: Caller, _params: AccessListRolesParams) -> bytes:
        """All roles."""
        return _encode(RoleList(items=self._access.roles.all()))

    def access_define_role(self, caller: Caller, params: AccessDefineRoleParams) -> bytes:
        """Make or change a role of this host's own."""
        access = self._access
        for place, name in enumerate(params.permissions):
            if name not in PERMISSIONS:
                raise InvalidParams(
                    path=f"$.permissions[{place}]", reason=f"there is no permission {name}; there are {', '.join(PERMISSIONS)}"
                )
        before = access.roles.get(params.name)
        if before is not None and before.built_in:
            raise AlreadyExists(type="role", id=params.name)
        role = Role(name=params.name, summary=params.summary, permissions=sorted(set(params.permissions)), built_in=False)
        self._guards.must_give(caller, EverywhereScope(), frozenset(role.permissions) | {MANAGE})
        if role == before:
            return _encode(role)
        access.roles.define(role)
        access.changed()

        def take_back() -> None:
            access.roles.restore(role.name, before)
            access.changed()

        self._commits.when_recorded(failed=take_back)
        return _encode(role)

    def access_delete_role(self, caller: Caller, params: AccessDeleteRoleParams) -> bytes:
        """Remove a role that nobody has."""
        access = self._access
        self._guards.must_manage(caller, EverywhereScope())
        role = access.roles.get(params.name)
        if role is None:
            raise ObjectNotFound(type="role", id=params.name)
        if role.built_in:
            raise WrongState(type="role", id=role.name, state="builtIn", needs="a role of this host's own")
        if access.grants.with_role(role.name):
            raise InUse(type="role", id=role.name, reason="it is granted")
        if access.tokens.with_role(role.name):
            raise InUse(type="role", id=role.name, reason="tokens are limited to it")
        access.roles.delete(role.name)
        self._commits.when_recorded(failed=lambda: access.roles.restore(role.name, role))
        return b"{}"


def _fits(grant: Grant, wanted: GrantFilter | None) -> bool:
    if wanted is None:
        return True
    return (
        (wanted.identity is None or grant.identity == wanted.identity)
        and (wanted.role is None or grant.role == wanted.role)
        and (wanted.project is None or grant.scope == ProjectScope(project=wanted.project))
    )
