"""The daemon's types take what the schema allows and nothing else."""

from __future__ import annotations

import json

import msgspec
import pytest

from libvdsm.base.errors import ApiError
from libvdsm.base.secret import decode_hook, encode_hook
from libvdsm.codegen.writer import Json
from libvdsm.interfaces.generated import errors, services, types
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.schema import ir

MINIMAL = b'{"memory":268435456}'


def read(text: bytes, kind: Json = types.VmConfig) -> Json:
    return msgspec.json.decode(text, type=kind, dec_hook=decode_hook)


def config(member: bytes) -> Json:
    return read(b'{"memory":268435456,' + member + b"}")


def test_every_example_is_taken(api: ir.Api) -> None:
    assert sorted(METHODS) == sorted(api.methods)
    for name, method in api.methods.items():
        for example in method.examples:
            params = read(json.dumps(example.params).encode(), METHODS[name].params)
            result = read(json.dumps(example.result).encode(), METHODS[name].result)
            assert set(msgspec.json.decode(msgspec.json.encode(params, enc_hook=encode_hook))) >= set(example.params)
            assert set(msgspec.json.decode(msgspec.json.encode(result))) >= set(example.result)


def test_defaults_are_there_and_are_written() -> None:
    found = read(MINIMAL)
    assert found.vcpus == 1
    assert found.cpu == types.CpuConfig(mode=types.CpuMode.MAXIMUM)
    written = msgspec.json.decode(msgspec.json.encode(found))
    assert written["disks"] == []
    assert written["metadata"] == {}
    assert written["memoryBalloon"] is True
    assert written["cpu"] == {"mode": "maximum"}
    assert "architecture" not in written


def test_lists_of_two_values_are_not_shared() -> None:
    assert read(MINIMAL).disks is not read(MINIMAL).disks


def test_null_is_absent() -> None:
    assert config(b'"vcpus":null,"cpu":null,"disks":null,"metadata":null,"kernel":null') == read(MINIMAL)


def test_null_clears_in_a_patch_what_can_be_cleared() -> None:
    patch = read(b'{"kernel":null,"vcpus":2}', types.VmConfigPatch)
    assert patch.kernel is None
    assert patch.vcpus == 2
    assert patch.memory is msgspec.UNSET
    assert msgspec.json.decode(msgspec.json.encode(patch)) == {"kernel": None, "vcpus": 2}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.memory"):
        read(b'{"memory":null}', types.VmConfigPatch)


@pytest.mark.parametrize(
    ("member", "path"),
    (
        (b'"nothing":1', "nothing"),
        (b'"vcpus":0', r"\$\.vcpus"),
        (b'"vcpus":true', r"\$\.vcpus"),
        (b'"vcpus":"1"', r"\$\.vcpus"),
        (b'"vcpus":1.5', r"\$\.vcpus"),
        (b'"machine":"q35\\n"', r"\$\.machine"),
        (b'"machine":"a b"', r"\$\.machine"),
        (b'"video":"cga"', r"\$\.video"),
        (b'"disks":[{"source":{"kind":"tape"}}]', r"\$\.disks\[0\]\.source"),
        (b'"disks":[{"source":{"kind":"file","path":"relative","format":"raw"}}]', r"\$\.disks\[0\]\.source\.path"),
        (b'"disks":[{"source":{"kind":"file","path":"/a","format":"raw","more":1}}]', "more"),
        (b'"metadata":{"a":1}', r"\$\.metadata"),
    ),
)
def test_what_the_schema_forbids_is_refused_with_its_path(member: bytes, path: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=path):
        config(member)


def test_integers_stay_within_what_every_language_holds() -> None:
    options = b'{"expectedGeneration":%d}'
    assert read(options % (2**53 - 1), types.CallOptions).expected_generation == 2**53 - 1
    with pytest.raises(msgspec.ValidationError):
        read(options % 2**53, types.CallOptions)


@pytest.mark.parametrize(
    "text", ("6F1FCA2E-28E8-4BF0-B8DE-0B3A4A2B9E3D", "6f1fca2e28e84bf0b8de0b3a4a2b9e3d", "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d\n")
)
def test_ids_have_one_spelling(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.vmId"):
        read(json.dumps({"vmId": text}).encode(), types.VmGetParams)


@pytest.mark.parametrize("text", ("2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+01:00"))
def test_times_are_in_utc(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.notAfter"):
        read(json.dumps({"notAfter": text}).encode(), types.CallOptions)


def test_json_members_are_kept_as_they_came() -> None:
    event = (
        b'{"epoch":"e","sequence":1,"time":"2026-01-01T00:00:00Z","topic":"vm.1","object":{"type":"vm","id":"1","revision":1},'
        b'"change":"changed","patch":{"b": [1,  2]},"cause":{"kind":"call"}}'
    )
    found = read(event, types.Event)
    assert bytes(found.patch) == b'{"b": [1,  2]}'
    assert msgspec.json.encode(found) == event
    without = msgspec.structs.replace(found, patch=None)
    assert "patch" not in msgspec.json.decode(msgspec.json.encode(without))


def test_every_error_can_be_restored_from_the_wire(api: ir.Api) -> None:
    for name, declared in api.errors.items():
        params: dict[str, object] = {field.name: "x" for field in declared.params}
        error = errors.restore(name, params)
        assert type(error) is errors.ERRORS[name]
        assert (error.name, error.number, error.fault, error.retryable) == (name, declared.number, declared.fault, declared.retryable)
        assert error.params == params
        assert "{" not in error.message
    with pytest.raises(KeyError):
        errors.restore("NoSuchError", {})


def test_errors_take_their_parameters_by_name() -> None:
    error: ApiError = errors.TooLate(not_after="2026-01-01T00:00:00Z")
    assert error.params == {"notAfter": "2026-01-01T00:00:00Z"}
    assert error.data()["error"] == "TooLate"


def test_answers_with_tickets_are_never_cached() -> None:
    made = {"Certificate.createEnrolment", "Certificate.enrol", "Certificate.issue", "Certificate.renew"}
    assert {name for name, entry in METHODS.items() if entry.uncacheable} == made | {"Console.open", "Identity.createToken"}


def test_services_have_the_verbs_of_their_subsystem() -> None:
    for name, entry in METHODS.items():
        if entry.subsystem == "virt":
            assert hasattr(services.VirtService, entry.attribute), name
    assert not hasattr(services.HostService, "vm_start")
