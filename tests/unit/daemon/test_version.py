"""The daemon's version is the distribution's."""

from __future__ import annotations

import tomllib
from pathlib import Path

from libvdsm.daemon.version import VERSION


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
