"""The short way of frames that came before is the general one, only shorter."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import ClassVar, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.bindings.stomp.config import SessionLimits
from libvdsm.bindings.stomp.endpoint import StompEndpoint
from libvdsm.bindings.stomp.known import Known
from libvdsm.bindings.stomp.session import StompSession
from libvdsm.broker import exchange
from libvdsm.wire.stomp.events import StompLimits
from tests.fakes.messaging import Messaging, turns
from tests.fakes.stomp_peer import FakeLine, FakeRpc

_LIMITS = SessionLimits(frame=StompLimits(body_octets=40), pending=3)
_SENDS = (
    b"SEND\ndestination:/queue/a\n\n%b\0",
    b"SEND\ndestination:/queue/a\npriority:7\n\n%b\0\n",
    b"SEND\ndestination:/queue/a\ncontent-length:3\n\n%b\0",
    b"SEND\ndestination:/queue/kept\npersistent:true\n\n%b\0",
    b"SEND\ndestination:/queue/a\nreply-to:/temp-queue/mine\n\n%b\0",
    b"SEND\ndestination:/temp-queue/mine\n\n%b\0",
    b"SEND\ndestination:/queue/a\nreceipt:r\n\n%b\0",
    b"SEND\r\ndestination:/queue/a\r\n\r\n%b\0",
    b"SEND\ndestination:/exchange/requests\nreply-to:/temp-queue/mine\n\n%b\0",
)
_TIMES = (b"\n", b"\r\n\n", b"SUBSCRIBE\nid:b\ndestination:/topic/b\n\n\0UNSUBSCRIBE\nid:b\n\n\0")
_WRONG = (
    b"DISCONNECT\n\n\0",
    b"SEND\n\nnowhere\0",
    b"ACK\nid:99\n\n\0",
    _SENDS[0] % (b"x" * 41),
    _SENDS[2] % b"abcd",
    b"SEND\ndestination:/queue/small\n\n1\0" * 4,
)
#: By version: to be acknowledged of the subscription to "a", and of the one to "kept".
_ACKS = {
    "1.2": (b"ACK\nid:%d\n\n\0", b"ACK\nsubscription:%b\nid:%d\n\n\0", b"NACK\nid:%d\n\n\0", b"ACK\nid:%d\ntransaction:t\n\n\0"),
    "1.1": (b"ACK\nsubscription:%b\nmessage-id:S-%d\n\n\0\n", b"NACK\nmessage-id:S-%d\nsubscription:%b\n\n\0"),
    "1.0": (b"ACK\nmessage-id:S-%d\n\n\0", b"ACK\nmessage-id:%d\n\n\0"),
}
_BODIES = st.sampled_from([b"", b"a", b"abcd", b"a\n\nb", b"x" * 40])
Step: TypeAlias = tuple[str, int, bytes]
_STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("send"), st.sampled_from([0, 0, 0, 1, 3, 4, 5, 6, 7]), _BODIES),
    st.tuples(st.just("send"), st.sampled_from([0, 0, 2, 2, 3, 5, 8]), st.just(b"abc")),
    st.tuples(st.just("ack"), st.sampled_from([0, 0, 0, 0, 1, 2, 3]), st.sampled_from([b"first", b"first", b"last", b"second"])),
    st.tuples(st.sampled_from(["time", "transaction"]), st.integers(0, 2), st.just(b"")),
)
_DELIVERY = re.compile(rb"MESSAGE\nsubscription:([ci])\nmessage-id:S-(\d+)\n")


class Unknowing(Known):
    """Knows nothing again."""

    __slots__ = ()

    def learn(self, act: object) -> None:
        """No."""

    def learn_ack(self, name: bytes, before: bytes, consumer: object) -> None:
        """No."""


class Counting(Known):
    """Counts what it knew."""

    __slots__ = ()
    units: ClassVar[int] = 0

    def work(self, units: int) -> int:
        """As ever."""
        used = super().work(units)
        Counting.units += used
        return used

    def take(self, data: bytes) -> bool:
        """As ever."""
        is_taken = super().take(data)
        Counting.units += is_taken
        return is_taken


class _Line(FakeLine):
    """Is full after so many frames that were not read."""

    def is_full(self) -> bool:
        return len(self.written) >= 5


class _Client:
    """What it says depends on what it has heard."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.open: dict[int, bytes] = {}  # tags of what is to be acknowledged, with their subscriptions
        self.in_transaction = False

    def hear(self, frames: list[bytes]) -> None:
        """Remember what came."""
        for of, tag in _DELIVERY.findall(b"".join(frames)):
            self.open[int(tag)] = of

    def say(self, step: Step) -> bytes:
        """The frames of a step."""
        kind, number, what = step
        if kind == "send":
            return _SENDS[number] % what
        if kind == "raw":
            return what
        if kind == "ack":
            return self._settle(number, what)
        if kind == "transaction":
            self.in_transaction = not self.in_transaction
            inside = b"SEND\ndestination:/queue/a\ntransaction:t\n\nin\0"
            return b"BEGIN\ntransaction:t\n\n\0" + inside if self.in_transaction else b"COMMIT\ntransaction:t\n\n\0"
        return _TIMES[number] if kind == "time" else _WRONG[number]

    def _settle(self, number: int, which: bytes) -> bytes:
        acks = _ACKS[self.version]
        form = acks[number % len(acks)]
        if not self.open or (b"transaction" in form and not self.in_transaction):
            return b""
        tags = list(self.open)
        tag = tags[{b"first": 0, b"last": -1, b"second": min(1, len(tags) - 1)}[which]]
        of = self.open[tag]
        for each in tags:
            if each == tag or (each < tag and self.open[each] == of and (of == b"c" or self.version == "1.0")):
                del self.open[each]
        if b"%b" not in form:
            return form % tag
        return form % ((of, tag) if form.index(b"%b") < form.index(b"%d") else (tag, of))


