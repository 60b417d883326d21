"""What STOMP's frames mean, line by line (ST-040 to ST-149), over a broker in memory. The numbers are those of the project's checklist."""

from __future__ import annotations

import asyncio
import logging

import pytest

from libvdsm.bindings.stomp.beats import STEP_S
from libvdsm.bindings.stomp.config import SessionLimits
from libvdsm.interfaces.generated.errors import ObjectNotFound, PermissionDenied, StateFull
from libvdsm.interfaces.messaging import Message, Verdict
from libvdsm.wire.stomp.events import Frame
from libvdsm.wire.stomp.frames import encode
from tests.fakes.stomp_peer import SMALL, Peer, World

VERSIONS = ("1.0", "1.1", "1.2")
over_versions = pytest.mark.parametrize("version", VERSIONS)


def bodies(frames: list[Frame]) -> list[bytes]:
    """Of MESSAGE frames."""
    assert {frame.command for frame in frames} <= {"MESSAGE"}
    return [frame.body for frame in frames]


def receipts(frames: list[Frame]) -> list[str]:
    """Of RECEIPT frames."""
    assert {frame.command for frame in frames} <= {"RECEIPT"}
    return [frame.headers["receipt-id"] for frame in frames]


def put(world: World, *contents: bytes, queue: str = "/queue/a") -> None:
    """Messages for a queue, from nowhere."""
    for content in contents:
        world.exchange.put(queue, Message(body=content))


def in_queue(world: World, queue: str = "/queue/a") -> list[bytes]:
    """What waits there."""
    return [kept.message.body for kept in world.exchange.queues.get(queue, ())]


# Connecting.


@pytest.mark.parametrize("command", ("CONNECT", "STOMP"))
@over_versions
def test_st_040_connect_and_stomp_are_equal(command: str, version: str) -> None:
    peer = World().peer()
    peer.send(command, ("accept-version", version), ("host", "h"))
    connected = peer.frame()
    assert (connected.command, connected.headers["version"], connected.body) == ("CONNECTED", version, b"")


@pytest.mark.parametrize("command", ("SEND", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"))
def test_st_041_the_first_frame_is_connect(command: str) -> None:
    for is_strict in (False, True):
        peer = World().peer(is_strict=is_strict)
        peer.send(command, ("destination", "/queue/a"), ("receipt", "r"))
        assert peer.error().headers["receipt-id"] == "r"
        assert not peer.world.exchange.queues


def test_st_041_up_to_eight_subscribe_are_held_for_two_seconds() -> None:
    world = World()
    peer = world.peer()
    for number in range(8):
        peer.send("SUBSCRIBE", ("destination", f"/queue/{number}"), ("id", str(number)))
    peer.send("CONNECT", ("accept-version", "1.2"))
    assert peer.frame().command == "CONNECTED"
    put(world, b"x", queue="/queue/7")
    assert peer.frame().headers["subscription"] == "7"

    peer = world.peer()
    for number in range(9):
        assert not peer.line.is_finished
        peer.send("SUBSCRIBE", ("destination", f"/queue/{number}"), ("id", str(number)))
    peer.error()

    peer = world.peer()
    peer.send("SUBSCRIBE", ("destination", "/queue/1"), ("id", "1"))
    peer.session.check_time(world.clock.now + 1.9)
    assert not peer.line.is_finished
    peer.session.check_time(world.clock.now + 2.0)
    peer.error()

    peer = world.peer(is_strict=True)
    peer.send("SUBSCRIBE", ("destination", "/queue/1"), ("id", "1"))
    peer.error()


@pytest.mark.parametrize("command", ("CONNECT", "STOMP"))
def test_st_042_a_second_connect_is_an_error(command: str) -> None:
    peer = World().connected()
    peer.send(command, ("accept-version", "1.2"), ("host", "h"))
    peer.error()


@pytest.mark.parametrize(
    ("number", "wanted", "version"),
    (
        (43, None, "1.0"),
        (44, "1.0,1.1,1.2", "1.2"),
        (44, "1.2,1.1,1.0", "1.2"),
        (44, "1.1,1.0", "1.1"),
        (44, "1.3,1.1", "1.1"),
        (44, " 1.1 , 1.2 ", "1.2"),
        (44, "1.0", "1.0"),
        (45, "2.0", None),
        (45, "1.3,99", None),
        (45, "", None),
        (45, "1", None),
    ),
)
def test_st_043_044_045_046_the_highest_common_version_is_chosen(number: int, wanted: str | None, version: str | None) -> None:
    peer = World().peer()
    peer.send("CONNECT", *((("accept-version", wanted),) if wanted is not None else ()))
    if version is None:
        assert peer.error().headers["version"] == "1.0,1.1,1.2"
    else:
        assert peer.frame().headers["version"] == version
        assert peer.line.protocol == f"stomp/{version}"


@pytest.mark.parametrize("host", (None, "null", "any.where:1", ""))
def test_st_047_any_host_is_ours_and_only_a_strict_listener_misses_it(host: str | None) -> None:
    headers = (("accept-version", "1.2"), *((("host", host),) if host is not None else ()))
    for is_strict in (False, True):
        peer = World().peer(is_strict=is_strict)
        peer.send("CONNECT", *headers)
        if is_strict and host is None:
            assert "host" in peer.error().headers["message"]
        else:
            assert peer.frame().command == "CONNECTED"
    peer = World().peer(is_strict=True)
    peer.send("CONNECT")
    assert peer.frame().headers["version"] == "1.0"  # which has no host


REFUSED_LOGINS = (
    (("login", "alice"), ("passcode", "wrong")),
    (("login", "bob"), ("passcode", "token-of-alice")),
    (("login", "alice"), ("passcode", "")),
    (("login", "alice"),),
    (("login", "token"),),
    (("passcode", "wrong"),),
    (("login", ""), ("passcode", "")),
    (("passcode", ""),),
)


@pytest.mark.parametrize("headers", REFUSED_LOGINS)
def test_st_048_whatever_is_wrong_with_a_login_looks_the_same(headers: tuple[tuple[str, str], ...]) -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), *headers)
    error = peer.error()
    other = World().peer()
    other.send("CONNECT", ("accept-version", "1.2"), ("login", "nobody"), ("passcode", "x"))
    assert (error.headers, error.body) == ((same := other.error()).headers, same.body)
    assert peer.world.endpoint.counters.refused_logins == 1


