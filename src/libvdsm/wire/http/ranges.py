"""Parts of a representation that a client asks for, and whether it has it already (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 9110, 14.1.2: one range of octets; more digits than any size of ours has are as good as no range at all.
_ONE_RANGE = re.compile(rb"bytes[ \t]*=[ \t]*(?:([0-9]{1,18})[ \t]*-[ \t]*([0-9]{1,18})?|-[ \t]*([0-9]{1,18}))[ \t]*", re.IGNORECASE)
_TAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_ANY = b"*"


@dataclass(frozen=True, slots=True)
class Span:
    """Octets from ``first`` to before ``end``."""

    first: int
    end: int

    def content_range(self, length: int) -> bytes:
        """The value of Content-Range for this part of ``length`` octets."""
        return b"bytes %d-%d/%d" % (self.first, self.end - 1, length)


class Unsatisfiable(Exception):  # noqa: N818 - RFC 9110's own word
    """No octet of what there is was asked for."""


def find_span(headers: Mapping[bytes, bytes], length: int, tag: bytes) -> Span | None:
    """The part that a GET asks for of ``length`` octets; ``None``: all of it. Raises ``Unsatisfiable``.

    A range that is malformed, or one of several, is ignored, as is one for another representation than ``tag`` (If-Range).
    """
    asked = headers.get(b"range")
    found = _ONE_RANGE.fullmatch(asked) if asked is not None else None
    if found is None or headers.get(b"if-range", tag) != tag:  # 13.1.5: a strong comparison
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        return _satisfiable(max(0, length - int(suffix)), length)
    end = length if last is None else min(length, int(last) + 1)
    if last is not None and int(last) < int(first):
        return None  # 14.1.1: invalid, so ignored
    return _satisfiable(int(first), end)


def _satisfiable(first: int, end: int) -> Span:
    if first >= end:
        raise Unsatisfiable
    return Span(first, end)


def has_it(headers: Mapping[bytes, bytes], tag: bytes) -> bool:
    """Whether the client has the representation ``tag`` already (If-None-Match, by the weak comparison)."""
    given = headers.get(b"if-none-match")
    if given is None:
        return False
    if given.strip() == _ANY:
        return True
    plain = tag.removeprefix(b"W/")
    return any(each.removeprefix(b"W/") == plain for each in _TAG.findall(given))


def wants_another(headers: Mapping[bytes, bytes], tag: bytes) -> bool:
    """Whether the client wants another representation than ``tag``, or nothing (If-Match, by the strong comparison)."""
    given = headers.get(b"if-match")
    return given is not None and given.strip() != _ANY and (tag.startswith(b"W/") or tag not in _TAG.findall(given))


def accepts(headers: Mapping[bytes, bytes], coding: bytes) -> bool:
    """Whether the client takes a content coding such as ``gzip``, and does not merely not forbid it (RFC 9110, 12.5.3)."""
    weights: dict[bytes, bool] = {}
    for part in headers.get(b"accept-encoding", b"").lower().split(b","):
        name, _semicolon, parameters = part.partition(b";")
        weight = parameters.replace(b" ", b"").replace(b"\t", b"")
        weights[name.strip()] = not re.fullmatch(rb"q=0(?:\.0{0,3})?", weight)
    return weights.get(coding, weights.get(_ANY, False))
