"""Spelling: how names of the schema become words of a command line."""

from __future__ import annotations

import re
from typing import Final

_BORDER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def kebab(name: str) -> str:
    """Spell a name of the schema as a word: ``getStats`` is ``get-stats``, ``VM`` is ``vm``; dots stay."""
    return _BORDER.sub("-", name).replace("_", "-").lower()


def singular(word: str) -> str:
    """Name one entry of the list ``word``: ``disks`` is ``disk``, ``entries`` is ``entry``, ``graphics`` stays."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith(("ss", "phics", "tics")) or not word.endswith("s"):
        return word
    return word[:-1]


def identifier(*parts: str) -> str:
    """Make a Python name of a path, unique as long as the path is."""
    return "o_" + "__".join(kebab(part).replace("-", "_").replace(".", "_") for part in parts)
