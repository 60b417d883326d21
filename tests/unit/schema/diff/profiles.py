"""Small profiles for the tests of comparison: the older one stands in ``pair/old``; newer ones are made of it by edits.

Every entry of it stands on a line of its own, so an edit names the entry and what is to be other on its line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

from libvdsm.schema import check, compiled, ir
from libvdsm.schema.diff import compare

PAIR = Path(__file__).parent / "pair"
OLD = PAIR / "old" / "native"
#: An entry, what stands on its line, and what shall. "" before: the whole line; "" as the entry: the text, wherever it is.
Edit: TypeAlias = tuple[str, str, str]
#: Rule and path of a finding.
Told: TypeAlias = tuple[str, str]


@cache
def old() -> ir.Api:
    """The older profile."""
    return check.shaped(OLD)


def texts() -> dict[str, str]:
    """The files of the older profile."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(OLD.iterdir())}


def edited(files: Mapping[str, str], edits: Iterable[Edit]) -> dict[str, str]:
    """The files after some edits, each of which must find exactly one place."""
    found = dict(files)
    for entry, before, after in edits:
        places = [(name, line) for name, text in found.items() for line in text.splitlines(keepends=True) if _fits(line, entry, before)]
        assert len(places) == 1, (entry, before, places)
        name, line = places[0]
        assert not before or line.count(before) == 1, (entry, before)
        found[name] = found[name].replace(line, line.replace(before, after) if before else after)
    return found


def _fits(line: str, entry: str, before: str) -> bool:
    return before in line and (line.startswith(f"  {entry}:") if entry else True)


def api(*edits: Edit) -> ir.Api:
    """The older profile with some edits."""
    with tempfile.TemporaryDirectory() as root:
        write(Path(root), edited(texts(), edits))
        return check.shaped(Path(root))


def write(root: Path, files: Mapping[str, str]) -> None:
    """Lay a profile."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")


def told(*edits: Edit, before: Iterable[Edit] = ()) -> set[Told]:
    """Rule and path of everything that some edits are found to have changed; ``before`` are made to the older side as well."""
    first = tuple(before)
    return {(f.rule, f.path) for f in compare(api(*first) if first else old(), api(*first, *edits))}


def without_example(api: ir.Api, verb: str) -> ir.Api:
    """The same API, a verb of which has no example."""
    interfaces = {
        name: replace(one, methods=tuple(replace(m, examples=()) if m.full_name == verb else m for m in one.methods))
        for name, one in api.interfaces.items()
    }
    return sealed(replace(api, interfaces=interfaces))


def sealed(api: ir.Api) -> ir.Api:
    """The same API with its digest."""
    return replace(api, digest=compiled.digest(api))
