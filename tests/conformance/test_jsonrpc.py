"""JSON-RPC 2.0, line by line, over TCP, the unix socket and HTTP. The numbers are those of the project's checklist."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcLimits
from libvdsm.client.runtime.core import Answer, Core
from tests.fakes.recording_bridge import Served, post, serve, until

ROADS = ("tcp", "unix", "http")
over_every_road = pytest.mark.parametrize("road", ROADS)


def code(answer: bytes) -> int:
    """The error's number in an answer that is an error to nobody in particular."""
    parsed = json.loads(answer)
    assert parsed["id"] is None
    assert set(parsed) == {"jsonrpc", "id", "error"}
    return int(parsed["error"]["code"])


async def answer_to(message: bytes, road: str = "tcp") -> bytes:
    """The answer of a fresh daemon."""
    async with serve() as served:
        return await served.ask(road, message)


def face(answer: Any) -> Any:
    """An answer as the specification shows it: of an error its code alone."""
    if isinstance(answer, list):
        return [face(each) for each in answer]
    return answer | {"error": answer["error"]["code"]} if "error" in answer else answer


def result(value: object, id: object) -> dict[str, object]:
    """A successful answer."""
    return {"jsonrpc": "2.0", "result": value, "id": id}


def error(number: int, id: object = None) -> dict[str, object]:
    """A failed answer, by its code."""
    return {"jsonrpc": "2.0", "error": number, "id": id}


