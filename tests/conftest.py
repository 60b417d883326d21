"""Fixtures that all tests may use."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.daemon_process import VdsmdProcess, start_vdsmd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class StartVdsmd(Protocol):
    """``start_vdsmd`` in a folder of the test's own; ended, and looked after, when the test ends."""

    def __call__(
        self, *arguments: str, hypervisor: str = "simulator:3", listen: str | None = "127.0.0.1:0", verify: bool = True
    ) -> VdsmdProcess:
        """See ``start_vdsmd``."""
        ...


@pytest.fixture
def vdsmd(tmp_path: Path) -> Iterator[StartVdsmd]:
    """What starts real daemons, such as ``vdsmd("--in-process", hypervisor="simulator:10")``."""
    with ExitStack() as stack:
        count = 0

        def start(
            *arguments: str, hypervisor: str = "simulator:3", listen: str | None = "127.0.0.1:0", verify: bool = True
        ) -> VdsmdProcess:
            nonlocal count
            count += 1
            daemon = start_vdsmd(tmp_path / f"vdsmd-{count}", *arguments, hypervisor=hypervisor, listen=listen, verify=verify)
            stack.callback(daemon.stop)
            return daemon

        yield start
