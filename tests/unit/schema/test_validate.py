"""Values are judged by direction, and what does not fit is named by its path."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.schema import ir, load_api
from libvdsm.schema.ir import ListRef, MapRef, NamedRef, Scalar, ScalarRef
from libvdsm.schema.validate import Direction, Validator, params_problems, result_problems

API = load_api()
ID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
INPUT = Validator(API, Direction.INPUT)
OUTPUT = Validator(API, Direction.OUTPUT)
STRICT = Validator(API, Direction.OUTPUT, strict=True)


@pytest.mark.parametrize("name", sorted(API.methods))
def test_every_example_fits_its_verb(name: str) -> None:
    method = API.methods[name]
    for example in method.examples:
        assert params_problems(API, method, dict(example.params)) == ()
        assert result_problems(API, method, dict(example.result), strict=True) == ()


@pytest.mark.parametrize(
    ("params", "problem"),
    (
        ({"config": {"memory": 2**28}}, "is missing at $.name"),
        ({"name": "web", "config": {}}, "is missing at $.config.memory"),
        ({"name": 1, "config": {"memory": 2**28}}, "is a number, not a string at $.name"),
        ({"name": "", "config": {"memory": 2**28}}, r"is shorter than 1 at $.name|does not match [^\x00-\x1f\x7f/]+ at $.name"),
        ({"name": "x" * 129, "config": {"memory": 2**28}}, "is longer than 128 at $.name"),
        ({"name": "a/b", "config": {"memory": 2**28}}, r"does not match [^\x00-\x1f\x7f/]+ at $.name"),
        ({"name": "a\n", "config": {"memory": 2**28}}, r"does not match [^\x00-\x1f\x7f/]+ at $.name"),
        ({"name": "web", "config": {"memory": 1024}}, "is less than 16777216 at $.config.memory"),
        ({"name": "web", "config": {"memory": 2**50}}, "is more than 17592186044416 at $.config.memory"),
        ({"name": "web", "config": {"memory": 2**28 + 1}}, "is not a multiple of 1024 at $.config.memory"),
        ({"name": "web", "config": {"memory": True}}, "is a boolean, not an integer at $.config.memory"),
        ({"name": "web", "config": {"memory": 1.5}}, "is a number, not an integer at $.config.memory"),
        ({"name": "web", "config": {"memory": 2**28, "size": 1}}, "is unknown at $.config.size"),
        ({"name": "web", "config": {"memory": 2**28, "video": "matrox"}}, "is 'matrox', not one of none, vga, virtio at $.config.video"),
        ({"name": "web", "config": {"memory": None}}, "is null, not an integer at $.config.memory"),
        ({"name": "web", "config": {"memory": 2**28, "metadata": {"a": 1}}}, "is a number, not a string at $.config.metadata.a"),
        ({"name": "web", "config": {"memory": 2**28, "metadata": {"a b": 1}}}, "is a number, not a string at $.config.metadata['a b']"),
        ({"name": "web", "config": {"memory": 2**28, "serials": [{}] * 5}}, "has 5 entries, more than 4 at $.config.serials"),
        ({"name": "web", "config": {"memory": 2**28, "disks": [{"source": {"kind": "tape"}}]}}, "is 'tape', not one of file, block at $.config.disks[0].source.kind"),
        ({"name": "web", "config": {"memory": 2**28, "disks": [{"source": {"path": "/a"}}]}}, "is missing at $.config.disks[0].source.kind"),
        ({"name": "web", "config": {"memory": 2**28, "nics": [{"source": {"kind": "user", "x": 1}}]}}, "is unknown at $.config.nics[0].source.x"),
        ({"name": "web", "config": [], "vmId": ID.upper()}, "is a list, not an object at $.config|is not a UUID in lower case at $.vmId"),
    ),
)  # fmt: skip
def test_bad_parameters_are_named_by_path(params: object, problem: str) -> None:
    assert "|".join(str(p) for p in params_problems(API, API.methods["VM.create"], params)) == problem


def test_null_is_the_same_as_absent_for_an_optional_member_of_a_request() -> None:
    assert (
        params_problems(
            API, API.methods["VM.create"], {"name": "web", "config": {"memory": 2**28, "kernel": None, "vcpus": None}, "vmId": None}
        )
        == ()
    )


def test_null_clears_in_a_patch_and_nothing_needs_to_be_there() -> None:
    update = API.methods["VM.update"]
    assert params_problems(API, update, {"vmId": ID, "config": {"kernel": None, "vcpus": None}}) == ()
    assert params_problems(API, update, {"vmId": ID, "config": {}}) == ()


def test_null_does_not_clear_what_the_record_must_have() -> None:
    found = params_problems(API, API.methods["VM.update"], {"vmId": ID, "config": {"memory": None}})
    assert [str(p) for p in found] == ["is null, not an integer at $.config.memory"]


def test_an_answer_has_no_nulls_and_every_member_that_has_a_default() -> None:
    result = {"ticket": "a", "path": "/stream/a", "protocol": None, "expiresAt": "2026-01-01T00:00:30Z"}
    assert [str(p) for p in result_problems(API, API.methods["Console.open"], result)] == ["is null, not a string at $.protocol"]
    assert [str(p) for p in OUTPUT.value(NamedRef("FirmwareConfig"), {"kind": "bios"})] == ["is missing at $.secureBoot"]
    assert INPUT.value(NamedRef("FirmwareConfig"), {}) == ()


def test_answers_may_grow_unless_one_is_strict() -> None:
    value = {"name": "virt", "state": "dreaming", "mood": "good"}
    assert OUTPUT.value(NamedRef("SubsystemInfo"), value) == ()
    assert [p.path for p in STRICT.value(NamedRef("SubsystemInfo"), value)] == ["$.state", "$.mood"]


def test_a_closed_word_stays_closed_in_answers() -> None:
    assert OUTPUT.value(NamedRef("Firmware"), "coreboot") != ()


def test_an_open_union_lets_an_unknown_branch_of_an_answer_pass() -> None:
    assert OUTPUT.value(NamedRef("DiskSource"), {"kind": "nbd", "export": "a"}) == ()
    assert INPUT.value(NamedRef("DiskSource"), {"kind": "nbd", "export": "a"}) != ()


@pytest.mark.parametrize(
    ("scalar", "good", "bad"),
    (
        (Scalar.BOOLEAN, [True, False], [0, "true", None]),
        (Scalar.INTEGER, [0, -1, 2**53 - 1, -(2**53) + 1], [2**53, -(2**53), 1.0, True, "1", math.nan]),
        (Scalar.NUMBER, [0, 1.5, -2], [math.inf, math.nan, True, "1"]),
        (Scalar.STRING, ["", "ä"], [1, None, []]),
        (Scalar.UUID, [ID], [ID.upper(), ID[:-1], ID.replace("-", ""), f"{ID}\n"]),
        (
            Scalar.TIMESTAMP,
            ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z"],
            ["2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00"],
        ),
        (Scalar.BASE64, ["", "iVBORw0KGgo="], ["a", "a b=", "****"]),
        (Scalar.DECIMAL, ["0", "-1", "18446744073709551616"], ["01", "+1", "-0", "1.5", "", 1]),
        (Scalar.SECRET, ["x"], [1]),
        (Scalar.TICKET, ["x"], [1]),
        (Scalar.JSON, [None, 1, {"a": []}], []),
    ),
)
def test_built_in_types(scalar: Scalar, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert INPUT.value(ScalarRef(scalar), value) == (), value
    for value in bad:
        assert len(INPUT.value(ScalarRef(scalar), value)) == 1, value


def test_containers_name_the_entry() -> None:
    assert [p.path for p in INPUT.value(ListRef(ScalarRef(Scalar.STRING)), ["a", 1, None])] == ["$[1]", "$[2]"]
    assert [p.path for p in INPUT.value(MapRef(ScalarRef(Scalar.STRING)), {"a": 1})] == ["$.a"]
    assert [p.reason for p in INPUT.value(ListRef(ScalarRef(Scalar.STRING)), {})] == ["is an object, not a list"]
    assert [p.reason for p in INPUT.value(MapRef(ScalarRef(Scalar.STRING)), [])] == ["is a list, not a map"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(API.types)), st.sampled_from([INPUT, OUTPUT, STRICT]), JSON)
def test_any_json_is_judged_without_a_crash_and_every_path_begins_at_the_root(name: str, judge: Validator, value: object) -> None:
    json.dumps(value)
    assert all(problem.path.startswith("$") for problem in judge.value(NamedRef(name), value))


@given(st.sampled_from(sorted(API.methods)), JSON)
def test_a_member_that_no_verb_knows_is_always_a_problem(name: str, value: object) -> None:
    method = API.methods[name]
    params = {**dict(method.examples[0].params), "noSuchMember": value}
    assert [str(p) for p in params_problems(API, method, params)] == ["is unknown at $.noSuchMember"]


@given(st.sampled_from([m for m in sorted(API.methods) if API.methods[m].params]), st.data())
def test_leaving_out_a_required_parameter_is_exactly_one_problem(name: str, data: st.DataObject) -> None:
    method = API.methods[name]
    required = [p.name for p in method.params if p.on_input is ir.Presence.REQUIRED]
    if required:
        gone = data.draw(st.sampled_from(required))
        params = {key: value for key, value in method.examples[0].params.items() if key != gone}
        assert [str(p) for p in params_problems(API, method, params)] == [f"is missing at $.{gone}"]