class Said(NamedTuple):
    """What a conversation came to."""

    frames: list[list[bytes]]
    state: object
    known: int  # units that went the short way


async def _conversation(version: str, parts: list[list[Step]], size: int, *, is_knowing: bool) -> Said:
    """Say it, in pieces of ``size`` octets, or whole if that is many; 0: step by step."""
    numbers: Iterator[int] = itertools.count()
    world = Messaging()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "token_urlsafe", lambda _: f"{next(numbers):024}")
        patch.setattr("libvdsm.bindings.stomp.session.secrets.token_hex", lambda _: "S")
        patch.setattr("libvdsm.bindings.stomp.session.Known", Counting if is_knowing else Unknowing)
        Counting.units = 0
        queues = [await world.queue("a"), await world.queue("kept", durable=True), await world.queue("small", max_messages=2)]
        endpoint = StompEndpoint(exchange=world.exchange, rpc=FakeRpc(), login=_no_login, limits=_LIMITS)
        line, client, told = _Line(), _Client(version), []
        session = endpoint.open(world.caller(), line)
        individual = b"client" if version == "1.0" else b"client-individual"
        login = b"CONNECT\naccept-version:%b\nhost:h\n\n\0" % version.encode()
        login += b"SUBSCRIBE\nid:c\ndestination:/queue/a\nack:client\n\n\0"
        login += b"SUBSCRIBE\nid:i\ndestination:/queue/kept\nack:%b\n\n\0" % individual
        login += b"SUBSCRIBE\nid:m\ndestination:/temp-queue/mine\n\n\0"
        for steps in [None, *parts]:
            said = [login] if steps is None else [client.say(step) for step in steps]
            data = b"".join(said)
            for piece in said if not size else (data[at : at + size] for at in range(0, len(data), size)):
                _read(session, line, piece)
            await turns(12)
            told.append(list(line.written))
            client.hear(line.written)
            line.written.clear()
            resumes, line.resumes = line.resumes, []
            for resume in resumes:
                resume()
            _work(session, line)
            await turns(12)
        session.close()
        await turns(12)
        state = [(asdict(q.counters), q.messages, q.octets, q.waiting, q.unsettled, [i.message for i in q.items()]) for q in queues]
        return Said(told, (state, asdict(endpoint.counters), line.is_finished, world.queues.octets), Counting.units)


