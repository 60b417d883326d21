"""HTTP: order, names, origins, paths, times."""

from __future__ import annotations

import json

import pytest

from libvdsm.transports.config import ListenerPolicy
from tests.fakes.recording_bridge import post, serve, until

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
PONG = b'{"jsonrpc":"2.0","id":1,"result":1}\n'


def slow(word: str) -> bytes:
    """A call that waits for its gate."""
    return json.dumps({"jsonrpc": "2.0", "method": "slow", "params": {"word": word}, "id": word}).encode()


def get(path: str, *headers: str, host: str = "localhost", method: str = "GET", version: str = "1.1") -> bytes:
    """A request without a body."""
    return ("\r\n".join([f"{method} {path} HTTP/{version}", f"Host: {host}", *headers]) + "\r\n\r\n").encode()


async def test_pipelined_answers_keep_their_order() -> None:
    """A slow first request holds back the answers to the others, and nothing else does."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(slow("a")) + post(PING) + get("/nothing") + post(PING))
        await until(lambda: served.bridge.begun == ["a"])
        client.send(post(PING))
        assert served.bridge.methods() == ["slow"]
        served.bridge.open_gate("a")
        assert json.loads((await client.response()).body)["id"] == "a"
        assert [(await client.response()).status for _ in range(4)] == [200, 404, 200, 200]
        client.close()


async def test_one_connection_serves_many_requests() -> None:
    """Keep-alive, with equal and unequal heads."""
    async with serve() as served:
        client = await served.connect()
        for index in range(50):
            body = b'{"jsonrpc":"2.0","method":"sum","params":[%d],"id":%d}' % (index, index)
            client.send(post(body))
            answer = await client.response()
            assert answer.body == b'{"jsonrpc":"2.0","id":%d,"result":%d}\n' % (index, index)
            assert answer.headers["content-type"] == "application/json"
            assert "date" in answer.headers
        client.close()


async def test_the_last_request_closes() -> None:
    """Connection: close and HTTP/1.0 end the connection after the answer."""
    async with serve() as served:
        for request in (post(PING, "Connection: close"), post(PING).replace(b"HTTP/1.1", b"HTTP/1.0")):
            client = await served.connect()
            client.send(request)
            answer = await client.response()
            assert answer.body == PONG
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b""
            client.close()


async def test_half_closed_clients_get_their_answer() -> None:
    """Also when it comes late."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(slow("a")))
        client.end()
        await until(lambda: served.bridge.begun == ["a"])
        served.bridge.open_gate("a")
        assert (await client.rest()).endswith(b'"result":"a"}\n')
        client.close()


