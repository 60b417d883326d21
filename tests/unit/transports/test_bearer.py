"""A token with a request: whom it speaks for, from this request on, and no longer than it is valid."""

from __future__ import annotations

import pytest

from libvdsm.transports.config import Limits
from tests.fakes.recording_bridge import post, serve, until
from tests.fakes.websocket_peer import hello

PING = b'{"jsonrpc":"2.0","method":"sum","params":[1],"id":1}'
GOOD, OTHER = "Authorization: Bearer good-one", "Authorization: bearer  good-other"


async def test_each_request_speaks_for_whom_its_header_proves() -> None:
    """The same header again costs nothing; another is another; none is the connection's own."""
    async with serve() as served:
        client = await served.connect()
        for headers in ((), (GOOD,), (GOOD,), (OTHER,), (), (GOOD,), (GOOD,), (GOOD,), ()):
            client.send(post(PING, *headers))
            assert (await client.response()).status == 200
        spoken = [call.caller.identity for call in served.bridge.calls]
        one, other = "user:good-one", "user:good-other"
        assert spoken == ["anonymous", one, one, other, "anonymous", one, one, one, "anonymous"]
        assert [token for token, _own in served.authenticator.bearers] == ["good-one", "good-other", "good-one"]
        assert {own for _token, own in served.authenticator.bearers} == {"anonymous"}
        client.close()


@pytest.mark.parametrize("is_chunked", (False, True))
async def test_who_proves_nothing_must_be_brief(is_chunked: bool) -> None:
    """64 KiB of a body: more only with a token that is good, which is looked at before the body is taken."""
    body = b'{"jsonrpc":"2.0","method":"sum","params":[' + b"1," * 40_000 + b'1],"id":1}'
    whole = post(body, GOOD)
    if is_chunked:
        length = b"Content-Length: %d" % len(body)
        whole = whole.replace(length, b"Transfer-Encoding: chunked").replace(body, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    authorization = f"{GOOD}\r\n".encode()
    assert authorization in whole
    async with serve(Limits()) as served:
        for data, status in (
            (whole, 200),
            (whole.replace(authorization, b""), 413),
            (whole.replace(b"good-one", b"bad"), 413),
            (post(PING), 200),
            (whole, 200),
        ):
            client = await served.connect()
            client.send(data)
            answer = await client.response()
            assert answer.status == status
            if status == 413:
                assert b"nobody has logged in" in answer.body
            client.close()
        assert len(served.bridge.calls) == 3


@pytest.mark.parametrize(
    "header", ("Bearer bad", "Bearer", "Bearer ", "Basic Z29vZA==", "good", "Bearer good good", "Bearer g\u00e4", "Bearer good\x7f")
)
async def test_what_proves_nothing_is_401_and_does_nothing(header: str) -> None:
    """No call, no other identity; the connection goes on."""
    async with serve() as served:
        client = await served.connect()
        client.send(post(PING, GOOD))
        await client.response()
        client.send(post(PING, f"Authorization: {header}"))
        answer = await client.response()
        if answer.status == 400:  # no header at all, says the codec
            assert len(served.bridge.calls) == 1
            client.close()
            return
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "bearer")
        client.send(post(PING, GOOD))
        assert (await client.response()).status == 200
        assert [call.caller.identity for call in served.bridge.calls] == ["user:good-one"] * 2
        client.close()


async def test_a_revoked_token_ends_the_connection() -> None:
    """Also while the head of its requests is known by heart."""
    async with serve() as served:
        client = await served.connect()
        for _ in range(3):
            client.send(post(PING, GOOD))
            await client.response()
        served.authenticator.known["good-one"].revoke("it was revoked")
        assert await client.rest() == b""
        client.close()
        await until(lambda: served.tcp.connections == 0)


async def test_a_token_s_end_is_the_connection_s() -> None:
    """While it speaks for it, and not after."""
    now = [100.0]
    async with serve(wall=lambda: now[0]) as served:
        client = await served.connect()
        client.send(post(PING, GOOD))
        await client.response()
        served.authenticator.known["good-one"].expires_at = 200.0
        client.send(post(PING))
        await client.response()
        client.send(post(PING, GOOD))
        await client.response()
        now[0] = 201.0
        served.pass_time(1)
        assert await client.rest() == b""
        client.close()


@pytest.mark.parametrize("request_of_second", (post(PING, GOOD), hello(GOOD), hello(protocols="jsonrpc, bearer.good-one")))
async def test_whoever_is_one_too_many_has_nothing_carried_out(request_of_second: bytes) -> None:
    """429 says that nothing was done, also to a request by which a connection becomes that of an identity that has no room for it."""
    async with serve() as served:
        first, second = await served.connect(), await served.connect()
        first.send(post(PING, GOOD))
        await first.response()
        tally = served.tcp.accounts.of(served.bridge.calls[0].caller).connections
        tally.maximum = tally.used
        second.send(request_of_second)
        answer = await second.response()
        assert (answer.status, await second.rest()) == (429, b"")
        assert len(served.bridge.calls) == 1
        assert served.tcp.counters.refused_limit == 1
        second.close()
        third = await served.connect()
        third.send(post(PING))
        assert (await third.response()).status == 200
        third.close()
        first.close()
