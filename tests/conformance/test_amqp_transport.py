"""AMQP 1.0: headers, SASL, frames, open (AM-001 to AM-034), against the conversation that listeners serve."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libvdsm.bindings.amqp import messages
from libvdsm.bindings.amqp.config import ConversationLimits
from libvdsm.interfaces.caller import Caller, Rights
from libvdsm.interfaces.generated.errors import LimitExceeded, NotAuthenticated
from libvdsm.wire.amqp import encoding
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.connection import AmqpConnection, State
from libvdsm.wire.amqp.frames import EMPTY_FRAME, FrameStream, encode_frame
from libvdsm.wire.amqp.limits import AmqpLimits
from libvdsm.wire.amqp.values import Described, Symbol, ULong
from tests.fakes.amqp_peer import AMQP_HEADER, SASL_HEADER, AmqpPeer, FakeLine, Frame, message, parse, served, turns
from tests.fakes.messaging import ALL, Messaging


def nobody() -> Caller:
    return Caller(identity="anonymous", source="anonymous", roles=(), rights=Rights())


def anybody() -> Caller:
    return Caller(identity="anonymous", source="anonymous", roles=("administrator",), rights=ALL)


def certificate() -> Caller:
    return Caller(identity="user:alice", source="certificate", roles=(), rights=ALL)


def peer(caller: Caller | None = None, **more: Any) -> AmqpPeer:
    return AmqpPeer(Messaging().exchange, caller=caller, **more)


def closes(client: AmqpPeer) -> str | None:
    """The condition with which the connection was closed; it must have been."""
    (close,) = client.heard(p.Close)
    assert client.line.is_finished
    return close.error.condition if close.error is not None else None


# Headers.


async def test_am_001_the_plain_header_is_answered_by_itself() -> None:
    client = peer()
    client.raw(AMQP_HEADER)
    assert client.hear() == [AMQP_HEADER]


@pytest.mark.parametrize(
    "header",
    (b"AMQP\x02\x01\x00\x00", b"AMQP\x00\x01\x01\x00", b"AMQP\x00\x00\x09\x01", b"AMQP\x01\x01\x00\x0a", b"AMQPnonsense", b"HTTP/1.1"),
)
async def test_am_001_a_wrong_header_is_answered_by_ours_and_the_end(header: bytes) -> None:
    client = peer()
    client.raw(header)
    assert client.hear() == [AMQP_HEADER]
    assert client.line.is_finished


async def test_am_002_octet_by_octet() -> None:
    client = peer()
    for octet in AMQP_HEADER + encode_frame(0, p.Open("test")):
        client.raw(bytes([octet]))
    header, opened = client.hear()
    assert header == AMQP_HEADER
    assert isinstance(opened, Frame)
    assert isinstance(opened.body, p.Open)


async def test_am_003_without_the_login_that_is_needed() -> None:
    client = peer(nobody())
    client.raw(AMQP_HEADER)
    assert client.hear() == [SASL_HEADER]
    assert client.line.is_finished


# SASL.


def offered(client: AmqpPeer) -> tuple[str, ...]:
    client.raw(SASL_HEADER)
    header, frame = client.hear()
    assert header == SASL_HEADER
    assert isinstance(frame, Frame)
    assert frame.kind == 1
    assert isinstance(frame.body, p.SaslMechanisms)
    return frame.body.mechanisms


@pytest.mark.parametrize(
    ("caller", "is_secure", "mechanisms"),
    (
        (certificate(), True, ("EXTERNAL", "PLAIN")),
        (Caller(identity="unix:0", source="unix", roles=(), rights=ALL), False, ("EXTERNAL", "PLAIN")),
        (nobody(), True, ("PLAIN",)),
        (anybody(), False, ("ANONYMOUS",)),
        (Caller(identity="certificate:x", source="certificate", roles=(), rights=ALL, only=frozenset()), True, None),
    ),
)
async def test_am_010_mechanisms_by_what_the_connection_is(caller: Caller, is_secure: bool, mechanisms: tuple[str, ...] | None) -> None:
    client = peer(caller, line=FakeLine(is_secure=is_secure))
    if mechanisms is None:
        client.raw(SASL_HEADER)
        assert client.hear() == [SASL_HEADER]
        assert client.line.is_finished
    else:
        assert offered(client) == mechanisms


def sasl(client: AmqpPeer, init: Any) -> int | None:
    """The outcome's code; None if it is no outcome."""
    client.raw(encode_frame(0, init, kind=1))
    found = client.heard(p.SaslOutcome)
    return found[0].code if found else None


