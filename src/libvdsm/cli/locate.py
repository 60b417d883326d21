"""Says which option an error is about: from the path in the parameters back to the command line."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from libvdsm.cli.failures import Refused
from libvdsm.cli.words import kebab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libvdsm.cli.options import Leaf

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")


@contextmanager
def explaining(leaves: tuple[Leaf, ...]) -> Iterator[None]:
    """Say in errors of the calls inside which option their path belongs to."""
    try:
        yield
    except Refused as error:
        if error.failure.path:
            error.where = locate(leaves, error.failure.path)
        raise


def steps(path: str) -> list[str | int]:
    """Split a JSONPath such as ``$.config.disks[0].source``; what is not understood ends it."""
    found: list[str | int] = []
    text = path.removeprefix("$") if path.startswith("$") else "." + path
    position = 0
    while (step := _STEP.match(text, position)) is not None:
        name, index, single, double = step.groups()
        found.append(int(index) if index is not None else name or single or double or "")
        position = step.end()
    return found


def locate(leaves: tuple[Leaf, ...], path: str) -> str:
    """Return the option (or argument) that a path of the parameters belongs to, with what is inside of it; else the path."""
    found = steps(path)
    names = tuple(step for step in found if isinstance(step, str))
    best = max((leaf for leaf in leaves if _covers(leaf, found)), key=lambda leaf: (len(leaf.path), not leaf.whole), default=None)
    if best is None:
        return ".".join(names) if names else path
    word = f"argument {best.reference.upper()}" if best.reference and not best.member.type.container else f"--{best.shown}"
    return word + _inside(found[len(best.path) :]) + f" ({path.removeprefix('$.')})"


def _covers(leaf: Leaf, found: list[str | int]) -> bool:
    return tuple(found[: len(leaf.path)]) == leaf.path


def _inside(rest: list[str | int]) -> str:
    if not rest:
        return ""
    first, *others = rest
    if isinstance(first, int):
        keys = ".".join(kebab(str(step)) for step in others)
        return f", number {first + 1}" + (f", {keys}" if keys else "")
    return ", " + ".".join(kebab(str(step)) for step in rest)
