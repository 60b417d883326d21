"""Events."""

from __future__ import annotations

from libvdsm.schema import ir
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair
from libvdsm.schema.diff.rights import judge_demand
from libvdsm.schema.diff.words import judge_words


def judge_events(pair: Pair, sheet: Sheet) -> None:
    """Note what changed in events; their documents are types and told of there."""
    for path, old, new, own in pair.kept("event", _events(pair.old), _events(pair.new), sheet):
        judge_words(path, old, new, own)
        judge_demand(path, old.permission, new.permission, pair, own)
        if old.topic != new.topic:
            own.say("topic-changed", path, f"the topic was {old.topic} and is {new.topic}")
        if old.document != new.document:
            own.say("type-changed", path, f"the document was {old.document} and is {new.document}")


def _events(api: ir.Api) -> dict[str, ir.Event]:
    return {f"{interface.name}.{event.name}": event for interface in api.interfaces.values() for event in interface.events}
