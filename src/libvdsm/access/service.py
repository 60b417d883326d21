"""The verbs of ``Access`` and ``Identity``, as the front answers them.

A change counts at once, and is in the store within the same turn: the bridge commits it together with its audit, before it
answers. If that fails, what was given is taken back, and what was taken away is not given again before the next start.
Nobody gives away a permission that he does not have there himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

import msgspec

from libvdsm.access.access import Access
from libvdsm.access.explain import Question, answer_check, answer_why
from libvdsm.access.rights import ALL, Permissions, gives, needed
from libvdsm.access.tokens import Kept, Limit, digest_of, new_token
from libvdsm.base.clock import Clock, seconds_of, timestamp
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    MethodNotFound,
    NeedsConnection,
    ObjectNotFound,
    PermissionDenied,
    WrongState,
)
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS, PERMISSIONS
from libvdsm.interfaces.generated.types import (
    AccessCheckParams,
    AccessDefineRoleParams,
    AccessDeleteRoleParams,
    AccessGrantParams,
    AccessListParams,
    AccessListRolesParams,
    AccessRevokeParams,
    AccessScope,
    AccessWhyDeniedParams,
    EverywhereScope,
    Grant,
    GrantFilter,
    GrantList,
    IdentityCreateTokenParams,
    IdentityInfo,
    IdentityListTokensParams,
    IdentityLoginParams,
    IdentityRevokeTokenParams,
    IdentitySource,
    IdentityWhoAmIParams,
    ObjectRef,
    ObjectRights,
    ObjectScope,
    ProjectRights,
    ProjectScope,
    Role,
    RoleList,
    Token,
    TokenList,
    TokenMade,
)
from libvdsm.interfaces.place import Place, Places, may
from libvdsm.interfaces.store import Store

_encode = msgspec.json.Encoder().encode

READ: Final = "access.read"
MANAGE: Final = "access.manage"
#: Digits of the greatest place that fits a JSON integer.
_MOST_DIGITS: Final = 16


def _nothing() -> None:
    """Nothing is left to be done."""


class AccessService:
    """Answers who may do what, and changes it."""

    def __init__(self, access: Access, *, store: Store | None, clock: Clock, places: Places) -> None:
        self._access = access
        self._store = store
        self._clock = clock
        self._places = places
        self._committing: set[asyncio.Future[None]] = set()

    # --- Access ---

    def access_grant(self, caller: Caller, params: AccessGrantParams) -> bytes:
        """Give a role; answers the grant that is there already, if there is one."""
        access = self._access
        role = self.role(params.role)
        self.must_give(caller, params.scope, frozenset(role.permissions) | {MANAGE})
        until = None if params.expires_at is None else self.future(params.expires_at)
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

        self._when_recorded(failed=take_back)
        return _encode(grant)

    def access_revoke(self, caller: Caller, params: AccessRevokeParams) -> bytes:
        """Take a grant away."""
        access = self._access
        grant = access.grants.get(params.grant_id)
        if grant is None or not self.sees(caller, grant):
            raise ObjectNotFound(type="grant", id=params.grant_id)
        if MANAGE not in self.given(caller, grant.scope):
            raise PermissionDenied(identity=caller.identity, permission=MANAGE)
        access.grants.suspend(grant.id)
        access.changed((grant.identity,))
        self._when_recorded(lambda: access.grants.forget(grant.id))
        return b"{}"

    def access_list(self, caller: Caller, params: AccessListParams) -> bytes:
        """A page in the order of making."""
        after = _place(params.after)
        found = (
            (number, grant)
            for number, grant in self._access.grants
            if number > after and _fits(grant, params.filter) and self.sees(caller, grant, READ)
        )
        page = list(islice(found, params.limit + 1))
        shown = page[: params.limit]
        following = str(shown[-1][0]) if len(page) > params.limit else None
        return _encode(GrantList(items=[grant for _, grant in shown], next=following))

    def access_check(self, caller: Caller, params: AccessCheckParams) -> bytes:
        """Whether an identity may call a verb."""
        return _encode(answer_check(self._access, self._question(caller, params), lambda grant: self.sees(caller, grant, READ)))

    def access_why_denied(self, caller: Caller, params: AccessWhyDeniedParams) -> bytes:
        """Why not, grant by grant."""
        return _encode(answer_why(self._access, self._question(caller, params), lambda grant: self.sees(caller, grant, READ)))

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
        self.must_give(caller, EverywhereScope(), frozenset(role.permissions) | {MANAGE})
        if role == before:
            return _encode(role)
        access.roles.define(role)
        access.changed()

        def take_back() -> None:
            access.roles.restore(role.name, before)
            access.changed()

        self._when_recorded(failed=take_back)
        return _encode(role)

    def access_delete_role(self, caller: Caller, params: AccessDeleteRoleParams) -> bytes:
        """Remove a role that nobody has."""
        access = self._access
        self._must_manage(caller, EverywhereScope())
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
        self._when_recorded(failed=lambda: access.roles.restore(role.name, role))
        return b"{}"

    # --- Identity ---

    def identity_who_am_i(self, caller: Caller, _params: IdentityWhoAmIParams) -> bytes:
        """Who the caller is and what he may do."""
        rights = caller.rights
        projects = [ProjectRights(project=name, permissions=sorted(found)) for name, found in sorted(rights.projects.items())]
        objects = [_object_rights(type, id, found) for (type, id), found in sorted(rights.objects.items())]
        objects += [_object_rights(type, id, found) for (type, id, _), found in sorted(rights.placed.items())]
        told = IdentityInfo(
            identity=caller.identity,
            source=IdentitySource(caller.source),
            roles=list(caller.roles),
            permissions=sorted(rights.everywhere),
            projects=projects or None,
            objects=objects or None,
        )
        return _encode(told)

    def identity_login(self, caller: Caller, params: IdentityLoginParams) -> bytes:
        """Let the connection speak for a token's identity."""
        if caller.sink is None:
            raise NeedsConnection(method="Identity.login")
        self._access.login(caller, params.token.reveal())
        return self.identity_who_am_i(caller, IdentityWhoAmIParams())

    def identity_create_token(self, caller: Caller, params: IdentityCreateTokenParams) -> bytes:
        """Make a token; it has the limits of the one that makes it, and ends with it."""
        access = self._access
        identity = caller.identity if params.identity is None else params.identity
        if params.role is not None:
            self.role(params.role)
        limit = Limit(params.role, params.scope)
        made_by = access.token_of(caller)
        if identity != caller.identity:
            self.must_give(caller, params.scope or EverywhereScope(), self.most(limit) | {MANAGE})
        elif isinstance(params.scope, ObjectScope):
            self.place_of(caller, params.scope)
        access.tokens.check_room(identity)
        until = self._clock.time() + params.expires_in
        if made_by is not None:
            until = min(until, access.tokens.until(made_by.token.id))
        text = new_token()
        token = Token(
            id=new_uuid(),
            label=params.label,
            identity=identity,
            role=params.role,
            scope=params.scope,
            created_at=timestamp(self._clock.time()),
            created_by=caller.identity,
            expires_at=timestamp(until),
        )
        own = () if limit == Limit() else (limit,)
        access.tokens.add(
            token, digest_of(text), own if made_by is None else made_by.limits + own, None if made_by is None else made_by.token.id
        )
        self._when_recorded(failed=lambda: access.tokens.forget(token.id))
        return _encode(TokenMade(token_id=token.id, token=text, expires_at=token.expires_at))

    def identity_list_tokens(self, caller: Caller, params: IdentityListTokensParams) -> bytes:
        """A page in the order of making: one's own, or with ``access.read`` all."""
        after = _place(params.after)
        found = (kept for kept in self._access.tokens if kept.number > after and self.sees_token(caller, kept))
        page = list(islice(found, params.limit + 1))
        shown = page[: params.limit]
        following = str(shown[-1].number) if len(page) > params.limit else None
        return _encode(TokenList(items=[kept.token for kept in shown], next=following))

    def identity_revoke_token(self, caller: Caller, params: IdentityRevokeTokenParams) -> bytes:
        """End a token, and those that were made by it."""
        access = self._access
        kept = access.tokens.get(params.token_id)
        if kept is None or not self.sees_token(caller, kept):
            raise ObjectNotFound(type="token", id=params.token_id)
        if kept.token.identity != caller.identity:
            self._must_manage(caller, EverywhereScope())
        family = access.tokens.family(kept.token.id)
        for id in family:
            access.tokens.suspend(id)
            access.end_token(id, "its token was revoked")

        def forget() -> None:
            for id in family:
                access.tokens.forget(id)

        self._when_recorded(forget)
        return b"{}"

    # --- guards: of the verbs, and of the checks of plans ---

    def role(self, name: str) -> Role:
        """The role; raises ``ObjectNotFound``."""
        role = self._access.roles.get(name)
        if role is None:
            raise ObjectNotFound(type="role", id=name)
        return role

    def most(self, limit: Limit) -> Permissions:
        """All that a token with this limit could ever do."""
        return ALL if limit.role is None else frozenset(self.role(limit.role).permissions)

    def _must_manage(self, caller: Caller, scope: AccessScope) -> None:
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

    def _question(self, caller: Caller, params: AccessCheckParams | AccessWhyDeniedParams) -> Question:
        """What is asked, if the caller may know the whole answer."""
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

    def _when_recorded(self, done: Callable[[], None] = _nothing, *, failed: Callable[[], None] = _nothing) -> None:
        """Go on when this turn's transaction is on disk, or cannot be."""
        if self._store is None:
            done()
            return
        committing = asyncio.ensure_future(self._store.commit())
        self._committing.add(committing)

        def told(committed: asyncio.Future[None]) -> None:
            self._committing.discard(committed)
            (failed if committed.cancelled() or committed.exception() is not None else done)()

        committing.add_done_callback(told)


def _object_rights(type: str, id: str, permissions: Iterable[str]) -> ObjectRights:
    return ObjectRights(object=ObjectRef(type=type, id=id), permissions=sorted(permissions))


def _fits(grant: Grant, wanted: GrantFilter | None) -> bool:
    if wanted is None:
        return True
    return (
        (wanted.identity is None or grant.identity == wanted.identity)
        and (wanted.role is None or grant.role == wanted.role)
        and (wanted.project is None or grant.scope == ProjectScope(project=wanted.project))
    )


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise InvalidParams(path="$.after", reason="not a cursor of this list")
    return int(cursor)
