"""What was given is told by paths of the schema's own words, and by nothing of its values."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.audit.paths import MOST_PATHS, paths_of
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.redaction import Shape, shape_of

ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"


@pytest.mark.parametrize(
    ("method", "params", "paths"),
    (
        ("VM.update", {"vmId": ID, "name": "web", "config": {"memory": 1 << 30}}, ["config.memory", "name"]),
        ("VM.update", {"vmId": ID, "config": {"cpu": {"mode": "maximum"}, "disks": [{}]}}, ["config.cpu.mode", "config.disks"]),
        ("VM.update", {"vmId": ID, "config": {"kernel": None}}, ["config.kernel"]),
        ("VM.update", {"vmId": ID, "config": {"metadata": {"a key that is no word of ours": "v"}}}, ["config.metadata"]),
        ("VM.update", {"vmId": ID, "config": {"no word of ours": 1}}, ["config"]),
        ("VM.update", {"vmId": ID, "config": {}}, ["config"]),
        ("VM.start", {"vmId": ID}, []),
        ("VM.start", [ID], []),
        ("Identity.login", {"token": "x" * 20}, ["token"]),
    ),
)
def test_paths(method: str, params: Any, paths: list[str]) -> None:
    assert paths_of(json.dumps(params).encode(), METHODS[method]) == paths


@pytest.mark.parametrize("params", (b"", b"null", b"1", b"{", b'"x"', b"\xff", b"[" * 2000, b"[[]]"))
def test_what_is_no_object_has_no_paths(params: bytes) -> None:
    assert paths_of(params, METHODS["VM.update"]) in ([], ["config"])


def words(shape: Shape) -> set[str]:
    found = set(shape.members or ())
    for inner in (*(shape.members or {}).values(), *shape.branches.values(), *filter(None, (shape.items, shape.values))):
        found |= words(inner)
    return found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)


@given(method=st.sampled_from(sorted(METHODS)), data=st.data())
def test_every_word_is_of_the_schema(method: str, data: st.DataObject) -> None:
    entry = METHODS[method]
    known = words(shape_of(entry.params))
    names = st.sampled_from(sorted(known)) | st.text(max_size=9) if known else st.text(max_size=9)
    params = data.draw(st.dictionaries(names, st.dictionaries(names, json_values, max_size=3) | json_values, max_size=5))
    found = paths_of(json.dumps(params).encode(), entry)
    assert len(found) <= MOST_PATHS
    assert {word for path in found for word in re.split(r"\.", path)} <= known