@pytest.mark.parametrize("headers", ((("login", "alice"),), (("login", "token"),), (("login", ""),), ()))
def test_st_048_a_right_login_changes_who_it_is(headers: tuple[tuple[str, str], ...]) -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), *headers, ("passcode", "token-of-alice"))
    assert peer.frame().command == "CONNECTED"
    assert (peer.caller.identity, peer.caller.source) == ("alice", "token")
    peer = World().peer(identity="unix:0", source="unix")
    peer.send("CONNECT", ("accept-version", "1.2"))
    assert peer.frame().command == "CONNECTED"
    assert peer.caller.identity == "unix:0"


@pytest.mark.parametrize(
    ("headers", "is_in"),
    (
        ((), True),
        ((("login", "alice"),), True),
        ((("login", "alice"), ("passcode", "")), True),
        ((("passcode", "token-of-alice"),), True),
        ((("login", "bob"),), False),
        ((("login", "bob"), ("passcode", "token-of-bob")), False),
        ((("passcode", "token-of-bob"),), False),
        ((("login", "alice"), ("passcode", "wrong")), False),
    ),
)
def test_st_049_a_login_agrees_with_the_certificate(headers: tuple[tuple[str, str], ...], is_in: bool) -> None:
    peer = World().peer(identity="alice", source="certificate", is_secure=True)
    peer.send("CONNECT", ("accept-version", "1.2"), *headers)
    if is_in:
        assert peer.frame().command == "CONNECTED"
        assert peer.caller.identity == "alice"
    else:
        peer.error()


def test_st_049_where_a_certificate_is_required_a_token_is_none() -> None:
    peer = World().peer()
    peer.caller.only = frozenset({"Certificate.enrol"})
    peer.send("CONNECT", ("accept-version", "1.2"), ("passcode", "token-of-alice"))
    assert "certificate" in peer.error().headers["message"]


def test_st_050_the_passcode_is_never_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for extra in ((), (("heart-beat", "x"),), (("bad\\t", "v"),)):
        peer = World().peer()
        peer.send("CONNECT", ("accept-version", "1.2"), ("login", "l"), ("passcode", "hunter2secret"), *extra)
        error = peer.error()
        assert "hunter2secret" not in str(dict(error.headers)) + error.body.decode()
    assert "hunter2secret" not in caplog.text
    assert "hunter2secret" not in repr(Frame("CONNECT", {"passcode": "hunter2secret"}))


def test_st_051_sessions_are_told_apart_and_the_server_can_hide() -> None:
    world = World()
    seen = []
    for _ in range(20):
        peer = world.peer()
        peer.send("CONNECT", ("accept-version", "1.2"))
        connected = peer.frame()
        assert connected.headers["server"] == "libvdsm/1.0"
        seen.append(connected.headers["session"])
    assert len(set(seen)) == 20
    peer = World(server=None).peer()
    peer.send("CONNECT", ("accept-version", "1.2"))
    assert "server" not in peer.frame().headers


def test_errors_of_the_protocol_say_what_to_do() -> None:
    peer = World().connected()
    peer.send("SUBSCRIBE", ("id", "1"))
    assert peer.error().body == b"Correct the frame, and connect again."


def test_st_052_the_login_has_its_time_and_dripping_does_not_extend_it() -> None:
    world = World()
    peer = world.peer()
    for _ in range(100):
        assert not peer.line.is_finished
        peer.raw(b"\n")
        world.clock.now += 0.1
        peer.session.check_time(world.clock.now)
    peer.error()
    peer = world.peer()
    began = world.clock.now
    for at, octet in enumerate(b"CONNECT\naccept-version:1.2\n" + b"x" * 80):
        peer.session.check_time(began + at * 0.1)
        if peer.line.is_finished:
            break
        peer.raw(bytes([octet]))
        assert at * 0.1 < 10.01
    assert "CONNECT within 10 s" in peer.error().headers["message"]


def test_a_frame_has_its_time_and_each_one_its_own() -> None:
    """A frame that drips ends the connection; one that follows others at once begins its time when they end."""
    world = World()
    peer = world.connected()
    limit = SessionLimits().frame_s
    whole = encode("SEND", (("destination", "/queue/a"), ("receipt", "r")), b"x")
    peer.raw(whole[:9])
    for _ in range(4):
        world.clock.advance(limit - 1)
        peer.session.check_time(world.clock.now)
        peer.raw(whole[9:] + whole[:9])
        assert peer.frame().command == "RECEIPT"
    for octet in whole[9:15]:
        peer.raw(bytes((octet,)))
    world.clock.advance(limit - 1)
    peer.session.check_time(world.clock.now)
    assert not peer.line.is_finished
    world.clock.advance(1)
    peer.session.check_time(world.clock.now)
    assert "not complete" in peer.error().headers["message"]


async def test_what_waits_behind_frames_that_are_being_stored_is_not_slow() -> None:
    """The frame that dripped is long complete; what follows is here, and it is we who do not look at it."""
    limit = SessionLimits().frame_s
    world = World(limits=SessionLimits(pending=2), is_slow=True)
    peer = world.connected()
    whole = encode("SEND", (("destination", "/queue/a"), ("receipt", "r")), b"x")
    peer.raw(whole[:9])
    world.clock.advance(limit - 1)
    peer.raw(whole[9:] + whole + whole)
    assert peer.session.is_waiting
    world.clock.advance(1)
    peer.session.check_time(world.clock.now)
    assert not peer.line.is_finished


def test_st_053_a_refusal_is_said_before_the_line_is_finished() -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "9"))
    assert [frame.command for frame in peer.frames()] == ["ERROR"]
    assert peer.line.is_finished
    assert not peer.line.is_aborted


# Heart-beats.


@pytest.mark.parametrize("can", (0, 1, 1_000, 2_500))
@pytest.mark.parametrize("wants", (0, 1, 1_000, 60_000))
def test_st_060_intervals_are_agreed_on(can: int, wants: int) -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", f"{can},{wants}"))
    ours, theirs = map(int, peer.frame().headers["heart-beat"].split(","))
    assert ours == (max(wants, 1_000) if wants else 0)
    assert theirs == (max(can, 1_000) if can else 0)
    assert max(ours, wants) == ours  # both sides reckon the same
    assert max(theirs, can) == theirs


