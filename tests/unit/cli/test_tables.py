"""Results as tables: columns by type, quantities by unit."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from libvdsm.cli import tables
from libvdsm.cli.description import Description
from tests.unit.cli.support import MACHINES, WEB, FakeSession, Shell, task


def text(description: Description, type_name: str, value: Any, fields: tuple[str, ...] = ()) -> list[str]:
    """Return the lines of a rendered result, without colours."""
    found = tables.render(description, type_name, value, fields)
    stream = io.StringIO()
    console = Console(file=stream, width=200, color_system=None)
    if found is not None:
        console.print(found)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("type_name", list(tables.COLUMNS))
def test_every_column_is_a_member(description: Description, type_name: str) -> None:
    """The columns cannot drift from the schema."""
    for _, path in tables.COLUMNS[type_name]:
        assert tables.find(description, type_name, path) is not None, path


def test_machines_have_columns(description: Description) -> None:
    """Sizes have units; columns without any value are left out."""
    lines = text(description, "VmList", {"items": list(MACHINES[:2])})
    assert lines[0] == "NAME STATE VCPUS MEMORY ID"
    assert lines[2:] == [f"web running 2 2 GiB {WEB}", f"db stopped 1 512 MiB {MACHINES[1]['id']}"]


def test_columns_follow_the_fields(description: Description) -> None:
    """Who asks for members sees these, and the id."""
    lines = text(description, "VmList", {"items": [{"id": WEB, "state": "running", "desired": "derived"}]}, ("state", "desired"))
    assert lines[0] == "STATE DESIRED ID"
    assert lines[2] == f"running derived {WEB}"


def test_an_empty_list_still_has_its_head(description: Description) -> None:
    assert text(description, "VmList", {"items": []})[0] == "NAME STATE VCPUS MEMORY ID"


def test_tasks_show_their_progress(description: Description) -> None:
    lines = text(description, "TaskList", {"items": [task(value=40), task("failed", error={"code": 1, "message": "no disk"})]})
    assert "40 %" in lines[2]
    assert lines[3].endswith("no disk")


def test_a_document_is_a_row_a_value(description: Description) -> None:
    """Nested members have dotted names, structures in lists are numbered, branches are looked into."""
    value = {
        "id": WEB,
        "startedAt": "2026-01-01T00:00:00Z",
        "config": {
            "memory": 2**31,
            "autostart": True,
            "disks": [{"source": {"kind": "file", "path": "/x", "format": "raw"}}],
            "metadata": {"owner": "me"},
            "nics": [],
        },
        "restartNeeded": ["memory", "vcpus"],
    }
    assert text(description, "VM", value) == [
        f"id {WEB}",
        "startedAt 2026-01-01T00:00:00Z",
        "config.memory 2 GiB",
        "config.autostart yes",
        "config.disks[1].source.kind file",
        "config.disks[1].source.path /x",
        "config.disks[1].source.format raw",
        "config.metadata.owner me",
        "restartNeeded memory, vcpus",
    ]


def test_nothing_shows_nothing(description: Description) -> None:
    assert text(description, "Nothing", {}) == []


def test_markup_and_control_characters_are_plain_text(description: Description) -> None:
    """A name can neither colour the table nor leave its cell."""
    value = {"id": WEB, "name": "[red]x[/red]\x1b[2J\n", "state": "running", "config": {"metadata": {"\x1b]": "\x07"}}}
    line = text(description, "VmList", {"items": [value]})[2]
    assert line.startswith("[red]x[/red]\\x1b[2J\\n running")
    assert "config.metadata.\\x1b] \\x07" in text(description, "VM", value)


def test_unknown_members_and_states_are_shown(description: Description) -> None:
    """A later daemon says more than this shell knows."""
    assert text(description, "VM", {"id": WEB, "state": "levitating", "aura": {"colour": "red"}})[1:] == [
        "state levitating",
        "aura.colour red",
    ]


def test_a_long_value_is_clipped() -> None:
    assert len(tables.plain("x" * 10_000, None)) == 300


def test_a_table_is_what_a_terminal_gets(vdsmsh: Shell, session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the default is a table, elsewhere JSON."""
    assert vdsmsh("vm", "list").out.startswith("{")
    monkeypatch.setattr("libvdsm.cli.output.is_terminal", lambda stream: True)
    assert vdsmsh("vm", "list").out.split()[0] == "NAME"
    assert vdsmsh("vm", "list", "-o", "yaml").out.startswith("items:")
