"""Whether an identity may call a verb, by which grants, and what would help. Pure but for what ``Access`` knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from libvdsm.access.access import Access
from libvdsm.access.rights import combine, needed
from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.types import (
    AccessCheck,
    AccessExplanation,
    AccessScope,
    ConsideredGrant,
    EverywhereScope,
    Grant,
    ObjectScope,
    ProjectScope,
)
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.place import Place, may


@dataclass(frozen=True, slots=True)
class Question:
    """Whether an identity may call a verb on an object, or in a project, or (for neither) everywhere."""

    identity: str
    entry: MethodEntry
    place: Place | None
    project: str | None = None

    def is_allowed_by(self, rights: Rights) -> bool:
        """The answer, for these rights."""
        permission = self.entry.permission
        if permission is None:
            return True
        if self.place is not None:
            return may(rights, permission, self.place)
        if self.project is not None:
            return rights.allows(permission, project=self.project)
        if self.entry.object_param is None and "project" not in self.entry.param_names:
            return rights.anywhere(permission)  # what it shows is filtered
        return permission in rights.everywhere

    def where(self) -> str:
        """The place that was asked about, in words."""
        if self.place is not None:
            return f"for the {self.place.type} {self.place.id}"
        return "everywhere" if self.project is None else f"in the project {self.project}"


def answer_check(access: Access, question: Question, is_shown: Callable[[Grant], bool]) -> AccessCheck:
    """The result of ``Access.check``; of grants that are not shown to whoever asks, nothing but what they allow here is told."""
    _, rights = access.rights_of(question.identity)
    grants = [grant for grant in access.grants.of(question.identity) if is_shown(grant) and question.is_allowed_by(_rights(access, grant))]
    return AccessCheck(
        allowed=question.is_allowed_by(rights),
        permission=question.entry.permission,
        grants=[] if question.entry.permission is None else grants,
    )


def answer_why(access: Access, question: Question, is_shown: Callable[[Grant], bool]) -> AccessExplanation:
    """The result of ``Access.whyDenied``; see ``answer_check``."""
    _, rights = access.rights_of(question.identity)
    allowed = question.is_allowed_by(rights)
    considered = [_consider(access, question, grant) for grant in access.grants.of(question.identity) if is_shown(grant)]
    return AccessExplanation(
        allowed=allowed,
        permission=question.entry.permission,
        considered=considered,
        remedy=None if allowed else _remedy(access, question),
    )


def _rights(access: Access, grant: Grant) -> Rights:
    return combine([(grant.scope, access.roles.permissions(grant.role))])


def _consider(access: Access, question: Question, grant: Grant) -> ConsideredGrant:
    permission = question.entry.permission
    if permission is None:
        return ConsideredGrant(grant=grant, fits=True, reason=f"{question.entry.name} needs no permission")
    permissions = access.roles.permissions(grant.role)
    if permission not in permissions:
        reason = f"role {grant.role} lacks {permission}"
    elif permission not in needed(grant.scope, permissions):
        reason = f"{permission} concerns the host, and can only be given everywhere"
    elif question.is_allowed_by(_rights(access, grant)):
        return ConsideredGrant(grant=grant, fits=True, reason=f"role {grant.role} has {permission}")
    else:
        reason = f"it holds {_words(grant.scope)}, not {question.where()}"
    return ConsideredGrant(grant=grant, fits=False, reason=reason)


def _words(scope: AccessScope) -> str:
    match scope:
        case EverywhereScope():
            return "everywhere"
        case ProjectScope(project=project):
            return f"in the project {project}"
        case ObjectScope(type=type, id=id):
            return f"for the {type} {id}"


def _remedy(access: Access, question: Question) -> str:
    permission = question.entry.permission or ""
    place = question.place
    if place is not None:
        scope: AccessScope = ObjectScope(type=place.type, id=place.id) if place.project is None else ProjectScope(project=place.project)
    else:
        scope = EverywhereScope() if question.project is None else ProjectScope(project=question.project)
    if permission not in needed(scope, frozenset((permission,))):
        scope = EverywhereScope()
    roles = [role.name for role in access.roles.all() if permission in role.permissions]
    return f"grant {question.identity} a role with {permission} {_words(scope)}: {' or '.join(roles)}"
