"""The AsyncAPI document is valid, leads nowhere into the void, and says of messages what the daemon sends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from libvdsm.codegen.asyncapi.emit import document
from libvdsm.codegen.writer import Json
from libvdsm.schema import ir

DATA = Path(__file__).resolve().parents[2] / "data" / "asyncapi"


@pytest.fixture(scope="module")
def asyncapi(api: ir.Api) -> Json:
    return json.loads(json.dumps(document(api)))


def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads((DATA / "asyncapi-3.0.0.json").read_text(encoding="utf-8")))


def complaints(asyncapi: Json, message: str, value: object) -> list[str]:
    payload = {**asyncapi["components"]["messages"][message]["payload"], "components": asyncapi["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(payload).iter_errors(value)]


def test_asyncapi_fits_its_public_schema(asyncapi: Json) -> None:
    assert [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator().iter_errors(asyncapi)] == []


@pytest.mark.parametrize("broken", ({"asyncapi": "2.0.0"}, {"channels": {"x": {"address": 5}}}, {"operations": {"x": {"action": "shout"}}}))
def test_the_public_schema_is_not_toothless(asyncapi: Json, broken: Json) -> None:
    assert list(validator().iter_errors({**asyncapi, **broken})) != []


def test_every_reference_leads_somewhere(asyncapi: Json) -> None:
    pointers = set(re.findall(r'"(?:\$ref|x-document)": "#/([^"]+)"', json.dumps(asyncapi)))
    assert pointers
    for pointer in pointers:
        node = asyncapi
        for part in pointer.split("/"):
            node = node[part]


def test_every_event_has_its_topic_and_every_verb_its_call(api: ir.Api, asyncapi: Json) -> None:
    """With the parameters that stand in the address, and an answer of the verb's own."""
    events = [event for interface in api.interfaces.values() for event in interface.events]
    assert events
    for event in events:
        channel = asyncapi["channels"][event.name]
        assert channel["address"] == "/topic/" + event.topic.replace("<", "{").replace(">", "}")
        assert sorted(channel.get("parameters", {})) == sorted(re.findall(r"{(\w+)}", channel["address"]))
        assert asyncapi["operations"][f"tell.{event.name}"]["action"] == "send"
    assert set(asyncapi["channels"]["calls"]["messages"]) == set(api.methods)
    for name in api.methods:
        operation = asyncapi["operations"][f"answer.{name}"]
        assert (operation["action"], operation["reply"]["address"]["location"]) == ("receive", "$message.header#/reply-to")


def test_calls_and_answers_fit_what_is_sent(api: ir.Api, asyncapi: Json) -> None:
    """Every example of the schema, in its envelope; and not another verb's."""
    for method in api.methods.values():
        for example in method.examples:
            params = json.loads(json.dumps(example.params))
            call = {"jsonrpc": "2.0", "id": 1, "method": method.full_name, "params": params}
            assert complaints(asyncapi, method.full_name, call) == [], method.full_name
            assert complaints(asyncapi, method.full_name, call | {"method": "No.such"}) != []
            assert complaints(asyncapi, method.full_name, call | {"params": params | {"noSuch": 1}}) != []
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}
    assert complaints(asyncapi, "Host.ping.answer", {"jsonrpc": "2.0", "id": 1, "result": {"pong": True}}) == []
    assert complaints(asyncapi, "Host.ping.answer", failed) == []
    assert complaints(asyncapi, "Host.ping.answer", failed | {"result": {"pong": True}}) != []


def test_events_fit_what_is_sent(asyncapi: Json) -> None:
    """One of a virtual machine is none of a task."""
    event = {
        "epoch": "e",
        "sequence": 1,
        "time": "2026-01-01T00:00:00.000Z",
        "topic": "vm.x",
        "object": {"type": "vm", "id": "x", "revision": 1},
        "change": "changed",
        "patch": {"state": "running"},
        "cause": {"kind": "call"},
    }
    assert complaints(asyncapi, "vm.event", event) == []
    assert complaints(asyncapi, "task.event", event) != []
    assert (
        complaints(asyncapi, "delivery", {"jsonrpc": "2.0", "method": "Event.deliver", "params": {"subscriptionId": "s", "resume": "e-1"}})
        == []
    )
