"""The client's side of STOMP without a socket, read and answered by the codec of the daemon."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.client import ApiError, ConnectionLostError, NoAnswerError, errors
from libvdsm.client.runtime.core import Core, Failure, typed
from libvdsm.client.runtime.errors import ProtocolError
from libvdsm.client.runtime.stomp import REPLIES, REQUESTS, FrameReader, StompWire, encode_frame, matcher
from libvdsm.client.runtime.sync import connection
from libvdsm.wire.stomp import frames
from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import Frame
from tests.unit.client.scripted import event


class Daemon:
    """The other end: strict, version 1.2."""

    def __init__(self, **greeting: Any) -> None:
        self.wire = StompWire(**greeting)
        self._stream = StompStream(is_strict=True)
        self._stream.set_rules(version="1.2", is_strict=True)

    def read(self, data: bytes) -> list[Frame]:
        self._stream.receive_data(data)
        found = []
        while (frame := self._stream.next_frame()) is not None:
            found.append(frame)
        return found

    def greeted(self, beats: str = "0,0") -> Daemon:
        self.read(self.wire.hello())
        assert self.say("CONNECTED", version="1.2", heart_beat=beats) == []
        [own] = self.read(self.wire.outgoing())
        assert (own.command, own.headers["destination"], own.headers["ack"]) == ("SUBSCRIBE", REPLIES, "auto")
        return self

    def say(self, command: str, body: bytes = b"", **headers: str) -> list[dict[str, Any]]:
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.wire.receive(frames.encode(command, named, body))

    def answer(self, id: object, **rest: Any) -> list[dict[str, Any]]:
        return self.say("MESSAGE", json.dumps({"id": id, **rest}).encode(), subscription="replies", message_id="1", destination=REPLIES)

    def subscribe(self, **params: Any) -> tuple[dict[str, Any], Frame]:
        """The call that goes before, and SUBSCRIBE."""
        asked = self.wire.send({"jsonrpc": "2.0", "id": 5, "method": "Event.subscribe", "params": {"subscriptionId": "s1", **params}})
        [sent] = self.read(asked)
        call = json.loads(sent.body)
        assert self.answer(call["id"], result={"items": [], "resume": "e-7"}) == []
        [frame] = self.read(self.wire.outgoing())
        return call, frame


def test_the_greeting() -> None:
    daemon = Daemon(host="there", token="vdsm-1", beat_s=15.0)
    [frame] = daemon.read(daemon.wire.hello())
    assert frame.command == "CONNECT"
    assert dict(frame.headers) == {"accept-version": "1.2,1.1", "host": "there", "heart-beat": "15000,0", "passcode": "vdsm-1"}
    assert not daemon.wire.is_ready
    daemon.say("CONNECTED", version="1.2")
    assert daemon.wire.is_ready


def test_beats_are_given_if_they_are_wanted() -> None:
    assert Daemon(beat_s=15.0).greeted("0,15000").wire.beat() == b"\n"
    assert Daemon(beat_s=15.0).greeted("0,0").wire.beat() == b""
    assert Daemon().greeted("0,15000").wire.beat() == b""


def test_a_call_and_its_answer() -> None:
    daemon = Daemon().greeted()
    [sent] = daemon.read(daemon.wire.send({"jsonrpc": "2.0", "id": 1, "method": "VM.get", "params": {"vmId": "ä:\n"}}))
    assert (sent.command, sent.headers["destination"], sent.headers["reply-to"]) == ("SEND", REQUESTS, REPLIES)
    assert json.loads(sent.body)["params"] == {"vmId": "ä:\n"}
    assert daemon.answer(1, result={"a": 1}) == [{"id": 1, "result": {"a": 1}}]


def test_a_subscription_begins_where_it_was_asked_for() -> None:
    """What happens between the call and SUBSCRIBE is not missed, because the token is older."""
    daemon = Daemon().greeted()
    call, frame = daemon.subscribe(topics=["vm.*"])
    assert (call["method"], call["params"]) == ("Event.read", {"topics": ["vm.*"], "limit": 1})
    assert (frame.headers["destination"], frame.headers["resume"], frame.headers["id"]) == ("/topic/vm.*", "e-7", "s1")
    assert daemon.say("RECEIPT", receipt_id=frame.headers["receipt"]) == [{"id": 5, "result": {"subscriptionId": "s1", "resume": "e-7"}}]
    told = daemon.say("MESSAGE", json.dumps(event(8)).encode(), subscription="s1", message_id="1", resume="e-8", destination="/topic/vm.x")
    assert told == [{"method": "Event.deliver", "params": {"subscriptionId": "s1", "resume": "e-8", "event": event(8)}}]
    gap = daemon.say("MESSAGE", b'{"reason":"trimmed"}', subscription="s1", message_id="2", resume="e-9", gap="trimmed", destination="/t")
    assert gap == [{"method": "Event.deliver", "params": {"subscriptionId": "s1", "resume": "e-9", "gap": {"reason": "trimmed"}}}]


def test_resuming_and_snapshots() -> None:
    call, frame = Daemon().greeted().subscribe(topics=["#"], after="e-3")
    assert (call["params"]["after"], frame.headers["resume"]) == ("e-3", "e-3")
    _, frame = Daemon().greeted().subscribe(topics=["#"], snapshot=True)
    assert (frame.headers["snapshot"], "resume" in frame.headers) == ("true", False)


@pytest.mark.parametrize(("seconds", "header"), ((None, None), (0, None), (0.5, "0.5"), (60, "60"), (61, None), (-1, None)))
def test_changes_may_be_merged(seconds: float | None, header: str | None) -> None:
    """What the daemon would refuse with an end of the connection is not asked for."""
    _, frame = Daemon().greeted().subscribe(topics=["#"], **({} if seconds is None else {"coalesce": seconds}))
    assert frame.headers.get("coalesce") == header


def test_several_topics_are_one_subscription() -> None:
    daemon = Daemon().greeted()
    _, frame = daemon.subscribe(topics=["task.#", "vm.other"])
    assert frame.headers["destination"] == "/topic/#"
    told = [
        daemon.say(
            "MESSAGE", json.dumps({**event(8), "topic": topic}).encode(), subscription="s1", message_id="1", resume="e-8", destination="d"
        )
        for topic in ("task.1", "vm.1", "vm.other")
    ]
    assert [["event" in one["params"] for one in each] for each in told] == [[True], [False], [True]]
    assert told[1][0]["params"] == {"subscriptionId": "s1", "resume": "e-8"}  # its place moves all the same


def test_a_subscription_that_is_ended_before_it_has_begun_never_begins() -> None:
    daemon = Daemon().greeted()
    params = {"subscriptionId": "s1", "topics": ["#"]}
    [sent] = daemon.read(daemon.wire.send({"jsonrpc": "2.0", "id": 5, "method": "Event.subscribe", "params": params}))
    daemon.read(daemon.wire.send({"jsonrpc": "2.0", "id": 6, "method": "Event.unsubscribe", "params": {"subscriptionId": "s1"}}))
    daemon.answer(json.loads(sent.body)["id"], result={"items": [], "resume": "e-7"})
    assert daemon.wire.outgoing() == b""


def test_what_clients_publish_is_no_event() -> None:
    daemon = Daemon().greeted()
    daemon.subscribe(topics=["#"])
    assert daemon.say("MESSAGE", b"anything", subscription="s1", message_id="1", destination="/topic/chat") == []


def test_a_refusal_is_an_answer_and_ends_nothing() -> None:
    daemon = Daemon().greeted()
    [sent] = daemon.read(
        daemon.wire.send({"jsonrpc": "2.0", "id": 5, "method": "Event.subscribe", "params": {"subscriptionId": "s1", "topics": ["#"]}})
    )
    error = {"code": 1, "message": "no"}
    assert daemon.answer(json.loads(sent.body)["id"], error=error) == [{"id": 5, "error": error}]
    assert daemon.wire.outgoing() == b""


def test_unsubscribing() -> None:
    daemon = Daemon().greeted()
    daemon.subscribe(topics=["#"])
    gone = {"jsonrpc": "2.0", "id": 6, "method": "Event.unsubscribe", "params": {"subscriptionId": "s1"}}
    [frame] = daemon.read(daemon.wire.send(gone))
    assert (frame.command, frame.headers["id"]) == ("UNSUBSCRIBE", "s1")
    assert daemon.say("MESSAGE", json.dumps(event(8)).encode(), subscription="s1", message_id="1", resume="e-8", destination="d") == []
    assert daemon.say("RECEIPT", receipt_id=frame.headers["receipt"]) == [{"id": 6, "result": {}}]
    [again] = daemon.read(daemon.wire.send(gone))
    assert again.command == "SEND"  # what is not there is not unsubscribed from: ERROR would end all


def test_an_error_is_typed_where_it_has_a_name() -> None:
    with pytest.raises(errors.NotAuthenticated, match="the login is refused"):
        Daemon().say("ERROR", message="the login is refused", error="NotAuthenticated")
    with pytest.raises(ProtocolError, match="too long"):
        Daemon().say("ERROR", message="the command is too long")
    with pytest.raises(ApiError, match="new"):
        Daemon().say("ERROR", message="new", error="NotKnownHere")


@pytest.mark.parametrize("named", ({}, {"error": "LimitExceeded"}, {"error": "ShuttingDown", "receipt_id": "on-9"}))
def test_once_calls_are_made_an_error_is_the_end_of_a_connection_and_no_answer_to_them(named: dict[str, str]) -> None:
    """Whoever shares the connection may have had his call carried out: that it was refused would be untrue."""
    with pytest.raises(ConnectionLostError, match="too long"):
        Daemon().greeted().say("ERROR", b"", message="it is too long", **named)


def test_a_subscription_that_is_refused_hears_why() -> None:
    daemon = Daemon().greeted()
    _, frame = daemon.subscribe(topics=["#"])
    [answer] = daemon.say("ERROR", b"End some.", message="too many", error="LimitExceeded", receipt_id=frame.headers["receipt"])
    assert answer["id"] == 5
    refusal = typed(Failure(answer["error"]["code"], answer["error"]["message"], answer["error"]["data"]))
    assert isinstance(refusal, errors.LimitExceeded)
    assert (str(refusal), refusal.remedy) == ("too many", "End some.")


def test_ending_what_has_not_begun_leaves_nothing_behind() -> None:
    daemon = Daemon().greeted()
    [sent] = daemon.read(daemon.wire.send({"jsonrpc": "2.0", "id": 8, "method": "Event.unsubscribe", "params": {"subscriptionId": "s9"}}))
    assert sent.command == "SEND"
    assert json.loads(sent.body)["id"] == 8
    assert daemon.say("RECEIPT", receipt_id="off-8") == []


@pytest.mark.parametrize(
    "data",
    (
        b"HELLO\n\n\0",
        b"CONNECTED\nversion\n\n\0",
        b"MESSAGE\na:\\x\n\n\0",
        b"MESSAGE\n\xff:\n\n\0",
        b"MESSAGE\ncontent-length:x\n\n\0",
        b"MESSAGE\ncontent-length:1\n\nab\0",
        b"MESSAGE\ncontent-length:99999999999\n\n",
        b"MESSAGE\nsubscription:replies\n\nnonsense\0",
        b"M" * 70_000,
    ),
)
def test_what_is_not_in_the_protocol_is_the_peers_fault(data: bytes) -> None:
    daemon = Daemon().greeted()
    with pytest.raises(ProtocolError):
        daemon.wire.receive(data)


@given(st.dictionaries(st.text(min_size=1).filter(lambda t: "\0" not in t), st.text().filter(lambda t: "\0" not in t)), st.binary())
def test_the_daemons_codec_reads_what_is_written(headers: dict[str, str], body: bytes) -> None:
    headers = {name.replace(":", "_").replace("\n", "_").replace("\r", "_").replace("\\", "_"): value for name, value in headers.items()}
    headers.pop("content-length", None)
    stream = StompStream(is_strict=True)
    stream.set_rules(version="1.2", is_strict=True)
    stream.receive_data(encode_frame("SEND", headers, body))
    frame = stream.next_frame()
    assert frame is not None
    assert {name: value for name, value in frame.headers.items() if name != "content-length"} == headers
    assert frame.body == body


@given(st.lists(st.binary(max_size=50), max_size=4), st.data())
def test_any_split_gives_the_same_frames(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"\n\r\n".join(frames.encode("MESSAGE", [("a", "b:\\\n\r")], body) for body in bodies)
    reader, found = FrameReader(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert [frame.body for frame in found] == bodies
    assert all(frame.headers["a"] == "b:\\\n\r" for frame in found)


def test_no_header_can_be_smuggled_in() -> None:
    with pytest.raises(ValueError, match="passcode"):
        encode_frame("CONNECT", {"passcode": "x\nhost:y"})


@pytest.mark.parametrize(
    ("topics", "wanted", "fits"),
    (
        ([], {}, True),
        (["#"], {}, True),
        (["vm.*"], {}, True),
        (["vm.#"], {}, True),
        (["vm"], {}, False),
        (["vm.*.*"], {}, False),
        (["#.#", "x"], {}, True),
        (["task.#"], {}, False),
        ([], {"types": ["vm"]}, True),
        ([], {"types": ["task"]}, False),
        ([], {"objectIds": ["x"]}, False),
        ([], {"projects": ["default"]}, False),
        ([], {"fields": ["state"]}, True),
        ([], {"fields": ["state.deeper"]}, True),
        ([], {"fields": ["config.memory"]}, False),
    ),
)
def test_matching(topics: list[str], wanted: dict[str, Any], *, fits: bool) -> None:
    assert matcher(topics, wanted)(event(1)) is fits


class Hasty:
    """A socket whose peer has greeted, and been heard, before CONNECT's sender goes on; meanwhile the reading thread cannot send."""

    def __init__(self) -> None:
        self.sent = b""
        self._has_called, self._is_heard, self._has_ended = threading.Event(), threading.Event(), threading.Event()
        self._greetings = [frames.encode("CONNECTED", [("version", "1.2")])]

    def gettimeout(self) -> float:
        return 0.0

    def send(self, data: bytes) -> int:
        self.sent += data
        self._has_called.set()
        assert self._is_heard.wait(60)
        return len(data)

    def recv(self, _limit: int) -> bytes:
        assert self._has_called.wait(60)
        if self._greetings:
            return self._greetings.pop()
        self._is_heard.set()
        assert self._has_ended.wait(60)
        return b""

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        self._has_ended.set()

    def close(self) -> None:
        pass


def test_a_call_goes_behind_the_subscription_to_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the thread that calls is faster than the one that has read CONNECTED: else the answer would have another name."""
    monkeypatch.setattr(connection, "_SOON_S", 0)
    peer, daemon = Hasty(), Daemon()
    core: Core[Any] = Core(daemon.wire)
    link = connection.StreamConnection(cast("Any", peer), core, beat_s=0, on_notification=print, on_lost=lambda _reason: None)
    link._greet(float("inf"))
    with pytest.raises(NoAnswerError):
        link.call("Host.ping", {}, {}, 0.01)
    link.close()
    assert [frame.command for frame in daemon.read(peer.sent)] == ["CONNECT", "SUBSCRIBE", "SEND", "DISCONNECT"]
