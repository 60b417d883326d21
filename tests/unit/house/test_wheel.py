"""The wheel is what others get: it installs without dependencies, and carries all that it needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COPIED = ("src", "pyproject.toml", "README.md", "LICENSE", "NOTICE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the tree, built beside it so that nothing is left in it; needs no network."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in COPIED), str(tree)], check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next(out.glob("*.whl"))


def test_carries_the_compiled_schema_and_types(wheel: Path) -> None:
    """The schema as JSON, the mark for type checkers, the licence; neither YAML nor tests."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "libvdsm/py.typed" in names
    assert "libvdsm/schema/compiled/native.json" in names
    assert "libvdsm/cli/generated/commands.json" in names
    assert [name for name in names if name.endswith("LICENSE")]
    assert [name for name in names if name.endswith((".yaml", ".lock")) or name.startswith("tests")] == []


def test_carries_every_module(wheel: Path) -> None:
    """A room without ``__init__.py`` would be left out without a word."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    ours = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/libvdsm").rglob("*.py")}
    assert {name for name in ours if not name.startswith("libvdsm/testing/")} <= packed


def test_carries_nothing_that_is_for_tests_alone(wheel: Path) -> None:
    """Whoever could set a variable of an installed daemon could stop it at a fault point."""
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("libvdsm/testing")] == []


def test_without_what_is_for_tests_a_fault_that_is_asked_for_is_none(wheel: Path, tmp_path: Path) -> None:
    """The plain wheel's ``vdsmd`` finds no package that could arm anything."""
    home = tmp_path / "plain"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home)
    code = """
from libvdsm.base import faultpoints
from libvdsm.daemon import main, supervisor
plan = supervisor.Plan(front=None)
assert main._armed(plan) is plan
faultpoints.reach("VM.start", "after_call")
print("goes on")
"""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import os, sys; os.environ['LIBVDSM_FAULT'] = '*:after_call'; sys.path.insert(0, {str(home)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "goes on\n", done.stderr


def test_the_client_works_from_the_plain_wheel(wheel: Path, tmp_path: Path) -> None:
    """No dependency is needed, nor any package of this environment."""
    home = tmp_path / "plain"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home)
    code = "import sys, libvdsm.client; from libvdsm.client import aio, errors, sync, types; print(libvdsm.client.__file__); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(home)!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place, loaded = done.stdout.splitlines()
    assert place.startswith(str(home))
    assert not {"msgspec", "uvloop", "click", "yaml", "libvirt"} & {name.partition(".")[0] for name in loaded.split()}


def test_the_wheel_asks_for_nothing(wheel: Path) -> None:
    """Its metadata has requirements of extras only."""
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert needs
    assert [line for line in needs if "extra ==" not in line] == []
