"""One kind of object: its present documents, their order, and the events that their changes make."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import msgspec

from libvdsm.interfaces.messages import Cause
from libvdsm.journal.recorder import Recorder, merge_patch

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


class Item:
    """An object as it is now."""

    __slots__ = ("fragment", "generation", "id", "name", "project", "revision", "state", "stats")

    def __init__(self, id: str) -> None:
        self.id = id
        self.name = ""
        self.project = ""  # empty: it belongs to none
        self.state = ""
        self.generation = 0
        self.revision = 0
        self.fragment = b""  # the encoded document
        self.stats = b""  # the encoded statistics

    def document(self) -> dict[str, object]:
        """The document, decoded anew."""
        return _decode(self.fragment)


class Objects:
    """All objects of one type, sorted by id."""

    def __init__(self, type: str, recorder: Recorder, topic: Callable[[str], str]) -> None:
        self.type = type
        self._recorder = recorder
        self._topic = topic
        self._items: dict[str, Item] = {}
        self._ids: list[str] = []

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

        The member ``revision`` is set here: no caller knows it.
        """
        item = self._items.get(id)
        old = item.document() if item is not None else None
        new = dict(document)
        if old is not None:
            new["revision"] = old["revision"]
            if new == old:
                return False
        revision = new["revision"] = self._recorder.next_revision()
        generation = cast("int | None", new.get("generation"))
        if item is None or old is None:
            item = self._items[id] = Item(id)
            insort(self._ids, id)
        self._fill(item, new, revision, generation)
        patch = new if old is None else merge_patch(old, new)
        change = "added" if old is None else "changed"
        self._recorder.record(type=self.type, id=id, topic=self._topic(id), change=change, patch=patch, cause=cause, generation=generation)
        return True

    @staticmethod
    def _fill(item: Item, document: Mapping[str, object], revision: int, generation: int | None) -> None:
        item.fragment = _encode(document)
        item.revision = revision
        item.generation = generation or 0
        item.name = str(document.get("name", ""))
        item.project = str(document.get("project", ""))
        item.state = str(document.get("state", ""))

    def remove(self, id: str, cause: Cause) -> bool:
        """Forget an object and record it; whether it was known."""
        item = self._items.pop(id, None)
        if item is None:
            return False
        del self._ids[bisect_left(self._ids, id)]
        self._recorder.record(type=self.type, id=id, topic=self._topic(id), change="removed", patch=None, cause=cause)
        return True
