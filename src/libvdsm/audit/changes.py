"""What changed between two times, gathered event by event. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from libvdsm.audit.composition import NOTHING, Change, Patch, follow
from libvdsm.audit.moments import moment
from libvdsm.interfaces.generated.types import ObjectRef
from libvdsm.interfaces.journal import Entry

#: Of more causes of one change the rest is not told.
MOST_CAUSES: Final = 100

_encode = msgspec.json.Encoder().encode


class _TimeSeen(msgspec.Struct, frozen=True):
    time: str


class _EventSeen(msgspec.Struct, frozen=True):
    change: str
    cause: Raw
    patch: dict[str, Any] | None = None


_decode_time = msgspec.json.Decoder(_TimeSeen).decode
_decode_event = msgspec.json.Decoder(_EventSeen).decode


def time_of(entry: Entry) -> float:
    """When a record of the event journal was made, in seconds since 1970."""
    return moment(_decode_time(entry.data).time, "$")


class _Item:
    __slots__ = ("causes", "change", "events")

    def __init__(self, change: Change) -> None:
        self.change = change
        self.events = 0
        self.causes: dict[bytes, None] = {}  # in order, each once

    def count(self, cause: bytes) -> None:
        self.events += 1
        if len(self.causes) < MOST_CAUSES:
            self.causes[cause] = None


class Changes:
    """Takes events in their order and tells what they come to."""

    def __init__(self, *, most: int, wanted: ObjectRef | None, is_visible: Callable[[str, str, str | None], bool]) -> None:
        """``most`` objects; ``is_visible`` is asked with each event's object type, id and project."""
        self._most = most
        self._wanted = None if wanted is None else (wanted.type, wanted.id)
        self._is_visible = is_visible
        self._items: list[tuple[tuple[str, str], _Item]] = []
        self._newest: dict[tuple[str, str], _Item] = {}
        self.has_all = True  # whether there was room for all objects

    def take(self, entry: Entry) -> None:
        """One event more."""
        key = (entry.type, entry.id)
        if (self._wanted is not None and key != self._wanted) or not self._is_visible(entry.type, entry.id, entry.project or None):
            return
        event = _decode_event(entry.data)
        item = self._item(key, Change(event.change, event.patch))
        if item is not None:
            item.count(bytes(event.cause))

    def encode(self, *, complete: bool) -> bytes:
        """``AuditChanges`` as JSON."""
        told = [_told(key, item) for key, item in self._items if item.change != NOTHING]
        return _encode({"items": told, "complete": complete and self.has_all})

    def _item(self, key: tuple[str, str], change: Change) -> _Item | None:
        """The item that tells of ``change``: the object's newest, or one after it where one patch cannot tell both."""
        known = self._newest.get(key)
        both = None if known is None else follow(known.change, change)
        if known is not None and both is not None:
            known.change = both
            return known
        if known is None and len(self._newest) >= self._most:
            self.has_all = False
            return None
        item = self._newest[key] = _Item(change)
        self._items.append((key, item))
        return item


def _told(key: tuple[str, str], item: _Item) -> dict[str, object]:
    told: dict[str, object] = {"object": {"type": key[0], "id": key[1]}, "change": item.change.kind}
    patch: Patch | None = item.change.patch
    if patch is not None and item.change.kind != "removed":
        told["patch"] = patch
    return told | {"events": item.events, "causes": [Raw(cause) for cause in item.causes]}
