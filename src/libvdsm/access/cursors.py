"""Cursors of lists that are in the order of making: the number of the last one of the page before."""

from __future__ import annotations

from typing import Final

from libvdsm.interfaces.generated.errors import InvalidParams

#: Digits of the greatest number that fits a JSON integer.
_MOST_DIGITS: Final = 16


def number_of(cursor: str | None) -> int:
    """The number after which a page begins; raises ``InvalidParams``."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
        raise InvalidParams(path="$.after", reason="not a cursor of this list")
    return int(cursor)