def test_st_061_without_the_header_there_are_none() -> None:
    world = World()
    peer = world.connected()
    world.clock.advance(1_000)
    assert peer.frames() == []
    assert not peer.line.is_aborted
    assert world.sweep.watched == 0


@pytest.mark.parametrize(
    "text", ("a,b", "1", "1,2,3", "-1,0", "0,-1", "", ",", "1,", "1.5,2", "0x1,1", "1e3,0", "9" * 30 + ",0", "0,86400001", "\u0661,\u0662")
)
def test_st_062_malformed_intervals_are_an_error(text: str) -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", text))
    assert "heart-beat" in peer.error().headers["message"]


def beating(can: int, wants: int) -> Peer:
    """Somebody with heart-beats."""
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", f"{can},{wants}"))
    peer.frames()
    return peer


@pytest.mark.parametrize("interval", (1_000, 1_234, 10_000))
@pytest.mark.parametrize("can", (0, 1_000))
def test_st_063_we_live_in_every_interval(interval: int, can: int) -> None:
    peer = beating(can, interval)
    clock = peer.world.clock
    last = clock.now
    beats = 0
    while beats < 50:
        clock.advance(0.01)
        peer.session.heard_at = clock.now
        if peer.line.written:
            assert peer.line.written == [b"\n"]
            assert clock.now - last <= interval / 1_000 + 1e-6
            assert clock.now - last >= interval / 4_000 - STEP_S
            last = clock.now
            peer.line.written.clear()
            beats += 1


def test_st_063_who_sends_anyway_sends_no_beats() -> None:
    peer = beating(0, 1_000)
    for _ in range(100):
        peer.session.write(b"MESSAGE\n\n\0")
        peer.world.clock.advance(0.1)
    assert b"\n" not in peer.line.written


def test_st_064_any_octet_counts_as_life() -> None:
    peer = beating(1_000, 0)
    peer.raw(b"SEND\ndestination:/queue/a\ncontent-length:100\n\n")
    for _ in range(50):
        peer.world.clock.advance(0.9)
        peer.raw(b"x")
    assert not peer.line.is_aborted
    peer.world.clock.advance(2.0)
    assert peer.line.is_aborted


def test_st_065_silence_ends_the_connection_and_gives_back_what_it_held() -> None:
    peer = beating(1_000, 0)
    put(peer.world, b"x")
    peer.subscribe("/queue/a", "s", ("ack", "client"))
    assert bodies(peer.frames()) == [b"x"]
    peer.world.clock.advance(3.0)
    assert peer.line.is_aborted
    peer.session.close()  # as the line does when it is gone
    assert in_queue(peer.world) == [b"x"]
    assert peer.world.exchange.subscriptions == []
    assert peer.world.endpoint.counters.lost_peers == 1


@pytest.mark.parametrize("interval", (1_000, 1_700, 4_000, 30_000))
def test_st_066_a_late_beat_is_forgiven_and_a_dead_peer_is_found_within_two(interval: int) -> None:
    for began in range(10):  # wherever the sweep stands
        peer = beating(interval, 0)
        clock = peer.world.clock
        clock.advance(began * 0.05 + interval / 1_000)
        peer.raw(b"\n")
        clock.advance(1.5 * interval / 1_000 - 0.01)
        assert not peer.line.is_aborted
        clock.advance(0.5 * interval / 1_000 + 0.02)
        assert peer.line.is_aborted


def test_st_067_who_does_not_read_is_not_judged_by_our_own_deafness() -> None:
    peer = beating(1_000, 0)
    peer.line.is_stuffed = True  # reading is paused then
    peer.world.clock.advance(20.0)
    assert not peer.line.is_aborted
    peer.line.is_stuffed = False
    peer.world.clock.advance(2.0)
    assert peer.line.is_aborted


def test_st_067_nor_when_we_ourselves_were_held_up() -> None:
    peer = beating(1_000, 0)
    peer.world.clock.now += 30.0  # nothing ran meanwhile
    peer.world.clock.advance(0.2)
    assert not peer.line.is_aborted
    peer.world.clock.advance(2.0)
    assert peer.line.is_aborted


def test_st_068_a_short_interval_is_raised_to_a_second() -> None:
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", "1,1"))
    assert peer.frame().headers["heart-beat"] == "1000,1000"


def test_st_069_the_sweep_forgets_who_is_gone() -> None:
    world = World()
    peers = [world.peer() for _ in range(100)]
    for peer in peers:
        peer.send("CONNECT", ("accept-version", "1.2"), ("heart-beat", "1000,1000"))
        peer.session.close()
    world.clock.advance(2.0)
    assert world.sweep.watched == 0
    assert world.clock.due == []
    assert all(b"\n" not in peer.line.written for peer in peers)


async def test_st_070_beats_go_on_while_a_call_is_carried_out() -> None:
    peer = beating(1_000, 1_000)
    peer.subscribe("/temp-queue/r", "r")
    peer.send("SEND", ("destination", "/exchange/requests"), ("reply-to", "/temp-queue/r"), body=b"slow")
    for _ in range(300):
        peer.world.clock.advance(0.1)
        peer.raw(b"\n")
    assert peer.line.written.count(b"\n") >= 30
    assert not peer.line.is_aborted
    peer.world.rpc.later[0].set_result(b"done")
    await asyncio.sleep(0)
    assert bodies(peer.frames()) == [b"done"]


# SEND.


def test_st_080_a_destination_is_required() -> None:
    peer = World().connected()
    peer.send("SEND", ("receipt", "r"), body=b"x")
    error = peer.error()
    assert (error.headers["receipt-id"], "destination" in error.headers["message"]) == ("r", True)


@pytest.mark.parametrize("destination", ("", "/queue/forbidden", "/queue/unknown"))
def test_st_081_a_destination_that_cannot_be_is_an_error(destination: str) -> None:
    peer = World().connected()
    peer.world.exchange.refusals = {
        "/queue/forbidden": PermissionDenied(identity="i", permission="queue.send"),
        "/queue/unknown": ObjectNotFound(type="queue", id="unknown"),
    }
    peer.send("SEND", ("destination", destination), ("receipt", "r"))
    assert [frame.command for frame in peer.frames()] == ["ERROR"]
    assert peer.line.is_finished


