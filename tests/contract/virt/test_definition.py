"""The contract of drivers: definitions."""

from __future__ import annotations

import uuid

import msgspec
import pytest

from libvdsm.interfaces.generated.errors import ObjectNotFound, WrongState
from libvdsm.interfaces.generated.types import VmState
from libvdsm.subsystems.virt.plan import as_kept, digest, drift, normalise
from tests.contract.virt.hypervisors import Hypervisor, having


def test_a_definition_is_read_back_as_it_was_written(hypervisor: Hypervisor) -> None:
    id = hypervisor.define(name="röckenwein & <co>", generation=7)
    domain = hypervisor.driver.domain(id)
    wanted = normalise(hypervisor.config, id)
    assert (domain.id, domain.name, domain.state) == (id, "röckenwein & <co>", VmState.STOPPED)
    assert (domain.generation, domain.operation_id, domain.digest) == (7, "operation-7", digest("röckenwein & <co>", wanted))
    assert as_kept(domain.config) == as_kept(wanted)
    assert drift(domain.name, domain.config, domain.digest) is None
    assert not domain.is_foreign
    assert domain.live_config is None
    assert domain.started_at is None


def test_domains_come_in_the_order_of_their_ids(hypervisor: Hypervisor) -> None:
    mine = {hypervisor.define() for _ in range(5)}
    found = [domain.id for domain in hypervisor.driver.domains()]
    assert found == sorted(found)
    assert mine <= set(found)


def test_two_domains_may_have_the_same_name(hypervisor: Hypervisor) -> None:
    first, second = hypervisor.define(name="twin"), hypervisor.define(name="twin")
    assert {hypervisor.driver.domain(first).name, hypervisor.driver.domain(second).name} == {"twin"}


def test_a_redefinition_replaces_the_definition_and_its_metadata_in_one_act(hypervisor: Hypervisor) -> None:
    id = hypervisor.define(generation=1)
    bigger = msgspec.structs.replace(hypervisor.config, memory=hypervisor.config.memory * 2)
    hypervisor.define(id=id, name="renamed", generation=2, config=bigger)
    domain = hypervisor.driver.domain(id)
    assert (domain.name, domain.generation, domain.operation_id) == ("renamed", 2, "operation-2")
    assert domain.config.memory == bigger.memory


def test_a_redefinition_leaves_the_running_process_alone(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    bigger = msgspec.structs.replace(hypervisor.config, memory=hypervisor.config.memory * 2)
    hypervisor.define(id=id, generation=2, config=bigger)
    domain = hypervisor.driver.domain(id)
    assert domain.state == VmState.RUNNING
    assert domain.config.memory == bigger.memory
    assert domain.live_config is not None
    assert domain.live_config.memory == hypervisor.config.memory


def test_a_redefinition_takes_effect_at_the_next_start(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    bigger = msgspec.structs.replace(hypervisor.config, memory=hypervisor.config.memory * 2)
    hypervisor.define(id=id, generation=2, config=bigger)
    hypervisor.driver.destroy(id)
    hypervisor.driver.start(id, paused=False)
    live = hypervisor.driver.domain(id).live_config
    assert live is not None
    assert live.memory == bigger.memory


def test_an_undefined_domain_is_gone(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    hypervisor.driver.undefine(id)
    with pytest.raises(ObjectNotFound):
        hypervisor.driver.domain(id)
    assert id not in {domain.id for domain in hypervisor.driver.domains()}


def test_a_running_domain_is_not_undefined(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with pytest.raises(WrongState) as raised:
        hypervisor.driver.undefine(id)
    assert raised.value.params["id"] == id
    assert hypervisor.driver.domain(id).state == VmState.RUNNING


@pytest.mark.parametrize("hypervisor", having("autostart"), indirect=True)
def test_autostart_is_remembered_both_ways(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    for wanted in (True, False, False):
        hypervisor.driver.set_autostart(id, wanted)
        assert hypervisor.driver.domain(id).config.autostart is wanted


@pytest.mark.parametrize(
    "call",
    ("domain", "fence", "undefine", "destroy", "reset", "suspend", "resume", "open_graphics"),
)
def test_an_unknown_id_is_said_to_be_unknown(hypervisor: Hypervisor, call: str) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(ObjectNotFound) as raised:
        getattr(hypervisor.driver, call)(unknown)
    assert raised.value.params == {"type": "vm", "id": unknown}


def test_an_unknown_id_is_said_to_be_unknown_by_calls_that_take_more(hypervisor: Hypervisor) -> None:
    unknown, driver = str(uuid.uuid4()), hypervisor.driver
    calls = (
        lambda: driver.start(unknown, paused=False),
        lambda: driver.set_autostart(unknown, True),
        lambda: driver.screenshot(unknown, 0),
        lambda: driver.open_serial(unknown, "ua-serial0", take_over=False),
    )
    for call in calls:
        with pytest.raises(ObjectNotFound):
            call()


def test_a_fence_waits_for_nothing_where_nothing_is_at_work_and_changes_nothing(hypervisor: Hypervisor) -> None:
    stopped, running = hypervisor.define(), hypervisor.started()
    hypervisor.await_state(running, VmState.RUNNING)
    for id in (stopped, running):
        before = hypervisor.driver.domain(id)
        hypervisor.driver.fence(id)
        assert hypervisor.driver.domain(id) == before
