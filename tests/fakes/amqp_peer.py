"""A client of AMQP for tests: says any frame, also those that no client may, and remembers what it hears."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from libvdsm.base.errors import ApiError
from libvdsm.bindings.amqp.config import ConversationLimits
from libvdsm.bindings.amqp.conversation import Conversation
from libvdsm.bindings.amqp.endpoint import AmqpEndpoint
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.messaging import Exchange
from libvdsm.wire.amqp import decoding, encoding
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, SASL_HEADER, encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.amqp.values import Described, ULong
from tests.fakes.messaging import ALL, Messaging, turns

T = TypeVar("T")
DATA = b"\x00\x53\x75"
ACCEPTED = Described(ULong(0x24), [])
RELEASED = Described(ULong(0x26), [])


@dataclass
class FakeLine:
    """Remembers what is put."""

    is_secure: bool = True
    pager: None = None
    full: bool = False
    out: bytearray = field(default_factory=bytearray)
    is_finished: bool = False
    is_aborted: bool = False
    agreements: list[tuple[str, float | None]] = field(default_factory=list)
    resumes: list[Callable[[], None]] = field(default_factory=list)
    wakes: int = 0

    def is_full(self) -> bool:
        return self.full

    def agreed(self, protocol: str, beat_s: float | None) -> None:
        self.agreements.append((protocol, beat_s))

    def put(self, data: bytes) -> None:
        assert not self.is_finished, f"put behind the last word: {data!r}"
        self.out += data

    def put_now(self, data: bytes) -> None:
        self.put(data)

    def when_drained(self, resume: Callable[[], None]) -> None:
        if self.full:
            self.resumes.append(resume)
        else:
            asyncio.get_running_loop().call_soon(resume)

    def drain(self) -> None:
        self.full = False
        resumes, self.resumes = self.resumes, []
        for resume in resumes:
            resume()

    def wake(self) -> None:
        self.wakes += 1

    def finish(self) -> None:
        self.is_finished = True

    def abort(self) -> None:
        self.is_aborted = True


@dataclass
class Frame:
    """What was heard."""

    channel: int
    body: Any  # a performative; None of an empty frame
    payload: bytes = b""
    kind: int = 0


def parse(out: bytes) -> list[Frame | bytes]:
    """Headers as octets, frames as frames; every frame is judged by the letter."""
    found: list[Frame | bytes] = []
    position = 0
    while position < len(out):
        if out[position : position + 4] == b"AMQP":
            found.append(bytes(out[position : position + 8]))
            position += 8
            continue
        size, offset, kind, channel = struct.unpack_from(">IBBH", out, position)
        assert 8 <= 4 * offset <= size <= len(out) - position
        body, end = position + 4 * offset, position + size
        if body == end:
            found.append(Frame(channel, None, kind=kind))
        else:
            performative, after = p.decode(bytes(out), body, end)
            found.append(Frame(channel, performative, bytes(out[after:end]), kind))
        position = end
    return found


def message(
    body: bytes | str = b"x", *, header: Sequence[object] | None = None, properties: Sequence[object] | None = None, **application: object
) -> bytes:
    """A message of usual sections."""
    octets = b""
    if header is not None:
        octets += b"\x00\x53\x70" + encoding.encode(list(header))
    if properties is not None:
        octets += b"\x00\x53\x73" + encoding.encode(list(properties))
    if application:
        octets += b"\x00\x53\x74" + encoding.encode(dict(application))
    return octets + DATA + encoding.encode(body.encode() if isinstance(body, str) else body)


def body_of(payload: bytes) -> bytes:
    """The octets of a message's one data section."""
    position = payload.index(DATA) + 3
    value, end = decoding.decode(payload, position)
    assert end == len(payload)
    assert isinstance(value, bytes)
    return value


def info(failure: ApiError) -> dict[str, str]:
    """What an error of AMQP tells of this one besides its words."""
    return {"error": failure.name, "remedy": failure.remedy}


