"""The inventory is what clients read, and its differences are the events."""

from __future__ import annotations

import gc
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from libvdsm.interfaces.generated.errors import InvalidParams, ObjectNotFound, SubsystemUnavailable
from libvdsm.interfaces.messages import Observed
from libvdsm.inventory import service
from libvdsm.inventory.objects import Item
from libvdsm.journal.recorder import merge_patch
from tests.fakes.front import DAEMON, HOST, VM_1, VM_2, Front, document

JSON = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=2), JSON, max_size=4)


def apply(old: object, patch: object) -> object:
    """RFC 7396, as its section 2 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


@pytest.fixture
def front() -> Front:
    made = Front()
    made.observe(VM_2, name="db")
    made.observe(VM_1, name="Web", state="running", config={"memory": 1, "metadata": {"tier": "front"}})
    made.seen()
    return made


@given(DOCUMENTS, DOCUMENTS)
def test_merge_patch_makes_the_new_of_the_old(old: dict[str, object], new: dict[str, object]) -> None:
    """Applying the patch by the RFC's own rule gives the new document."""
    assert apply(old, merge_patch(old, new)) == new


def test_patches_add_up_to_the_document(front: Front) -> None:
    """Who applies every event has what VM.get answers."""
    front.observe(VM_1, name="web2", state="paused", stateReason="user")
    front.observe(VM_1, name="web2", state="running")
    answer: Any = front.now("Event.read", {"after": f"{front.journal.epoch}-0", "topics": [f"vm.{VM_1}"]})
    state: object = {}
    for event in answer["items"]:
        state = apply(state, event["patch"])
    assert state == front.now("VM.get", {"vmId": VM_1})


def test_no_change_makes_no_event(front: Front) -> None:
    """A report that tells nothing new leaves revision and journal alone."""
    before = front.journal.last
    front.observe(VM_2, name="db")
    assert front.journal.last == before


def test_list_is_paged_in_the_order_of_ids(front: Front) -> None:
    """Pages join up to the whole, and the last has no cursor."""
    first: Any = front.now("VM.list", {"limit": 1})
    assert [vm["id"] for vm in first["items"]] == [VM_1]
    second: Any = front.now("VM.list", {"limit": 1, "after": first["next"]})
    assert [vm["id"] for vm in second["items"]] == [VM_2]
    assert "next" not in second


@pytest.mark.parametrize(
    ("wanted", "found"),
    (
        ({"name": "Web"}, [VM_1]),
        ({"nameContains": "WE"}, [VM_1]),
        ({"states": ["running"]}, [VM_1]),
        ({"ids": [VM_2]}, [VM_2]),
        ({"metadata": {"tier": "front"}}, [VM_1]),
        ({"metadata": {"tier": "back"}}, []),
        ({"name": "Web", "states": ["stopped"]}, []),
        ({}, [VM_1, VM_2]),
    ),
)
def test_filters(front: Front, wanted: dict[str, object], found: list[str]) -> None:
    """Every member of a filter must fit."""
    answer: Any = front.now("VM.list", {"filter": wanted})
    assert [vm["id"] for vm in answer["items"]] == found


def test_fields_select_members(front: Front) -> None:
    """Only what was asked for, and the id."""
    answer: Any = front.now("VM.list", {"fields": ["state"], "limit": 1})
    assert answer["items"] == [{"id": VM_1, "state": "running"}]
    with pytest.raises(InvalidParams) as caught:
        front.now("VM.list", {"fields": ["state", "colour"]})
    assert caught.value.path == "$.fields[1]"


def test_desired_document_stands_over_the_observed(front: Front) -> None:
    """What was asked for is shown as recorded, with the greater generation."""
    front.inventory.desired("vm", VM_1, 7, json.dumps({"name": "asked", "config": {"memory": 5}}).encode())
    front.observe(VM_1, name="seen", state="running")
    vm: Any = front.now("VM.get", {"vmId": VM_1})
    assert (vm["name"], vm["config"], vm["generation"], vm["desired"]) == ("asked", {"memory": 5}, 7, "recorded")
    front.inventory.removed("vm", VM_1, DAEMON)
    with pytest.raises(ObjectNotFound):
        front.now("VM.get", {"vmId": VM_1})
    front.observe(VM_1, name="seen")
    assert front.now("VM.get", {"vmId": VM_1})["desired"] == "derived"


