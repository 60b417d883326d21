"""Framing, ids and answers, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.client.generated.errors import DeadlineExceeded, ObjectNotFound
from libvdsm.client.runtime import core, wire
from libvdsm.client.runtime.core import Answer, Core, Failure, Notification
from libvdsm.client.runtime.errors import ApiError, ProtocolError
from libvdsm.client.runtime.lines import Framer
from libvdsm.client.runtime.stomp import StompWire
from libvdsm.client.runtime.websocket import WebSocketWire
from libvdsm.client.runtime.wire import Wire


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and bool(line.strip())), max_size=5), st.data())
def test_any_split_gives_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    framer, found = Framer(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


def test_blank_lines_are_nothing() -> None:
    assert Framer().feed(b"\n \n{}\n\n") == [b"{}"]


def test_a_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_MESSAGE", 10)
    with pytest.raises(ProtocolError, match="longer than 10 bytes"):
        Framer().feed(b"x" * 11)


def test_a_request_is_one_line_with_its_options() -> None:
    number, data = Core[str]().request("me", "VM.get", {"vmId": "ä\n"}, {"timeout": 2})
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert json.loads(data) == {"jsonrpc": "2.0", "id": number, "method": "VM.get", "params": {"vmId": "ä\n"}, "meta": {"timeout": 2}}


def test_what_json_cannot_say_is_not_sent() -> None:
    calls = Core[str]()
    with pytest.raises(ValueError, match="JSON"):
        calls.request("me", "VM.get", {"x": float("nan")}, {})
    assert calls.lost() == []


def test_answers_find_who_waits_in_any_order() -> None:
    calls = Core[str]()
    first, _ = calls.request("first", "Host.ping", {}, {})
    second, _ = calls.request("second", "Host.ping", {}, {})
    found = calls.receive(b'{"id":%d,"result":2}\n{"id":%d,"result":1}\n' % (second, first))
    assert found == [Answer("second", 2), Answer("first", 1)]


@pytest.mark.parametrize("line", (b'{"id":99,"result":1}', b'{"id":null,"error":{"code":-32700,"message":"x"}}', b'{"id":"1","result":1}'))
def test_answers_that_nobody_waits_for_are_counted(line: bytes) -> None:
    calls = Core[str]()
    calls.request("me", "Host.ping", {}, {})
    assert calls.receive(line + b"\n") == []
    assert calls.dropped == 1


def test_a_second_answer_is_dropped() -> None:
    calls = Core[str]()
    number, _ = calls.request("me", "Host.ping", {}, {})
    line = b'{"id":%d,"result":{}}\n' % number
    assert len(calls.receive(line + line)) == 1
    assert calls.dropped == 1


def test_a_late_answer_is_dropped() -> None:
    calls = Core[str]()
    number, _ = calls.request("me", "Host.ping", {}, {})
    calls.forget(number)
    assert calls.receive(b'{"id":%d,"result":{}}\n' % number) == []
    assert calls.dropped == 1


@pytest.mark.parametrize("wire", (StompWire(beat_s=1), WebSocketWire("localhost", "/ws", is_tls=False)))
def test_nothing_is_asked_before_the_peer_has_greeted(wire: Wire) -> None:
    """However long that takes: over STOMP the daemon would give the answers a name that nobody knows, for as long as the connection lives."""
    calls = Core[str](wire, beat_s=1, now=0)
    wire.hello()
    assert [calls.tick(now) for now in range(9)] == [b""] * 9
    assert not wire.is_ready


def test_notifications_are_told() -> None:
    assert Core[str]().receive(b'{"method":"Event.deliver","params":{"a":1}}\n') == [Notification("Event.deliver", {"a": 1})]


@pytest.mark.parametrize("line", (b"nonsense", b"[]", b"1", b"\xff", b"[" * 100_000))
def test_what_is_not_a_message_is_the_peers_fault(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        Core[str]().receive(line + b"\n")


@pytest.mark.parametrize("rest", (b"", b',"error":[]', b',"error":7'))
def test_an_answer_must_hold_something(rest: bytes) -> None:
    calls = Core[str]()
    number, _ = calls.request("me", "Host.ping", {}, {})
    with pytest.raises(ProtocolError):
        calls.receive(b'{"id":%d%s}\n' % (number, rest))


def test_when_the_connection_is_lost_everyone_is_told_once() -> None:
    calls = Core[str]()
    calls.request("a", "Host.ping", {}, {})
    calls.request("b", "Host.ping", {}, {})
    assert calls.lost() == ["a", "b"]
    assert calls.lost() == []


def test_errors_become_exceptions_of_their_name() -> None:
    error = core.typed(Failure(2, "there is no vm 1", {"error": "ObjectNotFound", "params": {"type": "vm", "id": "1"}, "retryable": False}))
    assert isinstance(error, ObjectNotFound)
    assert (error.type, error.id, error.code, str(error)) == ("vm", "1", 2, "there is no vm 1")
    late = core.typed(Failure(9, "late", {"error": "DeadlineExceeded", "params": {"seconds": 3}}))
    assert isinstance(late, DeadlineExceeded)
    assert late.seconds == 3.0


def test_unknown_errors_keep_all_they_say() -> None:
    error = core.typed(Failure(4711, "what?", {"error": "Later", "params": {"a": 1}, "retryable": True, "remedy": "Wait."}))
    assert type(error) is ApiError
    assert (error.code, error.error, error.params, error.retryable, error.remedy) == (4711, "Later", {"a": 1}, True, "Wait.")


def test_a_flow_marks_the_calls_inside() -> None:
    with core.flow("outer"):
        assert core.options({"timeout": None}) == {"flowId": "outer"}
        with core.flow("inner"):
            assert core.options({"flowId": "own"}) == {"flowId": "own"}
        assert core.options({}) == {"flowId": "outer"}
    assert core.options({}) == {}
