"""A daemon over the simulator, ready to suffer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import StartVdsmd
from tests.daemon_process import VdsmdProcess
from tests.faults.caller import Caller, calling


@pytest.fixture
def daemon(vdsmd: StartVdsmd) -> VdsmdProcess:
    """A daemon with ten machines, four of them running."""
    return vdsmd(hypervisor="simulator:10", listen=None)


@pytest.fixture
def caller(daemon: VdsmdProcess) -> Iterator[Caller]:
    """A caller who sees the virtual machines and hears of their changes."""
    with calling(daemon) as found:
        found.await_(lambda: found.condition("virt") == found.condition("host") == "ready", "the subsystems are ready")
        assert len(found.states()) == 10
        found.follow()
        yield found
