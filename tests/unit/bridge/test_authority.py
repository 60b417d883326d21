"""Whose affair a call is: the project that its record in the audit names."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from libvdsm.base.errors import ApiError
from libvdsm.bridge.authority import Authority
from libvdsm.interfaces.generated.errors import PermissionDenied
from libvdsm.interfaces.generated.methods import METHODS
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import VM_1, Front

_WEB = {"kind": "project", "project": "web"}
_MACHINE = {"kind": "object", "type": "vm", "id": VM_1}
_CONFIG = {"memory": 268435456}


@pytest.fixture
def front() -> Front:
    """A front with a machine in the project web."""
    made = Front()
    made.seen()
    place_vm(made, VM_1, "web")
    return made


@pytest.mark.parametrize(
    ("method", "params", "project"),
    (
        ("Queue.create", {"name": "jobs", "project": "web"}, "web"),
        ("Queue.create", {"name": "jobs"}, "default"),
        ("Access.grant", {"identity": "user:alice", "role": "reader", "scope": _WEB}, "web"),
        ("Access.grant", {"identity": "user:alice", "role": "reader", "scope": _MACHINE}, "web"),
        ("Access.grant", {"identity": "user:alice", "role": "reader", "scope": {"kind": "everywhere"}}, None),
        ("Identity.createToken", {"label": "backup", "scope": _WEB}, "web"),
        ("Identity.createToken", {"label": "backup", "scope": _MACHINE}, "web"),
        ("Identity.createToken", {"label": "backup"}, None),
        ("Access.defineRole", {"name": "watcher", "permissions": ["vm.read"]}, None),
    ),
)
async def test_what_is_made_is_on_record_in_its_project(front: Front, method: str, params: dict[str, Any], project: str | None) -> None:
    """Whoever may read the trail of that project, and of no other, reads of it."""
    await ask(front, front.admin, method, params)
    assert [(deed.method, deed.outcome, deed.project) for deed in front.trail.deeds] == [(method, "done", project)]


async def test_a_machine_is_made_on_record_in_its_project(front: Front) -> None:
    """Also where a worker makes it."""
    waiting = asyncio.ensure_future(ask(front, front.admin, "VM.create", {"name": "db", "config": _CONFIG, "project": "shop"}))
    await front.turns()
    front.port.calls[0].future.set_result(msgspec.json.encode({"vmId": VM_1, "generation": 1}))
    await waiting
    assert [deed.project for deed in front.trail.deeds] == ["shop"]


async def test_what_is_taken_away_is_on_record_where_it_held(front: Front) -> None:
    """A grant and a token of a project end in its trail."""
    granted = await grant(front, "user:alice", "reader", project="web")
    made = await ask(front, front.admin, "Identity.createToken", {"label": "backup", "scope": _WEB})
    await ask(front, front.admin, "Access.revoke", {"grantId": granted})
    await ask(front, front.admin, "Identity.revokeToken", {"tokenId": made["tokenId"]})
    assert [(deed.method, deed.project) for deed in front.trail.deeds[2:]] == [("Access.revoke", "web"), ("Identity.revokeToken", "web")]


@pytest.mark.parametrize(
    ("method", "params"),
    (
        ("VM.create", {"name": "db", "config": _CONFIG, "project": "web"}),
        ("Queue.create", {"name": "jobs", "project": "web"}),
        ("Access.grant", {"identity": "user:alice", "role": "reader", "scope": _WEB}),
    ),
)
async def test_who_may_not_make_it_there_is_on_record_there(front: Front, method: str, params: dict[str, Any]) -> None:
    """The project whose affair it is hears of the attempt."""
    await grant(front, "unix:1000", "administrator", project="shop")
    front.trail.deeds.clear()
    with pytest.raises(ApiError) as refused:
        await ask(front, user(front), method, params)
    assert refused.value.name == PermissionDenied.name
    assert [(deed.method, deed.project) for deed in front.trail.refusals] == [(method, "web")]


@pytest.mark.parametrize("params", (b"", b"[", b"{}", b"[1,2]", b'{"scope":1}', b'{"scope":{"kind":"moon"}}', b"\xff", b"[" * 100_000))
def test_what_names_no_project_is_nobodys_affair(front: Front, params: bytes) -> None:
    """Whatever a stranger sends: it is looked at before it is decoded."""
    assert Authority(front.places, front.access).project(METHODS["Access.grant"], None, params) is None
