"""What is kept of parameters holds no secret, whatever the caller has sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.base.secret import HIDDEN, Secret
from libvdsm.interfaces.generated.methods import METHODS
from libvdsm.interfaces.redaction import redacted, shape_of

PLANTED = "planted-8f3a41"


class Key(Secret, min_length=4):
    """A secret of another kind."""

    __slots__ = ()


class Disk(msgspec.Struct, tag_field="kind", tag="disk", rename={"pass_phrase": "passPhrase"}):
    """A branch with a secret."""

    path: str
    pass_phrase: Secret


class Pipe(msgspec.Struct, tag_field="kind", tag="pipe"):
    """A branch without one."""

    path: str


class Nested(msgspec.Struct):
    """A record within a record."""

    level: int = 0
    key: Key | msgspec.UnsetType | None = msgspec.UNSET


class Params(msgspec.Struct):
    """Secrets in every place where the schema allows them."""

    name: str
    plain: Secret
    inner: Nested | None = None
    keys: list[Key] = []
    by_name: dict[str, Secret] = {}
    disks: list[Disk | Pipe] = []
    free: msgspec.Raw = msgspec.Raw(b"{}")


ENTRY = replace(
    METHODS["Identity.login"], params=Params, param_names=("name", "plain", "inner", "keys", "by_name", "disks", "free"), has_secret=True
)


def kept(params: object) -> Any:
    return json.loads(redacted(json.dumps(params).encode(), ENTRY))


def test_secrets_are_hidden_and_the_rest_is_kept() -> None:
    params = {
        "name": "n",
        "plain": PLANTED,
        "inner": {"level": 3, "key": PLANTED},
        "keys": [PLANTED, PLANTED],
        "by_name": {"a": PLANTED},
        "disks": [{"kind": "disk", "path": "/p", "passPhrase": PLANTED}, {"kind": "pipe", "path": "/q"}],
    }
    assert kept(params) == {
        "name": "n",
        "plain": HIDDEN,
        "inner": {"level": 3, "key": HIDDEN},
        "keys": [HIDDEN, HIDDEN],
        "by_name": {"a": HIDDEN},
        "disks": [{"kind": "disk", "path": "/p", "passPhrase": HIDDEN}, {"kind": "pipe", "path": "/q"}],
    }


def test_parameters_by_position_are_kept_by_name() -> None:
    assert kept(["n", PLANTED, None, [PLANTED]]) == {"name": "n", "plain": HIDDEN, "inner": None, "keys": [HIDDEN]}


def test_a_verb_without_secrets_is_left_alone() -> None:
    raw = b'{ "vmId" : "x" }'
    assert redacted(raw, METHODS["VM.start"]) is raw


@pytest.mark.parametrize("raw", (b"", b"{", b'{"plain":"planted-8f3a41"', b"\xff", b"[" * 5000, b'"planted-8f3a41"', b"NaN"))
def test_of_what_is_no_parameters_nothing_is_left(raw: bytes) -> None:
    assert PLANTED.encode() not in redacted(raw, ENTRY)


wrong_places = st.recursive(
    st.just(PLANTED) | st.none() | st.integers() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["plain", "passPhrase", "key", "keys", "by_name", "kind", "typo", PLANTED]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(params=st.dictionaries(st.sampled_from(["plain", "keys", "inner", "by_name", "disks", "free", "plian", PLANTED]), wrong_places))
def test_a_secret_in_a_wrong_place_is_hidden_as_well(params: dict[str, Any]) -> None:
    """But in a text that the verb knows as no secret, and as the name of a map's entry."""
    found = kept(params)
    if isinstance(found.get("by_name"), dict):
        found["by_name"] = list(found["by_name"].values())
    for disk in found.get("disks") or () if isinstance(found.get("disks"), list) else ():
        if isinstance(disk, dict):
            disk.pop("kind", None)
    if isinstance(found.get("free"), str):
        del found["free"]
    assert PLANTED not in json.dumps(found)


def test_where_secrets_are_is_known_of_every_verb() -> None:
    for entry in METHODS.values():
        assert _has_secret(shape_of(entry.params)) == entry.has_secret, entry.name


def _has_secret(shape: Any) -> bool:
    inner = (*(shape.members or {}).values(), *shape.branches.values(), *filter(None, (shape.items, shape.values)))
    return shape.is_secret or any(_has_secret(one) for one in inner)


class Endless(msgspec.Struct):
    """A record in a record in a record."""

    inner: Endless | None = None


def test_a_type_without_end_is_refused() -> None:
    with pytest.raises(TypeError, match="contains itself"):
        shape_of(Endless)