def log_in(token: str) -> Any:
    """See ``Access.login``: the token is bob's, and over a certificate of somebody else's it proves nothing."""

    def login(caller: Caller, given: str) -> None:
        if given == "broken":
            raise LimitExceeded(limit="logins", maximum=1)
        if given != token or caller.source == "certificate":
            raise NotAuthenticated(reason="no")
        caller.become("user:bob", "token", (), ALL)

    return login


async def test_am_010_plain_with_a_token_and_then_a_second_header() -> None:
    client = peer(nobody(), login=log_in("secret"))
    offered(client)
    assert sasl(client, p.SaslInit("PLAIN", b"\0bob\0secret")) == 0
    assert client.open().container_id == "libvdsm"
    assert client.caller.identity == "user:bob"


async def test_am_010_external_for_whom_the_connection_proved() -> None:
    client = peer(certificate())
    offered(client)
    assert sasl(client, p.SaslInit("EXTERNAL", b"")) == 0
    client.open()
    other = peer(certificate())
    offered(other)
    assert sasl(other, p.SaslInit("EXTERNAL", b"user:root")) == 1
    assert other.line.is_finished


async def test_am_010_anonymous_where_anybody_may_come() -> None:
    client = peer(anybody(), line=FakeLine(is_secure=False))
    offered(client)
    assert sasl(client, p.SaslInit("ANONYMOUS", b"guest")) == 0
    client.open()


@pytest.mark.parametrize(
    ("response", "code"),
    (
        (b"\x00bob\x00secret", 0),
        (b"\x00token\x00secret", 0),
        (b"user:bob\x00user:bob\x00secret", 0),
        (b"\x00\x00secret", 0),
        (b"\x00bob\x00wrong", 1),
        (b"\x00eve\x00secret", 1),
        (b"root\x00bob\x00secret", 1),
        (b"\x00bob\x00broken", 2),
        (b"nonsense", 1),
        (b"\x00\xff\x00secret", 1),
        (b"\x00b\x00o\x00b", 1),
    ),
)
async def test_am_011_outcomes(response: bytes, code: int) -> None:
    client = peer(nobody(), login=log_in("secret"))
    offered(client)
    assert sasl(client, p.SaslInit("PLAIN", response)) == code
    assert client.line.is_finished is (code != 0)
    assert client.endpoint.counters.refused_logins == (code != 0)


async def test_am_011_a_response_that_was_asked_for() -> None:
    client = peer(nobody(), login=log_in("secret"))
    offered(client)
    client.raw(encode_frame(0, p.SaslInit("PLAIN"), kind=1))
    assert len(client.heard(p.SaslChallenge)) == 1
    assert sasl(client, p.SaslResponse(b"\0bob\0secret")) == 0


async def test_am_011_over_a_certificate_a_token_is_of_the_same_identity() -> None:
    client = peer(certificate(), login=log_in("secret"))
    offered(client)
    assert sasl(client, p.SaslInit("PLAIN", b"\0bob\0secret")) == 1


@pytest.mark.parametrize("mechanism", ("CRAM-MD5", "ANONYMOUS", "EXTERNAL", ""))
async def test_am_012_a_mechanism_that_is_not_offered(mechanism: str) -> None:
    client = peer(nobody())
    offered(client)
    assert sasl(client, p.SaslInit(mechanism, b"")) == 1
    assert client.line.is_finished


async def test_am_013_a_frame_beyond_512_octets_before_the_login() -> None:
    client = peer(nobody())
    offered(client)
    client.raw(encode_frame(0, p.SaslInit("PLAIN", b"\0bob\0" + b"x" * 500), kind=1))
    assert client.hear() == []
    assert client.line.is_finished


async def test_am_013_frames_of_amqp_before_the_login() -> None:
    client = peer(nobody())
    offered(client)
    client.say(p.Open("test"))
    assert client.line.is_finished
    again = peer(nobody())
    offered(again)
    again.raw(encode_frame(0, p.SaslOutcome(0), kind=1))
    assert again.line.is_finished


