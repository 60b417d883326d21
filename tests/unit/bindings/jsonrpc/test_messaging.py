"""JSON-RPC by messages: the same calls and answers as on a stream, each answer for whoever asked."""

from __future__ import annotations

import asyncio
import json

import pytest

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcLimits
from libvdsm.bindings.jsonrpc.messaging import JsonRpcRequests
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.messaging import Message
from tests.fakes.messaging import ALL, FakeConsumer, Messaging, subscribe, turns
from tests.fakes.recording_bridge import RecordingBridge, until


class World:
    """A binding over a bridge that records, and a caller."""

    def __init__(self, limits: JsonRpcLimits | None = None) -> None:
        self.bridge = RecordingBridge()
        self.endpoint = JsonRpcEndpoint(self.bridge, limits=limits)
        self.requests = JsonRpcRequests(self.endpoint)
        self.caller = self.make_caller()

    def make_caller(self, identity: str = "me") -> Caller:
        return Caller(identity=identity, source="token", roles=(), rights=ALL)

    def now(self, body: bytes, **members: object) -> Message:
        answer = self.requests.answer(self.caller, Message(body=body, **members))  # type: ignore[arg-type]
        assert isinstance(answer, Message)
        return answer

    async def later(self, body: bytes, **members: object) -> Message | None:
        answer = self.requests.answer(self.caller, Message(body=body, **members))  # type: ignore[arg-type]
        assert isinstance(answer, asyncio.Future)
        found = await answer
        assert found is None or isinstance(found, Message)
        return found


SUM = b'{"jsonrpc":"2.0","id":7,"method":"sum","params":[1,2]}'


def test_an_answer_at_once() -> None:
    """It is JSON, it is the one that a stream gives, and it carries what correlates it."""
    world = World()
    answer = world.now(SUM, correlation_id="c-1", message_id="m-1")
    assert answer.body == b'{"jsonrpc":"2.0","id":7,"result":3}\n'
    assert (answer.content_type, answer.correlation_id, answer.durable) == ("application/json", "c-1", False)
    assert world.now(SUM, message_id="m-1").correlation_id == "m-1"
    assert world.now(SUM).correlation_id is None
    assert world.bridge.calls[0].caller is world.caller


@pytest.mark.parametrize(
    ("body", "code"),
    (
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"7", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"none"}', -32601),
    ),
)
def test_what_is_no_call_has_an_answer_too(body: bytes, code: int) -> None:
    """Nobody waits in vain for the answer to a mistake, and it hurts nobody else."""
    world = World()
    answer = json.loads(world.now(body).body)
    assert answer["error"]["code"] == code or answer["error"]["data"]["error"] == "MethodNotFound"
    assert world.now(SUM).body == b'{"jsonrpc":"2.0","id":7,"result":3}\n'


def test_a_notification_has_no_answer() -> None:
    """It is carried out, and nothing is sent to anybody."""
    world = World()
    assert world.requests.answer(world.caller, Message(body=b'{"jsonrpc":"2.0","method":"sum","params":[1]}')) is None
    assert world.bridge.methods() == ["sum"]


def test_options_come_as_headers() -> None:
    """As over HTTP; those of the message itself win; a bad one is said, and nothing is done."""
    world = World()
    world.now(SUM, headers={"Vdsm-Timeout": "2.5", "vdsm-flow-id": "f", "mine": "x"})
    assert json.loads(world.bridge.calls[0].options or b"") == {"timeout": 2.5, "flowId": "f"}
    inner = b'{"jsonrpc":"2.0","id":7,"method":"sum","params":[1,2],"meta":{"flowId":"inner"}}'
    world.now(inner, headers={"vdsm-flow-id": "outer"})
    assert json.loads(world.bridge.calls[1].options or b"") == {"flowId": "inner"}
    refused = json.loads(world.now(SUM, headers={"vdsm-timeout": "soon"}, correlation_id="c").body)
    assert "vdsm-timeout" in refused["error"]["message"]
    refused = json.loads(world.now(SUM, headers={"vdsm-timeot": "1"}, correlation_id="c").body)
    assert "vdsm-timeot is not known" in refused["error"]["message"]
    assert len(world.bridge.calls) == 2


async def test_an_answer_later() -> None:
    """It comes when it is there."""
    world = World()
    world.bridge.open_gate("a")
    answer = await world.later(b'{"jsonrpc":"2.0","id":1,"method":"slow","params":{"word":"a"}}', correlation_id="c")
    assert answer is not None
    assert (json.loads(answer.body)["result"], answer.correlation_id) == ("a", "c")


async def test_who_goes_gives_up_what_he_only_asked_for() -> None:
    """What he ordered is carried out; his answers go to nobody."""
    world = World()
    for method in ("slow", "slow.change"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"word": method}}).encode()
        world.requests.answer(world.caller, Message(body=body))
    await until(lambda: len(world.bridge.begun) == 2)
    world.requests.release(world.caller)
    world.requests.release(world.caller)
    world.bridge.open_gate("slow.change")
    await until(lambda: world.bridge.finished == ["slow.change"] and world.bridge.cancelled == ["slow"])
    assert world.endpoint.counters.dropped_answers == 1
    assert world.caller.on_change == []


async def test_calls_in_flight_are_bounded_by_caller() -> None:
    """However many messages carry them."""
    world = World(JsonRpcLimits(in_flight=1))
    body = b'{"jsonrpc":"2.0","id":1,"method":"slow","params":{"word":"a"}}'
    first = world.requests.answer(world.caller, Message(body=body))
    assert json.loads(world.now(body).body)["error"]["data"]["error"] == "LimitExceeded"
    world.bridge.open_gate("a")
    assert isinstance(first, asyncio.Future)
    await first


async def test_f29_each_hears_his_own() -> None:
    """Two clients with the same ids, reply names and correlation: no answer is lost, crossed or seen by the other; a late one is dropped."""
    world, broker = World(), Messaging()
    broker.exchange.requests = world.requests
    sessions = [broker.open(identity=name) for name in ("a", "b", "gone")]
    consumers = [FakeConsumer() for _ in sessions]
    for session, consumer in zip(sessions, consumers, strict=True):
        subscribe(session, "jms.topic.vdsm_responses", consumer)
    for word, session in zip(("a", "b", "gone"), sessions, strict=True):
        method = "slow.change" if word == "gone" else "slow"
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"word": word}}).encode()
        session.send("/exchange/requests", Message(body=body, reply_to="jms.topic.vdsm_responses", correlation_id="1"))
    await until(lambda: len(world.bridge.begun) == 3)
    sessions[2].close()
    for word in ("b", "gone", "a"):
        world.bridge.open_gate(word)
        await turns()
    await until(lambda: broker.exchange.counters.dropped_answers == 1)
    assert [[json.loads(body)["result"] for body in each.bodies()] for each in consumers] == [["a"], ["b"], []]
