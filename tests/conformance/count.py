"""Which lines of the protocols' checklists have a test: ``make conformance``. Exit status 1 if any has none.

A test says by its name which lines it is for: ``test_st_001_...``, ``test_st_043_044_...``, ``test_jr_001_to_013_...``.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
_NAME = re.compile(r"^\s*(?:async )?def test_([a-z]{2})((?:_(?:to_)?\d{3})+)_", re.MULTILINE)
_NUMBERS = re.compile(r"_(to_)?(\d{3})")


def lines() -> dict[str, dict[str, str]]:
    """What is to be tested: meanings by number by protocol."""
    read = tomllib.loads((HERE / "lines.toml").read_text("utf-8"))
    return {key: table["lines"] for key, table in read.items()}


def numbers(name: str) -> list[int]:
    """The lines in a piece of a test's name: ``_001_to_003_010`` is 1, 2, 3, 10."""
    found: list[int] = []
    for is_range, text in _NUMBERS.findall(name):
        number = int(text)
        found += range(found[-1] + 1, number + 1) if is_range and found else [number]
    return found


def tested(files: Iterable[Path]) -> dict[str, set[str]]:
    """The lines for which there is a test, by protocol."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        for key, name in _NAME.findall(file.read_text("utf-8")):
            found[key.upper()].update(f"{number:03}" for number in numbers(name))
    return found


def main() -> int:
    """Print how many lines of each protocol are covered, and which are not."""
    found = tested(sorted(TESTS.rglob("test_*.py")))
    is_complete = True
    for key, meanings in lines().items():
        missing = [number for number in meanings if number not in found[key]]
        unknown = sorted(found[key] - meanings.keys())
        print(f"{key}  {len(meanings) - len(missing)}/{len(meanings)}, {len(missing)} missing")  # noqa: T201 - a program that prints
        for number in missing:
            print(f"    {key}-{number}  {meanings[number]}")  # noqa: T201
        for number in unknown:
            print(f"    {key}-{number}  is in no list")  # noqa: T201
        is_complete = is_complete and not missing and not unknown
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
