"""Interfaces; their verbs, events and types are told of by themselves."""

from __future__ import annotations

from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.diff.words import judge_words


def judge_interfaces(pair: Pair, sheet: Sheet) -> None:
    """Note interfaces that came, went or lost their words."""
    for path, old, new, own in pair.kept("interface", pair.old.interfaces, pair.new.interfaces, sheet):
        judge_words(path, old, new, own)
