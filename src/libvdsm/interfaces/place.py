"""Where an object stands, as far as rights are concerned; and the one rule by which all rooms decide what a caller may do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from libvdsm.interfaces.caller import Caller, Rights


@dataclass(frozen=True, slots=True)
class Place:
    """An object that exists."""

    type: str
    id: str
    project: str | None = None  # None: it belongs to no project
    subject: tuple[str, str] | None = None  # the object that it is about: a right to that one is a right to this one
    owner: str | None = None  # the identity that may always see it


class Places(Protocol):
    """Who knows where objects stand."""

    def find(self, type: str, id: str) -> Place | None:
        """Where the object stands; None if it does not exist."""
        ...


def may(rights: Rights, permission: str, place: Place) -> bool:
    """Whether ``permission`` is given for this object, whoever owns it."""
    if rights.allows(permission, type=place.type, id=place.id, project=place.project):
        return True
    return place.subject is not None and rights.allows(permission, type=place.subject[0], id=place.subject[1], project=place.project)


def is_own(identity: str, rights: Rights, place: Place, *, is_limited: bool) -> bool:
    """Whether an object is somebody's own; with a token that has limits only where those let him do anything."""
    if place.owner is None or place.owner != identity:
        return False
    type, id = place.subject or (place.type, place.id)
    return not is_limited or rights.reach(type, id, place.project)


def may_see(caller: Caller, permission: str, place: Place) -> bool:
    """Whether the object is shown to ``caller``: by its getter's ``permission``, or because it is his."""
    if caller.only is not None and not caller.only:
        return False  # he was shut out
    return is_own(caller.identity, caller.rights, place, is_limited=caller.is_limited) or may(caller.rights, permission, place)
