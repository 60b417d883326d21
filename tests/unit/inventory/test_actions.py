"""The opt-in member ``actions``: what a virtual machine's state refuses, by the schema alone."""

from __future__ import annotations

from typing import Any

import pytest

from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.types import VmState
from libvdsm.inventory.states import is_done, wrong_state
from tests.fakes.front import VM_1, VM_2, Front

ABOUT = {name: entry for name, entry in METHODS.items() if entry.object_type == "vm"}


@pytest.fixture
def front() -> Front:
    made = Front()
    made.observe(VM_1, state="running")
    made.observe(VM_2, state="stopped")
    made.seen()
    return made


@pytest.mark.parametrize("state", [state.value for state in VmState])
def test_every_verb_that_its_state_refuses_is_there_with_the_reason(front: Front, state: str) -> None:
    """And no other: what works, and what has nothing left to do, is not refused."""
    front.observe(VM_1, state=state)
    answer: Any = front.now("VM.get", {"vmId": VM_1, "actions": True})
    refused = {name: error for name, entry in ABOUT.items() if (error := wrong_state(entry, VM_1, state)) is not None}
    assert set(answer["actions"]) == set(refused)
    for name, reason in answer["actions"].items():
        assert refused[name].message == f"vm {VM_1} {reason}"


def test_an_unknown_state_refuses_nothing(front: Front) -> None:
    """Nobody knows what the machine does; whoever is asked to act on it will look."""
    front.observe(VM_1, state="unknown")
    answer: Any = front.now("VM.get", {"vmId": VM_1, "actions": True})
    assert answer["actions"] == {}


def test_nothing_to_do_is_no_refusal() -> None:
    """A stopped machine need not be stopped, and may be asked to."""
    assert is_done(METHODS["VM.stop"], "stopped")
    assert wrong_state(METHODS["VM.stop"], VM_1, "stopped") is None
    assert not is_done(METHODS["VM.stop"], "running")


def test_who_does_not_ask_does_not_get_it(front: Front) -> None:
    """The document is the cached one, and nothing is added to events."""
    assert "actions" not in dict(front.now("VM.get", {"vmId": VM_1}))
    first: Any = front.now("VM.list", {})
    assert all("actions" not in vm for vm in first["items"])
    front.now("VM.get", {"vmId": VM_1, "actions": True})
    assert front.now("VM.list", {}) == first


def test_a_list_shows_it_as_one_of_the_selected_members(front: Front) -> None:
    """Each machine has its own."""
    answer: Any = front.now("VM.list", {"fields": ["name", "actions"]})
    running, stopped = answer["items"]
    assert set(running) == {"id", "name", "actions"}
    assert "VM.start" in running["actions"]
    assert "VM.start" not in stopped["actions"]
    with pytest.raises(InvalidParams):
        front.now("VM.list", {"fields": ["action"]})