@over_every_road
@pytest.mark.parametrize(
    ("number", "request_text", "expected"),
    (
        ("JR-001", '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', result(19, 1)),
        ("JR-001", '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', result(-19, 2)),
        ("JR-002", '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}', result(19, 3)),
        ("JR-002", '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}', result(19, 4)),
        ("JR-003", '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
        ("JR-004", '{"jsonrpc": "2.0", "method": "foobar"}', None),
        ("JR-005", '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', error(-32601, "1")),
        ("JR-006", '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', error(-32700)),
        ("JR-007", '{"jsonrpc": "2.0", "method": 1, "params": "bar"}', error(-32600)),
        ("JR-008", '[ {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]', error(-32700)),
        ("JR-009", "[]", error(-32600)),
        ("JR-010", "[1]", [error(-32600)]),
        ("JR-011", "[1,2,3]", [error(-32600)] * 3),
        (
            "JR-012",
            """[ {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
                 {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
                 {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
                 {"foo": "boo"},
                 {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
                 {"jsonrpc": "2.0", "method": "get_data", "id": "9"} ]""",
            [result(7, "1"), result(19, "2"), error(-32600), error(-32601, "5"), result(["hello", 5], "9")],
        ),
        (
            "JR-013",
            '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
            None,
        ),
    ),
)
async def test_jr_001_to_013_the_examples_of_the_specification(number: str, request_text: str, expected: object, road: str) -> None:
    """Every example of the specification's section 7 has its answer, byte-checked as parsed JSON."""
    answer = await answer_to(request_text.encode(), road)
    if expected is None:
        assert answer == b"", number
    else:
        assert answer.endswith(b"\n")
        assert answer.count(b"\n") == 1
        assert face(json.loads(answer)) == expected, number


@pytest.mark.parametrize("version", ("", '"jsonrpc":2.0,', '"jsonrpc":"1.0",', '"jsonrpc":"2.00",', '"jsonrpc":null,', '"jsonrpc":"2",'))
async def test_jr_020_the_version_is_the_string_2_0(version: str) -> None:
    """Anything else is no request; its id is echoed all the same."""
    answer = json.loads(await answer_to(f'{{{version}"method":"sum","params":[1],"id":7}}'.encode()))
    assert face(answer) == error(-32600, 7)


@pytest.mark.parametrize("method", ("1", "null", "[]", "{}", "true"))
async def test_jr_021_the_method_is_a_string(method: str) -> None:
    """A method of another type is -32600."""
    answer = json.loads(await answer_to(f'{{"jsonrpc":"2.0","method":{method},"id":7}}'.encode()))
    assert face(answer) == error(-32600, 7)


async def test_jr_022_reserved_names() -> None:
    """Of the names that begin with rpc. only rpc.discover means something."""
    async with serve() as served:
        assert face(json.loads(await served.ask("tcp", b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}'))) == result(
            {"openrpc": "1.3.2"}, 1
        )
        assert face(json.loads(await served.ask("tcp", b'{"jsonrpc":"2.0","method":"rpc.other","id":1}'))) == error(-32601, 1)
        assert served.bridge.methods() == ["Schema.discover"]


@pytest.mark.parametrize("params", ("null", '"text"', "1", "true", "1.5"))
async def test_jr_023_params_are_structured(params: str) -> None:
    """Neither an array nor an object: -32600, and nothing is run."""
    async with serve() as served:
        answer = json.loads(await served.ask("tcp", f'{{"jsonrpc":"2.0","method":"echo","params":{params},"id":7}}'.encode()))
        assert face(answer) == error(-32600, 7)
        assert not served.bridge.calls


async def test_jr_024_missing_params_are_none() -> None:
    """No params means an object without members."""
    assert json.loads(await answer_to(b'{"jsonrpc":"2.0","method":"echo","id":1}')) == result({}, 1)


@over_every_road
async def test_jr_025_wrong_params_name_their_path(road: str) -> None:
    """-32602 as the bridge says it, with the path in the data."""
    answer = json.loads(await answer_to(b'{"jsonrpc":"2.0","method":"fit","params":{"size":"x"},"id":1}', road))
    assert answer["error"]["code"] == -32602
    assert answer["error"]["data"]["path"] == "$.size"
    assert answer["error"]["data"]["error"] == "InvalidParams"


IDS = [
    '"a"',
    '""',
    '"1"',
    "1",
    "0",
    "-1",
    "-0",
    "null",
    '"\\u0061\\n"',
    '"ü"',
    '"' + "x" * 256 + '"',
    "9007199254740993",
    "18446744073709551617",
    "9" * 400,
]


@over_every_road
async def test_jr_030_031_035_ids_are_echoed_octet_for_octet(road: str) -> None:
    """Strings, integers beyond 53 and 64 bits, and null, each exactly as it was written."""
    async with serve() as served:
        for id in IDS:
            request = f'{{"jsonrpc":"2.0","method":"sum","params":[1],"id":{id}}}'.encode()
            assert await served.ask(road, request) == f'{{"jsonrpc":"2.0","id":{id},"result":1}}\n'.encode()


@pytest.mark.parametrize("id", ("1.0", "1.5", "1e3", "true", "false", "[]", "[1]", "{}"))
async def test_jr_032_other_ids_are_refused(id: str) -> None:
    """A fraction, a boolean, an array, an object: -32600 to nobody, and nothing is run."""
    async with serve() as served:
        answer = await served.ask("tcp", f'{{"jsonrpc":"2.0","method":"sum","params":[1],"id":{id}}}'.encode())
        assert code(answer) == -32600
        assert not served.bridge.calls


@pytest.mark.parametrize("id", ('"' + "x" * 257 + '"', '"' + "x" * 100_000 + '"', '"' + "\\u0061" * 43 + '"'))
async def test_jr_033_long_ids_are_refused(id: str) -> None:
    """More than 256 octets as written."""
    assert code(await answer_to(f'{{"jsonrpc":"2.0","method":"sum","params":[1],"id":{id}}}'.encode())) == -32600


@over_every_road
async def test_jr_034_notifications_are_carried_out_and_never_answered(road: str) -> None:
    """Also when they fail, at once or later; they reach the bridge as every call does."""
    async with serve() as served:
        for method in ("sum", "crash", "nothing.like.it", "crash.later", "rpc.other"):
            assert await served.ask(road, f'{{"jsonrpc":"2.0","method":"{method}","params":[]}}'.encode()) == b""
        assert served.bridge.methods() == ["sum", "crash", "nothing.like.it", "crash.later"]


async def test_jr_040_an_answer_has_result_or_error() -> None:
    """Exactly one of the two; a result may be null."""
    async with serve() as served:
        assert json.loads(await served.ask("tcp", b'{"jsonrpc":"2.0","method":"update","id":1}')) == {
            "jsonrpc": "2.0",
            "id": 1,
            "result": None,
        }
        failed = json.loads(await served.ask("tcp", b'{"jsonrpc":"2.0","method":"foobar","id":1}'))
        assert set(failed) == {"jsonrpc", "id", "error"}


@pytest.mark.parametrize("method", ("foobar", "fit", "crash", "crash.later", "Event.subscribe"))
async def test_jr_041_043_errors_have_their_shape(method: str) -> None:
    """An integer code, a message, data with the typed error; our own codes are positive, away from JSON-RPC's."""
    answer = json.loads(await answer_to(f'{{"jsonrpc":"2.0","method":"{method}","id":1}}'.encode(), "http"))
    failure = answer["error"]
    assert set(failure) == {"code", "message", "data"}
    assert type(failure["code"]) is int
    assert failure["code"] > 0 or -32700 <= failure["code"] <= -32600
    assert failure["message"]
    assert {"error", "params", "fault", "retryable", "remedy"} <= set(failure["data"])


@over_every_road
@pytest.mark.parametrize("method", ("crash", "crash.later"))
async def test_jr_042_a_defect_is_an_internal_error(method: str, road: str, caplog: pytest.LogCaptureFixture) -> None:
    """-32603 with an incident to look for in the log, and nothing of the inside on the wire."""
    answer = await answer_to(f'{{"jsonrpc":"2.0","method":"{method}","id":1}}'.encode(), road)
    failure = json.loads(answer)["error"]
    assert failure["code"] == -32603
    assert b"secret" not in answer
    assert b"Traceback" not in answer
    assert failure["data"]["params"]["incident"] in caplog.text
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize("member", ("extra", "Method", "result", "session"))
async def test_jr_044_unknown_members_are_refused(member: str) -> None:
    """A request is closed."""
    async with serve() as served:
        answer = json.loads(await served.ask("tcp", f'{{"jsonrpc":"2.0","method":"sum","params":[1],"id":7,"{member}":1}}'.encode()))
        assert face(answer) == error(-32600, 7)
        assert member in answer["error"]["message"]
        assert not served.bridge.calls


def members(*words: str, method: str = "slow") -> bytes:
    """A batch of slow calls."""
    return json.dumps([{"jsonrpc": "2.0", "method": method, "params": {"word": word}, "id": word} for word in words]).encode()


async def test_jr_050_answers_stand_in_the_order_of_the_members() -> None:
    """Whichever member ends first, each id has its own answer."""
    async with serve() as served:
        client = await served.connect()
        client.send(members("a", "b", "c") + b"\n")
        await until(lambda: len(served.bridge.begun) == 3)
        for word in ("c", "a", "b"):
            served.bridge.open_gate(word)
        assert json.loads(await client.line()) == [result(word, word) for word in ("a", "b", "c")]
        client.close()


async def test_jr_051_a_batch_runs_with_a_bound_and_in_order() -> None:
    """Members are begun in order, and never more than the bound at a time."""
    words = [f"w{index}" for index in range(40)]
    async with serve(rpc_limits=JsonRpcLimits(batch_parallel=4)) as served:
        client = await served.connect()
        client.send(members(*words) + b"\n")
        await until(lambda: len(served.bridge.begun) == 4)
        for word in words:
            served.bridge.open_gate(word)
        assert [answer["result"] for answer in json.loads(await client.line())] == words
        assert served.bridge.begun == words
        assert served.bridge.most_running == 4
        client.close()


@over_every_road
async def test_jr_052_too_great_a_batch_is_not_run_at_all(road: str) -> None:
    """1,000 members pass; one more is one -32600."""
    one = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
    async with serve() as served:
        assert len(json.loads(await served.ask(road, b"[" + b",".join([one] * 1_000) + b"]"))) == 1_000
        served.bridge.calls.clear()
        assert code(await served.ask(road, b"[" + b",".join([one] * 1_001) + b"]")) == -32600
        assert not served.bridge.calls


async def test_jr_053_equal_ids_in_a_batch_are_all_answered() -> None:
    """Ids are the client's; we only carry them."""
    one = '{"jsonrpc":"2.0","method":"sum","params":[%d],"id":1}'
    answer = json.loads(await answer_to(f"[{one % 1},{one % 2},{one % 3}]".encode()))
    assert answer == [result(1, 1), result(2, 1), result(3, 1)]


async def test_jr_054_nested_arrays_are_no_requests() -> None:
    """-32600 for each, and for each only."""
    answer = json.loads(
        await answer_to(
            b'[[],[[1]],[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}],{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}]'
        )
    )
    assert face(answer) == [error(-32600)] * 3 + [result(1, 1)]


@over_every_road
async def test_jr_055_a_slow_member_does_not_lose_the_others_when_the_client_goes(road: str) -> None:
    """What would change something is carried out to the last member, though nobody waits any more; queries are given up."""
    words = [f"w{index}" for index in range(40)]
    async with serve(rpc_limits=JsonRpcLimits(batch_parallel=2)) as served:
        client = await served.connect("tcp" if road == "http" else road)
        batch = json.loads(members(*words, method="slow.change")) + json.loads(members("query"))
        message = json.dumps(batch).encode() + b"\n"
        client.send(post(message) if road == "http" else message)
        await until(lambda: len(served.bridge.begun) == 2)
        client.vanish()
        if road != "unix":
            await until(lambda: served.tcp.connections == 0)
        for word in (*words, "query"):
            served.bridge.open_gate(word)
        await until(lambda: not served.endpoint.work)
        assert [word for word in served.bridge.finished if word != "query"] == words
        assert ("query" in served.bridge.begun) == (road == "unix")  # there nobody can tell a vanished client from a half-closed one


STRICT = {
    "JR-060 duplicate members": b'{"jsonrpc":"2.0","method":"sum","method":"echo","params":[1],"id":1}',
    "JR-060 duplicate params": b'{"jsonrpc":"2.0","method":"echo","params":{},"params":{"a":1},"id":1}',
    "JR-060 duplicates within params": b'{"jsonrpc":"2.0","method":"echo","params":{"a":1,"a":2},"id":1}',
    "JR-060 duplicates by escapes": b'{"jsonrpc":"2.0","method":"echo","params":{"a":1,"\\u0061":2},"id":1}',
    "JR-060 duplicate ids": b'{"jsonrpc":"2.0","method":"sum","params":[],"id":1,"id":2}',
    "JR-060 duplicates within meta": b'{"jsonrpc":"2.0","method":"echo","id":1,"meta":{"timeout":1,"timeout":2}}',
    "JR-061 NaN": b'{"jsonrpc":"2.0","method":"echo","params":[NaN],"id":1}',
    "JR-061 Infinity": b'{"jsonrpc":"2.0","method":"echo","params":[Infinity],"id":1}',
    "JR-061 -Infinity": b'{"jsonrpc":"2.0","method":"echo","params":[-Infinity],"id":1}',
    "JR-061 1e999": b'{"jsonrpc":"2.0","method":"echo","params":[1e999],"id":1}',
    "JR-063 lone surrogate": b'{"jsonrpc":"2.0","method":"echo","params":["\\ud800"],"id":1}',
    "JR-063 lone surrogate in the method": b'{"jsonrpc":"2.0","method":"\\udc00","id":1}',
    "JR-063 lone surrogate in the id": b'{"jsonrpc":"2.0","method":"echo","id":"\\ud800"}',
    "JR-065 depth": b'{"jsonrpc":"2.0","method":"echo","params":' + b"[" * 10_000 + b"]" * 10_000 + b',"id":1}',
    "JR-065 depth of a batch": b"[" * 100_000 + b"]" * 100_000,
    "JR-066 long integer": b'{"jsonrpc":"2.0","method":"echo","params":[' + b"1" * 5_000 + b'],"id":1}',
    "JR-066 long integer as id": b'{"jsonrpc":"2.0","method":"echo","id":' + b"1" * 5_000 + b"}",
    "JR-067 bad UTF-8": b'{"jsonrpc":"2.0","method":"echo","params":["\xff"],"id":1}',
    "JR-067 bad UTF-8 in the method": b'{"jsonrpc":"2.0","method":"\xc0\x80","id":1}',
    "JR-067 bad UTF-8 in a name": b'{"jsonrpc":"2.0","method":"echo","params":{"\xed\xa0\x80":1},"id":1}',
    "JR-064 NUL as such": b'{"jsonrpc":"2.0","method":"echo","params":["\x00"],"id":1}',
}


@over_every_road
@pytest.mark.parametrize("name", STRICT)
async def test_jr_060_to_067_doubtful_json_is_refused(name: str, road: str) -> None:
    """-32700 to nobody; nothing reaches the bridge, and the daemon answers the next client."""
    async with serve() as served:
        assert code(await served.ask(road, STRICT[name])) == -32700
        assert not served.bridge.calls
        assert await served.ask(road, b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}') == b'{"jsonrpc":"2.0","id":1,"result":1}\n'


async def test_jr_062_integers_reach_the_bridge_exactly() -> None:
    """Parameters travel as they were written: no number loses a digit on the way."""
    async with serve() as served:
        numbers = b"[18446744073709551617,-9223372036854775809,1.0,1e2]"
        await served.ask("http", b'{"jsonrpc":"2.0","method":"echo","params":' + numbers + b',"id":1}')
        assert served.bridge.calls[0].params == numbers


@pytest.mark.parametrize(
    "message",
    (b"\xef\xbb\xbf" + b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}', '{"jsonrpc":"2.0","method":"x","id":1}'.encode("utf-16")),
)
async def test_jr_067_byte_order_marks_and_utf_16(message: bytes) -> None:
    """Over HTTP -32700; on a stream it is nobody's first word, and -32700 behind another message."""
    async with serve() as served:
        assert code(await served.ask("http", message)) == -32700
        assert await served.ask("tcp", message) == b""
        first = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
        answers = (await served.ask("tcp", first + message + b"\n")).splitlines()
        assert code(answers[-1]) == -32700


async def test_jr_068_two_values_in_one_message() -> None:
    """Over HTTP an error; on a stream two messages, and junk behind a message is an error of its own."""
    one = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
    async with serve() as served:
        for junk in (one, b"x", b"]", b"1"):
            assert code(await served.ask("http", one + junk)) == -32700
        assert len((await served.ask("tcp", one + one)).splitlines()) == 2
        answers = (await served.ask("tcp", one + b" x")).splitlines()
        assert [face(json.loads(answer)) for answer in answers] == [result(1, 1), error(-32700)]
        answers = (await served.ask("tcp", one + b" 1")).splitlines()
        assert [face(json.loads(answer)) for answer in answers] == [result(1, 1), error(-32600)]


@pytest.mark.parametrize("message", (b"", b" ", b"\r\n\t "))
async def test_jr_069_nothing_at_all(message: bytes) -> None:
    """Over HTTP -32700; on a stream blanks are nothing, before and between messages."""
    async with serve() as served:
        assert code(await served.ask("http", message)) == -32700
        client = await served.connect()
        one = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}\n'
        client.send(message + one + message + b"\n" + one)
        client.end()
        assert len((await client.rest()).splitlines()) == 2
        client.close()


async def test_jr_070_messages_may_be_split_and_joined() -> None:
    """Octet by octet, or all in one piece, with the same answers."""
    messages = b"".join(f'{{"jsonrpc":"2.0","method":"sum","params":[{index}],\n "id":{index}}}\n'.encode() for index in range(5))
    expected = [result(index, index) for index in range(5)]
    async with serve() as served:
        for size in (1, 7, 1_000):
            client = await served.connect()
            for start in range(0, len(messages), size):
                client.send(messages[start : start + size])
                await client.writer.drain()
            client.end()
            assert [json.loads(line) for line in (await client.rest()).splitlines()] == expected
            client.close()


TABLE = [
    b'{"jsonrpc":"2.0","method":"subtract","params":[42,23],"id":"x"}',
    b'{"jsonrpc":"2.0","method":"foobar","id":1}',
    b'{"jsonrpc":"2.0","method":"fit","params":{"size":"\\u00fc"},"id":1}',
    b'[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1},1]',
    b'{"jsonrpc":"1.0","method":"sum","id":1}',
    b"[1",
    b"[]",
    b'{"jsonrpc":"2.0","method":"sum","params":[1]}',
    b'{"jsonrpc":"2.0","method":"echo","params":{"a":1,"a":1},"id":1}',
]


@pytest.mark.parametrize("message", TABLE)
async def test_jr_071_every_road_gives_the_same_bytes(message: bytes) -> None:
    """TCP, the unix socket and HTTP: one table, equal octets. What cannot be framed has equal codes."""
    async with serve() as served:
        answers = [await served.ask(road, message) for road in ROADS]
    if message == b"[1":
        assert [code(answer) for answer in answers] == [-32700] * 3
    else:
        assert answers[0] == answers[1] == answers[2]


async def test_jr_072_http_has_its_rules() -> None:
    """POST only, application/json only, 204 to a notification, 413 to too much."""
    one = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
    async with serve() as served:
        cases = [
            (post(one), 200),
            (post(one, content_type="Application/JSON; charset=UTF-8"), 200),
            (post(b'{"jsonrpc":"2.0","method":"sum","params":[1]}'), 204),
            (b"GET /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (b"PUT /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
            (b"OPTIONS /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (post(one, content_type=""), 415),
            (post(one, content_type="text/plain"), 415),
            (post(one, content_type="application/x-www-form-urlencoded"), 415),
            (post(one, content_type="application/json; charset=latin-1"), 415),
            (post(one, "Content-Type: text/plain"), 415),
            (post(one, "Content-Encoding: gzip"), 415),
            (b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194305\r\n\r\n", 413),
        ]
        for request, status in cases:
            client = await served.connect()
            client.send(request)
            answer = await client.response()
            assert answer.status == status, request
            assert ("allow" in answer.headers) == (status == 405)
            client.close()
        assert served.bridge.methods() == ["sum"] * 3


def _has_begun(served: Served, count: int) -> bool:
    return len(served.bridge.begun) == count


async def test_jr_074_answers_to_vanished_clients_are_dropped_and_counted() -> None:
    """A query ends with its client; what changes something goes on, and its answer is dropped and counted."""
    async with serve() as served:
        for place, (method, word) in enumerate((("slow", "query"), ("slow.change", "change")), 1):
            client = await served.connect()
            client.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": {"word": word}, "id": 1}).encode() + b"\n")
            await until(partial(_has_begun, served, place))
            client.vanish()
            await until(lambda: served.tcp.connections == 0)
        await until(lambda: served.bridge.cancelled == ["query"])
        served.bridge.open_gate("change")
        await until(lambda: served.bridge.finished == ["change"])
        await until(lambda: served.endpoint.counters.dropped_answers == 1)


async def test_events_need_a_connection_that_stays() -> None:
    """Event.subscribe over plain HTTP is the typed error NeedsConnection."""
    request = b'{"jsonrpc":"2.0","method":"Event.subscribe","id":1}'
    async with serve() as served:
        assert json.loads(await served.ask("http", request))["error"]["data"]["error"] == "NeedsConnection"
        for road in ("tcp", "unix"):
            assert "result" in json.loads(await served.ask(road, request))


def test_jr_075_a_client_drops_and_counts_answers_that_nobody_waits_for() -> None:
    core: Core[str] = Core()
    kept, _ = core.request("kept", "Host.ping", {}, {})
    late, _ = core.request("late", "Host.ping", {}, {})
    core.forget(late)  # its time was up
    answers = [b'{"jsonrpc":"2.0","id":%d,"result":{}}\n' % number for number in (late, 99, kept, kept)]
    heard = [each for data in answers for each in core.receive(data)]
    assert [each.waiter for each in heard if isinstance(each, Answer)] == ["kept"]
    assert core.dropped == 3
