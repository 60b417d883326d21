"""The 301 cases of the Autobahn catalogue that are not about compression, under their published numbers.

The tables in ``autobahn/`` say what is sent and what must come back:

* ``send``: frames, each with ``op`` (a name or a number) and its payload as ``text``, as ``hex`` or as ``size`` octets of ``fill``
  (``fillhex``); ``fin`` and ``rsv`` if they are not the usual; ``fragment``: divided into frames of that size; ``cut``: only so many
  octets of the payload are sent; of a close ``code`` and ``reason``.
* ``expect``: what must come back before the end, in this order and nothing else.
* ``ends``: the code with which the connection is closed (0: without a code); without it we close with 1000 and are answered so.
* ``chop``: octets in a write, or ``frame``; ``rounds``: how often.

Each runs over a real socket against the reactor with an echo, those without an echo also against ``/ws`` of a listener.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from libvdsm.bridge.limits import Accounts, IdentityLimits
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.transports.config import Counters, Limits
from libvdsm.transports.connection import Connection
from libvdsm.transports.turns import Turns
from libvdsm.transports.websocket import WebSocketReactor
from libvdsm.wire.websocket.events import Message
from libvdsm.wire.websocket.frames import encode
from tests.fakes.recording_bridge import serve, until
from tests.fakes.websocket_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, closing, frame, hello

Case = dict[str, Any]
OPCODES = {"continuation": CONTINUATION, "text": TEXT, "binary": BINARY, "close": CLOSE, "ping": PING, "pong": PONG}
PUBLISHED = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
#: Those of section 9 are longer than what the daemon takes by default.
LONGEST = 16 * 1024 * 1024


def load() -> list[Case]:
    """All cases, in the order of their numbers."""
    folder = Path(__file__).parent / "autobahn"
    cases = [case for path in sorted(folder.glob("*.toml")) for case in tomllib.loads(path.read_text())["case"]]
    return sorted(cases, key=lambda case: [int(part) for part in case["id"].split(".")])


CASES = load()


def test_the_catalogue_is_whole() -> None:
    """301 cases, each once, as many of each section as were published."""
    sections: dict[str, int] = {}
    for case in CASES:
        section = case["id"].split(".")[0]
        sections[section] = sections.get(section, 0) + 1
    assert sections == PUBLISHED
    assert len({case["id"] for case in CASES}) == len(CASES) == 301


class Echo(WebSocketReactor):
    """Gives back what it gets."""

    def take(self, message: Message, units: int) -> int:
        self.put_frame(encode(message))
        return 0


class Hub:
    """What a connection needs of a listener."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = Limits(message_octets=LONGEST, write_octets=2 * LONGEST)
        self.counters = Counters()
        self.now: Callable[[], float] = self.loop.time
        self.date = b""
        self.turns = Turns()
        self.accounts = Accounts(IdentityLimits(requests_per_s=0), self.now)
        self.connections: list[Connection] = []

    def flush_soon(self, connection: Connection) -> None:
        self.loop.call_soon(connection.flush_late)

    def flush_all(self) -> None:
        for connection in self.connections:
            connection.flush()

    def add(self, connection: Connection) -> None:
        self.connections.append(connection)

    def discard(self, connection: Connection) -> None:
        self.connections.remove(connection)


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[Peer]:
    """A peer of an echo, past the handshake."""
    hub = Hub()
    ours, theirs = socket.socketpair()
    echo = Echo(hub)
    echo.caller = Caller(identity="user:peer", source="token", roles=(), rights=Rights())
    await hub.loop.connect_accepted_socket(lambda: echo, ours)
    peer = Peer(*await asyncio.open_connection(sock=theirs))
    try:
        yield peer
    finally:
        peer.writer.close()
        for connection in tuple(hub.connections):
            connection.abort()
        await until(lambda: not hub.connections)


def payload(each: Case) -> bytes:
    """What a frame carries."""
    if "code" in each:
        return int(each["code"]).to_bytes(2, "big") + str(each.get("reason", "")).encode()
    if "size" in each:
        return (str(each["fill"]).encode() if "fill" in each else bytes.fromhex(each["fillhex"])) * int(each["size"])
    return bytes.fromhex(each["hex"]) if "hex" in each else str(each.get("text", "")).encode()


def frames(each: Case) -> list[bytes]:
    """A frame of the table as octets; or several of them, if it is divided."""
    opcode = OPCODES[each["op"]] if isinstance(each["op"], str) else int(each["op"])
    data = payload(each)
    if "cut" in each:
        return [frame(opcode, data[: each["cut"]], declared=len(data))]
    size = each.get("fragment", len(data) or 1)
    pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    last = len(pieces) - 1
    return [
        frame(opcode if index == 0 else CONTINUATION, piece, fin=each.get("fin", True) and index == last, rsv=each.get("rsv", 0))
        for index, piece in enumerate(pieces)
    ]


async def send(peer: Peer, case: Case) -> None:
    """Write what the case says, in the pieces it says."""
    sent = [octets for each in case["send"] for octets in frames(each)]
    chop = case.get("chop")
    if chop != "frame":
        whole = b"".join(sent)
        size = chop or len(whole) or 1
        sent = [whole[at : at + size] for at in range(0, len(whole), size)]
    for octets in sent:
        peer.send(octets)
        await (peer.writer.drain() if chop is None else asyncio.sleep(0))


async def play(peer: Peer, case: Case) -> None:
    """One case: what is sent, what comes back, and how it ends."""
    expected = [(OPCODES[each["op"]], payload(each)) for each in case["expect"]]
    for _ in range(case.get("rounds", 1) - 1):
        await send(peer, case)
        assert [await peer.frame() for _ in expected] == expected
    sending = asyncio.create_task(send(peer, case))
    assert [await peer.frame() for _ in expected] == expected
    if "ends" not in case:
        await sending
        peer.send(closing(1000))
    assert await peer.close_code() == case.get("ends", 1000)
    with contextlib.suppress(OSError):
        await sending


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
async def test_ws_autobahn(case: Case) -> None:
    """What is promised stands in the table."""
    async with echoing() as peer:
        await play(peer, case)


WITHOUT_ECHO = [case for case in CASES if not any(each["op"] in ("text", "binary") for each in case["expect"]) and case["id"] != "6.5.1"]


@pytest.mark.parametrize("case", WITHOUT_ECHO, ids=[case["id"] for case in WITHOUT_ECHO])
async def test_ws_autobahn_at_the_door(case: Case) -> None:
    """The same on the road that clients take, handshake and all."""
    async with serve() as served:
        client = await served.connect("unix")
        peer = Peer(client.reader, client.writer)
        assert await peer.handshake(hello(protocols="jsonrpc")) == 101
        await play(peer, case)
        client.close()
