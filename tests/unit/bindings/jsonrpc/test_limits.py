"""What an identity may ask for: refusals are typed, cheap, and the same for all its connections."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcSession
from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.interfaces.caller import Caller, Rights
from tests.fakes.recording_bridge import RecordingBridge

CALL = b'{"jsonrpc":"2.0","id":7,"method":"sum","params":[1]}\n'


def open_session(endpoint: JsonRpcEndpoint, identity: str) -> JsonRpcSession:
    """One connection of an identity."""
    return endpoint.open(Caller(identity=identity, source="certificate", roles=(), rights=Rights()))


def make(limits: IdentityLimits) -> JsonRpcEndpoint:
    """A binding in which no time passes."""
    return JsonRpcEndpoint(RecordingBridge(), accounts=Accounts(limits, lambda: 0.0))


def steps(do: Callable[[], object]) -> int:
    """How many functions were called, C functions included."""
    seen = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(None)
    return seen


def test_the_rate_is_the_identitys_on_all_its_connections() -> None:
    """One bucket for all; another identity has its own; every way of calling is counted."""
    endpoint = make(IdentityLimits(requests_per_s=1, requests_burst=3))
    first, second, other = (open_session(endpoint, name) for name in ("a", "a", "b"))
    assert [b"result" in bytes(each.take(CALL) or b"") for each in (first, second)] == [True, True]  # type: ignore[arg-type]
    assert b"result" in bytes(first.answer(CALL))  # type: ignore[arg-type]
    for refused in (first.take(CALL), second.take(CALL), second.answer(CALL)):
        assert isinstance(refused, bytes)
        answer = json.loads(refused)
        assert answer["id"] == 7
        assert answer["error"]["data"]["error"] == "LimitExceeded"
        assert answer["error"]["data"]["params"] == {"limit": "requests in a second", "maximum": 1}
    assert b"result" in bytes(other.take(CALL) or b"")  # type: ignore[arg-type]


def test_an_over_limit_answer_costs_no_more_than_a_ping() -> None:
    """It is said without asking the bridge and without encoding anything again."""
    session = open_session(make(IdentityLimits(requests_per_s=1, requests_burst=3)), "a")
    for _ in range(4):
        session.take(CALL)
    allowed = open_session(make(IdentityLimits(requests_per_s=0)), "a")
    allowed.take(CALL)
    assert steps(lambda: session.take(CALL)) <= steps(lambda: allowed.take(CALL))


def test_calls_in_flight_are_counted_on_all_connections_of_an_identity() -> None:
    """Whoever has too much under way is refused until something has ended."""

    async def work() -> None:
        bridge = RecordingBridge()
        endpoint = JsonRpcEndpoint(bridge, accounts=Accounts(IdentityLimits(requests_in_flight=2), lambda: 0.0))
        first, second = open_session(endpoint, "a"), open_session(endpoint, "a")

        def slow(word: str) -> bytes:
            return json.dumps({"jsonrpc": "2.0", "id": word, "method": "slow", "params": {"word": word}}).encode()

        begun = [first.answer(slow("x")), second.answer(slow("y"))]
        refused = first.answer(slow("z"))
        assert isinstance(refused, bytes)
        assert b"requests in flight of an identity" in refused
        await asyncio.sleep(0)
        for word in ("x", "y"):
            bridge.open_gate(word)
        for each in begun:
            assert not isinstance(each, bytes)
            assert b"result" in await each
        again = first.answer(slow("v"))
        assert not isinstance(again, bytes)
        await asyncio.sleep(0)
        bridge.open_gate("v")
        assert b"result" in await again

    asyncio.run(asyncio.wait_for(work(), 60))


def test_a_caller_that_becomes_another_identity_has_its_account() -> None:
    """After a login the new identity's bucket counts, on the connection as it is."""
    endpoint = make(IdentityLimits(requests_per_s=1, requests_burst=1))
    caller = Caller(identity="a", source="certificate", roles=(), rights=Rights())
    session = endpoint.open(caller)
    session.take(CALL)
    assert b"LimitExceeded" in bytes(session.take(CALL) or b"")  # type: ignore[arg-type]
    caller.become("b", "token", ("operator",), Rights(everywhere=frozenset({"vm.read"})))
    assert b"result" in bytes(session.take(CALL) or b"")  # type: ignore[arg-type]
    session.close()
    assert not caller.on_change
