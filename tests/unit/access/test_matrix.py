"""The matrix of rights: every role and scope × every verb × own, foreign and absent target, in process (security 3.4 no 9).

Nobody lists verbs here: they and what must come of them are computed from the schema by ``tests.access_model``.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import pytest
from msgspec import Raw

from libvdsm.base.errors import ApiError
from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import HypervisorUnavailable
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.generated.permissions import OBJECTS, ROLES, UNPLACED
from libvdsm.interfaces.messages import Observed
from tests import access_model as model
from tests.access_model import ABSENT, FOREIGN_VM, OWN_VM, VERBS, Somebody, Verb
from tests.fakes.asking import ask, grant, place_vm, user
from tests.fakes.front import DAEMON, HOST, FakePort, FakeSink, Front

ME = "unix:1000"
OTHER = "unix:2000"


class RefusingPort(FakePort):
    """A worker whose hypervisor is away: a call that gets so far was allowed."""

    def call(self, method: str, params: bytes, meta: bytes, timeout_s: float) -> asyncio.Future[bytes]:
        future = super().call(method, params, meta, timeout_s)
        future.set_exception(HypervisorUnavailable(reason="it is away"))
        return future


async def scene(who: Somebody) -> tuple[Front, Caller, dict[str, str]]:
    """A host with machines, tasks, grants, tokens and subscriptions of one's own project and of another."""
    front = Front(port=RefusingPort())
    place_vm(front, OWN_VM, model.OWN_PROJECT)
    place_vm(front, FOREIGN_VM, model.FOREIGN_PROJECT)
    front.seen()
    front.inventory.snapshot("host", [Observed(id=HOST, document=Raw(b'{"hostname":"here"}'))], DAEMON)
    front.inventory.stats("host", [(HOST, Raw(b"{}"))])
    await ask(front, front.admin, "Access.defineRole", {"name": "keeper", "permissions": list(model.KEEPER)})
    for role, scope in who.grants:
        place = {"project": {"project": model.OWN_PROJECT}, "object": {"vm": OWN_VM}}.get(scope, {})
        await grant(front, ME, role, **place)
    ids = {"vm/own": OWN_VM, "vm/foreign": FOREIGN_VM, "subscription/own": "mine", "subscription/foreign": "theirs"}
    for target, project, vm in (("own", model.OWN_PROJECT, OWN_VM), ("foreign", model.FOREIGN_PROJECT, FOREIGN_VM)):
        ids[f"task/{target}"] = _task(front, project, vm)
        ids[f"grant/{target}"] = await grant(front, "user:bystander", "keeper", project=project)
        ids[f"certificate/{target}"] = ABSENT.replace("9", "8")
    ids["token/own"] = await _token(front, ME)
    ids["token/foreign"] = await _token(front, OTHER)
    me = user(front, sink=FakeSink())
    front.broker.subscribe(me, FakeSink(), ["#"], after=None, snapshot=False, subscription_id="theirs")
    if me.sink is not None:
        front.broker.subscribe(me, me.sink, ["#"], after=None, snapshot=False, subscription_id="mine")
    return front, me, ids


def _task(front: Front, project: str, vm: str) -> str:
    id = f"44444444-4444-4444-8444-{vm[:12].replace('-', '0')}"
    return front.tasks.create(
        id=id, method="VM.start", subject=("vm", vm), subsystem="virt", identity=OTHER, flow_id=None, unit="percent", project=project
    ).id


async def _token(front: Front, identity: str) -> str:
    made = await ask(front, front.admin, "Identity.createToken", {"label": "test", "identity": identity})
    return str(made["tokenId"])


async def outcome(front: Front, caller: Caller, verb: Verb, params: dict[str, object]) -> str:
    """What came of a call."""
    try:
        await asyncio.wait_for(ask(front, caller, verb.name, params), 60)
    except ApiError as error:
        if error.name == "PermissionDenied":
            return "denied"
        named = {"type": verb.object_type, "id": params.get(verb.object_param or "")}
        return "absent" if error.name == "ObjectNotFound" and error.params == named else "through"
    return "through"


def test_the_model_and_the_daemon_read_the_same_schema() -> None:
    """Two opinions of one text: the same verbs, roles, objects, and the same permissions that belong to no project."""
    assert {verb.name: verb.permission for verb in VERBS} == {name: entry.permission for name, entry in METHODS.items()}
    assert {name: frozenset(role.permissions) for name, role in ROLES.items()} | {"keeper": frozenset(model.KEEPER)} == model.ROLES
    assert set(OBJECTS) == set(model.EVENTS)
    assert frozenset(UNPLACED) == model.UNPLACED


@pytest.mark.parametrize("who", tuple(model.everybody()), ids=str)
async def test_every_verb_is_allowed_refused_or_invisible_as_the_schema_says(who: Somebody) -> None:
    """For this role and scope: all verbs, on one's own, on another's, and on what is not there."""
    wrong = []
    front, me, ids = await scene(who)
    for verb in VERBS:
        if verb.permission is not None and model.PERMISSIONS[verb.permission]["write"]:
            front, me, ids = await scene(who)  # what it does must not help or hinder the next
        for target in verb.targets:
            params = model.params_of(verb, target, ids)
            found = await outcome(front, me, verb, params)
            wanted = model.expected(verb, who, target)
            is_for_others = verb.name in front.unfinished and found == "through"  # rooms that are not in this front decide the rest
            if found != wanted and not is_for_others:
                wrong.append(f"{verb.name} on {target}: {found}, not {wanted}")
    assert wrong == []


def objects() -> list[Verb]:
    return [verb for verb in VERBS if verb.object_type in model.MADE]


@pytest.mark.parametrize("verb", objects(), ids=lambda verb: verb.name)
async def test_not_there_and_not_yours_are_the_same_bytes(verb: Verb) -> None:
    """Whoever may do it in his project gets one answer for an object of another project and for none, but for the id."""
    who = Somebody((("administrator", "project"),))
    front, me, ids = await scene(who)
    session = JsonRpcEndpoint(front.bridge).open(me)
    answers = []
    for target in ("foreign", "absent"):
        params = model.params_of(verb, target, ids)
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": verb.name, "params": params}).encode()
        answer = session.answer(request)
        raw = answer if isinstance(answer, bytes) else await answer
        answers.append(raw.replace(str(params[verb.object_param or ""]).encode(), b"<id>"))
    assert answers[0] == answers[1]
    assert b'"error"' in answers[0]


@pytest.mark.parametrize("verb", [verb for verb in objects() if verb.object_type in ("vm", "task")], ids=lambda verb: verb.name)
async def test_not_there_and_not_yours_take_the_same_time(verb: Verb) -> None:
    """The medians of many refusals are of one class: within a factor of three, however busy the machine is."""
    front, me, ids = await scene(Somebody((("administrator", "project"),)))
    raw = {target: json.dumps(model.params_of(verb, target, ids)).encode() for target in ("foreign", "absent")}
    taken: dict[str, list[float]] = {"foreign": [], "absent": []}
    for _ in range(300):
        for target, times in taken.items():
            begun = time.perf_counter()
            with pytest.raises(ApiError):
                front.bridge.call(me, verb.name, raw[target])
            times.append(time.perf_counter() - begun)
    foreign, absent = (statistics.median(times) for times in taken.values())
    assert foreign < 3 * absent
    assert absent < 3 * foreign