def test_statistics_follow_the_state(front: Front) -> None:
    """A running one has its sample, a stopped one says only that it is."""
    sample = {"vmId": VM_1, "state": "running", "cpu": {"sampledAt": "2026-01-01T00:00:00Z", "time": 1, "usedPercent": 2, "vcpus": 1}}
    front.inventory.stats("vm", [(VM_1, Raw(msgspec.json.encode(sample))), (VM_2, Raw(b"{}"))])
    answer: Any = front.now("VM.getStats")
    assert answer["items"] == [sample, {"vmId": VM_2, "state": "stopped"}]
    assert front.now("VM.getStats", {"vmIds": [VM_1], "fields": ["memory"]})["items"] == [{"vmId": VM_1, "state": "running"}]
    front.observe(VM_1, state="stopped")
    assert front.now("VM.getStats", {"vmIds": [VM_1]})["items"] == [{"vmId": VM_1, "state": "stopped"}]


def test_unknown_is_never_dead(front: Front) -> None:
    """When the hypervisor cannot be asked, states are unknown and figures say why they are old."""
    sample = {"vmId": VM_1, "state": "running", "cpu": {"sampledAt": "2026-01-01T00:00:00Z", "time": 1, "usedPercent": 2, "vcpus": 1}}
    front.inventory.stats("vm", [(VM_1, Raw(msgspec.json.encode(sample)))])
    front.inventory.forget_states("libvirtd is away", "HypervisorUnavailable")
    assert front.now("VM.get", {"vmId": VM_1})["state"] == "unknown"
    answer: Any = front.now("VM.getStats", {"vmIds": [VM_1]})
    (stats,) = answer["items"]
    assert stats["cpu"]["notRefreshed"] == {"error": "HypervisorUnavailable", "reason": "libvirtd is away"}
    assert stats["cpu"]["sampledAt"] == "2026-01-01T00:00:00Z"


async def test_before_the_first_snapshot_a_list_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list before the first report would be a lie: the read waits, then says what is missing."""
    front = Front()
    monkeypatch.setattr(service, "FIRST_SNAPSHOT_S", 0.01)
    with pytest.raises(SubsystemUnavailable):
        await front.later_answer("VM.list")
    monkeypatch.setattr(service, "FIRST_SNAPSHOT_S", 30)
    answer = front.bridge.call(front.admin, "VM.list")
    assert not isinstance(answer, bytes)
    front.inventory.snapshot("vm", [Observed(id=VM_1, document=document())], DAEMON)
    assert len(json.loads(await answer)["items"]) == 1


def test_host_joins_what_the_daemon_and_the_subsystem_know(front: Front) -> None:
    """Conditions of the parts are members of the host and make its events."""
    front.inventory.snapshot("host", [Observed(id=HOST, document=Raw(b'{"hostname":"h"}'))], DAEMON)
    front.reports.attached("virt")
    front.reports.report("virt", "report.condition", Raw(b'{"state":"ready"}'))
    info: Any = front.now("Host.getInfo")
    assert (info["hostname"], info["daemonVersion"]) == ("h", "1")
    assert info["subsystems"] == [{"name": "virt", "state": "ready"}]
    front.reports.lost("virt", "killed")
    front.reports.attached("virt")
    info = front.now("Host.getInfo")
    assert info["subsystems"] == [{"name": "virt", "state": "starting", "restarts": 1}]


def test_states_are_unknown_only_after_a_grace_period(front: Front) -> None:
    """A worker that is back soon leaves no trace in the states."""
    front.reports.attached("virt")
    front.reports.lost("virt", "killed")
    front.reports.attached("virt")
    for _delay, due in front.later:
        due()
    assert front.now("VM.get", {"vmId": VM_1})["state"] == "running"
    front.reports.lost("virt", "killed again")
    front.later[-1][1]()
    assert front.now("VM.get", {"vmId": VM_1})["state"] == "unknown"


def test_degraded_comes_back_to_what_it_was(front: Front) -> None:
    """A missed heartbeat that returns leaves the condition of before."""
    front.reports.attached("virt")
    front.reports.report("virt", "report.condition", Raw(b'{"state":"ready"}'))
    front.reports.degraded("virt", "no heartbeat for 5 s")
    assert front.inventory.condition_of("virt")["state"] == "degraded"
    front.reports.degraded("virt", "")
    assert front.inventory.condition_of("virt")["state"] == "ready"


def test_nonsense_from_a_worker_is_survived(front: Front) -> None:
    """A report that cannot be understood is left, and the next one is taken."""
    for method, params in (("report.snapshot", b"5"), ("report.dance", b"{}"), ("report.changed", b'{"type":"vm"}')):
        front.reports.report("virt", method, Raw(params))
    front.reports.report("virt", "report.removed", Raw(json.dumps({"type": "vm", "id": VM_1, "cause": {"kind": "daemon"}}).encode()))
    assert len(front.inventory.vms) == 1


def test_objects_are_nothing_to_the_search_for_garbage() -> None:
    """There may be thousands, and the loop would be held for as long as it looks at all of them."""
    item = Item("x")
    item.fragment, item.revision, item.stats = b"{}", 7, b"{}"
    assert not gc.is_tracked(item)