@pytest.mark.parametrize(
    ("host", "status"),
    (
        ("localhost", 200),
        ("LOCALHOST:54321", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:54321", 200),
        ("[::1]", 200),
        ("host.example:54321", 200),
        ("only.example:1", 200),
        ("only.example", 421),
        ("only.example:2", 421),
        ("evil.example", 421),
        ("evil.example:54321", 421),
        ("localhost.evil.example", 421),
        ("localhost:evil", 421),
        ("", 421),
        ("[::2]", 421),
    ),
)
async def test_only_our_names_are_answered(host: str, status: int) -> None:
    """Against DNS rebinding: a name that is not in the list is refused, each time."""
    async with serve(policy=ListenerPolicy(anonymous=True, hosts=("host.example", "only.example:1"))) as served:
        client = await served.connect()
        for _ in range(2):
            client.send(post(PING, host=host))
            assert (await client.response()).status == status
        assert len(served.bridge.calls) == (2 if status == 200 else 0)
        client.close()
        client = await served.connect("unix")
        client.send(post(PING, host=host))
        assert (await client.response()).status == 200
        client.close()


async def test_the_name_in_the_target_counts() -> None:
    """An absolute target overrides Host; no Host at all is refused, over TCP in HTTP/1.0 too."""
    async with serve() as served:
        for request, status in (
            (post(PING, path="http://evil.example/rpc"), 421),
            (post(PING, path="http://localhost/rpc", host="evil.example"), 200),
            (post(PING, path="http://localhost?x=/rpc", host="evil.example"), 404),
            (post(PING, host="localhost \t"), 200),
            (post(PING).replace(b"Host: localhost\r\n", b""), 400),
            (post(PING).replace(b"Host: localhost\r\n", b"").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
            (post(PING).replace(b"Host: localhost\r\n", b"Host: localhost\r\nHost: localhost\r\n"), 400),
        ):
            client = await served.connect()
            client.send(request)
            assert (await client.response()).status == status, request
            client.close()


async def test_web_pages_may_not_call_unless_they_are_listed() -> None:
    """An Origin that is not in the list is refused, over every road; nothing is run."""
    async with serve(policy=ListenerPolicy(anonymous=True, origins=("https://ui.example",))) as served:
        for road in ("tcp", "unix"):
            for origin, status in (("https://ui.example", 200), ("https://evil.example", 403), ("null", 403), ("http://localhost", 403)):
                client = await served.connect(road)
                client.send(post(PING, f"Origin: {origin}"))
                assert (await client.response()).status == status
                client.close()
        assert len(served.bridge.calls) == 2


async def test_an_unknown_path_says_what_is_here() -> None:
    """404 with the list of paths, as JSON; to HEAD the same without the body."""
    async with serve() as served:
        client = await served.connect()
        client.send(get("/what?x"))
        answer = await client.response()
        assert answer.status == 404
        assert json.loads(answer.body)["paths"] == ["/rpc", "/stream/<ticket>", "/ws"]
        client.send(get("/what", method="HEAD") + get("/what"))
        head = await client.response(has_body=False)
        assert head.headers["content-length"] == str(len(answer.body))
        assert (await client.response()).body == answer.body
        client.close()


async def test_the_query_is_no_part_of_the_path() -> None:
    """/rpc?x is /rpc."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(PING, path="/rpc?x=y"))
        assert (await client.response()).body == PONG
        client.close()


async def test_continue_is_said_before_the_body() -> None:
    """The client that waits for it gets it, and no sooner than the request before is answered."""
    async with serve() as served:
        client = await served.connect()
        head, body = post(PING, "Expect: 100-continue").split(b"\r\n\r\n")
        client.send(post(slow("a")) + head + b"\r\n\r\n")
        await until(lambda: served.bridge.begun == ["a"])
        served.bridge.open_gate("a")
        assert (await client.response()).status == 200
        assert (await client.response()).status == 100
        client.send(body)
        assert (await client.response()).body == PONG
        client.close()


async def test_call_options_come_as_headers() -> None:
    """They become CallOptions; those in the member meta win."""
    async with serve() as served:
        client = await served.connect()
        headers = (
            "Vdsm-Timeout: 2.5",
            "Vdsm-Not-After: 2026-01-01T00:00:00Z",
            "Vdsm-Idempotency-Key: k",
            "Vdsm-Expected-Generation: 7",
            "Vdsm-Wait: 10",
            "Vdsm-Flow-Id: f",
            "traceparent: 00-a-b-01",
        )
        expected: dict[str, object] = {
            "timeout": 2.5,
            "notAfter": "2026-01-01T00:00:00Z",
            "idempotencyKey": "k",
            "expectedGeneration": 7,
            "wait": 10,
            "flowId": "f",
            "traceparent": "00-a-b-01",
        }
        client.send(post(PING, *headers))
        await client.response()
        client.send(post(PING[:-1] + b',"meta":{"wait":1,"tracestate":"t"}}', *headers))
        await client.response()
        client.send(post(b"[" + PING + b"]", "Vdsm-Wait: 3"))
        await client.response()
        given = [json.loads(call.options or b"null") for call in served.bridge.calls]
        assert given == [expected, expected | {"wait": 1, "tracestate": "t"}, {"wait": 3}]
        for bad in (
            "Vdsm-Timeout: soon",
            "Vdsm-Expected-Generation: 1.5",
            "Vdsm-Wait: -1",
            "Vdsm-Wait: 1e9",
            "Vdsm-Flow-Id: \udcff",
            "Vdsm-Idempotencykey: k",
        ):
            client.send(
                post(PING, *([bad] if bad.isascii() else [])).replace(
                    b"\r\n\r\n", b"\r\nVdsm-Flow-Id: \xff\r\n\r\n" if not bad.isascii() else b"\r\n\r\n"
                )
            )
            answer = await client.response()
            assert answer.status == 400
            assert json.loads(answer.body)["error"]["code"] == -32600
        assert len(served.bridge.calls) == 3
        client.close()


async def test_slow_and_idle_clients_are_closed() -> None:
    """A head or body has 10 s, a pause 75; a running call has all the time it needs."""
    async with serve() as served:
        slow_head, slow_body, idle, busy = [await served.connect() for _ in range(4)]
        slow_head.send(b"POST /rpc HTTP/1.1\r\nHost: lo")
        slow_body.send(post(PING)[:-5])
        idle.send(post(PING))
        await idle.response()
        busy.send(post(slow("a")))
        await until(lambda: served.bridge.begun == ["a"])
        await until(lambda: sum(bool(getattr(each, "_partial_since", 0)) for each in served.tcp._connections) == 2)
        served.pass_time(10)
        for client in (slow_head, slow_body):
            assert (await client.response()).status == 408
            assert await client.rest() == b""
        served.pass_time(65)
        assert await idle.rest() == b""
        served.bridge.open_gate("a")
        assert (await busy.response()).status == 200
        assert served.tcp.counters.slow_senders == 2
        assert served.tcp.counters.idle_closed == 1
        for client in (slow_head, slow_body, idle, busy):
            client.close()


async def test_a_refused_client_reads_why_though_it_goes_on_sending() -> None:
    """413 arrives while the body still comes; then the connection is closed, at the latest after 5 s."""
    async with serve() as served:
        client = await served.connect()
        client.send(b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 1_000_000)
        answer = await client.response()
        assert answer.status == 413
        assert answer.headers["connection"] == "close"
        client.send(b"x" * 1_000_000)
        await client.writer.drain()
        assert await client.rest() == b""
        served.pass_time(5)
        await until(lambda: served.tcp.connections == 0)
        client.close()


async def test_a_client_that_goes_away_gives_up_its_query() -> None:
    """And the queue behind it is not carried out."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(slow("a")) + post(PING))
        await until(lambda: served.bridge.begun == ["a"])
        client.vanish()
        await until(lambda: served.bridge.cancelled == ["a"])
        assert served.bridge.methods() == ["slow"]
        assert served.tcp.connections == 0


async def test_over_the_unix_socket_a_client_that_goes_away_is_seen_as_well() -> None:
    """There the end of what it sends may be all of it, or half; whoever still reads has his answer."""
    async with serve() as served:
        gone, half = await served.connect("unix"), await served.connect("unix")
        gone.send(post(slow("a")))
        half.send(post(slow("b")))
        await until(lambda: sorted(served.bridge.begun) == ["a", "b"])
        gone.close()
        half.end()
        await until(lambda: served.bridge.cancelled == ["a"])
        served.bridge.open_gate("b")
        assert json.loads((await half.response()).body)["id"] == "b"
        half.close()


async def test_an_unknown_upgrade_is_ignored() -> None:
    """RFC 9110, 7.8: the request is answered as if it had not asked, and what follows is HTTP."""
    async with serve() as served:
        client = await served.connect()
        client.send(get("/nothing", "Connection: Upgrade", "Upgrade: h2c") + post(PING))
        assert (await client.response()).status == 404
        assert (await client.response()).body == PONG
        client.close()


async def test_a_request_that_waits_for_the_answer_before_it_is_not_slow() -> None:
    """Half a request behind a call that takes its time: it is we who do not read; its ten seconds begin with the answer."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(slow("a")) + post(PING)[:-5])
        await until(lambda: served.bridge.begun == ["a"])
        await until(lambda: any(getattr(each, "_partial_since", 0) for each in served.tcp._connections))
        for _ in range(5):
            served.pass_time(9)
        client.send(post(PING)[-5:])
        served.bridge.open_gate("a")
        assert json.loads((await client.response()).body)["id"] == "a"
        assert (await client.response()).body == PONG
        client.send(post(slow("b")) + post(PING)[:-5])
        await until(lambda: served.bridge.begun == ["a", "b"])
        served.pass_time(60)
        served.bridge.open_gate("b")
        assert json.loads((await client.response()).body)["id"] == "b"
        served.pass_time(9)
        assert served.tcp.counters.slow_senders == 0
        served.pass_time(1)
        assert (await client.response()).status == 408
        client.close()


async def test_each_request_has_its_own_ten_seconds() -> None:
    """A client that never ends a write with a request, and goes on for longer than one may take."""
    async with serve() as served:
        client = await served.connect()
        request = post(PING)
        client.send(request[:30])
        for _ in range(5):
            client.send(request[30:] + request[:30])
            assert (await client.response()).body == PONG
            await until(lambda: any(getattr(each, "_partial_since", 0) == served.clock[0] for each in served.tcp._connections))
            served.pass_time(6)
        assert served.tcp.counters.slow_senders == 0
        served.pass_time(4)
        assert (await client.response()).status == 408
        client.close()
