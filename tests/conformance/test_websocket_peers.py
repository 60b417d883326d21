"""WebSocket clients that others wrote: the library ``websockets``, and Node's own (the one of Chromium is in ``tests/browser``)."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from libvdsm.transports.config import ListenerPolicy
from tests.fakes.recording_bridge import serve

_SCRIPT = """
const [url, text] = process.argv.slice(1);
const socket = new WebSocket(url, ["jsonrpc"]);
socket.onopen = () => socket.send(text);
socket.onmessage = (message) => { console.log(socket.protocol, message.data.trim()); socket.close(4000, "enough"); };
socket.onclose = (event) => console.log(event.code, event.wasClean);
socket.onerror = (event) => console.log("error", event.message);
"""
NODE = shutil.which("node")


async def test_websockets_calls_pings_sends_in_fragments_and_closes() -> None:
    """With compression offered, as it does by default."""
    async with serve() as served:
        async with connect(f"ws://127.0.0.1:{served.port}/ws", subprotocols=["jsonrpc"]) as peer:  # type: ignore[list-item]
            assert peer.subprotocol == "jsonrpc"
            assert peer.protocol.extensions == []
            text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": ["ü" * 2_000]}, ensure_ascii=False)
            await peer.send(text[start : start + 500] for start in range(0, len(text), 500))
            assert json.loads(await peer.recv())["result"] == ["ü" * 2_000]
            await (await peer.ping(b"there?"))
            for number in range(500):
                await peer.send(f'{{"jsonrpc":"2.0","id":{number},"method":"sum","params":[{number}]}}')
            assert [json.loads(await peer.recv())["result"] for number in range(500)] == list(range(500))
            await peer.close(4001, "enough")
        assert peer.close_code == 4001


async def test_websockets_over_the_unix_socket() -> None:
    """Known by its credentials."""
    from websockets.asyncio.client import unix_connect

    async with serve() as served, unix_connect(str(served.path), "ws://localhost/ws") as peer:
        assert peer.subprotocol is None
        await peer.send('{"jsonrpc":"2.0","id":1,"method":"sum","params":[1,2]}')
        assert json.loads(await peer.recv())["result"] == 3
        assert served.bridge.calls[-1].caller.source == "unix"


async def test_websockets_is_told_why_it_may_not() -> None:
    """403 for a web origin that is not on the list."""
    async with serve(policy=ListenerPolicy(anonymous=True)) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{served.port}/ws", origin="https://evil.example")  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


@pytest.mark.skipif(NODE is None, reason="there is no Node on this machine")
async def test_nodes_own_websocket() -> None:
    """Calls, and closes with a code of its own."""
    assert NODE is not None
    async with serve() as served:
        call = '{"jsonrpc":"2.0","id":1,"method":"echo","params":["ü"]}'
        process = await asyncio.create_subprocess_exec(
            NODE,
            "--experimental-websocket",
            "-e",
            _SCRIPT,
            f"ws://127.0.0.1:{served.port}/ws",
            call,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert out.decode().split("\n") == ['jsonrpc {"jsonrpc":"2.0","id":1,"result":["\\u00fc"]}', "4000 true", ""]
