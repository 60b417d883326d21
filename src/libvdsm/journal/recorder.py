"""Turns two states of an object into one event record: the only place where events are made (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec
from msgspec import Raw

from libvdsm.base.clock import Clock, timestamp
from libvdsm.interfaces.journal import Entry, Journal
from libvdsm.interfaces.messages import Cause

_encode = msgspec.json.Encoder().encode

Document = Mapping[str, object]


def merge_patch(old: Document, new: Document) -> dict[str, object]:
    """The merge patch (RFC 7396) that makes ``new`` of ``old``; null stands for a member that is gone."""
    patch: dict[str, object] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if name not in old or before != value:
            both_objects = isinstance(before, dict) and isinstance(value, dict)
            patch[name] = merge_patch(cast("Document", before), cast("Document", value)) if both_objects else value
    return patch


class Recorder:
    """Appends changes of objects to a journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def next_revision(self) -> int:
        """The revision that an object gets by the record that is made next."""
        return self._journal.next_sequence()

    def record(
        self,
        *,
        type: str,
        id: str,
        topic: str,
        change: str,
        patch: Document | None,
        cause: Cause,
        generation: int | None = None,
        project: str = "",
    ) -> None:
        """Append one record. ``patch`` is the document when ``change`` is added, None when removed.

        ``project``: that of the object, empty if it belongs to none; it decides who hears of the record.
        """
        sequence = self._journal.next_sequence()
        subject: dict[str, object] = {"type": type, "id": id, "revision": sequence}
        if generation is not None:
            subject["generation"] = generation
        if project:
            subject["project"] = project
        event: dict[str, object] = {
            "epoch": self._journal.epoch,
            "sequence": sequence,
            "time": timestamp(self._clock.time()),
            "topic": topic,
            "object": subject,
            "change": change,
        }
        if patch is not None:
            event["patch"] = patch
        event["cause"] = cause
        self._journal.append(Entry(sequence, topic, type, id, _encode(event), project))


def snapshot_event(
    *,
    epoch: str,
    sequence: int,
    time: str,
    topic: str,
    type: str,
    id: str,
    revision: int,
    document: bytes | None,
    project: str = "",
    detail: str = "snapshot",
) -> bytes:
    """The encoded ``Event`` that shows an object as it is to one follower alone: he begins with a snapshot, or his rights have changed.

    Without a ``document`` it is removed for him.
    """
    subject: dict[str, object] = {"type": type, "id": id, "revision": revision}
    if project:
        subject["project"] = project
    event: dict[str, object] = {
        "epoch": epoch,
        "sequence": sequence,
        "time": time,
        "topic": topic,
        "object": subject,
        "change": "removed" if document is None else "added",
    }
    if document is not None:
        event["patch"] = Raw(document)
    event["cause"] = {"kind": "daemon", "detail": detail}
    return _encode(event)