@over_versions
def test_st_082_the_sender_s_headers_arrive_unchanged_and_in_order(version: str) -> None:
    peer = World().connected(version)
    peer.version = version
    peer.subscribe("/queue/a")
    own = [("zeta", "1"), ("alpha", " 2 "), ("größe", ""), ("destination-x", "a=b"), ("amqp-x", "y")]
    if version != "1.0":
        own.append(("co:lon", "a:b\nc\\d"))
    peer.send("SEND", ("destination", "/queue/a"), *own, body=b"x")
    got = [(name, value) for name, value in peer.frame().headers.items() if name in dict(own)]
    assert got == own


def test_st_083_what_only_we_say_is_not_taken_from_senders() -> None:
    peer = World().connected()
    peer.subscribe("/queue/a")
    forged = dict.fromkeys(("message-id", "subscription", "ack", "redelivered", "user-id", "delivery-count", "resume"), "forged")
    peer.send("SEND", ("destination", "/queue/a"), *forged.items(), body=b"x")
    headers = peer.frame().headers
    assert "forged" not in headers.values()
    assert headers["subscription"] == "s"
    assert {"ack", "redelivered", "delivery-count", "resume"}.isdisjoint(headers)


async def test_st_084_a_receipt_means_stored() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("SEND", ("destination", "/queue/a"), ("receipt", "r1"), body=b"x")
    await asyncio.sleep(0)
    assert peer.frames() == []
    world.exchange.store()
    await asyncio.sleep(0)
    assert receipts(peer.frames()) == ["r1"]


async def test_st_085_a_send_that_fails_has_no_receipt() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("SEND", ("destination", "/queue/a"), ("receipt", "r1"), body=b"x")
    world.exchange.store(StateFull(reason="no space is left"))
    await asyncio.sleep(0)
    error = peer.error()
    assert (error.headers["receipt-id"], error.headers["error"]) == ("r1", "StateFull")
    peer = world.connected()
    world.exchange.refusals["/queue/full"] = StateFull(reason="it is full")
    peer.send("SEND", ("destination", "/queue/full"), ("receipt", "r2"), body=b"x")
    assert [frame.command for frame in peer.frames()] == ["ERROR"]


@pytest.mark.parametrize("destination", ("/queue/a", "/topic/my.news"))
def test_st_086_the_destination_is_the_one_of_the_send(destination: str) -> None:
    peer = World().connected()
    peer.subscribe("/topic/my.#" if "topic" in destination else destination)
    peer.send("SEND", ("destination", destination), body=b"x")
    assert peer.frame().headers["destination"] == destination


async def test_st_085_what_fails_by_a_defect_is_an_error_too_and_tells_nothing_of_it() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    peer.send("SEND", ("destination", "/queue/a"), ("receipt", "r1"), body=b"x")
    world.exchange.waiting[0][0].set_exception(ZeroDivisionError("secret"))
    await asyncio.sleep(0)
    error = peer.error()
    assert (error.headers["message"], error.headers["receipt-id"]) == ("internal error", "r1")
    assert "secret" not in str(dict(error.headers)) + error.body.decode()
    assert [type(each["exception"]) for each in complaints] == [ZeroDivisionError]


# SUBSCRIBE and UNSUBSCRIBE.


@over_versions
def test_st_090_an_id_is_required_since_1_1(version: str) -> None:
    peer = World().connected(version)
    peer.send("SUBSCRIBE", ("destination", "/queue/a"))
    if version != "1.0":
        assert "id" in peer.error().headers["message"]
        return
    put(peer.world, b"x")
    assert peer.frame().headers["subscription"] == "/queue/a"
    peer.send("UNSUBSCRIBE", ("destination", "/queue/a"))
    assert peer.world.exchange.subscriptions == []


def test_st_091_an_id_is_used_once_on_a_connection() -> None:
    world = World()
    peer, other = world.connected(), world.connected()
    peer.subscribe("/queue/a", "1")
    other.subscribe("/queue/a", "1")
    peer.send("SUBSCRIBE", ("destination", "/queue/b"), ("id", "1"))
    assert peer.error().headers["error"] == "AlreadyExists"


def test_st_092_the_mode_is_auto_and_an_unknown_one_an_error() -> None:
    peer = World().connected()
    put(peer.world, b"x")
    peer.subscribe("/queue/a")
    assert "ack" not in peer.frame().headers
    for mode in ("", "AUTO", "client individual", "none"):
        peer = World().connected()
        peer.send("SUBSCRIBE", ("destination", "/queue/a"), ("id", "1"), ("ack", mode))
        assert "ack" in peer.error().headers["message"]


@pytest.mark.parametrize("failure", (PermissionDenied(identity="i", permission="queue.receive"), ObjectNotFound(type="queue", id="a")))
def test_st_093_a_subscription_that_fails_is_an_error_that_arrives(failure: PermissionDenied | ObjectNotFound) -> None:
    peer = World().connected()
    peer.world.exchange.refusals["/queue/a"] = failure
    peer.send("SUBSCRIBE", ("destination", "/queue/a"), ("id", "1"), ("receipt", "r"))
    assert [frame.command for frame in peer.frames()] == ["ERROR"]
    assert peer.line.is_finished
    peer = World().connected()
    peer.send("SUBSCRIBE", ("destination", "/queue/a"), ("id", "1"), ("selector", "a = 1"))
    assert "selectors" in peer.error().headers["message"]


@pytest.mark.parametrize("headers", ((), (("id", "other"),), (("destination", "/queue/a"),)))
def test_st_094_unsubscribe_names_what_it_ends(headers: tuple[tuple[str, str], ...]) -> None:
    peer = World().connected()
    peer.subscribe("/queue/a")
    peer.send("UNSUBSCRIBE", *headers)
    peer.error()


def test_st_095_after_the_receipt_of_unsubscribe_nothing_comes() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/queue/a")
    consumer = world.exchange.subscriptions[0]
    put(world, b"x")
    peer.send("UNSUBSCRIBE", ("id", "s"), ("receipt", "r"))
    assert receipts(peer.frames()) == ["r"]
    put(world, b"y")
    assert peer.frames() == []
    assert in_queue(world) == [b"x", b"y"]
    assert consumer.is_over


