"""Results as data: nothing is lost, nothing can steer a terminal."""

from __future__ import annotations

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.cli import formats
from libvdsm.cli.terminal import safe

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_json_is_the_same_value(value: object) -> None:
    """Escaping changes no value, and what is printed has no control characters but line ends."""
    for text in (formats.as_json(value), formats.as_line(value)):
        assert json.loads(text) == value
        assert safe(text.replace("\n", "")) == text.replace("\n", "")


@given(_VALUES)
def test_yaml_is_the_same_value(value: object) -> None:
    """A YAML parser reads back what was written."""
    text = formats.as_yaml(value)
    found = yaml.safe_load(text)
    assert found == value or json.dumps(found) == json.dumps(value)
    assert safe(text.replace("\n", "")) == text.replace("\n", "")


def test_yaml_is_readable() -> None:
    value = {"name": "web", "on": True, "list": [{"a": 1, "b": []}, 2], "empty": {}, "no": "yes", "id": "10:20", "text": "two words"}
    assert formats.as_yaml(value).splitlines() == [
        "name: web",
        '"on": true',
        "list:",
        "  - a: 1",
        "    b: []",
        "  - 2",
        "empty: {}",
        '"no": "yes"',
        'id: "10:20"',
        "text: two words",
    ]


def test_ndjson_is_a_line_an_item() -> None:
    """A list result is cut into its items; anything else is one line."""
    assert formats.as_ndjson({"items": [{"a": 1}, {"a": 2}], "next": "c"}) == '{"a":1}\n{"a":2}'
    assert formats.as_ndjson({"a": {"items": []}}) == '{"a":{"items":[]}}'


def test_control_characters_are_written_out() -> None:
    """Escapes, overrides of direction and lone surrogates lose their power; letters keep theirs."""
    assert safe("a\x1b[31m\x07\n\u202e\udc80é…日") == "a\\x1b[31m\\x07\\n\\u202e\\udc80é…日"
    assert formats.as_line("\x9b\u202e\x1b") == '"\\u009b\\u202e\\u001b"'
