"""Quantities with units, as people write and read them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_NUMBER: Final = re.compile(r"([+-]?(?:\d+(?:\.\d+)?|\.\d+))\s*([A-Za-z%]*)")

_BYTES: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtpe", start=1)},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", start=1)},
}
_SECONDS: Final = {"": Decimal(1), "ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}

_BINARY_STEPS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP: Final = 1024
_MINUTE_S: Final = 60
_MAX_DIGITS: Final = 40
_MAX_SHOWN: Final = 60

#: How each unit may be written; the words of the help.
HINTS: Final = {"bytes": "a size such as 2GiB, 512MiB, 1GB or 4096", "seconds": "a time such as 90, 1.5m or 2h"}


def parse_bytes(text: str) -> int:
    """Read a size: ``2GiB`` (1024³), ``1GB`` (1000³), ``4096``. ValueError tells what is wrong."""
    number, unit = _split(text, "bytes")
    factor = _BYTES.get(unit.lower())
    if factor is None:
        hint = f"; did you mean {number}{unit}iB?" if unit.lower() + "ib" in _BYTES else ""
        raise ValueError(f"unknown unit {unit!r} in {text!r}{hint}")
    size = number * factor
    if size != size.to_integral_value():
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def parse_seconds(text: str) -> float:
    """Read a time in seconds: ``90``, ``1.5m``, ``2h``, ``1h30m``. ValueError tells what is wrong."""
    parts = re.findall(r"\d+(?:\.\d+)?[A-Za-z]+", text)
    if len(parts) > 1 and "".join(parts) == text:
        return sum(parse_seconds(part) for part in parts)
    number, unit = _split(text, "seconds")
    factor = _SECONDS.get(unit.lower())
    if factor is None:
        raise ValueError(f"unknown unit {unit!r} in {text!r}")
    return float(number * factor)


def _split(text: str, unit: str) -> tuple[Decimal, str]:
    found = _NUMBER.fullmatch(text.strip())
    if found is None or len(found[1]) > _MAX_DIGITS:
        raise ValueError(f"{_clip(text)!r} is not {HINTS[unit]}")
    return Decimal(found[1]), found[2]


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."


def format_bytes(size: float) -> str:
    """Write a size in the largest binary unit that keeps it readable: ``2 GiB``, ``1.5 MiB``, ``17 B``."""
    amount = float(size)
    step = 0
    while abs(amount) >= _STEP and step < len(_BINARY_STEPS) - 1:
        amount /= _STEP
        step += 1
    digits = f"{amount:.0f}" if amount == int(amount) else f"{amount:.1f}"
    return f"{digits} {_BINARY_STEPS[step]}"


def format_seconds(seconds: float) -> str:
    """Write a time: ``1.5 s``, ``3m 20s``, ``2h 5m``, ``3d 4h``."""
    if seconds < _MINUTE_S:
        return f"{seconds:g} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    whole = int(seconds)
    for big, large, little, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= big:
            rest = whole % big // little
            return f"{whole // big}{large}" + (f" {rest}{small}" if rest else "")
    return f"{whole} s"


def format_quantity(value: object, unit: str | None) -> str | None:
    """Write a number with its unit; None if the unit has no special form or it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    match unit:
        case "bytes":
            return format_bytes(value)
        case "seconds":
            return format_seconds(value)
        case "percent":
            return f"{value:.1f} %" if value != int(value) else f"{int(value)} %"
        case _:
            return None