async def test_am_014_the_login_has_a_time() -> None:
    for begun in (b"", AMQP_HEADER[:4], AMQP_HEADER, SASL_HEADER):
        client = peer()
        client.raw(begun)
        client.conversation.check_time(9.9)
        assert not client.line.is_finished
        client.conversation.check_time(10.0)
        assert client.line.is_finished


async def test_am_015_an_empty_password_proves_nothing() -> None:
    for response in (b"\0bob\0", b"\0\0", b"", None):
        client = peer(nobody(), login=log_in(""))
        offered(client)
        client.raw(encode_frame(0, p.SaslInit("PLAIN", response), kind=1))
        if response is None:
            client.raw(encode_frame(0, p.SaslResponse(b"\0bob\0"), kind=1))
        assert [each.code for each in client.heard(p.SaslOutcome)] == [1]
        assert client.line.is_finished


# Frames.


@pytest.mark.parametrize(
    "head", ((7, 2, 0, 0), (0, 2, 0, 0), (8, 1, 0, 0), (8, 0, 0, 0), (8, 3, 0, 0), (64, 17, 0, 0), (2**32 - 1, 2, 0, 0), (65_537, 2, 0, 0))
)
async def test_am_020_heads_of_frames_that_cannot_be(head: tuple[int, int, int, int]) -> None:
    _messaging, client = await served()
    client.raw(struct.pack(">IBBH", *head) + bytes(56))
    assert closes(client) == "amqp:connection:framing-error"


async def test_am_020_an_extended_header_is_skipped() -> None:
    _messaging, client = await served()
    body = p.encode(p.Flow(0, 10, 0, 10, echo=True))
    client.raw(struct.pack(">IBBH", 16 + len(body), 4, 0, 0) + b"whatever" + body)
    assert len(client.heard(p.Flow)) == 1


@pytest.mark.parametrize("kind", (1, 2, 255))
async def test_am_021_types_of_frames_that_have_no_place(kind: int) -> None:
    _messaging, client = await served()
    client.raw(struct.pack(">IBBH", 8, 2, kind, 0))
    assert closes(client) == "amqp:connection:framing-error"


_BODIES = {
    "no value": b"\xff",
    "no descriptor": b"\x45",
    "an unknown descriptor": b"\x00\x53\x99\x45",
    "a map": b"\x00\x53\x13\xc1\x01\x00",
    "an odd map": b"\x00\x53\x10" + encoding.encode_items([b"\xa1\x01x"]) [:-1],
    "a count that lies": b"\x00\x53\x13\xc0\x02\xff\x43",
    "a list beyond the frame": b"\x00\x53\x13\xc0\xff\x01\x43",
    "fields that lack": b"\x00\x53\x13\x45",
    "fields too many": b"\x00\x53\x17" + encoding.encode_items([b"\x40"] * 9),
    "a text for a number": b"\x00\x53\x13" + encoding.encode_items([b"\xa1\x01x"] * 4),
    "a transfer without a handle": b"\x00\x53\x14\x45",
    "a transfer with a flag of text": b"\x00\x53\x14" + encoding.encode_items([b"\x43", b"\x43", b"\xa0\x01x", b"\x43", b"\xa1\x01x"]),
    "a transfer of twelve fields": b"\x00\x53\x14" + encoding.encode_items([b"\x43", b"\x43", b"\xa0\x01x", b"\x43", *[b"\x40"] * 8]),
    "a disposition of nothing": b"\x00\x53\x15\x45",
    "a symbol that is none": b"\x00\x53\x11" + encoding.encode_items([b"\x40", *[b"\x43"] * 3, b"\x40", b"\xa1\x02\xd9\x88"]),
    "an endless descriptor": b"\x00" * 400,
}  # fmt: skip


@pytest.mark.parametrize("name", _BODIES)
async def test_am_022_bodies_that_are_no_performative(name: str) -> None:
    _messaging, client = await served()
    client.sender()
    body = _BODIES[name]
    client.raw(struct.pack(">IBBH", 8 + len(body), 2, 0, 0) + body)
    assert closes(client) == "amqp:decode-error"


