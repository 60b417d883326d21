"""The tree keeps its own rules where import-linter cannot look (STYLE 1)."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOUSE = ROOT / "src" / "libvdsm"
WINGS = {"client", "cli", "codegen", "testing"}
BANNED_NAMES = {"common", "helper", "helpers", "misc", "shared", "stuff", "util", "utils"}
OUTSIDE = {"libvirt", "pyroute2", "subprocess"}  # only drivers may; starting our own processes is the daemon's (os.fork)


def contracts() -> list[dict[str, Any]]:
    """The contracts of import-linter."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"])


def contract(words: str) -> dict[str, Any]:
    """The contract whose name begins so."""
    return next(each for each in contracts() if each["name"].startswith(words))


def rooms() -> set[str]:
    """Every package of the first level."""
    return {path.name for path in HOUSE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}


def modules() -> list[Path]:
    """Every Python file of the house."""
    return sorted(HOUSE.rglob("*.py"))


def name_of(path: Path) -> str:
    """How a test shows a module."""
    return str(path.relative_to(HOUSE))


def imported(path: Path) -> set[str]:
    """The first words of all that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_every_room_is_on_a_floor() -> None:
    """A package that no floor names would be free to import anything."""
    floors = {room.strip() for layer in contract("A room imports")["layers"] for room in layer.split("|")}
    assert rooms() <= floors | WINGS


@pytest.mark.parametrize("words", ("The client stands alone", "The shell knows", "The code generator", "Only the daemon names"))
def test_contracts_name_every_room(words: str) -> None:
    """A new room must be added to the lists of the other contracts too."""
    rules = contract(words)
    named = {module.removeprefix("libvdsm.") for key in ("source_modules", "forbidden_modules") for module in rules[key]}
    free = {"The client": {"client"}, "The shell": {"cli", "client"}, "The code": {"base", "codegen", "schema"}, "Only the": {"daemon"}}
    allowed = next(value for key, value in free.items() if words.startswith(key))
    assert rooms() <= named | allowed


def test_every_subsystem_is_independent() -> None:
    """All rooms of ``subsystems`` are in the contract that keeps them apart."""
    found = {f"libvdsm.subsystems.{path.parent.name}" for path in (HOUSE / "subsystems").glob("*/__init__.py")}
    assert found == set(contract("Subsystems do not")["modules"])


def test_no_room_is_a_drawer() -> None:
    """A name that says nothing attracts everything."""
    named = [
        name_of(path) for path in [*HOUSE.rglob("*.py"), *(path for path in HOUSE.rglob("*") if path.is_dir())] if path.stem in BANNED_NAMES
    ]
    assert named == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_drivers_touch_the_outside(path: Path) -> None:
    """libvirt is named, and programs are run, below ``drivers/`` only; the code generator may run the formatter."""
    parts = path.relative_to(HOUSE).parts
    if "drivers" not in parts and parts[0] != "codegen":
        assert imported(path) & OUTSIDE == set()


@pytest.mark.parametrize("path", sorted((HOUSE / "client").rglob("*.py")), ids=name_of)
def test_the_client_needs_the_standard_library_alone(path: Path) -> None:
    """Also what import-linter does not know of: any package from outside."""
    assert imported(path) <= set(sys.stdlib_module_names) | {"libvdsm"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """A docstring first (STYLE 8)."""
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_exception_from_the_rules_has_its_reason(path: Path) -> None:
    """``noqa`` and ``type: ignore`` name the rule; a noqa tells why beside it."""
    if "generated" in path.parts:
        return
    bare = [line.strip() for line in path.read_text("utf-8").splitlines() if "# noqa" in line and " - " not in line.split("# noqa", 1)[1]]
    assert bare == []


def test_floors_hold() -> None:
    """What ``make check`` says of the floors, in the fast tests too."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def slotted() -> Iterator[type]:
    """Every class of the reactors that names its slots."""
    for file in modules():
        if file.parent.name == "transports":
            module = importlib.import_module(f"libvdsm.transports.{file.stem}")
            yield from (each for each in vars(module).values() if isinstance(each, type) and "__slots__" in vars(each))


def test_no_reactor_hides_what_a_base_of_it_keeps() -> None:
    """A slot of the same name is another slot, and both would write to the one of the class below."""
    for kind in set(slotted()):
        own = set(vars(kind)["__slots__"])
        for base in kind.__mro__[1:]:
            assert not own & set(vars(base).get("__slots__", ())), (kind, base)