def test_st_096_an_id_is_free_again_and_old_deliveries_keep_their_mode() -> None:
    world = World()
    peer = world.connected()
    put(world, b"1", b"2", b"3")
    peer.subscribe("/queue/a", "s", ("ack", "client"))
    first, second, _ = peer.frames()
    peer.send("UNSUBSCRIBE", ("id", "s"))
    put(world, b"4", b"5", queue="/queue/b")
    peer.subscribe("/queue/b", "s", ("ack", "client-individual"))
    fourth, fifth = peer.frames()
    peer.send("ACK", ("id", fifth.headers["ack"]))
    peer.send("ACK", ("id", second.headers["ack"]))
    calls = [call for call in world.exchange.sessions[0].calls if call[0] == "settle"]
    assert [call[3] for call in calls] == [False, True]
    peer.send("ACK", ("id", fourth.headers["ack"]))
    assert not peer.line.is_finished
    peer.send("ACK", ("id", first.headers["ack"]))
    peer.error()


def test_st_097_unsubscribing_deletes_nothing_but_the_subscription() -> None:
    world = World()
    peer = world.connected()
    put(world, b"x")
    peer.subscribe("/queue/a", "s", ("ack", "client"), ("durable", "true"), ("auto-delete", "true"))
    peer.frames()
    peer.send("UNSUBSCRIBE", ("id", "s"), ("durable", "true"), ("destination", "/queue/b"))
    put(world, b"y")
    peer.session.close()
    assert in_queue(world) == [b"x", b"y"]


def test_st_098_a_queue_that_is_deleted_under_a_subscriber_is_an_error_and_the_end() -> None:
    peer = World().connected()
    peer.subscribe("/queue/a")
    peer.world.exchange.delete("/queue/a")
    assert peer.error().headers["error"] == "ObjectNotFound"


def test_st_099_a_lost_connection_ends_every_subscription() -> None:
    world = World()
    peer = world.connected()
    for number in range(20):
        peer.subscribe(f"/queue/{number}", str(number))
    peer.session.close()
    assert world.exchange.subscriptions == []
    assert world.rpc.is_closed
    assert peer.session.subscriptions == 0


def test_st_100_two_subscriptions_to_one_destination() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/topic/my.news", "t1")
    peer.subscribe("/topic/my.news", "t2")
    peer.send("SEND", ("destination", "/topic/my.news"), body=b"x")
    assert sorted(frame.headers["subscription"] for frame in peer.frames()) == ["t1", "t2"]
    peer.subscribe("/queue/a", "q1")
    peer.subscribe("/queue/a", "q2")
    put(world, b"1", b"2", b"3", b"4")
    frames = peer.frames()
    assert sorted(bodies(frames)) == [b"1", b"2", b"3", b"4"]
    assert sorted(frame.headers["subscription"] for frame in frames) == ["q1", "q1", "q2", "q2"]


def test_st_037_subscriptions_are_limited() -> None:
    peer = World(limits=SMALL).connected()
    for number in range(3):
        peer.subscribe("/queue/a", str(number))
    peer.send("UNSUBSCRIBE", ("id", "0"))
    peer.subscribe("/queue/a", "0")
    peer.send("SUBSCRIBE", ("destination", "/queue/a"), ("id", "one more"))
    assert peer.error().headers["error"] == "LimitExceeded"


# ACK and NACK.


def taken(mode: str, count: int = 5, version: str = "1.2") -> tuple[Peer, list[Frame]]:
    """Somebody who has been given some messages."""
    peer = World().connected(version)
    put(peer.world, *(b"%d" % number for number in range(1, count + 1)))
    peer.subscribe("/queue/a", "s", ("ack", mode))
    frames = peer.frames()
    assert bodies(frames) == [b"%d" % number for number in range(1, count + 1)]
    return peer, frames


def test_st_110_with_auto_a_message_is_done_when_it_is_written() -> None:
    peer, _ = taken("auto")
    peer.session.close()
    assert in_queue(peer.world) == []


def test_st_111_with_client_an_ack_is_for_all_before_it_of_that_subscription() -> None:
    peer, frames = taken("client")
    put(peer.world, b"x", queue="/queue/b")
    peer.subscribe("/queue/b", "other", ("ack", "client"))
    peer.frames()
    peer.send("ACK", ("id", frames[2].headers["ack"]))
    peer.session.close()
    assert in_queue(peer.world) == [b"4", b"5"]
    assert in_queue(peer.world, "/queue/b") == [b"x"]


def test_st_112_with_client_individual_an_ack_is_for_one() -> None:
    peer, frames = taken("client-individual")
    peer.send("ACK", ("id", frames[2].headers["ack"]))
    peer.session.close()
    assert in_queue(peer.world) == [b"1", b"2", b"4", b"5"]


@pytest.mark.parametrize(("mode", "which"), (("client", [b"1", b"2"]), ("client-individual", [b"2"])))
def test_st_113_a_nack_gives_back_or_buries(mode: str, which: list[bytes]) -> None:
    peer, frames = taken(mode)
    peer.send("NACK", ("id", frames[1].headers["ack"]))
    again = peer.frames()
    assert bodies(again) == which
    assert all(frame.headers["redelivered"] == "true" for frame in again)
    assert all(frame.headers["delivery-count"] == "1" for frame in again)
    peer.send("NACK", ("id", again[-1].headers["ack"]), ("requeue", "false"))
    assert which[-1] in [kept.message.body for kept in peer.world.exchange.dead]
    verdicts = [call[2] for call in peer.world.exchange.sessions[0].calls if call[0] == "settle"]
    assert verdicts == [Verdict.FAILED, Verdict.REJECTED]


@pytest.mark.parametrize(
    ("version", "names", "is_well"),
    (
        ("1.2", ("id=ack",), True),
        ("1.2", ("message-id=message-id", "subscription=subscription"), False),
        ("1.2", (), False),
        ("1.1", ("message-id=message-id", "subscription=subscription"), True),
        ("1.1", ("message-id=message-id",), False),
        ("1.1", ("id=ack",), False),
        ("1.0", ("message-id=message-id",), True),
        ("1.0", (), False),
    ),
)
def test_st_114_what_names_a_delivery_depends_on_the_version(version: str, names: tuple[str, ...], is_well: bool) -> None:
    peer, frames = taken("client", version=version)
    pairs = [tuple(name.split("=")) for name in names]
    peer.send("ACK", *((to, frames[0].headers[of]) for to, of in pairs))
    assert peer.line.is_finished is not is_well
    if not is_well:
        peer.error()


