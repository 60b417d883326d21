"""What the tests of the shell share."""

from __future__ import annotations

import pytest

from libvdsm.cli.description import Description, load
from tests.unit.cli.support import FakeSession, Shell


@pytest.fixture
def description() -> Description:
    """The table that the shell is built with."""
    return load()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    """A session of a fake host."""
    monkeypatch.delenv("VDSM_URL", raising=False)
    return FakeSession()


@pytest.fixture
def vdsmsh(session: FakeSession, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The shell on that session."""
    return Shell(session, capsys.readouterr)
