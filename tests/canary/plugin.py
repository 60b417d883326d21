"""The canary run: when all tests have ended, everything that was written is searched for the secrets that were planted."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.canary import record
from tests.canary.search import Findings, search

_FINDINGS = pytest.StashKey[Findings]()
_OWNED = pytest.StashKey[bool]()
_MOST_TOLD = 20


def pytest_configure(config: pytest.Config) -> None:
    """Begin the record, once for all processes of the session."""
    if record.folder() is None and not config.option.collectonly:
        config.stash[_OWNED] = True
        record.make(Path(tempfile.mkdtemp(prefix="canary-")) / "record")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search; a hit fails the session."""
    here = record.folder()
    if here is None or not session.config.stash.get(_OWNED, False):
        return
    planted = record.planted(here)
    if planted:
        factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]  # it has no other door
        found = search(planted, [factory.getbasetemp(), *record.roots(here)])
        session.config.stash[_FINDINGS] = found
        if found.hits and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was found."""
    found = config.stash.get(_FINDINGS, None)
    if found is None:
        return
    for hit in found.hits[:_MOST_TOLD]:
        terminalreporter.write_line(f"canary: {hit}", red=True)
    terminalreporter.write_line(str(found), red=bool(found.hits), green=not found.hits)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget the secrets."""
    here = record.folder()
    if here is not None and config.stash.get(_OWNED, False):
        del os.environ[record.VARIABLE]
        shutil.rmtree(here.parent, ignore_errors=True)
