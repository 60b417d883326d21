"""What is written for people is true: links, targets, errors, settings."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from libvdsm.base.errors import ApiError
from libvdsm.daemon import config
from libvdsm.interfaces.generated import errors

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changes").glob("*.md")])
TARGETS = "help demo serve check unit test test-all bench generate generate-check docs dist"


def name_of(path: Path) -> str:
    """How a test shows a page."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file or folder of the tree."""
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_help_lists_every_target() -> None:
    """``make help`` is made from the comments, and forgets nothing that is promised."""
    shown = subprocess.run(["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = {line.split()[1] for line in shown.splitlines() if line.startswith("  make ")}
    assert set(TARGETS.split()) <= listed


def test_every_error_is_explained() -> None:
    """The page on errors has each with its number, and no other."""
    rows = re.findall(r"^\| (-?\d+) \| `(\w+)` \| .+? \| (yes)? ?\|$", (ROOT / "docs/guide/errors.md").read_text("utf-8"), re.MULTILINE)
    written = {(int(number), name, again == "yes") for number, name, again in rows}
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ApiError) and each is not ApiError]
    assert written == {(each.number, each.name, each.retryable) for each in classes}


def settings_of(kind: type, prefix: str = "") -> set[str]:
    """Every key of the configuration, dotted."""
    found = set()
    for field in fields(kind):
        table = getattr(kind(), field.name)
        if is_dataclass(table) and field.name in {
            "front",
            "log",
            "http",
            "tls",
            "bindings",
            "state",
            "limits",
            "messages",
            "stomp",
            "amqp",
            "connectors",
        }:
            found |= settings_of(type(table), f"{field.name}.")
        else:
            found.add(prefix + field.name)
    return found


def test_every_setting_is_explained() -> None:
    """The page on configuration has each key, and no other."""
    written = set(re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/guide/configuration.md").read_text("utf-8"), re.MULTILINE))
    assert written - {"connectors.NAME"} == settings_of(config.Config) - {"connectors.settings"}


def test_decisions_are_numbered_and_whole() -> None:
    """Notes count without gaps, and have context, decision and consequences."""
    notes = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(note.name[:4]) for note in notes] == list(range(1, len(notes) + 1))
    for note in notes:
        text = note.read_text("utf-8")
        assert text.startswith(f"# {int(note.name[:4])}. ")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), note.name


def test_fragments_have_a_known_kind() -> None:
    """A release can gather them."""
    kinds = {path.name.split(".")[1] for path in (ROOT / "changes").glob("*.*.md")}
    assert kinds
    assert kinds <= {"added", "changed", "deprecated", "removed", "fixed", "security"}


def test_constraints_are_pins_and_name_no_place() -> None:
    """Versions only: where packages come from is the machine's business."""
    lines = [line for line in (ROOT / "requirements/constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+]+", line)] == []


def test_lint_rules_that_are_off_have_a_reason() -> None:
    """Each line of the ignore list ends with a comment."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    lines = text.split("\nignore = [\n", 1)[1].split("\n]\n", 1)[0].splitlines()
    assert lines
    assert [line for line in lines if "# " not in line] == []


def test_the_plain_install_needs_nothing() -> None:
    """The client and the schema are for everybody."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["dependencies"] == []
    assert {"daemon", "libvirt", "shell", "dev"} <= set(project["optional-dependencies"])
    assert "amqp" not in project["optional-dependencies"], "the codec is our own (docs/adr/0031)"
