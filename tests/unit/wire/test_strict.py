"""Strict JSON: everything that two readers could read differently is refused."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.wire.strict import DEEPEST, LONGEST_NUMBER, find_fault, is_plain

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("number", "message", "fault"),
    (
        ("JR-060", b'{"a":1,"a":2}', "twice"),
        ("JR-060", b'{"a":1,"\\u0061":2}', "twice"),
        ("JR-060", b'[{"x":{"a":1,"b":[],"a":{}}}]', "twice"),
        ("JR-060", b'{"' + b"k" * 2000 + b'":1,"' + b"k" * 2000 + b'":2}', "twice"),
        ("JR-061", b"[NaN]", "invalid"),
        ("JR-061", b"[Infinity]", "invalid"),
        ("JR-061", b"[-Infinity]", "invalid"),
        ("JR-061", b"[1e999]", "finite"),
        ("JR-061", b"[-1E+999]", "finite"),
        ("JR-061", b"[1" + b"0" * 400 + b".5]", "finite"),
        ("JR-063", b'["\\ud800"]', "surrogate"),
        ("JR-063", b'["\\udc00"]', "surrogate"),
        ("JR-063", b'["\\ud800\\ud800"]', "surrogate"),
        ("JR-063", b'["\\ud800x\\udc00"]', "surrogate"),
        ("JR-063", b'{"\\udfff":1}', "surrogate"),
        ("JR-065", b"[" * 10_000 + b"]" * 10_000, "levels"),
        ("JR-065", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "levels"),
        ("JR-065", b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "levels"),
        ("JR-066", b"[" + b"1" * 5_000 + b"]", "octets"),
        ("JR-066", b"-" + b"9" * (LONGEST_NUMBER + 1), "octets"),
        ("JR-067", b'["\xff"]', "UTF-8"),
        ("JR-067", b'["\xed\xa0\x80"]', "UTF-8"),
        ("JR-067", b'["\xc0\xaf"]', "UTF-8"),
        ("JR-067", '["x"]'.encode("utf-16"), "UTF-8"),
        ("JR-067", '["x"]'.encode("utf-16-le"), "invalid"),
        ("JR-067", b"\xef\xbb\xbf{}", "byte order mark"),
        ("JR-068", b"{} {}", "trailing"),
        ("JR-068", b"[1]x", "trailing"),
        ("JR-069", b"", "truncated"),
        ("JR-069", b" \t\r\n ", "truncated"),
        ("syntax", b'["\x00"]', "invalid"),
        ("syntax", b'["a\nb"]', "invalid"),
        ("syntax", b"[01]", "invalid"),
        ("syntax", b"[1,]", "trailing comma"),
        ("syntax", b"]" * 100, "invalid"),
        ("syntax", b"[" * 40 + b"}" * 40, "invalid"),
    ),
)
def test_faults_are_found(number: str, message: bytes, fault: str) -> None:
    """Every kind of doubtful JSON is refused, with the reason."""
    found = find_fault(message)
    assert found is not None, number
    assert fault in found
    assert len(found) < 200


@pytest.mark.parametrize(
    "message",
    (
        b"[" * DEEPEST + b"]" * DEEPEST,
        b'{"a":{"a":{"a":1}},"b":{"a":1}}',
        b'{"a":"a","b":"a"}',
        b'["\\ud83d\\ude00","\\\\ud800","\\u00e9"]',
        b"[9007199254740993, 18446744073709551616, " + b"7" * LONGEST_NUMBER + b"]",
        b"[1e308, 1e-999, 1.5E+2, -0.0, 1e0000001]",
        b'["1e999","' + b"1" * 5_000 + b'","[[[[","}}}}"]',
        '{"ü":"\U0001f600","é":1}'.encode(),
        b"[" + b"[]," * 5_000 + b"1]",
    ),
)
def test_what_is_only_unusual_passes(message: bytes) -> None:
    """Depth at the bound, one name in several objects, whole pairs, great but finite numbers."""
    assert find_fault(message) is None


@given(VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
def test_what_a_writer_writes_passes(value: object, ascii_only: bool, separators: tuple[str, str]) -> None:
    """All that a correct writer writes is strict."""
    assert find_fault(json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()) is None


def _reference(message: bytes) -> bool:
    """The same judgement by the standard library, slowly and plainly."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    def number(text: str) -> float:
        assert len(text) <= LONGEST_NUMBER
        assert not math.isinf(float(text))
        return 0.0

    def integer(text: str) -> int:
        assert len(text) <= LONGEST_NUMBER
        return 0

    def constant(text: str) -> object:
        raise ValueError(text)

    try:
        text = message.decode()
        value = json.loads(text, object_pairs_hook=members, parse_float=number, parse_int=integer, parse_constant=constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (AssertionError, ValueError):
        return False
    return True


PIECES = st.sampled_from(
    [
        '"a"',
        '"b"',
        '"\\u0061"',
        '"\\ud800"',
        '"\\udc00"',
        ":",
        ",",
        "{",
        "}",
        "[",
        "]",
        "1",
        "1e999",
        "1e308",
        "-0.5",
        "null",
        " ",
        '"',
        "\\",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_the_judgement_is_that_of_the_reference(text: str) -> None:
    """Whatever is put together from the pieces of JSON: both say the same."""
    message = text.encode()
    assert (find_fault(message) is None) == _reference(message)


MEMBERS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a:", ":b", '\\"', "\\u0062", "1e9999"]), st.sampled_from(["1", '"a"', '{"a":1}', "[]", "1e999"]))
)


@given(MEMBERS, st.sampled_from(["", " ", "\n"]))
def test_names_are_judged_as_the_reference_judges_them(members: list[tuple[str, str]], blank: str) -> None:
    """Names with colons, escapes and quotation marks in them do not deceive the quick look."""
    message = ("{" + ",".join(f'{blank}"{name}"{blank}:{blank}{value}' for name, value in members) + "}").encode()
    assert (find_fault(message) is None) == _reference(message)
    assert not is_plain(message) or _reference(message)


def test_reasons_do_not_carry_the_message() -> None:
    """A refusal quotes at most a little of what was sent, and nothing that could break a log line."""
    found = find_fault(b'{"' + b"\\u001b" * 500 + b'":1,"' + b"\\u001b" * 500 + b'":2}')
    assert found is not None
    assert re.fullmatch(r"[ -~]{1,500}", found)