def _read(session: StompSession, line: FakeLine, piece: bytes) -> None:
    answer = None if line.is_full() else session.take(piece)
    if answer is None:
        session.receive(piece)
        _work(session, line)
    elif answer:
        line.put(answer)


def _work(session: StompSession, line: FakeLine) -> None:
    while session.has_more and not session.is_waiting and not line.is_full():
        if not session.work(3):
            break
    session.work(3)


def _no_login(caller: object, token: str) -> None:
    raise AssertionError((caller, token))


@given(
    st.sampled_from(["1.2", "1.2", "1.1", "1.0"]),
    st.lists(st.lists(_STEPS, min_size=4, max_size=16), min_size=2, max_size=6),
    st.one_of(st.just(10_000), st.just(0), st.integers(1, 90)),
    st.lists(st.tuples(st.just("wrong"), st.integers(0, len(_WRONG) - 1), st.just(b"")), max_size=1),
)
def test_the_short_way_says_and_does_what_the_general_one_does(version: str, parts: list[list[Step]], size: int, last: list[Step]) -> None:
    """Whatever comes, in whatever pieces: the same octets, and the same state of the broker."""
    general = asyncio.run(_conversation(version, [*parts, last], size, is_knowing=False))
    short = asyncio.run(_conversation(version, [*parts, last], size, is_knowing=True))
    assert short.frames == general.frames
    assert short.state == general.state


@pytest.mark.parametrize("size", (10_000, 0))
@pytest.mark.parametrize("version", ("1.0", "1.1", "1.2"))
def test_usual_frames_take_the_short_way(version: str, size: int) -> None:
    """From the second of each kind on, many at once or one by one."""
    part: list[Step] = [*[("send", 0, b"x")] * 4, *[("send", 3, b"y")] * 4, *[("send", 5, b"z")] * 4]
    acks: list[Step] = [("ack", 0, b"first")] * 4
    said = asyncio.run(_conversation(version, [part, acks], size, is_knowing=True))
    assert said.known == 3 * 3 + 3


@pytest.mark.parametrize(
    "wrong",
    (
        _SENDS[0] % (b"x" * 41),
        _SENDS[2] % b"abcd",
        b"ACK\nsubscription:c\nid:5\n\n\0",
        b"ACK\nsubscription:c\nid:1\n\n\0",
        b"ACK\nsubscription:c\nid:4\n\nbody\0",
        b"ACK\nsubscription:c\nid:\n\n\0",
        b"ACK\nsubscription:c\nid:4",
        b"SEND\ndestination:/queue/a\n\nno end",
    ),
)
@pytest.mark.parametrize("size", (10_000, 0))
def test_what_is_like_known_frames_and_wrong_is_refused_as_ever(wrong: bytes, size: int) -> None:
    """Too long, settled already, of another subscription, or not complete: the general way judges it."""
    first = b"".join([_SENDS[0] % b"a", _SENDS[2] % b"abc", _SENDS[3] % b"k"] * 2)
    parts: list[list[Step]] = [[("raw", 0, first)], [("raw", 0, b"ACK\nsubscription:c\nid:1\n\n\0")], [("raw", 0, wrong)]]
    short, general = [asyncio.run(_conversation("1.2", parts, size, is_knowing=each)) for each in (True, False)]
    assert short.known == 3
    assert short.frames == general.frames
    assert short.state == general.state
