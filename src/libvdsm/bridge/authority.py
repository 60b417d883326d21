"""Whether a call may be made, for callers whose rights do not hold everywhere (DESIGN 7).

A caller that has the verb's permission nowhere is told so, whatever it names. One that has it somewhere learns of an object
only what its getter would tell: an object that it may not see is answered as one that is not there.
"""

from __future__ import annotations

from functools import cache
from typing import NoReturn

import msgspec
from msgspec import Raw

from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.permissions import OBJECTS
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.place import Place, Places, may, may_see

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_values = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str).decode

#: The parameter that names the project in which an object is to be.
PROJECT = "project"


class Authority:
    """Decides by verb, caller and the object that the raw parameters name."""

    def __init__(self, places: Places) -> None:
        """``places`` knows objects of the types that the schema tells events of; of others their own services decide."""
        self._places = places

    def place(self, entry: MethodEntry, object_id: str | None) -> Place | None:
        """Where the object of a call stands, if that is known."""
        if object_id is None or entry.object_type not in OBJECTS:
            return None
        return self._places.find(entry.object_type, object_id)

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
        project = named(params, entry, PROJECT)
        if project is None and entry.object_type is None:
            project = _default_project(entry)
        if project is not None and not caller.rights.allows(permission, project=project):
            _deny(caller, permission)


def named(params: bytes, entry: MethodEntry, name: str) -> str | None:
    """A string among raw parameters, by name or by position; None if it is not there or is no string."""
    try:
        if params.lstrip()[:1] == b"[":
            values = _values(params)
            place = entry.param_names.index(name)
            return _text(values[place]) if place < len(values) else None
        raw = _members(params).get(name)
        return None if raw is None else _text(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


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