def test_st_114_a_wrong_subscription_and_nack_in_1_0_are_errors() -> None:
    peer, frames = taken("client", version="1.1")
    peer.send("ACK", ("message-id", frames[0].headers["message-id"]), ("subscription", "other"))
    peer.error()
    peer, frames = taken("client", version="1.0")
    peer.send("NACK", ("message-id", frames[0].headers["message-id"]))
    assert "1.0" in peer.error().headers["message"]


@pytest.mark.parametrize("id", ("", "x", "0", "-1", "99", "1" * 400, "²", "1.0", " 1"))
@pytest.mark.parametrize("command", ("ACK", "NACK"))
def test_st_115_an_unknown_id_is_an_error(command: str, id: str) -> None:
    peer, _ = taken("client")
    peer.send(command, ("id", id), ("receipt", "r"))
    assert peer.error().headers["receipt-id"] == "r"


def test_st_115_so_is_one_that_is_settled() -> None:
    for mode, again in (("client", 0), ("client", 1), ("client-individual", 1)):
        peer, frames = taken(mode)
        peer.send("ACK", ("id", frames[1].headers["ack"]))
        peer.send("ACK", ("id", frames[again].headers["ack"]))
        assert peer.error().headers["error"] == "ObjectNotFound"


@pytest.mark.parametrize(("mode", "has"), (("auto", False), ("client", True), ("client-individual", True)))
def test_st_116_an_ack_header_where_one_is_needed(mode: str, has: bool) -> None:
    _, frames = taken(mode)
    assert all(("ack" in frame.headers) is has for frame in frames)


def test_st_117_every_delivery_has_ids_of_its_own() -> None:
    peer = World().connected()
    for id in ("1", "2"):
        peer.subscribe("/topic/my.news", id, ("ack", "client"))
    peer.subscribe("/temp-queue/r", "r")
    for _ in range(3):
        peer.send("SEND", ("destination", "/topic/my.news"), body=b"x")
        peer.send("SEND", ("destination", "/exchange/requests"), ("reply-to", "/temp-queue/r"), body=b"y")
    frames = peer.frames()
    assert len({frame.headers["message-id"] for frame in frames}) == len(frames) == 9
    assert len({frame.headers["ack"] for frame in frames if "ack" in frame.headers}) == 6
    other = World().connected()
    other.subscribe("/queue/a")
    put(other.world, b"x")
    assert other.frame().headers["message-id"] not in {frame.headers["message-id"] for frame in frames}


def test_st_118_a_lost_connection_s_messages_go_to_another_in_order() -> None:
    peer, frames = taken("client-individual")
    peer.send("ACK", ("id", frames[1].headers["ack"]))
    other = peer.world.connected()
    other.subscribe("/queue/a", "o", ("ack", "client"))
    peer.session.close()
    again = other.frames()
    assert bodies(again) == [b"1", b"3", b"4", b"5"]
    assert all(frame.headers["redelivered"] == "true" for frame in again)


def test_st_119_an_ack_after_unsubscribe_settles() -> None:
    peer, frames = taken("client")
    peer.send("UNSUBSCRIBE", ("id", "s"))
    peer.send("ACK", ("id", frames[3].headers["ack"]))
    peer.session.close()
    assert in_queue(peer.world) == [b"5"]


@over_versions
def test_st_120_an_ack_of_what_needs_none_is_an_error(version: str) -> None:
    peer, frames = taken("auto", version=version)
    headers = frames[0].headers
    names = {"1.0": ("message-id",), "1.1": ("message-id", "subscription"), "1.2": ()}[version]
    peer.send("ACK", *((name, headers[name]) for name in names), ("id", "1"))
    assert peer.error().headers["error"] == "ObjectNotFound"


def test_st_039_unsettled_deliveries_are_limited() -> None:
    for count in (1, 5):
        peer = World(limits=SMALL).connected()
        put(peer.world, *[b"x"] * 10)
        peer.subscribe("/queue/a", "s", ("ack", "client-individual"), ("prefetch-count", str(count)))
        frames = peer.frames()
        assert len(frames) == count
        peer.send("ACK", ("id", frames[0].headers["ack"]))
        assert len(peer.frames()) == 1
    for wrong in ("6", "0", "-1", "x", "", "9" * 30):
        peer = World(limits=SMALL).connected()
        peer.send("SUBSCRIBE", ("destination", "/queue/a"), ("id", "s"), ("prefetch-count", wrong))
        assert "prefetch-count" in peer.error().headers["message"]


# Transactions.


@pytest.mark.parametrize("headers", ((), (("transaction", ""),)))
@pytest.mark.parametrize("command", ("BEGIN", "COMMIT", "ABORT"))
def test_st_130_a_transaction_has_a_name(command: str, headers: tuple[tuple[str, str], ...]) -> None:
    peer = World().connected()
    peer.send(command, *headers)
    assert "transaction" in peer.error().headers["message"]


def test_st_130_a_name_is_begun_once_while_it_is_open() -> None:
    peer = World().connected()
    peer.send("BEGIN", ("transaction", "t"))
    peer.send("BEGIN", ("transaction", "t"))
    assert peer.error().headers["error"] == "AlreadyExists"


@pytest.mark.parametrize("command", ("SEND", "ACK", "NACK", "COMMIT", "ABORT"))
def test_st_131_an_unknown_name_is_an_error(command: str) -> None:
    peer, frames = taken("client")
    peer.send(command, ("transaction", "t"), ("destination", "/queue/b"), ("id", frames[0].headers["ack"]))
    assert peer.error().headers["error"] == "ObjectNotFound"
    assert in_queue(peer.world, "/queue/b") == []


