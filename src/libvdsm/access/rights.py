"""From grants to rights, and from wide rights to narrow ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from libvdsm.interfaces.caller import Rights
from libvdsm.interfaces.generated.permissions import PERMISSIONS, UNPLACED
from libvdsm.interfaces.generated.types import AccessScope, EverywhereScope, ObjectScope, ProjectScope

Permissions: TypeAlias = frozenset[str]
_K = TypeVar("_K")

NOTHING: Final[Permissions] = frozenset()
ALL: Final[Permissions] = frozenset(PERMISSIONS)


def combine(given: Iterable[tuple[AccessScope, Permissions]]) -> Rights:
    """All that these permissions in these scopes give together."""
    everywhere: set[str] = set()
    projects: dict[str, Permissions] = {}
    objects: dict[tuple[str, str], Permissions] = {}
    for scope, permissions in given:
        match scope:
            case EverywhereScope():
                everywhere |= permissions
            case ProjectScope(project=project):
                projects[project] = projects.get(project, NOTHING) | permissions
            case ObjectScope(type=type, id=id):
                objects[type, id] = objects.get((type, id), NOTHING) | permissions
    wide = frozenset(everywhere)
    return Rights(wide, _without(projects, wide | UNPLACED), _without(objects, wide | UNPLACED))


def within(scope: AccessScope | None, permissions: Permissions) -> Rights:
    """The most that a limit to ``permissions`` in ``scope`` lets through."""
    return combine([(EverywhereScope() if scope is None else scope, permissions)])


def narrow(rights: Rights, limit: Rights) -> Rights:
    """What both give: never more than either, wherever an object is."""
    wide = rights.everywhere & limit.everywhere
    projects = {p: _in_project(rights, p) & _in_project(limit, p) for p in {*rights.projects, *limit.projects}}
    objects = {o: _for_object(rights, o) & _for_object(limit, o) for o in {*rights.objects, *limit.objects}}
    placed = {
        key: permissions
        for key in _crossings(rights, limit)
        if (permissions := (_at(rights, *key) & _at(limit, *key)) - wide - projects.get(key[2], NOTHING) - objects.get(key[:2], NOTHING))
    }
    return Rights(wide, _without(projects, wide), _without(objects, wide), MappingProxyType(placed))


def gives(rights: Rights, scope: AccessScope, project: str | None = None) -> Permissions:
    """All permissions that ``rights`` give in all of ``scope``; ``project``: that of the object, if the scope is one."""
    match scope:
        case EverywhereScope():
            return rights.everywhere
        case ProjectScope(project=name):
            return _in_project(rights, name)
        case ObjectScope(type=type, id=id):
            return _for_object(rights, (type, id)) if project is None else _at(rights, type, id, project)


def needed(scope: AccessScope, permissions: Permissions) -> Permissions:
    """What of ``permissions`` means anything in ``scope``."""
    return permissions if isinstance(scope, EverywhereScope) else permissions - UNPLACED


def _in_project(rights: Rights, project: str) -> Permissions:
    return rights.everywhere | rights.projects.get(project, NOTHING)


def _for_object(rights: Rights, object: tuple[str, str]) -> Permissions:
    return rights.everywhere | rights.objects.get(object, NOTHING)


def _at(rights: Rights, type: str, id: str, project: str) -> Permissions:
    found = _in_project(rights, project) | rights.objects.get((type, id), NOTHING)
    return found | rights.placed.get((type, id, project), NOTHING)


def _crossings(one: Rights, other: Rights) -> set[tuple[str, str, str]]:
    """Objects of the one in projects of the other."""
    found = {*one.placed, *other.placed}
    for objects, projects in ((one.objects, other.projects), (other.objects, one.projects)):
        found.update((type, id, project) for type, id in objects for project in projects)
    return found


def _without(given: Mapping[_K, Permissions], more: Permissions) -> Mapping[_K, Permissions]:
    return MappingProxyType({key: left for key, permissions in given.items() if (left := permissions - more)})
