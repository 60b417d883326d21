"""Host capabilities: the names that entries require, by which clients ask what a host can do.

They stand for feature flags as long as the profile has none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from libvdsm.schema import ir
from libvdsm.schema.diff.findings import Sheet
from libvdsm.schema.diff.life import Pair


def judge_features(pair: Pair, sheet: Sheet) -> None:
    """Note capabilities that nothing requires any more, though what required them lives."""
    known = {name for _, name in _demands(pair.new)}
    for path, name in sorted(_demands(pair.old)):
        if name not in known and path in pair.paths:
            sheet.say("feature-removed", name, f"{path} does not require it any more, and nothing else does")


def _demands(api: ir.Api) -> Iterator[tuple[str, str]]:
    """The path of each promised entry that requires a capability, with the capability."""
    for method in api.methods.values():
        yield from _of(method.full_name, method)
        for param in method.params:
            yield from _of(f"{method.full_name}.{param.name}", param)
    for one in api.types.values():
        if isinstance(one, ir.Record):
            for field in one.fields:
                yield from _of(f"{one.name}.{field.name}", field)


def _of(path: str, entry: ir.Method | ir.Field) -> Iterator[tuple[str, str]]:
    if entry.lifecycle.stage in {ir.Stage.PUBLISHED, ir.Stage.DEPRECATED}:
        yield from ((path, name) for name in entry.requires)
