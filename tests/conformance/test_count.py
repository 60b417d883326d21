"""Every line of the checklists has a test, and the counting of them is right."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def load() -> ModuleType:
    """The counter, which is a program."""
    spec = importlib.util.spec_from_file_location("conformance_count", HERE / "count.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conformance_count"] = module
    spec.loader.exec_module(module)
    return module


def test_names_tell_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    names = ("test_st_001_a", "test_st_043_044_b", "test_jr_001_to_003_c", "test_strange_001_x", "test_st_9_y")
    file.write_text("\n".join(f"def {name}(): ..." for name in names) + "\n    async def test_am_010_z(): ...\n# def test_st_099_no()\n")
    found = load().tested([file])
    assert found == {"ST": {"001", "043", "044"}, "JR": {"001", "002", "003"}, "AM": {"010"}}


def test_the_lists_are_whole() -> None:
    assert {key: len(lines) for key, lines in load().lines().items()} == {"ST": 109, "JR": 52, "AM": 57, "WS": 25}


def test_every_line_has_a_test() -> None:
    assert load().main() == 0