async def test_st_132_nothing_is_seen_before_commit_and_all_after() -> None:
    world = World(is_slow=True)
    peer, other = world.connected(), world.connected()
    other.subscribe("/queue/a")
    peer.send("BEGIN", ("transaction", "t"), ("receipt", "b"))
    for body in (b"1", b"2"):
        peer.send("SEND", ("destination", "/queue/a"), ("transaction", "t"), body=body)
    peer.send("SEND", ("destination", "/exchange/requests"), ("transaction", "t"), body=b"call")
    assert receipts(peer.frames()) == ["b"]
    assert other.frames() == []
    assert world.rpc.asked == []
    peer.send("COMMIT", ("transaction", "t"), ("receipt", "c"))
    assert peer.frames() == []
    world.exchange.store()
    await asyncio.sleep(0)
    assert receipts(peer.frames()) == ["c"]
    assert bodies(other.frames()) == [b"1", b"2"]
    assert [message.body for message in world.exchange.requests] == [b"call"]


def test_st_133_abort_drops_what_was_sent_and_reopens_what_was_settled() -> None:
    peer, frames = taken("client")
    peer.send("BEGIN", ("transaction", "t"))
    peer.send("SEND", ("destination", "/queue/b"), ("transaction", "t"), body=b"x")
    peer.send("ACK", ("id", frames[2].headers["ack"]), ("transaction", "t"))
    peer.send("ABORT", ("transaction", "t"), ("receipt", "r"))
    assert receipts(peer.frames()) == ["r"]
    assert in_queue(peer.world, "/queue/b") == []
    peer.send("ACK", ("id", frames[1].headers["ack"]))
    peer.session.close()
    assert in_queue(peer.world) == [b"3", b"4", b"5"]


@pytest.mark.parametrize("end", ("COMMIT", "ABORT"))
def test_st_134_a_name_is_free_again(end: str) -> None:
    peer = World().connected()
    for _ in range(3):
        peer.send("BEGIN", ("transaction", "t"))
        peer.send(end, ("transaction", "t"))
    assert not peer.line.is_finished
    peer.send(end, ("transaction", "t"))
    peer.error()


@pytest.mark.parametrize("ends_well", (False, True))
def test_st_135_the_end_of_the_connection_aborts_all(ends_well: bool) -> None:
    peer, frames = taken("client")
    for name in ("t", "u"):
        peer.send("BEGIN", ("transaction", name))
        peer.send("SEND", ("destination", "/queue/b"), ("transaction", name), body=b"x")
    peer.send("ACK", ("id", frames[1].headers["ack"]), ("transaction", "t"))
    if ends_well:
        peer.send("DISCONNECT", ("receipt", "r"))
    peer.session.close()
    assert in_queue(peer.world, "/queue/b") == []
    assert in_queue(peer.world) == [b"1", b"2", b"3", b"4", b"5"]
    assert peer.world.exchange.sessions[0].transactions == {}


def test_st_136_transactions_interleave() -> None:
    peer = World().connected()
    for name in ("t", "u"):
        peer.send("BEGIN", ("transaction", name))
    for body, name in ((b"1", "t"), (b"2", "u"), (b"3", "t"), (b"4", "u")):
        peer.send("SEND", ("destination", "/queue/a"), ("transaction", name), body=body)
    peer.send("SEND", ("destination", "/queue/a"), body=b"0")
    peer.send("COMMIT", ("transaction", "u"))
    peer.send("ABORT", ("transaction", "t"))
    assert in_queue(peer.world) == [b"0", b"2", b"4"]


async def test_st_137_receipts_in_a_transaction() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("BEGIN", ("transaction", "t"))
    peer.send("SEND", ("destination", "/queue/a"), ("transaction", "t"), ("receipt", "accepted"), body=b"x")
    assert receipts(peer.frames()) == ["accepted"]
    peer.send("COMMIT", ("transaction", "t"), ("receipt", "done"))
    assert peer.frames() == []
    world.exchange.store(StateFull(reason="no space is left"))
    await asyncio.sleep(0)
    assert peer.error().headers["receipt-id"] == "done"


def test_st_038_transactions_are_limited_in_number_frames_and_octets() -> None:
    world = World(limits=SMALL)
    peer = world.connected()
    for name in ("t", "u"):
        peer.send("BEGIN", ("transaction", name))
    peer.send("BEGIN", ("transaction", "v"))
    assert peer.error().headers["error"] == "LimitExceeded"
    for count, octets, is_well in ((3, 1, True), (4, 1, False), (2, 50, True), (2, 51, False)):
        peer = world.connected()
        peer.send("BEGIN", ("transaction", "t"))
        for _ in range(count):
            peer.send("SEND", ("destination", "/queue/a"), ("transaction", "t"), body=b"x" * octets)
        assert peer.line.is_finished is not is_well
    assert in_queue(world) == []


def test_st_038_the_octets_of_transactions_are_those_of_all_that_are_open() -> None:
    world = World(limits=SMALL)
    peer = world.connected()
    for end in ("COMMIT", "ABORT"):  # which makes room again
        for name, octets in (("t", 60), ("u", 40)):
            peer.send("BEGIN", ("transaction", name))
            peer.send("SEND", ("destination", "/queue/a"), ("transaction", name), body=b"x" * octets)
        assert peer.frames() == []
        for name in ("t", "u"):
            peer.send(end, ("transaction", name))
    for name, octets in (("t", 60), ("u", 41)):
        peer.send("BEGIN", ("transaction", name))
        peer.send("SEND", ("destination", "/queue/a"), ("transaction", name), body=b"x" * octets)
    assert peer.error().headers["error"] == "LimitExceeded"
    assert len(in_queue(world)) == 2


# Receipts, errors, closing.


@pytest.mark.parametrize("receipt", ("r1", "a:b\nc\\d\re", " r ", "größe"))
def test_st_140_every_frame_has_its_receipt(receipt: str) -> None:
    peer = World().connected()
    mark = ("receipt", receipt)
    put(peer.world, b"x", queue="/queue/b")
    peer.send("SEND", ("destination", "/queue/a"), mark)
    peer.send("SEND", ("destination", "/exchange/requests"), mark, body=b"note")
    peer.send("SUBSCRIBE", ("destination", "/queue/b"), ("id", "1"), ("ack", "client-individual"), mark)
    *first, delivery = peer.frames()
    peer.send("BEGIN", ("transaction", "t"), mark)
    peer.send("ACK", ("id", delivery.headers["ack"]), ("transaction", "t"), mark)
    peer.send("ABORT", ("transaction", "t"), mark)
    peer.send("NACK", ("id", delivery.headers["ack"]), ("requeue", "false"), mark)
    peer.send("UNSUBSCRIBE", ("id", "1"), mark)
    peer.send("BEGIN", ("transaction", "t"), mark)
    peer.send("COMMIT", ("transaction", "t"), mark)
    peer.send("DISCONNECT", mark)
    assert receipts([*first, *peer.frames()]) == [receipt] * 11
    peer = World().peer()
    peer.send("CONNECT", ("accept-version", "1.2"), mark)
    assert peer.frame().command == "CONNECTED"


