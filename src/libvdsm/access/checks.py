"""What speaks against the changing verbs of ``Access``, ``Identity`` and ``Certificate`` now, all of it; nothing is done.

Every question is put to the very guard that would refuse the call. Secrets are not tried: a plan that told whether one is
good would let it be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from libvdsm.access.access import Access
from libvdsm.access.certificates import Certificates
from libvdsm.access.guards import MANAGE, Guards
from libvdsm.access.rights import NOTHING
from libvdsm.access.tokens import Limit
from libvdsm.base.errors import ApiError
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    InUse,
    InvalidParams,
    ObjectNotFound,
    PermissionDenied,
    SubsystemUnavailable,
    WrongState,
)
from libvdsm.interfaces.generated.permissions import PERMISSIONS
from libvdsm.interfaces.generated.types import (
    AccessDefineRoleParams,
    AccessDeleteRoleParams,
    AccessGrantParams,
    AccessRevokeParams,
    CertificateEnrolParams,
    CertificateIssueParams,
    CertificateRenewParams,
    CertificateRevokeParams,
    EverywhereScope,
    IdentityCreateTokenParams,
    IdentityRevokeTokenParams,
    ObjectScope,
)
from libvdsm.interfaces.worker_port import WorkerPort


class AccessChecks:
    """The checks of plans, by the verbs' names."""

    def __init__(self, access: Access, guards: Guards) -> None:
        self._access = access
        self._guards = guards

    def check_access_grant(self, caller: Caller, params: AccessGrantParams) -> Iterator[ApiError]:
        """See ``Access.grant``."""
        guards, role = self._guards, self._access.roles.get(params.role)
        yield from _refusal(lambda: guards.role(params.role))
        permissions = NOTHING if role is None else frozenset(role.permissions)
        yield from _refusal(lambda: guards.must_give(caller, params.scope, permissions | {MANAGE}))
        until = params.expires_at
        if until is not None:
            yield from _refusal(lambda: guards.future(until))

    def check_access_revoke(self, caller: Caller, params: AccessRevokeParams) -> Iterator[ApiError]:
        """See ``Access.revoke``."""
        grant = self._access.grants.get(params.grant_id)
        if grant is None or not self._guards.sees(caller, grant):
            yield ObjectNotFound(type="grant", id=params.grant_id)
        elif MANAGE not in self._guards.given(caller, grant.scope):
            yield PermissionDenied(identity=caller.identity, permission=MANAGE)

    def check_access_define_role(self, caller: Caller, params: AccessDefineRoleParams) -> Iterator[ApiError]:
        """See ``Access.defineRole``."""
        for place, name in enumerate(params.permissions):
            if name not in PERMISSIONS:
                reason = f"there is no permission {name}; there are {', '.join(PERMISSIONS)}"
                yield InvalidParams(path=f"$.permissions[{place}]", reason=reason)
        before = self._access.roles.get(params.name)
        if before is not None and before.built_in:
            yield AlreadyExists(type="role", id=params.name)
        given = frozenset(params.permissions) & frozenset(PERMISSIONS)
        yield from _refusal(lambda: self._guards.must_give(caller, EverywhereScope(), given | {MANAGE}))

    def check_access_delete_role(self, caller: Caller, params: AccessDeleteRoleParams) -> Iterator[ApiError]:
        """See ``Access.deleteRole``."""
        access, role = self._access, self._access.roles.get(params.name)
        yield from _refusal(lambda: self._guards.must_give(caller, EverywhereScope(), frozenset((MANAGE,))))
        if role is None:
            yield ObjectNotFound(type="role", id=params.name)
            return
        if role.built_in:
            yield WrongState(type="role", id=role.name, state="builtIn", needs="a role of this host's own")
        if access.grants.with_role(role.name):
            yield InUse(type="role", id=role.name, reason="it is granted")
        elif access.tokens.with_role(role.name):
            yield InUse(type="role", id=role.name, reason="tokens are limited to it")

    def check_identity_create_token(self, caller: Caller, params: IdentityCreateTokenParams) -> Iterator[ApiError]:
        """See ``Identity.createToken``."""
        guards, scope = self._guards, params.scope
        is_known = params.role is None or self._access.roles.get(params.role) is not None
        if params.role is not None and not is_known:
            yield ObjectNotFound(type="role", id=params.role)
        if params.identity not in (None, caller.identity):
            most = guards.most(Limit(params.role, scope)) if is_known else NOTHING
            yield from _refusal(lambda: guards.must_give(caller, scope or EverywhereScope(), most | {MANAGE}))
        elif isinstance(scope, ObjectScope):
            yield from _refusal(lambda: guards.place_of(caller, scope))
        yield from _refusal(lambda: self._access.tokens.check_room(params.identity or caller.identity))

    def check_identity_revoke_token(self, caller: Caller, params: IdentityRevokeTokenParams) -> Iterator[ApiError]:
        """See ``Identity.revokeToken``."""
        kept = self._access.tokens.get(params.token_id)
        if kept is None or not self._guards.sees_token(caller, kept):
            yield ObjectNotFound(type="token", id=params.token_id)
        elif kept.token.identity != caller.identity:
            yield from _refusal(lambda: self._guards.must_give(caller, EverywhereScope(), frozenset((MANAGE,))))


class CertificateChecks:
    """The checks of plans about certificates; the host's worker signs them."""

    def __init__(self, certificates: Certificates, host: Callable[[], WorkerPort]) -> None:
        self._certificates = certificates
        self._host = host

    def check_certificate_issue(self, _caller: Caller, _params: CertificateIssueParams) -> Iterator[ApiError]:
        """See ``Certificate.issue``."""
        yield from self._signing()

    def check_certificate_enrol(self, _caller: Caller, _params: CertificateEnrolParams) -> Iterator[ApiError]:
        """See ``Certificate.enrol``; its token is not tried."""
        yield from self._signing()

    def check_certificate_renew(self, _caller: Caller, params: CertificateRenewParams) -> Iterator[ApiError]:
        """See ``Certificate.renew``."""
        yield from self._signing()
        yield from _refusal(lambda: self._certificates.renewable(params.certificate_id))

    def check_certificate_revoke(self, _caller: Caller, params: CertificateRevokeParams) -> Iterator[ApiError]:
        """See ``Certificate.revoke``."""
        yield from _refusal(lambda: self._certificates.revocable(params.certificate_id))

    def _signing(self) -> Iterator[ApiError]:
        host = self._host()
        if not host.is_up():
            yield SubsystemUnavailable(subsystem=host.name, reason=host.reason())


def _refusal(guard: Callable[[], object]) -> Iterator[ApiError]:
    """With what a guard refuses, if it does."""
    try:
        guard()
    except ApiError as error:
        yield error
