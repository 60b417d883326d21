"""One kind of object: its present documents, their order, and the events that their changes make.

With a store, what was told of an object is kept beside the event that told it, in one transaction. So a later life knows what those
who follow the events know, and what it finds at its start is told as a difference: nothing is missing, and nothing is told again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec

from libvdsm.interfaces.messages import Cause
from libvdsm.interfaces.store import Store
from libvdsm.journal.recorder import Recorder, merge_patch

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


def _whole(fragment: bytes) -> dict[str, object]:
    """A kept document; raises ``ValueError`` or ``KeyError``."""
    document = _decode(fragment)
    document["revision"] = int(cast("int", document["revision"]))
    return document


class Item(msgspec.Struct, eq=False, gc=False):
    """An object as it is now: texts and numbers alone, in which no search for garbage will find any, however many objects there are."""

    id: str
    name: str = ""
    project: str = ""  # empty: it belongs to none
    state: str = ""
    generation: int = 0
    revision: int = 0
    fragment: bytes = b""  # the encoded document
    stats: bytes = b""  # the encoded statistics

    def document(self) -> dict[str, object]:
        """The document, decoded anew."""
        return _decode(self.fragment)


class Objects:
    """All objects of one type, sorted by id."""

    def __init__(self, type: str, recorder: Recorder, topic: Callable[[str], str], store: Store | None = None) -> None:
        """``store``: where the documents are kept across restarts; those that it has are here from the start."""
        self.type = type
        self._store = store
        self._kind = f"object.{type}"
        self._recorder = recorder
        self._topic = topic
        self._items: dict[str, Item] = {}
        self._ids: list[str] = []
        #: Who is told the type and id of every object that is new to us, before it is recorded; and of every one that is gone, after.
        self.on_added: list[Callable[[str, str], None]] = []
        self.on_removed: list[Callable[[str, str], None]] = []
        #: Likewise of every one that has gone to another project, after.
        self.on_moved: list[Callable[[str, str], None]] = []
        for id, document in ({} if store is None else store.understood(self._kind, _whole)).items():
            self._restore(id, document)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        items = self._items
        return (items[id] for id in self._ids)

    def get(self, id: str) -> Item | None:
        """One object, if it is known."""
        return self._items.get(id)

    def after(self, id: str) -> Iterator[Item]:
        """The objects whose ids follow ``id``, in order."""
        ids, items = self._ids, self._items
        return (items[ids[place]] for place in range(bisect_right(ids, id), len(ids)))

    def topic(self, id: str) -> str:
        """The topic on which changes of an object are told."""
        return self._topic(id)

    def put(self, id: str, document: Mapping[str, object], cause: Cause) -> bool:
        """Make ``document`` the present one and record the difference; whether there was any.

        The member ``revision`` is set here: no caller knows it. An object that goes to another project is removed from the one
        and added to the other, so that whoever sees but one of them hears what it is to him.
        """
        item = self._items.get(id)
        old = item.document() if item is not None else None
        new = dict(document)
        if old is not None:
            new["revision"] = old["revision"]
            if new == old:
                return False
        has_moved = False
        if item is None:
            item = self._items[id] = Item(id)
            insort(self._ids, id)
            self._tell_added(id)
        elif item.project != str(new.get("project", "")):
            self._record(item, "removed", None, cause)
            has_moved = True
        revision = new["revision"] = self._recorder.next_revision()
        self._fill(item, new, revision)
        if old is None or has_moved:
            self._record(item, "added", new, cause, cast("int | None", new.get("generation")))
        else:
            self._record(item, "changed", merge_patch(old, new), cause, cast("int | None", new.get("generation")))
        if self._store is not None:
            self._store.put(self._kind, id, item.fragment)
        if has_moved:
            for tell in self.on_moved:
                tell(self.type, id)
        return True

    def _restore(self, id: str, document: dict[str, object]) -> None:
        item = self._items[id] = Item(id)
        insort(self._ids, id)
        self._fill(item, document, cast("int", document["revision"]))

    def _record(self, item: Item, change: str, patch: Mapping[str, object] | None, cause: Cause, generation: int | None = None) -> None:
        self._recorder.record(
            type=self.type,
            id=item.id,
            topic=self._topic(item.id),
            change=change,
            patch=patch,
            cause=cause,
            generation=generation,
            project=item.project,
        )

    def _tell_added(self, id: str) -> None:
        for tell in self.on_added:
            tell(self.type, id)

    @staticmethod
    def _fill(item: Item, document: Mapping[str, object], revision: int) -> None:
        item.fragment = _encode(document)
        item.revision = revision
        item.generation = cast("int | None", document.get("generation")) or 0
        item.name = str(document.get("name", ""))
        item.project = str(document.get("project", ""))
        item.state = str(document.get("state", ""))

    def remove(self, id: str, cause: Cause) -> bool:
        """Forget an object and record it; whether it was known."""
        item = self._items.pop(id, None)
        if item is None:
            return False
        del self._ids[bisect_left(self._ids, id)]
        self._record(item, "removed", None, cause)
        if self._store is not None:
            self._store.remove(self._kind, id)
        for tell in self.on_removed:
            tell(self.type, id)
        return True
