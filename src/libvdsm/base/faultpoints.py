"""Places where a test may stop a process: nothing happens there unless a test has asked for it.

``vdsmd`` sets the hook only where the package for tests is present, which no wheel carries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: Every place on the road of a mutating verb, in its order; ``in_recovery`` is passed at the next start.
POINTS: Final = ("before_journal", "after_journal", "after_call", "after_effect", "before_answer", "in_recovery")

_hooks: list[Callable[[str, str], None]] = []


def set_hook(hook: Callable[[str, str], None]) -> None:
    """Have ``hook`` called with the verb and the point whenever one is reached in this process."""
    _hooks[:] = [hook]


def clear_hook() -> None:
    """Nothing happens any more."""
    _hooks.clear()


def reach(verb: str, point: str) -> None:
    """The road of ``verb`` passes ``point``."""
    for hook in _hooks:
        hook(verb, point)
