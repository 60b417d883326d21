"""The one strict judge of JSON from outside.

The engines that decode are fast but forgiving: they keep the last of two equal members and skip raw
parts without looking into their text. This room says what they do not. It works in C-speed strides:
a cheap and sufficient look at small messages, and an exact one at whatever that cannot tell.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate

import msgspec

#: A number may have this many octets as written.
LONGEST_NUMBER = 1_000
#: Arrays and objects may stand this deep in each other.
DEEPEST = 64

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
# Digits and points as 0: a number without an exponent of three digits or such a run is finite and short, since 10**200 * 10**99 < 1.8e308.
_MASK = bytes.maketrans(b"123456789.E", b"0000000000e")
_LONG_RUN = b"0" * 200
_SUSPECT_NUMBER = re.compile(rb"[0-9.eE+-]{100,}|[0-9.]{1,99}[eE]\+?[0-9]{3,}")
_SMALL = 1_000

_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


class _DuplicateMemberError(ValueError):
    """Two members of an object have one name."""


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DuplicateMemberError(name)
            seen.add(name)


_decode_members = json.JSONDecoder(object_pairs_hook=_refuse_duplicates).decode


def find_fault(message: bytes, deepest: int = DEEPEST) -> str | None:
    """What is wrong with ``message`` as one strict JSON value; ``None`` if nothing is."""
    fault = _find_depth_fault(message, deepest)
    if fault is not None:
        return fault
    try:
        _decode_raw(message)
    except msgspec.DecodeError as error:
        return _find_text_fault(message) or _word(error)
    except RecursionError:
        return f"more than {deepest} levels"
    if is_plain(message):
        return None
    return _find_text_fault(message) or _find_number_fault(message) or _find_duplicate(message)


def _word(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ")


def _find_depth_fault(message: bytes, deepest: int) -> str | None:
    if message.count(b"[") + message.count(b"{") <= deepest:
        return None
    # One step up or down for each bracket, as signed octets; the sum so far is the depth.
    steps = _STRING.sub(b"", message).translate(_STEPS, _NOT_BRACKETS)
    too_deep = max(accumulate(memoryview(steps).cast("b")), default=0) > deepest
    return f"more than {deepest} levels" if too_deep else None


def is_plain(message: bytes) -> bool:
    """Whether a valid JSON value is strict beyond doubt: a sufficient look at a small message.

    ``bytes.find`` is used where ``in`` would read better: it takes half the time.
    """
    if len(message) > _SMALL or not message.isascii() or message.find(b"\\") >= 0:
        return False
    if message.count(b"[") + message.count(b"{") > DEEPEST or _is_suspect(message):
        return False
    # Without escapes every quotation mark delimits: pieces are outside, string, outside, string, ... outside.
    pieces = message.split(b'"')
    strings = pieces[1::2]
    if len(set(strings)) == len(strings):
        return True
    names = [string for string, after in zip(strings, pieces[2::2], strict=True) if after.lstrip()[:1] == b":"]
    return len(set(names)) == len(names)


def _find_text_fault(message: bytes) -> str | None:
    try:
        message.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte {error.start})"
    if message.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark"
    if b"\\u" in message and _has_lone_surrogate(message):
        return "half of a surrogate pair"
    return None


_PAIRS = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).", re.DOTALL)


def _has_lone_surrogate(message: bytes) -> bool:
    # Whole pairs and other escapes go; an escaped half that stays stands alone.
    return b"\\" in _PAIRS.sub(b"", message)


def _is_suspect(message: bytes) -> bool:
    masked = message.translate(_MASK, b"+")
    return masked.find(b"0e000") >= 0 or (len(masked) >= len(_LONG_RUN) and masked.find(_LONG_RUN) >= 0)


def _find_number_fault(message: bytes) -> str | None:
    if not _is_suspect(message):
        return None
    for found in _SUSPECT_NUMBER.finditer(_STRING.sub(b'""', message)):
        number = found[0]
        if len(number) > LONGEST_NUMBER:
            return f"a number of more than {LONGEST_NUMBER} octets"
        if not number.lstrip(b"-").isdigit() and math.isinf(float(number)):
            return "a number without a finite value"
    return None


def _find_duplicate(message: bytes) -> str | None:
    try:
        _decode_members(message.decode())
    except _DuplicateMemberError as error:
        return f"the member {json.dumps(str(error)[:64])} occurs twice"
    return None
