"""The matrix of rights against a whole daemon: every verb, for somebody at random, on each road. The seed is printed."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests import access_model as model
from tests.access_model import ABSENT, VERBS, Somebody, Verb
from tests.conftest import StartVdsmd
from tests.roads import Address, Caller, connect

SEED = int(os.environ["LIBVDSM_MATRIX_SEED"])
SAMPLES = 4
ROADS = ("unix raw", "unix HTTP", "TCP raw", "TCP HTTP")


def by_stream(address: Address, token: str, method: str, params: object, *, subscribes: bool) -> dict[str, Any]:
    with Caller(address) as caller:
        caller.call("Identity.login", {"token": token})
        if subscribes:
            caller.answer("Event.subscribe", {"subscriptionId": "mine"})
        return caller.answer(method, params)


def by_http(address: Address, token: str, method: str, params: object) -> dict[str, Any]:
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = connect(address)
    try:
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        connection.request("POST", "/rpc", request, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


class Host:
    """A daemon, and what the administrator does there."""

    def __init__(self, unix: Address, tcp: Address, admin: Caller, chance: random.Random) -> None:
        self.addresses = {"unix": unix, "TCP": tcp}
        self.admin = admin
        self.chance = chance
        self.count = itertools.count(1)
        admin.call("Access.defineRole", {"name": "keeper", "permissions": list(model.KEEPER)})

    def somebody(self, who: Somebody) -> tuple[str, dict[str, str]]:
        """A new identity with these grants: its token, and objects of its own project and of another."""
        identity = f"user:t{next(self.count)}"
        ids = {"subscription/own": "mine", "subscription/foreign": "theirs"}
        for target, project in (("own", model.OWN_PROJECT), ("foreign", model.FOREIGN_PROJECT)):
            ids[f"vm/{target}"] = self._vm(project)
            started = self.admin.call("VM.start", {"vmId": ids[f"vm/{target}"]}, wait=20)
            ids[f"task/{target}"] = started["task"]["id"]
            scope = {"kind": "project", "project": project}
            ids[f"grant/{target}"] = self.admin.call("Access.grant", {"identity": identity + "x", "role": "keeper", "scope": scope})["id"]
        for role, scope_kind in who.grants:
            self.admin.call("Access.grant", {"identity": identity, "role": role, "scope": self._scope(scope_kind, ids["vm/own"])})
        made = self._token(identity)
        ids["token/own"], ids["token/foreign"] = self._token(identity)["tokenId"], self._token(identity + "x")["tokenId"]
        return made["token"], ids

    def _vm(self, project: str) -> str:
        params = {"name": f"m{next(self.count)}", "config": {"memory": 268435456}, "project": project}
        return str(self.admin.call("VM.create", params)["vmId"])

    def _token(self, identity: str) -> dict[str, str]:
        return self.admin.call("Identity.createToken", {"label": "test", "identity": identity})

    @staticmethod
    def _scope(kind: str, vm: str) -> dict[str, str]:
        more = {"project": {"project": model.OWN_PROJECT}, "object": {"type": "vm", "id": vm}}
        return {"kind": kind, **more.get(kind, {})}

    def outcome(self, verb: Verb, who: Somebody, target: str, road: str) -> str:
        """What came of a call."""
        token, ids = self.somebody(who)
        params = model.params_of(verb, target, ids)
        address = self.addresses[road.partition(" ")[0]]
        if road.endswith("raw"):
            answer = by_stream(address, token, verb.name, params, subscribes=verb.object_type == "subscription")
        else:
            answer = by_http(address, token, verb.name, params)
        if "error" not in answer:
            return "through"
        error = answer["error"].get("data", {})
        if error.get("error") == "PermissionDenied":
            return "denied"
        named = {"type": verb.object_type, "id": params.get(verb.object_param or "")}
        return "absent" if error.get("error") == "ObjectNotFound" and error["params"] == named else "through"


@pytest.fixture
def host(vdsmd: StartVdsmd) -> Iterator[Host]:
    daemon = vdsmd(hypervisor="simulator:0")
    assert daemon.port is not None
    with Caller(daemon.socket) as admin:
        yield Host(daemon.socket, ("127.0.0.1", daemon.port), admin, random.Random(SEED))


def _samples(verb: Verb, chance: random.Random) -> Iterator[tuple[Somebody, str, str]]:
    people = list(model.everybody())
    targets = ["absent"] if verb.object_type == "certificate" else verb.targets  # this host has no keys
    roads = [road for road in ROADS if verb.object_type != "subscription" or road.endswith("raw")]
    for number in range(SAMPLES):
        yield chance.choice(people), targets[number % len(targets)], roads[(number + chance.randrange(len(roads))) % len(roads)]


def test_every_verb_for_somebody_on_some_road(host: Host) -> None:
    """Allowed, refused or invisible as the schema says, through transport, binding, bridge and worker."""
    sys.stdout.write(f"LIBVDSM_MATRIX_SEED={SEED}\n")
    wrong = []
    for verb in VERBS:
        for who, target, road in _samples(verb, host.chance):
            found, wanted = host.outcome(verb, who, target, road), model.expected(verb, who, target)
            if found != wanted:
                wrong.append(f"{verb.name} on {target} by {who} over {road}: {found}, not {wanted}")
    assert wrong == [], f"LIBVDSM_MATRIX_SEED={SEED}"


def test_not_there_and_not_yours_are_the_same_bytes_on_every_road(host: Host) -> None:
    """But for the id, and alike on all roads."""
    token, ids = host.somebody(Somebody((("operator", "project"),)))
    for verb in VERBS:
        if verb.object_type not in ("vm", "task") or verb.permission not in model.ROLES["operator"]:
            continue
        told = set()
        for target in ("foreign", "absent"):
            params = model.params_of(verb, target, ids)
            for road in ROADS:
                address = host.addresses[road.partition(" ")[0]]
                if road.endswith("raw"):
                    answer = by_stream(address, token, verb.name, params, subscribes=False)
                else:
                    answer = by_http(address, token, verb.name, params)
                id = ABSENT if target == "absent" else ids[f"{verb.object_type}/foreign"]
                told.add(json.dumps(answer["error"]).replace(id, "<id>"))
        assert len(told) == 1, verb.name