async def test_am_022_descriptors_in_their_other_forms() -> None:
    messaging, client = await served()
    for descriptor in (Symbol("amqp:flow:list"), b"\x80" + (0x13).to_bytes(8, "big")):
        head = descriptor if isinstance(descriptor, bytes) else encoding.encode(descriptor)
        body = b"\x00" + head + p.encode(p.Flow(0, 10, 0, 10, echo=True))[3:]
        client.raw(struct.pack(">IBBH", 8 + len(body), 2, 0, 0) + body)
        assert len(client.heard(p.Flow)) == 1
    client.sender()
    body = b"\x00" + encoding.encode(Symbol("amqp:transfer:list")) + p.encode(p.Transfer(0, 0, b"t", 0))[3:] + message()
    client.raw(struct.pack(">IBBH", 8 + len(body), 2, 0, 0) + body)
    assert [(each.first, each.state) for each in client.heard(p.Disposition)] == [(0, Described(ULong(0x24), []))]
    client.receiver(credit=1)
    await turns()
    ((transfer, _payload),) = client.transfers()
    assert transfer.delivery_id is not None
    accepted = p.Disposition(role=True, first=transfer.delivery_id, settled=True, state=Described(ULong(0x24), []))
    body = b"\x00" + encoding.encode(Symbol("amqp:disposition:list")) + p.encode(accepted)[3:]
    client.raw(struct.pack(">IBBH", 8 + len(body), 2, 0, 0) + body)
    assert messaging.queues.get("work")[1].unsettled == 0


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 40))
def test_am_022_any_octets_end_in_an_error_or_in_nothing(garbage: bytes, channel: int, spot: int) -> None:
    """Never a crash, never an endless loop: progress, and one typed word at the end."""
    _fuzz([struct.pack(">IBBH", 8 + len(garbage), 2, 0, channel) + garbage])
    whole = bytearray(b"".join(_talk()))
    whole[spot * 7 % len(whole) :] = garbage
    _fuzz([bytes(whole)])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_am_022_one_wrong_octet_in_a_conversation(spot: int, octet: int, is_whole: bool) -> None:
    whole = bytearray(b"".join(_talk()))
    whole[spot % len(whole)] = octet
    _fuzz([bytes(whole)] if is_whole else [bytes(whole[: spot % 97]), bytes(whole[spot % 97 :])])


def _talk() -> list[bytes]:
    begin = p.Begin(None, 0, 100, 100)
    return [
        encode_frame(0, begin),
        encode_frame(0, p.Attach("out", 0, role=False, source=p.Source(), target=p.Target("/queue/work"), initial_delivery_count=0)),
        encode_frame(0, p.Attach("in", 1, role=True, source=p.Source("/queue/work"), target=p.Target())),
        encode_frame(0, p.Flow(0, 100, 0, 100, 1, 0, 5)),
        encode_frame(0, p.Transfer(0, 0, b"a", 0, more=True), b"\x00\x53\x75\xa0\x01"),
        encode_frame(0, p.Transfer(0), b"x"),
        encode_frame(0, p.Disposition(role=True, first=0, last=3, settled=True, state=Described(ULong(0x24), []))),
        encode_frame(0, p.Detach(0, closed=True)),
        encode_frame(0, p.End()),
        encode_frame(0, p.Close()),
    ]


class _Indifferent:
    """A handler that accepts everything."""

    def may_skip_login(self) -> bool:
        return True

    def mechanisms(self) -> tuple[str, ...]:
        return ()

    def login(self, mechanism: str, response: bytes | None) -> int | None:
        raise AssertionError

    def opened(self, peer: p.Open) -> p.Open:
        return p.Open("x")

    def attached(self, link: Any, attach: p.Attach) -> None:
        if attach.role:
            link.accept(attach.source or p.Source(), settles=False)
        else:
            link.accept(attach.target or p.Target())

    def arrived(self, link: Any, number: int, payload: bytes, *, is_settled: bool) -> bytes | None:
        messages.read(payload, 0)
        return b"\x00\x53\x24\x45"

    def credited(self, link: Any, *, drain: bool) -> None:
        if drain:
            link.drained()
        elif link.credit:
            link.send(b"\x00\x53\x75", b"\xa0\x00", 1)

    def settled(self, tags: list[int], outcome: Any) -> None:
        assert set(tags) == {1}

    def writable(self) -> None:
        pass

    def detached(self, link: Any) -> None:
        pass

    def ended(self) -> None:
        pass


