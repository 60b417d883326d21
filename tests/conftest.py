"""Fixtures that all tests may use."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests import seeds
from tests.canary import watch
from tests.canary.plugin import pytest_configure, pytest_sessionfinish, pytest_terminal_summary, pytest_unconfigure
from tests.daemon_process import WATCHERS, VdsmdProcess, start_vdsmd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary", "pytest_unconfigure"]

WATCHERS.append(watch.look)
seeds.make()  # before any other process of the run

# The machine may be busy: time is no property that is looked for here, nor is the luck of those who pick the examples.
_LUCK = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example)
settings.register_profile("here", deadline=None, suppress_health_check=_LUCK)
settings.load_profile("here")


def pytest_report_header() -> str:
    """What a run that failed is had again with."""
    return f"seeds: {seeds.told()}"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in a loop of its own, for four minutes at most."""
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    wanted = inspect.signature(function).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def bounded() -> None:
        async with asyncio.timeout(240):
            await function(**arguments)

    asyncio.run(bounded())
    return True


class StartVdsmd(Protocol):
    """``start_vdsmd`` in a folder of the test's own; ended, and looked after, when the test ends."""

    def __call__(
        self,
        *arguments: str,
        hypervisor: str = "simulator:3",
        listen: str | None = "127.0.0.1:0",
        verify: bool = True,
        descriptors: int | None = None,
    ) -> VdsmdProcess:
        """See ``start_vdsmd``."""
        ...


@pytest.fixture
def vdsmd(tmp_path: Path) -> Iterator[StartVdsmd]:
    """What starts real daemons, such as ``vdsmd("--in-process", hypervisor="simulator:10")``."""
    with ExitStack() as stack:
        count = 0

        def start(
            *arguments: str,
            hypervisor: str = "simulator:3",
            listen: str | None = "127.0.0.1:0",
            verify: bool = True,
            descriptors: int | None = None,
        ) -> VdsmdProcess:
            nonlocal count
            count += 1
            folder = tmp_path / f"d{count}"  # short: the paths of unix sockets are
            daemon = start_vdsmd(folder, *arguments, hypervisor=hypervisor, listen=listen, verify=verify, descriptors=descriptors)
            stack.callback(daemon.stop)
            return daemon

        yield start
