"""Paths of errors lead back to options."""

from __future__ import annotations

import pytest

from libvdsm.cli import options
from libvdsm.cli.description import Description
from libvdsm.cli.locate import locate, steps


@pytest.mark.parametrize(
    ("path", "where"),
    (
        ("$.name", "--name (name)"),
        ("$.config.memory", "--memory (config.memory)"),
        ("$.config.cpu.mode", "--cpu.mode (config.cpu.mode)"),
        ("$.config.disks[0].source.path", "--disk, number 1, source.path (config.disks[0].source.path)"),
        ("$.config.disks[2]", "--disk, number 3 (config.disks[2])"),
        ("$.config.metadata.owner", "--metadata, owner (config.metadata.owner)"),
        ("$.config['metadata']['owner']", "--metadata, owner (config['metadata']['owner'])"),
        ("$.config.colour", "--config, colour (config.colour)"),
        ("$.colour", "colour"),
        ("$", "$"),
    ),
)
def test_locate(description: Description, path: str, where: str) -> None:
    """The nearest option is named, with what is inside of it."""
    assert locate(options.leaves(description, description.verb("VM.create")), path) == where


def test_the_object_is_an_argument(description: Description) -> None:
    assert locate(options.leaves(description, description.verb("VM.get")), "$.vmId") == "argument VM (vmId)"


def test_steps_end_where_a_path_is_not_understood() -> None:
    assert steps("$.a[0].b") == ["a", 0, "b"]
    assert steps("a.b") == ["a", "b"]
    assert steps("$.a[x].b") == ["a"]
