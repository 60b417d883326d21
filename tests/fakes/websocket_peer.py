"""The other end of a WebSocket, octet by octet: what a well-behaved library would never send can be sent as well."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from itertools import count
from random import Random

from websockets.speedups import apply_mask

from libvdsm.wire.websocket.handshake import accept_key

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16)))
_RANDOM = Random(6455)


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, declared: int | None = None) -> bytes:
    """One frame of a client; ``declared``: the length that it claims to have."""
    length = len(data) if declared is None else declared
    bit = 0x80 if masked else 0
    head = bytes((fin << 7 | rsv << 4 | opcode,))
    if length < 126:
        head += bytes((bit | length,))
    elif length < 1 << 16:
        head += bytes((bit | 126,)) + length.to_bytes(2, "big")
    else:
        head += bytes((bit | 127,)) + length.to_bytes(8, "big")
    if not masked:
        return head + data
    mask = _RANDOM.randbytes(4)
    return head + mask + apply_mask(data, mask)


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame of a client."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def hello(*headers: str, path: str = "/ws", protocols: str = "", host: str = "localhost", origin: str = "") -> bytes:
    """A request for a WebSocket, as it should be."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    lines.append(f"Sec-WebSocket-Key: {KEY.decode()}")
    lines += [f"Sec-WebSocket-Protocol: {protocols}"] if protocols else []
    lines += [f"Origin: {origin}"] if origin else []
    return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode()


@dataclass
class Peer:
    """A client, after the handshake or before it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def send(self, data: bytes) -> None:
        """Send octets."""
        self.writer.write(data)

    def text(self, text: str | bytes) -> None:
        """Send a text message."""
        self.send(frame(TEXT, text.encode() if isinstance(text, str) else text))

    async def handshake(self, request: bytes) -> int:
        """Ask for a WebSocket; the status of the answer."""
        self.send(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        status = int(head[0].split()[1])
        if status == 101:
            assert self.headers["sec-websocket-accept"] == accept_key(KEY).decode().lower()
        self.body = await self.reader.readexactly(int(self.headers.get("content-length", "0")))
        return status

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server: whole, and not masked."""
        first, second = await self.reader.readexactly(2)
        assert first & 0x70 == 0
        assert first & 0x80
        assert not second & 0x80
        length = second
        if second >= 126:
            length = int.from_bytes(await self.reader.readexactly(2 if second == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def message(self) -> bytes:
        """The next message; pings in between are answered."""
        for _ in count():
            opcode, data = await self.frame()
            if opcode in (TEXT, BINARY):
                return data
            assert opcode == PING, (opcode, data)
            self.send(frame(PONG, data))
        raise AssertionError

    async def close_code(self) -> int:
        """The code of the close that comes next, and is the last; 0 for none."""
        opcode, data = await self.frame()
        assert opcode == CLOSE, (opcode, data)
        assert await self.reader.read() == b""
        return int.from_bytes(data[:2], "big")

    async def leave(self) -> None:
        """Close as one should."""
        self.send(closing(1000))
        assert await self.close_code() == 1000
        self.writer.close()
