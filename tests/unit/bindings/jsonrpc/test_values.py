"""Envelopes: what is taken apart, and that the quick judgement agrees with the strict one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bindings.jsonrpc.values import (
    NotACallError,
    is_batch,
    merge_options,
    read_member,
    read_request,
    write_batch,
    write_event,
    write_result,
)
from libvdsm.wire.strict import find_fault


def test_a_call_is_taken_apart_and_kept_raw() -> None:
    """Parameters, id and options stay as they were written."""
    call = read_request(b'{"id": "a" ,"params": { "x" : 1.0 }, "method":"VM.get","jsonrpc":"2.0", "meta":{"wait": 1}}\n')
    assert (call.method, call.params, call.id, call.options) == ("VM.get", b'{ "x" : 1.0 }', b'"a"', b'{"wait": 1}')


def test_what_is_absent_has_its_meaning() -> None:
    """No params is an object without members, no id is a notification, no meta no options."""
    call = read_request(b'{"jsonrpc":"2.0","method":"m"}')
    assert (call.params, call.id, call.options) == (b"{}", None, None)


@pytest.mark.parametrize("meta", ("1", "null", "[]", '"x"'))
def test_meta_is_an_object(meta: str) -> None:
    """Anything else is -32600, to the id that asked."""
    with pytest.raises(NotACallError) as caught:
        read_request(f'{{"jsonrpc":"2.0","method":"m","id":5,"meta":{meta}}}'.encode())
    assert (caught.value.answer.number, caught.value.id) == (-32600, b"5")


@pytest.mark.parametrize("length", (512, 513))
def test_methods_have_a_length(length: int) -> None:
    """512 characters are enough for every name."""
    message = json.dumps({"jsonrpc": "2.0", "method": "m" * length, "id": 5}).encode()
    if length == 512:
        assert read_request(message).method == "m" * 512
    else:
        with pytest.raises(NotACallError):
            read_request(message)


MEMBERS = st.lists(
    st.sampled_from(
        [
            '"jsonrpc":"2.0"',
            '"method":"a"',
            '"method":"a:b"',
            '"m\\u0065thod":"c"',
            '"id":1',
            '"id":"x:y"',
            '"id":"\\ud800"',
            '"params":{}',
            '"params":[]',
            '"params":{"a":1}',
            '"params":{"a":1,"a":2}',
            '"params":[1e999]',
            '"meta":{}',
            '"meta":{"a":{},"a":{}}',
            '"x":1',
        ]
    ),
    max_size=6,
)


@given(MEMBERS, st.sampled_from(["", " "]))
def test_nothing_passes_that_the_strict_judge_refuses(members: list[str], blank: str) -> None:
    """The quick look never lets a doubtful message through, and members that a batch holds are judged alike."""
    message = ("{" + f",{blank}".join(['"jsonrpc":"2.0"', '"method":"m"', *members]) + "}").encode()
    fault = find_fault(message)
    try:
        call = read_request(message)
    except NotACallError as refused:
        outcome = (refused.answer.number, refused.id == b"null" or fault is None)
    else:
        outcome = (0, True)
        assert read_member(message) == call
    assert outcome in ({(-32700, True)} if fault else {(0, True), (-32600, True)})


@given(st.binary(max_size=40))
def test_garbage_is_refused_with_a_type(garbage: bytes) -> None:
    """No exception but the one."""
    with pytest.raises(NotACallError):
        read_request(garbage)


def test_options_are_merged_and_the_envelope_wins() -> None:
    """Raw values stay raw."""
    assert merge_options(None, None) is None
    assert merge_options(b'{"a":1}', None) == b'{"a":1}'
    assert merge_options(None, b'{"a":1}') == b'{"a":1}'
    assert merge_options(b'{"a":1.0}', b'{"a":2,"b":[3]}') == b'{"a":1.0,"b":[3]}'


def test_answers_are_lines() -> None:
    """Each ends with a line feed and holds no other; a batch without answers is nothing."""
    one = write_result(b"1", b"{}")
    assert one == b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
    assert write_batch([one, one]) == b"[" + one[:-1] + b"," + one[:-1] + b"]\n"
    assert write_batch([]) == b""
    assert write_event(b"{}") == b'{"jsonrpc":"2.0","method":"Event.deliver","params":{}}\n'
    assert is_batch(b" \n[")
    assert not is_batch(b"{[")
