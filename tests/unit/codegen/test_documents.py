"""The OpenRPC and JSON Schema documents are valid, and say what the daemon's own types say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from libvdsm.codegen.docs import emit as docs
from libvdsm.codegen.jsonschema.emit import document as jsonschema_document
from libvdsm.codegen.openrpc.emit import document as openrpc_document
from libvdsm.codegen.writer import Json
from libvdsm.schema import ir

DATA = Path(__file__).resolve().parents[2] / "data" / "openrpc"
VM_ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"


def meta(name: str) -> Json:
    found = json.loads((DATA / name).read_text(encoding="utf-8"))
    # Its own dialect is draft 7 with references beside it.
    return {**found, "$schema": "http://json-schema.org/draft-07/schema#"}


@pytest.fixture(scope="module")
def openrpc(api: ir.Api) -> Json:
    return json.loads(json.dumps(openrpc_document(api)))


@pytest.fixture(scope="module")
def schema(api: ir.Api) -> Json:
    return json.loads(json.dumps(jsonschema_document(api)))


def complaints(schema: Json, name: str, value: object) -> list[str]:
    validator = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})
    return [error.message for error in validator.iter_errors(value)]


def openrpc_validator() -> jsonschema.Draft7Validator:
    dialect = Resource.from_contents(meta("json-schema-tools-meta-schema.json"), default_specification=DRAFT7)
    names = ("https://meta.json-schema.tools", "https://meta.json-schema.tools/")
    registry: Registry[Any] = Registry().with_resources([(name, dialect) for name in names])
    return jsonschema.Draft7Validator(meta("openrpc-meta-schema.json"), registry=registry)


def test_openrpc_fits_its_public_meta_schema(openrpc: Json) -> None:
    assert [error.message[:300] for error in openrpc_validator().iter_errors(openrpc)] == []


def test_the_meta_schema_is_not_toothless(openrpc: Json) -> None:
    broken = {**openrpc, "methods": [{**openrpc["methods"][0], "result": {"name": "x"}}]}
    assert list(openrpc_validator().iter_errors(broken)) != []


def test_openrpc_has_every_method_and_rpc_discover(api: ir.Api, openrpc: Json) -> None:
    assert [one["name"] for one in openrpc["methods"]] == [*api.methods, "rpc.discover"]
    found = {one["name"]: one for one in openrpc["methods"]}
    start = found["VM.start"]
    assert start["x-kind"] == "operation"
    assert start["x-permission"] == "vm.power"
    assert start["result"]["name"] == "TaskAccepted"
    assert {"$ref": "#/components/errors/WrongState"} in start["errors"]
    assert found["Event.read"]["params"][2]["x-unit"] == "seconds"


def test_every_reference_leads_somewhere(openrpc: Json, schema: Json) -> None:
    for document in (openrpc, schema):
        for pointer in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
            node = document
            for part in pointer.split("/"):
                node = node[part]


def test_json_schema_is_json_schema(schema: Json) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_example_fits(api: ir.Api, schema: Json) -> None:
    for method in api.methods.values():
        for example in method.examples:
            assert complaints(schema, method.params_record, json.loads(json.dumps(example.params))) == [], method.full_name
            result = json.loads(json.dumps(example.result))
            missing = {"'secureBoot' is a required property"}
            assert set(complaints(schema, method.result, result)) <= missing, method.full_name


@pytest.mark.parametrize(
    "params",
    (
        {"vmId": VM_ID, "more": 1},
        {"vmId": VM_ID.upper()},
        {},
        {"vmId": VM_ID, "ways": []},
        {"vmId": VM_ID, "ways": ["shout"]},
        {"vmId": VM_ID, "guestTimeout": 0},
    ),
)
def test_requests_are_closed(schema: Json, params: object) -> None:
    assert complaints(schema, "VmShutdownParams", params) != []


def test_null_is_absent_in_requests(schema: Json) -> None:
    assert complaints(schema, "VmShutdownParams", {"vmId": VM_ID, "ways": None, "force": None}) == []
    assert complaints(schema, "VmShutdownParams", {"vmId": None}) != []


def test_answers_are_open(schema: Json) -> None:
    assert complaints(schema, "VmShutdownResult", {"way": "hypnosis", "later": 1}) == []
    assert complaints(schema, "DiskSource", {"kind": "tape", "later": 1}) == []
    assert complaints(schema, "VmShutdownResult", {}) != []
    assert complaints(schema, "DiskSourceInput", {"kind": "tape"}) != []


def test_patches_clear_with_null(schema: Json) -> None:
    assert complaints(schema, "VmConfigPatch", {"kernel": None, "vcpus": 2}) == []
    assert complaints(schema, "VmConfigPatch", {"memory": None}) != []


def test_links_between_pages_lead_somewhere(api: ir.Api) -> None:
    pages = {Path(path).name: text for path, text in docs.emit(api).items()}
    headings = {
        name: {re.sub(r"[^\w-]", "", line.lstrip("# ").lower()) for line in text.splitlines() if line.startswith("#")}
        for name, text in pages.items()
    }
    for text in pages.values():
        for page, anchor in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", text):
            assert page in pages
            assert not anchor or anchor in headings[page], (page, anchor)


def test_pages_tell_every_verb_and_every_error(api: ir.Api) -> None:
    pages = {Path(path).stem: text for path, text in docs.emit(api).items()}
    for method in api.methods.values():
        assert f"## {method.full_name}\n" in pages[method.interface]
    for error in api.errors.values():
        assert f"## {error.name}\n" in pages["errors"]
    for permission in api.permissions:
        assert f"`{permission}`" in pages["permissions"]
