"""Rights are the sum of grants, and a limit never lets more through than either side has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libvdsm.access.rights import combine, gives, narrow, needed, within
from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.permissions import PERMISSIONS, UNPLACED
from libvdsm.interfaces.generated.types import AccessScope, EverywhereScope, ObjectScope, ProjectScope

PROJECTS = ("web", "db")
OBJECTS = ("1", "2")

permissions = st.frozensets(st.sampled_from(sorted(PERMISSIONS)), max_size=5)
scopes = st.one_of(
    st.builds(EverywhereScope),
    st.builds(ProjectScope, project=st.sampled_from(PROJECTS)),
    st.builds(ObjectScope, type=st.just("vm"), id=st.sampled_from(OBJECTS)),
)
given_things = st.lists(st.tuples(scopes, permissions), max_size=4)


def reach(scope: AccessScope, id: str, project: str) -> bool:
    """Whether a scope holds for an object, said in the plainest way."""
    match scope:
        case EverywhereScope():
            return True
        case ProjectScope(project=name):
            return name == project
        case ObjectScope(id=name):
            return name == id


def expected(things: list[tuple[AccessScope, frozenset[str]]], permission: str, id: str, project: str) -> bool:
    return any(
        permission in permissions and reach(scope, id, project) and (isinstance(scope, EverywhereScope) or permission not in UNPLACED)
        for scope, permissions in things
    )


def allowed(rights: Rights, permission: str, id: str, project: str) -> bool:
    return rights.allows(permission, type="vm", id=id, project=project)


@given(given_things)
def test_rights_are_the_sum_of_what_is_given(things: list[tuple[AccessScope, frozenset[str]]]) -> None:
    """For every permission, object and project: allowed exactly if one of the grants allows it."""
    rights = combine(things)
    for permission in PERMISSIONS:
        for id in OBJECTS:
            for project in (*PROJECTS, "other"):
                assert allowed(rights, permission, id, project) is expected(things, permission, id, project)


@given(given_things, scopes, permissions)
def test_a_limit_is_an_intersection(things: list[tuple[AccessScope, frozenset[str]]], scope: AccessScope, most: frozenset[str]) -> None:
    """A limited identity may do exactly what both the identity and the limit allow; also after a second limit."""
    rights, limit = combine(things), within(scope, most)
    once = narrow(rights, limit)
    twice = narrow(once, within(None, most))
    for permission in PERMISSIONS:
        for id in OBJECTS:
            for project in (*PROJECTS, "other"):
                both = allowed(rights, permission, id, project) and allowed(limit, permission, id, project)
                assert allowed(once, permission, id, project) is both
                assert allowed(twice, permission, id, project) is both


@given(given_things, given_things)
def test_narrowing_is_symmetric_and_exact(
    some: list[tuple[AccessScope, frozenset[str]]], others: list[tuple[AccessScope, frozenset[str]]]
) -> None:
    """The order does not matter, and objects of the one in projects of the other are found."""
    one, other = combine(some), combine(others)
    assert narrow(one, other) == narrow(other, one)
    for permission in PERMISSIONS:
        for id in OBJECTS:
            for project in PROJECTS:
                both = allowed(one, permission, id, project) and allowed(other, permission, id, project)
                assert allowed(narrow(one, other), permission, id, project) is both


@given(given_things, scopes)
def test_what_is_given_in_a_scope_holds_for_all_in_it(things: list[tuple[AccessScope, frozenset[str]]], scope: AccessScope) -> None:
    """``gives`` names a permission only if it holds for every object of the scope, wherever that is."""
    rights = combine(things)
    for permission in gives(rights, scope):
        for id in OBJECTS:
            for project in PROJECTS:
                if reach(scope, id, project):
                    assert allowed(rights, permission, id, project)


@given(given_things, given_things)
def test_more_grants_never_give_less(
    some: list[tuple[AccessScope, frozenset[str]]], more: list[tuple[AccessScope, frozenset[str]]]
) -> None:
    """The permission function is monotone."""
    before, after = combine(some), combine(some + more)
    for permission in PERMISSIONS:
        assert before.anywhere(permission) <= after.anywhere(permission)
        for id in OBJECTS:
            for project in PROJECTS:
                assert allowed(before, permission, id, project) <= allowed(after, permission, id, project)


def test_what_concerns_the_host_is_given_everywhere_or_not_at_all() -> None:
    """The host and its certificates belong to no project: a role in a project does not reach them."""
    assert {"host.read", "pki.read", "pki.manage"} <= UNPLACED
    rights = combine([(ProjectScope(project="web"), frozenset(PERMISSIONS))])
    assert not any(rights.anywhere(permission) for permission in UNPLACED)
    assert needed(ProjectScope(project="web"), frozenset(PERMISSIONS)) == frozenset(PERMISSIONS) - UNPLACED