async def test_st_141_receipts_come_in_the_order_of_their_frames() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("SEND", ("destination", "/queue/a"), ("receipt", "1"))
    peer.send("SEND", ("destination", "/topic/my.news"), ("receipt", "2"))
    peer.send("SEND", ("destination", "/queue/b"), ("receipt", "3"))
    peer.send("BEGIN", ("transaction", "t"), ("receipt", "4"))
    assert peer.frames() == []
    world.exchange.waiting.rotate(-1)
    world.exchange.store()  # the third
    await asyncio.sleep(0)
    assert peer.frames() == []
    world.exchange.store()
    await asyncio.sleep(0)
    assert receipts(peer.frames()) == ["1", "2", "3", "4"]


async def test_st_141_who_has_much_under_way_is_not_read() -> None:
    world = World(limits=SMALL, is_slow=True)
    peer = world.connected()
    for number in range(6):
        peer.send("SEND", ("destination", "/queue/a"), ("receipt", str(number)))
    assert peer.session.is_waiting
    assert len(world.exchange.waiting) == 4
    world.exchange.store()
    await asyncio.sleep(0)
    assert peer.line.wakes == 1
    peer.session.work(1_000)
    assert len(world.exchange.waiting) == 4


async def test_st_142_disconnect_has_its_receipt_then_the_end() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("DISCONNECT", ("receipt", "bye"))
    assert receipts(peer.frames()) == ["bye"]
    assert peer.line.is_finished
    other = world.connected()
    other.send("SEND", ("destination", "/queue/a"), ("receipt", "1"), body=b"x")
    other.send("DISCONNECT", ("receipt", "bye"))
    assert not other.session.is_over
    world.exchange.store()
    await asyncio.sleep(0)
    assert receipts(other.frames()) == ["1", "bye"]
    assert other.line.is_finished
    last = world.connected()
    last.send("DISCONNECT")
    assert last.frames() == []
    assert last.line.is_finished


async def test_st_143_frames_behind_disconnect_are_not_carried_out() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.send("SEND", ("destination", "/queue/a"), body=b"before")
    peer.raw(b"DISCONNECT\nreceipt:r\n\n\0SEND\ndestination:/queue/a\nreceipt:s\n\nbehind\0garbage\n\n\0")
    world.exchange.store()
    await asyncio.sleep(0)
    assert receipts(peer.frames()) == ["r"]
    assert in_queue(world) == [b"before"]
    peer.session.close()
    assert in_queue(world) == [b"before"]


BROKEN = (
    b"HELLO\n\n\0",
    b"SEND\n\n\0",
    b"SUBSCRIBE\nid:1\n\n\0",
    b"ACK\nid:77\n\n\0",
    b"BEGIN\n\n\0",
    b"CONNECT\n\n\0",
    b"\0",
    b"SEND\na\n\n\0",
)


@pytest.mark.parametrize("data", BROKEN)
def test_st_144_after_an_error_the_connection_ends(data: bytes) -> None:
    peer = World().connected()
    peer.raw(data)
    peer.error()
    assert peer.world.exchange.sessions[0].is_closed


def test_st_145_an_error_has_a_message_and_the_frame_s_receipt() -> None:
    for data in BROKEN:
        peer = World().connected()
        peer.raw(data)
        error = peer.error()
        assert error.headers["message"]
        assert "receipt-id" not in error.headers
    for data in (b"SEND\nreceipt:r\\c1\n\n\0", b"SEND\nreceipt:r\\c1\ncontent-length:x\n\n\0", b"HELLO\nreceipt:r\\c1\n\n\0"):
        peer = World().connected()
        peer.raw(data)
        assert peer.error().headers["receipt-id"] == "r:1"


def test_st_146_an_error_repeats_nothing_of_what_was_sent() -> None:
    for data in (
        b"SEND\nsecret\n\nsecret\0",
        b"secret\n\n\0",
        b"SEND\ncontent-length:secret\n\nsecret\0",
        b"SEND\npriority:secret\ndestination:/queue/a\n\nsecret\0",
        b"SEND\nown:\\s\nsecret:secret\n\n\0",
    ):
        peer = World().connected(is_strict=True)
        peer.raw(data)
        error = peer.error()
        assert "secret" not in str(dict(error.headers)) + error.body.decode()


async def test_st_147_nothing_is_written_behind_an_error() -> None:
    world = World(is_slow=True)
    peer = world.connected()
    peer.subscribe("/queue/b")
    peer.subscribe("/temp-queue/r", "r")
    peer.send("SEND", ("destination", "/queue/a"), ("receipt", "late"))
    peer.send("SEND", ("destination", "/exchange/requests"), ("reply-to", "/temp-queue/r"), body=b"slow")
    consumer = world.exchange.subscriptions[0]
    peer.raw(b"HELLO\n\n\0SEND\ndestination:/queue/c\nreceipt:r\n\n\0")
    peer.error()
    world.exchange.store()  # the line itself asserts that nothing comes
    world.rpc.later[0].set_result(b"late")
    await asyncio.sleep(0)
    assert consumer.is_over
    peer.session.beat()
    peer.raw(b"SEND\ndestination:/queue/c\n\n\0")
    assert peer.frames() == []
    assert world.endpoint.counters.dropped_answers == 1


async def test_st_149_what_was_sent_before_the_client_vanished_is_carried_out() -> None:
    world = World()
    peer = world.connected()
    peer.session.receive(b"SEND\ndestination:/queue/a\n\n%d\0" % 1 + b"SEND\ndestination:/queue/a\n\n2\0SEND\ndestination:/queue/a\n\n3")
    peer.session.work(1)
    assert in_queue(world) == [b"1"]
    peer.session.close()
    assert in_queue(world) == [b"1", b"2"]