def _fuzz(pieces: list[bytes]) -> None:
    out: list[bytes] = []
    connection = AmqpConnection(_Indifferent(), out.append)
    connection.receive_data(AMQP_HEADER + encode_frame(0, p.Open("x")))
    connection.work(10)
    for piece in pieces:
        connection.receive_data(piece)
        rounds = 0
        while connection.has_more:
            connection.work(50)
            rounds += 1
            assert rounds < 1_000
    heard = parse(b"".join(out))  # what we say is right, whatever we hear
    closed = [each for each in heard if isinstance(each, Frame) and isinstance(each.body, p.Close)]
    assert len(closed) == (connection.state is State.OVER)


async def test_am_023_an_empty_frame_is_a_sign_of_life_on_any_channel() -> None:
    _messaging, client = await served()
    client.raw(EMPTY_FRAME + struct.pack(">IBBH", 8, 2, 0, 60_000))
    assert client.hear() == []
    client.now = 100.0
    client.conversation.check_time(100.0)
    client.raw(EMPTY_FRAME)
    client.conversation.check_time(101.0)
    client.conversation.check_time(220.0)
    assert not client.line.is_finished


async def test_am_024_a_channel_beyond_channel_max() -> None:
    _messaging, client = await served()
    client.say(p.Begin(None, 0, 1, 1), channel=64)
    assert closes(client) == "amqp:connection:framing-error"


async def test_am_024_a_frame_on_a_channel_without_a_session() -> None:
    _messaging, client = await served()
    client.say(p.Flow(0, 1, 0, 1), channel=3)
    assert closes(client) == "amqp:illegal-state"


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_am_020_any_split_gives_the_same_frames(cuts: list[int]) -> None:
    octets = b"".join(_talk())
    stream, found, position = FrameStream(), [], 0
    stream.largest = 65_536
    for cut in [*cuts, len(octets)]:
        stream.receive(octets[position : position + cut])
        position += cut
        while stream.next():
            found.append(stream.data[stream.body : stream.end])
    assert found == [each[8:] for each in _talk()]
    assert not stream.is_partial


# Open.


async def test_am_030_open_needs_a_container_and_frames_of_512_octets() -> None:
    for wrong in (p.Open(""), p.Open("x", max_frame_size=511)):
        client = peer()
        client.raw(AMQP_HEADER + encode_frame(0, wrong))
        assert closes(client) == "amqp:invalid-field"


async def test_am_030_each_side_keeps_to_what_the_other_takes() -> None:
    messaging, client = await served()
    small = AmqpPeer(messaging.exchange)
    assert small.open(max_frame_size=512).max_frame_size == 65_536
    small.begin()
    small.receiver(credit=1)
    client.sender()
    client.send(message("x" * 2_000))
    await turns()
    assert max(len(octets) for octets in _frames(bytes(small.line.out))) <= 512


def _frames(out: bytes) -> list[bytes]:
    found, position = [], 8
    while position < len(out):
        size = struct.unpack_from(">I", out, position)[0]
        found.append(out[position : position + size])
        position += size
    return found


async def test_am_031_channel_max_of_both() -> None:
    client = peer()
    assert client.open(channel_max=1).channel_max == 63
    client.begin(channel=1)
    client.say(p.Begin(None, 0, 1, 1), channel=2)
    assert closes(client) == "amqp:connection:framing-error"


@pytest.mark.parametrize(("host", "is_served"), ((None, True), ("host.example", True), ("vhost:/", True), ("vhost:other", False)))
async def test_am_031_there_is_one_virtual_host(host: str | None, is_served: bool) -> None:
    client = peer()
    client.raw(AMQP_HEADER + encode_frame(0, p.Open("x", hostname=host)))
    if is_served:
        assert not client.line.is_finished
    else:
        assert closes(client) == "amqp:not-found"


async def test_am_031_open_twice() -> None:
    _messaging, client = await served()
    client.say(p.Open("again"))
    assert closes(client) == "amqp:illegal-state"


async def test_am_031_something_else_before_open() -> None:
    client = peer()
    client.raw(AMQP_HEADER + encode_frame(0, p.Begin(None, 0, 1, 1)))
    opened, close = [each.body for each in client.hear() if isinstance(each, Frame)]
    assert isinstance(opened, p.Open)
    assert close.error.condition == "amqp:illegal-state"


