"""A scripted daemon per test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.unit.client.scripted import Script, ScriptedServer


class Serve(Protocol):
    """Starts a scripted daemon."""

    def __call__(self, **scripts: Script) -> ScriptedServer:
        """``VM_get=...`` is the script of ``VM.get``."""
        ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Scripted daemons that end with the test."""
    with ExitStack() as stack:

        def start(**scripts: Script) -> ScriptedServer:
            named = {name.replace("_", "."): script for name, script in scripts.items()}
            return stack.enter_context(ScriptedServer(tmp_path / "daemon.sock", named))

        yield start
