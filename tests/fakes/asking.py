"""Calls of anybody through the bridge of a ``Front``, whether they are answered at once or later."""

from __future__ import annotations

import json
from typing import Any

from libvdsm.interfaces.caller import Caller
from tests.fakes.front import FakeSink, Front


async def ask(front: Front, caller: Caller, method: str, params: object = None) -> dict[str, Any]:
    """The result; raises ``ApiError``."""
    answer = front.bridge.call(caller, method, json.dumps({} if params is None else params).encode())
    found: dict[str, Any] = json.loads(answer if isinstance(answer, bytes) else await answer)
    return found


def user(front: Front, uid: int = 1000, sink: FakeSink | None = None) -> Caller:
    """Somebody on the unix socket who has been given nothing yet."""
    return front.access.unix(uid, uid, 1, sink=sink)


async def grant(front: Front, identity: str, role: str, *, project: str | None = None, vm: str | None = None, **more: object) -> str:
    """Give a role as the administrator; the grant's id."""
    scope: dict[str, object] = {"kind": "everywhere"}
    if project is not None:
        scope = {"kind": "project", "project": project}
    if vm is not None:
        scope = {"kind": "object", "type": "vm", "id": vm}
    made = await ask(front, front.admin, "Access.grant", {"identity": identity, "role": role, "scope": scope, **more})
    return str(made["id"])


def place_vm(front: Front, id: str, project: str, name: str = "web") -> None:
    """A virtual machine that belongs to a project."""
    document = {"name": name, "project": project, "config": {"memory": 268435456, "vcpus": 1, "metadata": {}}}
    front.inventory.desired("vm", id, 1, json.dumps(document).encode())
    front.observe(id, name)
