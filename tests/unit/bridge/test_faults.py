"""All faults of parameters at once are exactly what the decoder would refuse, one after the other."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bridge.faults import MOST_FAULTS, find_faults
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.generated.errors import InvalidParams
from libvdsm.interfaces.generated.methods import METHODS

ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
CONFIG = {
    "memory": 2**28,
    "vcpus": 2,
    "cpu": {"mode": "custom", "model": "qemu64"},
    "disks": [
        {"source": {"kind": "file", "path": "/a.qcow2", "format": "qcow2"}, "bootOrder": 1},
        {"source": {"kind": "block", "path": "/dev/sda"}},
    ],
    "nics": [{"source": {"kind": "bridge", "bridge": "br0"}}],
    "metadata": {"a": "b"},
}
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("VM.create", {"name": "web", "config": CONFIG}),
    ("VM.update", {"vmId": ID, "config": CONFIG}),
    ("VM.shutdown", {"vmId": ID, "ways": ["agent", "acpi"], "guestTimeout": 3, "force": True}),
    ("VM.list", {"filter": {"states": ["running"], "metadata": {"a": "b"}}, "fields": ["name"], "limit": 3}),
    ("Access.grant", {"identity": "user:ada", "role": "reader", "scope": {"kind": "project", "project": "web"}}),
    ("Identity.login", {"token": "vdsm-0000000000000000000000"}),
    ("Plan.check", {"method": "VM.start", "params": {"vmId": ID}}),
)
ODD = st.sampled_from((None, True, 0, -1, 1.5, 2**53, "", "a", "a\n", "/", "x" * 5000, [], [None], ["a"], {}, {"kind": "tape"}))


def found(name: str, params: object) -> tuple[InvalidParams, ...]:
    entry = METHODS[name]
    return find_faults(ParamsDecoder(entry.params, entry.param_names), entry.params, json.dumps(params).encode())


def refusal(name: str, params: object) -> str | None:
    entry = METHODS[name]
    try:
        ParamsDecoder(entry.params, entry.param_names)(json.dumps(params).encode())
    except InvalidParams as error:
        return error.message
    return None


def places_of(value: object) -> list[tuple[str | int, Any]]:
    """What is directly inside a JSON value, by name or number."""
    return list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything inside a JSON value."""
    for key, item in places_of(value):
        yield (*path, key)
        yield from places(item, (*path, key))


def spoil(value: Any, path: tuple[str | int, ...], odd: object, *, drop: bool) -> None:
    """Replace something, or leave it out; what an earlier change has taken away stays away."""
    for key in path[:-1]:
        if not isinstance(value, dict | list) or key not in dict(places_of(value)):
            return
        value = dict(places_of(value))[key]
    last = path[-1]
    if isinstance(value, dict):
        value[last] = copy.deepcopy(odd)
        if drop:
            del value[last]
    elif isinstance(value, list) and isinstance(last, int) and last < len(value):
        value[last] = copy.deepcopy(odd)


@given(st.sampled_from(CALLS), st.lists(st.tuples(st.integers(0, 100), ODD, st.booleans()), max_size=4))
def test_there_are_faults_where_the_decoder_refuses_and_its_own_is_the_first(
    call: tuple[str, dict[str, Any]], changes: list[tuple[int, object, bool]]
) -> None:
    name, params = call[0], copy.deepcopy(call[1])
    paths = tuple(places(params))
    for number, odd, drop in changes:
        spoil(params, paths[number % len(paths)], odd, drop=drop)
    faults = found(name, params)
    assert (faults[0].message if faults else None) == refusal(name, params)
    assert len({fault.path for fault in faults}) == len(faults)


@given(st.sampled_from(CALLS), st.data())
def test_each_of_two_faults_is_the_one_that_it_would_be_alone(call: tuple[str, dict[str, Any]], data: st.DataObject) -> None:
    """So whoever mends the first meets no new one, but the second."""
    name, params = call
    paths = tuple(path for path in places(params) if len(path) == 1)
    chosen = data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2, unique=True))
    together, alone = copy.deepcopy(params), set()
    for path in chosen:
        single = copy.deepcopy(params)
        odd = data.draw(ODD)
        spoil(single, path, odd, drop=False)
        spoil(together, path, odd, drop=False)
        alone |= {fault.message for fault in found(name, single)}
    assert {fault.message for fault in found(name, together)} == alone


def test_all_that_is_missing_or_too_much_is_told() -> None:
    """A decoder tells one of each."""
    assert [fault.path for fault in found("VM.create", {"odd": 1, "even": 2})] == ["$.odd", "$.even", "$.name", "$.config"]


def test_parameters_by_position_are_told_by_name() -> None:
    """As everywhere."""
    assert [fault.path for fault in found("VM.update", ["X", 3, {"memory": None}])] == ["$.vmId", "$.name", "$.config.memory"]
    assert [fault.path for fault in found("VM.start", [ID, True, 3])] == ["$[2]"]


@pytest.mark.parametrize("raw", (b"", b"{", b'{"a":1}}', b"\xff", b"[" * 100, b"3", b"null"))
def test_what_is_no_object_has_one_fault(raw: bytes) -> None:
    entry = METHODS["VM.start"]
    [fault] = find_faults(ParamsDecoder(entry.params, entry.param_names), entry.params, raw)
    assert fault.path == "$" or raw == b'{"a":1}}'


def test_a_flood_of_faults_is_cut() -> None:
    """Nobody reads more, and it costs no more than that."""
    assert len(found("VM.getStats", {"vmIds": ["x"] * 9_000})) == MOST_FAULTS


@pytest.mark.parametrize("call", CALLS, ids=[name for name, _ in CALLS])
def test_what_is_right_has_no_fault(call: tuple[str, dict[str, Any]]) -> None:
    assert found(*call) == ()
