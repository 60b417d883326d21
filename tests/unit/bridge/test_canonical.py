"""The one form of parameters that stands for all ways to say the same."""

from __future__ import annotations

import json

import pytest

from libvdsm.bridge.canonical import canonical
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.generated.methods import METHODS

VM = "600168bc-651f-5a12-ab7e-2bd3ec5a0597"
CREATE = '{"name":"a","config":{"memory":67108864}}'
START = f'{{"vmId":"{VM}"}}'
SAME = (
    ("VM.create", CREATE, '{"config":{"vcpus":1,"memory":67108864,"kernel":null},"name":"a"}'),
    ("VM.create", CREATE, '{"name":"a","config":{"memory":67108864,"cpu":{},"disks":[]}}'),
    ("VM.start", START, f'{{"vmId":"{VM}","paused":false}}'),
    ("VM.start", START, f'["{VM}"]'),
    ("VM.update", f'{{"vmId":"{VM}","name":"b"}}', f'{{"name":"b","vmId":"{VM}"}}'),
)
DIFFERENT = (
    ("VM.start", START, f'{{"vmId":"{VM}","paused":true}}'),
    ("VM.create", CREATE, '{"name":"a","config":{"memory":67108864,"vcpus":2}}'),
    ("VM.update", f'{{"vmId":"{VM}","config":{{"vcpus":null}}}}', f'{{"vmId":"{VM}","config":{{}}}}'),
    ("Identity.login", '{"token":"abcdefghijklmnopq"}', '{"token":"abcdefghijklmnopr"}'),
)


def form(method: str, params: str) -> bytes:
    entry = METHODS[method]
    return canonical(ParamsDecoder(entry.params, entry.param_names)(params.encode()))


@pytest.mark.parametrize(("method", "one", "other"), SAME)
def test_ways_to_say_the_same_have_one_form(method: str, one: str, other: str) -> None:
    assert form(method, one) == form(method, other)


@pytest.mark.parametrize(("method", "one", "other"), DIFFERENT)
def test_what_differs_has_forms_that_differ(method: str, one: str, other: str) -> None:
    """In a patch null takes away, and absent leaves; secrets count."""
    assert form(method, one) != form(method, other)


def test_what_was_not_said_is_not_in_it() -> None:
    """So that a version that knows more members finds the same form."""
    assert json.loads(form("VM.create", CREATE)) == json.loads(CREATE)
