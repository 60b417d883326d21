"""The fixture over which the contract is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.contract.virt import hypervisors
from tests.contract.virt.hypervisors import Hypervisor

FACTORIES: dict[str, Callable[[Path], AbstractContextManager[Hypervisor]]] = {
    "simulator": hypervisors.simulator,
    "libvirt": hypervisors.libvirt_qemu,
    "libvirt-test": hypervisors.libvirt_test,
}


@pytest.fixture(params=hypervisors.having())
def hypervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hypervisor]:
    """One of the hypervisors, with a driver that is open."""
    with FACTORIES[request.param](tmp_path) as found:
        yield found
