"""Whether somebody may, and why not: the answers are those of the calls themselves."""

from __future__ import annotations

import pytest

from libvdsm.interfaces.generated.errors import MethodNotFound, ObjectNotFound, PermissionDenied
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import HOST, VM_1, VM_2, Front

ALICE = "user:alice"


@pytest.fixture
def front() -> Front:
    made = Front(verify=True)
    place_vm(made, VM_1, "web")
    place_vm(made, VM_2, "db")
    made.seen()
    return made


@pytest.mark.parametrize(
    ("question", "allowed"),
    (
        ({"method": "VM.start", "project": "web"}, True),
        ({"method": "VM.start", "project": "db"}, False),
        ({"method": "VM.start", "object": {"type": "vm", "id": VM_1}}, True),
        ({"method": "VM.start", "object": {"type": "vm", "id": VM_2}}, False),
        ({"method": "VM.start"}, False),
        ({"method": "VM.list"}, True),
        ({"method": "VM.delete", "project": "web"}, False),
        ({"method": "Host.getInfo"}, False),
        ({"method": "Host.ping"}, True),
    ),
)
async def test_check_says_what_the_call_would(front: Front, question: dict[str, object], *, allowed: bool) -> None:
    """For objects, projects, lists, and verbs that need nothing; with the grants that allow it."""
    id = await grant(front, ALICE, "operator", project="web")
    told = await ask(front, front.admin, "Access.check", {"identity": ALICE, **question})
    assert told["allowed"] is allowed
    expected = [id] if allowed and "permission" in told else []
    assert [each["id"] for each in told["grants"]] == expected
    why = await ask(front, front.admin, "Access.whyDenied", {"identity": ALICE, **question})
    assert why["allowed"] is allowed
    assert ("remedy" in why) is not allowed
    assert [each["fits"] for each in why["considered"]] == [allowed]


@pytest.mark.parametrize(
    ("question", "reason", "remedy"),
    (
        ({"method": "VM.delete", "project": "web"}, "role operator lacks vm.define", "in the project web: administrator"),
        ({"method": "VM.start", "project": "db"}, "it holds in the project web, not in the project db", "administrator or operator"),
        (
            {"method": "VM.start", "object": {"type": "vm", "id": VM_2}},
            f"it holds in the project web, not for the vm {VM_2}",
            "with vm.power in the project db",
        ),
        ({"method": "Host.getInfo", "project": "web"}, "host.read concerns the host, and can only be given everywhere", "everywhere: "),
        ({"method": "VM.start"}, "it holds in the project web, not everywhere", "everywhere: "),
    ),
)
async def test_why_denied_names_the_reason_and_the_remedy(front: Front, question: dict[str, object], reason: str, remedy: str) -> None:
    """Grant by grant; and what would help."""
    await grant(front, ALICE, "operator", project="web")
    why = await ask(front, front.admin, "Access.whyDenied", {"identity": ALICE, **question})
    assert why["considered"][0]["reason"] == reason
    assert remedy in why["remedy"]


async def test_the_remedy_helps(front: Front) -> None:
    """What is told to be granted makes the answer yes."""
    question = {"identity": ALICE, "method": "VM.start", "object": {"type": "vm", "id": VM_1}}
    assert "user:alice a role with vm.power in the project web" in (await ask(front, front.admin, "Access.whyDenied", question))["remedy"]
    await grant(front, ALICE, "operator", project="web")
    assert (await ask(front, front.admin, "Access.whyDenied", question))["allowed"] is True


async def test_the_built_in_administrator_may_without_a_grant(front: Front) -> None:
    """Nothing needs to be considered."""
    told = await ask(front, front.admin, "Access.whyDenied", {"identity": "unix:0", "method": "VM.delete"})
    assert (told["allowed"], told["considered"]) == (True, [])


async def test_one_may_ask_where_one_may_know(front: Front) -> None:
    """A manager of a project asks about it; what lies elsewhere is not there, or denied."""
    await grant(front, "unix:1000", "administrator", project="web")
    alice = user(front)
    question = {"identity": ALICE, "method": "VM.start"}
    assert (await ask(front, alice, "Access.check", {**question, "project": "web"}))["allowed"] is False
    assert (await ask(front, alice, "Access.check", {**question, "object": {"type": "vm", "id": VM_1}}))["allowed"] is False
    for elsewhere in ({}, {"project": "db"}):
        with pytest.raises(PermissionDenied):
            await ask(front, alice, "Access.check", question | elsewhere)
    assert [(deed.actor.identity, deed.method, deed.error) for deed in front.trail.refusals] == [
        ("unix:1000", "Access.check", "PermissionDenied")
    ] * 2
    told = []
    for id in (VM_2, HOST):
        with pytest.raises(ObjectNotFound) as refused:
            await ask(front, alice, "Access.whyDenied", {**question, "object": {"type": "vm", "id": id}})
        told.append(refused.value.message.replace(id, "…"))
    assert told[0] == told[1]


async def test_unknown_verbs_are_told(front: Front) -> None:
    """They are not merely denied."""
    with pytest.raises(MethodNotFound):
        await ask(front, front.admin, "Access.check", {"identity": ALICE, "method": "VM.fly"})


async def test_grants_elsewhere_are_told_to_those_who_see_them(front: Front) -> None:
    """Whoever manages a project hears of the grants that its list shows; the answer itself is whole."""
    await grant(front, "unix:1000", "administrator", project="web")
    manager = user(front)
    await grant(front, ALICE, "operator", project="db")
    here = await grant(front, ALICE, "reader", project="web")
    question = {"identity": ALICE, "method": "VM.start", "project": "web"}
    why = await ask(front, manager, "Access.whyDenied", question)
    assert (why["allowed"], [each["grant"]["id"] for each in why["considered"]]) == (False, [here])
    assert len((await ask(front, front.admin, "Access.whyDenied", question))["considered"]) == 2
    everywhere = await grant(front, ALICE, "operator")
    told = await ask(front, manager, "Access.check", question)
    assert (told["allowed"], told["grants"]) == (True, [])
    assert [each["id"] for each in (await ask(front, front.admin, "Access.check", question))["grants"]] == [everywhere]
