"""Topics are words joined by dots; a pattern's ``*`` stands for one word, ``#`` for any number of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from libvdsm.interfaces.generated.errors import InvalidParams

#: Topics whose answer a pattern remembers: the same few objects change again and again.
_REMEMBERED = 256
#: Tests of patterns that are remembered.
_MATCHERS = 1024
_WORD = re.compile(r"[A-Za-z0-9_-]+|\*|#")


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """The test whether a topic fits one of ``patterns``; raises ``InvalidParams`` naming the bad one.

    The same patterns have the same test, so that all who want the same can be told the same.
    """
    return _matcher(tuple(patterns))


@lru_cache(_MATCHERS)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    for place, pattern in enumerate(patterns):
        if not all(_WORD.fullmatch(word) for word in pattern.split(".")):
            reason = "a topic is words of letters, digits, _ and -, joined by dots; a word may be * or #"
            raise InvalidParams(path=f"$.topics[{place}]", reason=reason)
    if "#" in patterns:
        return _fits_all
    split = [pattern.split(".") for pattern in patterns]

    @lru_cache(_REMEMBERED)
    def fits(topic: str) -> bool:
        words = topic.split(".")
        return any(_fits(pattern, words) for pattern in split)

    return fits


def _fits_all(_topic: str) -> bool:
    return True


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Glob matching by words: going back to the last ``#`` alone is enough, so the time is at most their product."""
    at = seen = 0
    last_hash = resume = -1
    while seen < len(words):
        if at < len(pattern) and pattern[at] == "#":
            last_hash, resume = at, seen
            at += 1
        elif at < len(pattern) and pattern[at] in ("*", words[seen]):
            at, seen = at + 1, seen + 1
        elif last_hash >= 0:
            resume += 1
            at, seen = last_hash + 1, resume
        else:
            return False
    return all(word == "#" for word in pattern[at:])
