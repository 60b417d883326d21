"""A complaint about a secret holds nothing of it, whatever it is and wherever it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.errors import ApiError
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.redaction import shape_of

GUARDED = sorted(name for name, entry in METHODS.items() if entry.has_secret)
#: What part of a secret is too much.
_PART = 4

secrets = st.text(st.characters(min_codepoint=0x2400, max_codepoint=0x9FFF), min_size=_PART, max_size=300)


def around(secret: str) -> st.SearchStrategy[Any]:
    """Values that hold ``secret``, of every kind."""
    return st.recursive(
        st.just(secret),
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.sampled_from(["token", "kind", "a"]), inner, min_size=1),
        max_leaves=4,
    )


@pytest.mark.parametrize("method", GUARDED)
@given(data=st.data(), secret=secrets)
def test_no_part_of_a_secret_is_in_a_complaint(method: str, data: st.DataObject, secret: str) -> None:
    """Parameters by name and by position, whole and cut off."""
    entry = METHODS[method]
    held = [name for name, shape in (shape_of(entry.params).members or {}).items() if shape.is_secret]
    params: Any = {name: data.draw(around(secret)) for name in held}
    for name in entry.param_names:
        if name not in held and data.draw(st.booleans()):
            params[name] = data.draw(st.none() | st.integers() | st.text(max_size=3))
    if data.draw(st.booleans()):
        params = [params.get(name) for name in entry.param_names]
    raw = json.dumps(params, ensure_ascii=data.draw(st.booleans())).encode()
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    try:
        decoded = ParamsDecoder(entry.params, entry.param_names)(raw)
    except ApiError as error:
        told = json.dumps([error.message, error.remedy, error.data(), str(error), repr(error)], ensure_ascii=False)
    else:
        told = repr(decoded)
    parts = {secret[place : place + _PART] for place in range(len(secret) - _PART + 1)}
    assert not [part for part in parts if part in told]
