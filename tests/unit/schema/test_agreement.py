"""The thorough judge and the daemon's generated decoders agree about every request."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.secret import decode_hook
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.schema import load_api
from libvdsm.schema.validate import params_problems

API = load_api()
CONFIG = {
    "memory": 2**28,
    "vcpus": 2,
    "cpu": {"mode": "custom", "model": "qemu64", "sockets": 1},
    "firmware": {"kind": "uefi", "secureBoot": True},
    "machine": "q35",
    "architecture": "x86_64",
    "kernel": {"path": "/boot/vmlinuz", "initrd": "/boot/initrd", "arguments": "quiet"},
    "disks": [
        {"source": {"kind": "file", "path": "/a.qcow2", "format": "qcow2"}, "bootOrder": 1},
        {"source": {"kind": "block", "path": "/dev/sda"}},
    ],
    "nics": [{"source": {"kind": "user"}, "mac": "52:54:00:00:00:01"}, {"source": {"kind": "bridge", "bridge": "br0"}, "model": "e1000e"}],
    "serials": [{"log": "/var/log/a"}],
    "graphics": [{"protocol": "vnc"}],
    "video": "vga",
    "metadata": {"a": "b"},
    "autostart": True,
}
CALLS: list[tuple[str, dict[str, object]]] = [
    ("VM.create", {"name": "web", "config": CONFIG}),
    ("VM.update", {"vmId": "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d", "config": CONFIG}),
    *((name, dict(method.examples[0].params)) for name, method in API.methods.items()),
]
ODD = st.sampled_from(
    [None, True, 0, -1, 1, 1.0, 1.5, 2**53, 10**30, "", "a", "a\n", "none", "uefi", "/", "/dev/a", "x" * 5000, [], [None], ["a"], {}, {"a": None}, {"kind": "file"}]
)  # fmt: skip


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of everything inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(value: dict[str, object], path: tuple[str | int, ...], odd: object, *, drop: bool) -> dict[str, object]:
    """The value with one thing in it replaced or left out."""
    fresh: dict[str, object] = copy.deepcopy(value)
    target: object = fresh
    for key in path[:-1]:
        target = target[key]  # type: ignore[index]
    if drop:
        del target[path[-1]]  # type: ignore[attr-defined]
    else:
        target[path[-1]] = odd  # type: ignore[index]
    return fresh


def decodes(name: str, params: object) -> bool:
    try:
        msgspec.json.Decoder(METHODS[name].params, dec_hook=decode_hook).decode(json.dumps(params).encode())
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(("name", "params"), CALLS, ids=[f"{at}-{name}" for at, (name, _) in enumerate(CALLS)])
def test_a_good_call_is_good_to_both(name: str, params: dict[str, object]) -> None:
    assert params_problems(API, API.methods[name], params) == ()
    assert decodes(name, params)


@given(st.sampled_from(CALLS), ODD, st.booleans(), st.data())
def test_a_call_with_one_thing_changed_is_judged_alike(
    call: tuple[str, dict[str, object]], odd: object, drop: bool, data: st.DataObject
) -> None:
    name, params = call
    paths = [*places(params)]
    fresh = changed(params, data.draw(st.sampled_from(paths)), odd, drop=drop) if paths else {"odd": odd}
    problems = params_problems(API, API.methods[name], fresh)
    assert decodes(name, fresh) is (not problems), (name, fresh, problems)
