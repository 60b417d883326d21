"""Who sees which records: those of objects that he could read, by the same rule as their getters (DESIGN 7).

Callers who see the same are one class. What a class sees is decided once for each record, however many subscriptions it has;
for those who may read a type everywhere nothing is asked but the type.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from hashlib import blake2b
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.journal import Entry
from libvdsm.interfaces.permission import ObjectEntry
from libvdsm.interfaces.place import Places, is_own

#: Records about which a class remembers whether it sees them.
_REMEMBERED: Final = 512
#: What following events at all needs.
_FOLLOW: Final = METHODS["Event.subscribe"].permission
#: Octets of a mark; it is written in hexadecimal digits.
_MARK_OCTETS: Final = 6

_Scoped: TypeAlias = Mapping[str, frozenset[str]] | Mapping[tuple[str, str], frozenset[str]] | Mapping[tuple[str, str, str], frozenset[str]]


class View:
    """What one class of callers sees."""

    __slots__ = ("__weakref__", "_answers", "_identity", "_is_limited", "_mark", "_objects", "_partly", "_places", "_rights", "whole")

    def __init__(self, objects: Mapping[str, ObjectEntry], places: Places, rights: Rights, identity: str, *, is_limited: bool) -> None:
        self._objects = objects
        self._places = places
        self._rights = rights
        self._identity = identity
        self._is_limited = is_limited
        self._answers: dict[int, bool] = {}
        self._mark: str | None = None
        follows = _FOLLOW is None or rights.anywhere(_FOLLOW)
        #: Types of which it sees everything.
        self.whole = frozenset(type for type, entry in objects.items() if follows and entry.permission in rights.everywhere)
        self._partly = frozenset(type for type, entry in objects.items() if follows and entry.has_project) - self.whole

    @property
    def mark(self) -> str:
        """The same for all who see the same, today and after a restart; empty for those who see everything."""
        if self._mark is None:
            self._mark = "" if self.whole >= self._objects.keys() else self._made_mark()
        return self._mark

    def differing(self, other: View) -> list[str]:
        """Types of which one of the two may see what the other does not."""
        seen = self.whole | self._partly | other.whole | other._partly
        return [type for type in self._objects if type in seen and not (type in self.whole and type in other.whole)]

    def sees(self, entry: Entry) -> bool:
        """Whether it sees a record."""
        if entry.type in self.whole:
            return True
        if entry.type not in self._partly:
            return False
        known = self._answers.get(entry.sequence)
        if known is None:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            known = self._answers[entry.sequence] = self.sees_object(entry.type, entry.id, entry.project)
        return known

    def sees_object(self, type: str, id: str, project: str) -> bool:
        """Whether it sees an object, or saw it while it was in ``project``."""
        if type in self.whole:
            return True
        if type not in self._partly:
            return False
        permission, where = self._objects[type].permission, project or None
        if self._rights.allows(permission, type=type, id=id, project=where):
            return True
        place = self._places.find(type, id)
        if place is None:
            return False
        if is_own(self._identity, self._rights, place, is_limited=self._is_limited):
            return True
        return place.subject is not None and self._rights.allows(permission, type=place.subject[0], id=place.subject[1], project=where)

    def _made_mark(self) -> str:
        """Of what decides what it sees, and nothing else: whoever may do more to what he sees does not see more."""
        deciding = {self._objects[type].permission for type in self._partly}
        scoped: tuple[_Scoped, ...] = (self._rights.projects, self._rights.objects, self._rights.placed)
        given = [sorted([key, sorted(here)] for key, has in each.items() if (here := has & deciding)) for each in scoped]
        owner = [self._identity, self._is_limited] if self._partly else []
        told = json.dumps([sorted(self.whole), sorted(self._partly), given, owner])
        return blake2b(told.encode(), digest_size=_MARK_OCTETS).hexdigest()


class Visibility:
    """The views of all callers."""

    def __init__(self, places: Places, objects: Mapping[str, ObjectEntry] = OBJECTS) -> None:
        self._places = places
        self._objects = objects
        self._permissions = frozenset(entry.permission for entry in objects.values())
        self._classes: WeakValueDictionary[Hashable, View] = WeakValueDictionary()
        self._views: WeakKeyDictionary[Caller, tuple[Rights, str, View]] = WeakKeyDictionary()

    def view(self, caller: Caller) -> View:
        """What ``caller`` sees as his rights are now."""
        known = self._views.get(caller)
        if known is not None and known[0] is caller.rights and known[1] == caller.identity:
            return known[2]
        rights, identity = caller.rights, caller.identity
        key = self._class(rights, identity, is_limited=caller.is_limited)
        view = self._classes.get(key)
        if view is None:
            view = self._classes[key] = View(self._objects, self._places, rights, identity, is_limited=caller.is_limited)
        self._views[caller] = (rights, identity, view)
        return view

    def _class(self, rights: Rights, identity: str, *, is_limited: bool) -> Hashable:
        """What decides; who sees everything sees nothing more as an owner, so his name does not matter."""
        owner = ("", False) if self._permissions <= rights.everywhere else (identity, is_limited)
        scoped = (frozenset(rights.projects.items()), frozenset(rights.objects.items()), frozenset(rights.placed.items()))
        return (*owner, rights.everywhere, *scoped)
