"""The verbs of ``Identity``, as the front answers them: who somebody is, and the tokens that speak for him.

A token counts at once, and is in the store within the same turn; it ends at once, and is not given again before the next start.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import msgspec

from libvdsm.access.access import Access
from libvdsm.access.commits import Commits
from libvdsm.access.cursors import number_of
from libvdsm.access.guards import MANAGE, Guards
from libvdsm.access.tokens import Limit, digest_of, new_token
from libvdsm.base.clock import Clock, timestamp
from libvdsm.base.ids import new_uuid
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import NeedsConnection, ObjectNotFound
from libvdsm.interfaces.generated.types import (
    EverywhereScope,
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
    Token,
    TokenList,
    TokenMade,
)
from libvdsm.interfaces.store import Store

_encode = msgspec.json.Encoder().encode


class IdentityService:
    """Answers who somebody is, and makes and ends tokens."""

    def __init__(self, access: Access, guards: Guards, *, store: Store | None, clock: Clock) -> None:
        self._access = access
        self._guards = guards
        self._clock = clock
        self._commits = Commits(store)

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
            self._guards.role(params.role)
        limit = Limit(params.role, params.scope)
        made_by = access.token_of(caller)
        if identity != caller.identity:
            self._guards.must_give(caller, params.scope or EverywhereScope(), self._guards.most(limit) | {MANAGE})
        elif isinstance(params.scope, ObjectScope):
            self._guards.place_of(caller, params.scope)
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
        self._commits.when_recorded(failed=lambda: access.tokens.forget(token.id))
        return _encode(TokenMade(token_id=token.id, token=text, expires_at=token.expires_at))

    def identity_list_tokens(self, caller: Caller, params: IdentityListTokensParams) -> bytes:
        """A page in the order of making: one's own, or with ``access.read`` all."""
        after = number_of(params.after)
        found = (kept for kept in self._access.tokens if kept.number > after and self._guards.sees_token(caller, kept))
        page = list(islice(found, params.limit + 1))
        shown = page[: params.limit]
        following = str(shown[-1].number) if len(page) > params.limit else None
        return _encode(TokenList(items=[kept.token for kept in shown], next=following))

    def identity_revoke_token(self, caller: Caller, params: IdentityRevokeTokenParams) -> bytes:
        """End a token, and those that were made by it."""
        access = self._access
        kept = access.tokens.get(params.token_id)
        if kept is None or not self._guards.sees_token(caller, kept):
            raise ObjectNotFound(type="token", id=params.token_id)
        if kept.token.identity != caller.identity:
            self._guards.must_manage(caller, EverywhereScope())
        family = access.tokens.family(kept.token.id)
        for id in family:
            access.tokens.suspend(id)
            access.end_token(id, "its token was revoked")

        def forget() -> None:
            for id in family:
                access.tokens.forget(id)

        self._commits.when_recorded(forget)
        return b"{}"


def _object_rights(type: str, id: str, permissions: Iterable[str]) -> ObjectRights:
    return ObjectRights(object=ObjectRef(type=type, id=id), permissions=sorted(permissions))