async def test_am_032_we_ask_for_half_of_what_we_bear() -> None:
    client = peer(limits=ConversationLimits(wire=AmqpLimits(idle_ms=10_000)))
    assert client.open().idle_time_out == 10_000
    assert client.line.agreements == [("amqp/1.0", 20.0)]
    client.conversation.check_time(1.0)
    client.conversation.check_time(20.9)
    assert not client.line.is_finished
    client.conversation.check_time(21.0)
    assert closes(client) == "amqp:resource-limit-exceeded"
    assert client.endpoint.counters.lost_peers == 1


async def test_a_frame_has_its_time_and_each_one_its_own() -> None:
    """A frame that drips ends the connection; one that follows others at once begins its time when they end."""
    client = peer(limits=ConversationLimits(wire=AmqpLimits(idle_ms=0)))
    client.open()
    limit = ConversationLimits().frame_s
    client.now = 1.0
    whole = encode_frame(0, p.Begin(None, 0, 1, 1))
    client.raw(whole[:9])
    for channel in range(4):
        client.now += limit - 1
        client.conversation.check_time(client.now)
        following = encode_frame(channel + 1, p.Begin(None, 0, 1, 1))
        client.raw(whole[9:] + following[:9])
        whole = following
        assert client.heard(p.Begin)
    client.raw(whole[9:10])
    client.now += limit - 1
    client.conversation.check_time(client.now)
    assert not client.line.is_finished
    client.now += 1
    client.conversation.check_time(client.now)
    assert closes(client) == "amqp:resource-limit-exceeded"


async def test_am_032_a_peer_that_is_too_impatient() -> None:
    client = peer()
    client.raw(AMQP_HEADER + encode_frame(0, p.Open("x", idle_time_out=999)))
    assert closes(client) == "amqp:not-allowed"


async def test_am_032_empty_frames_by_half_of_what_the_peer_bears() -> None:
    client = peer()
    client.open(idle_time_out=20_000)
    for second in range(1, 9):
        client.conversation.check_time(float(second))
    assert client.hear() == []
    for second in range(9, 31):
        client.conversation.check_time(float(second))
        client.raw(EMPTY_FRAME)
    assert [each.body for each in client.hear() if isinstance(each, Frame)] == [None, None, None]


async def test_am_032_an_impatient_peer_gets_a_timer_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[tuple[float, Any]] = []

    class Handle:
        is_over = False

        def cancel(self) -> None:
            self.is_over = True

    handle = Handle()

    def call_later(delay: float, call: Any, *arguments: Any) -> Handle:
        later.append((delay, lambda: call(*arguments)))
        return handle

    class Loop:
        def __init__(self) -> None:
            self.call_later = call_later

    client = peer()
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "get_running_loop", Loop)
        client.open(idle_time_out=1_000)
        assert later[0][0] == 0.25
        later[0][1]()
        later[1][1]()
    assert [each.body for each in client.hear() if isinstance(each, Frame)] == [None, None]
    client.conversation.close()
    assert handle.is_over


async def test_am_033_everything_in_one_segment() -> None:
    messaging = Messaging()
    await messaging.queue()
    client = AmqpPeer(messaging.exchange)
    client.raw(AMQP_HEADER + encode_frame(0, p.Open("x")) + b"".join(_talk()[:3]))
    kinds = [type(each.body) for each in client.hear() if isinstance(each, Frame)]
    assert kinds == [p.Open, p.Begin, p.Attach, p.Flow, p.Attach]


async def test_am_034_who_we_are_unless_it_is_hidden() -> None:
    opened = peer(version="7").open()
    assert opened.properties == {"product": "libvdsm", "version": "7", "platform": "Python"}
    assert opened.offered_capabilities == ("ANONYMOUS-RELAY",)
    assert peer(version=None).open().properties is None


async def test_am_034_a_connection_beyond_the_limit_is_told_why() -> None:
    client = peer()
    client.conversation.refuse(LimitExceeded(limit="connections", maximum=1))
    client.raw(AMQP_HEADER + encode_frame(0, p.Open("x")))
    assert closes(client) == "amqp:resource-limit-exceeded"