class AmqpPeer:
    """One client and the conversation that serves it."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        caller: Caller | None = None,
        wire: AmqpLimits | None = None,
        limits: ConversationLimits | None = None,
        login: Callable[[Caller, str], None] | None = None,
        line: FakeLine | None = None,
        version: str | None = "1",
    ) -> None:
        self.now = 0.0
        self.line = line or FakeLine()
        self.caller = caller or Caller(identity="user:alice", source="token", roles=(), rights=ALL)
        if wire is not None:
            limits = ConversationLimits(wire=wire)
        self.endpoint = AmqpEndpoint(
            exchange=exchange, login=login or _nobody, limits=limits, version=version, now=lambda: self.now, wall=lambda: 1_000.0
        )
        self.conversation: Conversation = self.endpoint.open(self.caller, self.line)
        self._read = 0
        self.next_id = 0

    def raw(self, octets: bytes) -> None:
        """Send these."""
        self.conversation.receive(octets)
        for _each in range(10_000):
            if not self.conversation.has_more or not self.conversation.work(1_000):
                break

    def say(self, *frames: Any, channel: int = 0, payload: bytes = b"") -> None:
        """Send frames, the payload with the last one, in one segment."""
        octets = b"".join(encode_frame(channel, each, payload if each is frames[-1] else b"") for each in frames)
        self.raw(octets)

    def hear(self) -> list[Frame | bytes]:
        """What was said since the last time."""
        new = bytes(self.line.out[self._read :])
        self._read = len(self.line.out)
        return parse(new)

    def heard(self, kind: type[T]) -> list[T]:
        """The performatives of a kind that were said since the last time."""
        return [each.body for each in self.hear() if isinstance(each, Frame) and isinstance(each.body, kind)]

    def transfers(self) -> list[tuple[p.Transfer, bytes]]:
        """Transfers that came since the last time."""
        return [(each.body, each.payload) for each in self.hear() if isinstance(each, Frame) and isinstance(each.body, p.Transfer)]

    def open(self, **more: Any) -> p.Open:
        """Headers and open."""
        members: dict[str, Any] = {"container_id": "test"} | more
        self.raw(AMQP_HEADER + encode_frame(0, p.Open(**members)))
        heard = self.hear()
        assert heard[0] == AMQP_HEADER
        frame = heard[1]
        assert isinstance(frame, Frame)
        assert isinstance(frame.body, p.Open)
        return frame.body

    def begin(self, channel: int = 0, **more: Any) -> p.Begin:
        """A session."""
        members: dict[str, Any] = {"remote_channel": None, "next_outgoing_id": 0, "incoming_window": 1_000, "outgoing_window": 1_000} | more
        self.say(p.Begin(**members), channel=channel)
        (begun,) = self.heard(p.Begin)
        return begun

    def attach(self, attach: p.Attach, channel: int = 0) -> list[Any]:
        """A link; what was said about it."""
        self.say(attach, channel=channel)
        return [each.body for each in self.hear() if isinstance(each, Frame)]

    def sender(self, address: str | None = "/queue/work", *, handle: int = 0, name: str = "out", **more: Any) -> p.Attach:
        """A link by which the client sends."""
        made = self.attach(
            p.Attach(name, handle, role=False, target=p.Target(address), source=p.Source(), initial_delivery_count=0, **more)
        )
        assert isinstance(made[0], p.Attach)
        assert len(made) == 2, made
        return made[0]

    def receiver(self, address: str | None = "/queue/work", *, handle: int = 1, name: str = "in", credit: int = 0, **more: Any) -> p.Attach:
        """A link by which it receives."""
        more.setdefault("source", p.Source(address))
        (made,) = self.attach(p.Attach(name, handle, role=True, target=p.Target(), **more))
        assert isinstance(made, p.Attach)
        if credit:
            self.credit(credit, handle=handle)
        return made

    def credit(self, credit: int, *, handle: int = 1, count: int = 0, **more: Any) -> None:
        """So many may come."""
        self.say(p.Flow(0, 1_000, 0, 1_000, handle, count, credit, **more))

    def send(self, payload: bytes, *, handle: int = 0, settled: bool | None = None, tag: bytes | None = None, **more: Any) -> int:
        """A transfer of a whole message; answers its number."""
        number = self.next_id
        self.next_id += 1
        tag = number.to_bytes(4, "big") if tag is None else tag
        self.say(p.Transfer(handle, number, tag, 0, settled=settled, **more), payload=payload)
        return number


def _nobody(caller: Caller, token: str) -> None:
    del caller, token
    raise AssertionError


async def served(name: str = "work", *, rights: Rights = ALL, wire: AmqpLimits | None = None, **queue: Any) -> tuple[Messaging, AmqpPeer]:
    """A broker with a queue, and a client with a session."""
    messaging = Messaging()
    await messaging.queue(name, **queue)
    peer = AmqpPeer(messaging.exchange, wire=wire, caller=Caller(identity="user:alice", source="token", roles=(), rights=rights))
    peer.open()
    peer.begin()
    return messaging, peer


__all__ = [
    "ACCEPTED",
    "AMQP_HEADER",
    "RELEASED",
    "SASL_HEADER",
    "AmqpPeer",
    "ApiError",
    "FakeLine",
    "Frame",
    "body_of",
    "info",
    "message",
    "parse",
    "served",
    "turns",
]
