"""Whether a call may be made, for callers whose rights do not hold everywhere (DESIGN 7).

A caller that has the verb's permission nowhere is told so, whatever it names. One that has it somewhere learns of an object
only what its getter would tell: an object that it may not see is answered as one that is not there.
"""

from __future__ import annotations

from functools import cache
from typing import NoReturn, Protocol

import msgspec
from msgspec import Raw

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.generated.types import AccessScope, ObjectScope, ProjectScope
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.place import Place, Places, may, may_see

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_values = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str).decode
_scope = msgspec.json.Decoder(AccessScope).decode

#: The parameter that names the project in which an object is to be.
PROJECT = "project"
#: The parameter that names where a grant or a token is to hold.
SCOPE = "scope"


class Scopes(Protocol):
    """Who knows where grants and tokens hold."""

    def scope_of(self, type: str, id: str) -> AccessScope | None:
        """Where a ``grant`` or a ``token`` holds; None if it is not there, or holds everywhere."""
        ...


class Authority:
    """Decides by verb, caller and the object that the raw parameters name."""

    def __init__(self, places: Places, scopes: Scopes | None = None) -> None:
        """``places`` knows objects of the types that the schema tells events of; of others their own services decide."""
        self._places = places
        self._scopes = scopes

    def place(self, entry: MethodEntry, object_id: str | None) -> Place | None:
        """Where the object of a call stands, if that is known."""
        if object_id is None or entry.object_type not in OBJECTS:
            return None
        return self._places.find(entry.object_type, object_id)

    def project(self, entry: MethodEntry, object_id: str | None, params: bytes) -> str | None:
        """Whose affair a call is: the project of its object, or the one in which it is to make something."""
        if entry.object_type is None:
            scope = _named_scope(params, entry)
            return _named_project(params, entry) if scope is None else self._project_of(scope)
        if entry.object_type in OBJECTS:
            place = self.place(entry, object_id)
            return None if place is None else place.project
        scope = None if self._scopes is None or object_id is None else self._scopes.scope_of(entry.object_type, object_id)
        return None if scope is None else self._project_of(scope)

    def _project_of(self, scope: AccessScope) -> str | None:
        match scope:
            case ProjectScope(project=project):
                return project
            case ObjectScope(type=type, id=id) if type in OBJECTS:
                place = self._places.find(type, id)
                return None if place is None else place.project
        return None

    def require(self, caller: Caller, entry: MethodEntry, params: bytes) -> None:
        """Raise ``PermissionDenied`` or ``ObjectNotFound`` unless ``caller`` may call the verb with these parameters.

        Parameters that name no object at all pass if there may be one: decoding them tells what is wrong with them.
        """
        permission = entry.permission
        if caller.only is not None and entry.name not in caller.only:
            _deny(caller, permission or entry.name)
        if permission is None or permission in caller.permissions:
            return
        place = None
        if entry.object_type in OBJECTS:
            place = self.place(entry, named(params, entry, entry.object_param or ""))
            if place is not None and permission == OBJECTS[place.type].permission and may_see(caller, permission, place):
                return
        if not caller.rights.anywhere(permission):
            _deny(caller, permission)
        if entry.object_type in OBJECTS:
            self._require_object(caller, entry, params, place)
        if PROJECT in entry.param_names:
            self._require_project(caller, entry, params)

    @staticmethod
    def _require_object(caller: Caller, entry: MethodEntry, params: bytes, place: Place | None) -> None:
        type, permission = entry.object_type or "", entry.permission or ""
        id = named(params, entry, entry.object_param or "")
        if id is None:
            return  # the decoder says what is wrong
        if place is None or not may_see(caller, OBJECTS[type].permission, place):
            if place is not None and may(caller.rights, permission, place):
                return
            raise ObjectNotFound(type=type, id=id)
        if not may(caller.rights, permission, place):
            _deny(caller, permission)

    @staticmethod
    def _require_project(caller: Caller, entry: MethodEntry, params: bytes) -> None:
        permission = entry.permission or ""
        project = _named_project(params, entry) if entry.object_type is None else named(params, entry, PROJECT)
        if project is not None and not caller.rights.allows(permission, project=project):
            _deny(caller, permission)


def named(params: bytes, entry: MethodEntry, name: str) -> str | None:
    """A string among raw parameters, by name or by position; None if it is not there or is no string."""
    try:
        raw = _named(params, entry, name)
        return None if raw is None else _text(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _named(params: bytes, entry: MethodEntry, name: str) -> Raw | None:
    if params.lstrip()[:1] == b"[":
        values = _values(params)
        place = entry.param_names.index(name)
        return values[place] if place < len(values) else None
    return _members(params).get(name)


def _named_scope(params: bytes, entry: MethodEntry) -> AccessScope | None:
    if SCOPE not in entry.param_names:
        return None
    try:
        raw = _named(params, entry, SCOPE)
        return None if raw is None else _scope(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _named_project(params: bytes, entry: MethodEntry) -> str | None:
    """The project in which something is to be made."""
    if PROJECT not in entry.param_names:
        return None
    project = named(params, entry, PROJECT)
    return _default_project(entry) if project is None else project


@cache
def _default_project(entry: MethodEntry) -> str | None:
    for field in msgspec.structs.fields(entry.params):
        if field.encode_name == PROJECT:
            if field.default_factory is not msgspec.NODEFAULT:
                return str(field.default_factory())
            return field.default if isinstance(field.default, str) else None
    return None


def _deny(caller: Caller, permission: str) -> NoReturn:
    raise PermissionDenied(identity=caller.identity, permission=permission)
