"""What may reach a terminal: strings of guests and hosts lose their power over it here."""

from __future__ import annotations

import re
import sys
from typing import Final

#: C0 and C1 controls, DEL, line separators, marks and overrides of direction, invisible joiners and lone surrogates.
_DANGEROUS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_DANGEROUS_IN_JSON: Final = re.compile(_DANGEROUS.pattern.replace("\x00-\x1f", ""))


def safe(text: str) -> str:
    r"""Write control characters as escapes (``\x1b``, ``\u202e``), so that a string cannot steer a terminal."""
    return _DANGEROUS.sub(_escape, text)


def safe_json(text: str) -> str:
    r"""Write dangerous characters of JSON text as JSON escapes (``\u009b``); its meaning stays the same."""
    return _DANGEROUS_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def is_terminal(stream: str) -> bool:
    """Whether ``stdin``, ``stdout`` or ``stderr`` is a terminal."""
    found = getattr(sys, stream)
    return bool(found is not None and found.isatty())
