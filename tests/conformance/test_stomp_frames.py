"""STOMP's frames, line by line (ST-001 to ST-036). The numbers are those of the project's checklist."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from typing import SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.wire.stomp.connection import StompStream
from libvdsm.wire.stomp.events import CLIENT_COMMANDS, SERVER_COMMANDS, Frame, StompError, StompLimits
from libvdsm.wire.stomp.frames import encode, parse_head
from tests.fakes.stomp_peer import SMALL, World

ALL = CLIENT_COMMANDS | SERVER_COMMANDS
LIMITS = SMALL.frame
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def parse(
    *pieces: bytes,
    version: str = "1.2",
    is_strict: bool = True,
    limits: StompLimits | None = None,
    commands: frozenset[str] = CLIENT_COMMANDS,
) -> list[Frame]:
    """The frames in these pieces of a stream."""
    stream = StompStream(limits=limits, commands=commands)
    stream.set_rules(version=version, is_strict=is_strict)
    found: list[Frame] = []
    for piece in pieces:
        stream.receive_data(piece)
        found += stream.events()
    assert not stream.is_partial
    return found


def parse_one(data: bytes, version: str = "1.2", *, is_strict: bool = True) -> Frame:
    """The only frame."""
    (frame,) = parse(data, version=version, is_strict=is_strict)
    return frame


def faces(frames: list[Frame]) -> list[tuple[str, list[tuple[str, str]], bytes]]:
    """Frames as values that can be compared."""
    return [(frame.command, list(frame.headers.items()), frame.body) for frame in frames]


def header(line: bytes, version: str = "1.2", *, is_strict: bool = True) -> dict[str, str]:
    """The headers of a SEND with one line of them."""
    return dict(parse_one(b"SEND\n" + line + b"\n\n\0", version, is_strict=is_strict).headers)


def refused(data: bytes, version: str = "1.2", *, is_strict: bool = True, limits: StompLimits | None = None) -> str:
    """Why a stream is refused; nothing comes after that."""
    stream = StompStream(limits=limits)
    stream.set_rules(version=version, is_strict=is_strict)
    stream.receive_data(data)
    with pytest.raises(StompError) as caught:
        list(stream.events())
    stream.receive_data(b"SEND\ndestination:/queue/a\n\n\0")
    assert list(stream.events()) == []
    return str(caught.value)


@pytest.mark.parametrize("ends", tuple(itertools.product((b"\n", b"\r\n"), repeat=4)))
def test_st_001_lines_end_with_lf_or_crlf_also_mixed(ends: tuple[bytes, ...]) -> None:
    first, second, third, fourth = ends
    data = b"SEND" + first + b"destination:/queue/a" + second + b"own:x" + third + fourth + b"body\r\n\0"
    assert faces(parse(data)) == [("SEND", [("destination", "/queue/a"), ("own", "x")], b"body\r\n")]


class Searched(bytes):
    """Octets that count how many of them are searched."""

    searched = 0

    def find(self, sub: bytes | int, start: SupportsIndex | None = None, end: SupportsIndex | None = None, /) -> int:  # type: ignore[override] # of all that bytes take, what is used
        begin = 0 if start is None else int(start)
        found = super().find(sub, begin, end)
        Searched.searched += (len(self) if end is None else min(int(end), len(self))) - begin if found < 0 else found - begin
        return found


@pytest.mark.parametrize("end", (b"\n", b"\r\n"))
def test_st_001_either_line_end_costs_linear_time(end: bytes) -> None:
    """Many frames in one read are not searched through once for each of them."""
    data = Searched(end.join((b"SEND", b"destination:/queue/a", b"content-length:1", b"", b"x\0")) * 2_000)
    Searched.searched = 0
    assert len(parse(data)) == 2_000
    assert Searched.searched <= 50 * len(data)  # of all that is behind each frame it would be a thousand times as much


@pytest.mark.parametrize(
    "data", (b"SE\rND\n\n\0", b"SEND\nna\rme:x\n\n\0", b"SEND\nname:x\ry\n\n\0", b"SEND\nname:x\r\r\n\n\0", b"\rSEND\n\n\0")
)
def test_st_002_a_return_without_a_line_feed_is_an_error(data: bytes) -> None:
    assert "line" in refused(data)


@pytest.mark.parametrize("ends", (b"\n", b"\r\n", b"\n\n\n", b"\r\n\n\r\n" * 50))
def test_st_003_line_ends_between_frames_are_ignored(ends: bytes) -> None:
    data = ends + b"SEND\na:b\n\n\0" + ends + b"SEND\na:b\n\n\0" + ends
    assert len(parse(data)) == 2
    assert len(parse(*(data[at : at + 1] for at in range(len(data))))) == 2


@pytest.mark.parametrize("stray", (b"\0", b"\t", b"\n\0", b"\x01", b"\v\n"))
def test_st_004_a_stray_octet_between_frames_is_an_error(stray: bytes) -> None:
    refused(stray)
    refused(b"SEND\na:b\n\n\0" + stray)


@pytest.mark.parametrize("command", ("connect", "Send", "SEND ", " SEND", "SENd"))
def test_st_005_commands_and_names_are_case_sensitive(command: str) -> None:
    refused(f"{command}\n\n\0".encode())
    assert header(b"Destination:/queue/a") == {"Destination": "/queue/a"}


def test_st_006_a_header_has_a_colon_and_a_name_and_may_have_no_value() -> None:
    refused(b"SEND\nnocolon\n\n\0")
    refused(b"SEND\n:value\n\n\0")
    assert header(b"name:") == {"name": ""}


def test_st_007_a_raw_colon_is_refused_from_modern_peers_and_kept_from_others_in_every_header() -> None:
    for name in (b"destination", b"host", b"own"):
        refused(b"SEND\n" + name + b":a:b:c\n\n\0")
        assert header(name + b":a:b:c", is_strict=False) == {name.decode(): "a:b:c"}
        assert header(name + b":a:b:c", "1.0") == {name.decode(): "a:b:c"}  # which has no other way to say it


def test_st_008_blanks_are_part_of_names_and_values() -> None:
    assert header(b" a b : c d ") == {" a b ": " c d "}
    assert encode("SEND", [(" a b ", " c d ")]) == b"SEND\n a b : c d \n\n\0"


def test_st_009_escapes_are_decoded() -> None:
    assert header(rb"n\cm:a\rb\nc\cd\\e") == {"n:m": "a\rb\nc:d\\e"}


@pytest.mark.parametrize("escape", (rb"\t", rb"\x", rb"\0", rb"\N", b"\\", rb"\\" + b"\\"))
def test_st_010_undefined_escapes_are_refused_from_modern_peers_and_kept_from_others(escape: bytes) -> None:
    assert "escape" in refused(b"SEND\nname:a" + escape + b"\n\n\0")
    kept = header(b"name:a" + escape, is_strict=False)["name"]
    assert kept == "a" + escape.decode().replace("\\\\", "\\")


def test_st_011_nothing_is_decoded_twice() -> None:
    assert header(rb"name:a\\nb\\\\c") == {"name": r"a\nb\\c"}


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), unique_by=lambda pair: pair[0], max_size=5))
def test_st_012_any_text_without_nul_comes_out_as_it_went_in(headers: list[tuple[str, str]]) -> None:
    data = encode("SEND", headers)
    assert faces(parse(data)) == [("SEND", headers, b"")]
    assert all(line.count(b":") == 1 for line in data[5:-3].split(b"\n") if line)


@pytest.mark.parametrize("command", ("CONNECT", "STOMP", "CONNECTED"))
def test_st_013_connect_and_connected_escape_nothing_either_way(command: str) -> None:
    raw = rb"a\nb\cc:d\t"
    (frame,) = parse(command.encode() + b"\nhost:" + raw + b"\n\n\0", commands=ALL)
    assert frame.headers["host"] == raw.decode()
    assert encode(command, [("host", raw.decode())]) == command.encode() + b"\nhost:" + raw + b"\n\n\0"
    assert encode(command, [("server", "a\nb:c\0")]) == command.encode() + b"\nserver:ab:c\n\n\0"  # no header can be forged


def test_st_014_rules_follow_the_version() -> None:
    assert header(rb"name:a\nb\cc\rd", "1.0") == {"name": r"a\nb\cc\rd"}
    assert header(rb"name:a\nb\cc\\d", "1.1") == {"name": "a\nb:c\\d"}
    assert "escape" in refused(b"SEND\nname:a\\rb\n\n\0", "1.1")
    assert header(rb"name:a\rb", "1.1", is_strict=False) == {"name": r"a\rb"}
    assert encode("MESSAGE", [("name", "a\r\nb:c\\")], version="1.0") == b"MESSAGE\nname:ab:c\\\n\n\0"
    assert encode("MESSAGE", [("name", "a\r\nb:c\\")], version="1.1") == b"MESSAGE\nname:a\\nb\\cc\\\\\n\n\0"
    assert encode("MESSAGE", [("name", "a\r\nb:c\\")], version="1.2") == b"MESSAGE\nname:a\\r\\nb\\cc\\\\\n\n\0"


@pytest.mark.parametrize("octets", (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"))
def test_st_015_headers_are_utf_8(octets: bytes) -> None:
    assert "UTF-8" in refused(b"SEND\nname:" + octets + b"\n\n\0")
    assert header("größe:♥".encode()) == {"größe": "♥"}
    assert encode("MESSAGE", [("name", "\ud800")]) == b"MESSAGE\nname:?\n\n\0"  # what is no text cannot break the line


@pytest.mark.parametrize(
    "data", (b"SEND\nna\0me:x\n\n\0", b"SEND\nname:x\0y\n\n\0", b"SE\0ND\n\n\0", b"SEND\0", b"SEND\nname:x\n\0", b"SEND\r\n\0")
)
def test_st_016_a_nul_in_the_headers_is_an_error(data: bytes) -> None:
    assert "ends before" in refused(data)
    assert "\0" not in encode("MESSAGE", [("na\0me", "a\0b")])[:-1].decode()


@pytest.mark.parametrize("name", ("destination", "receipt", "id", "ack"))
def test_st_017_of_a_repeated_header_the_first_counts(name: str) -> None:
    assert header(f"{name}:first\n{name}:second".encode()) == {name: "first"}
    assert parse_one(b"SEND\ncontent-length:3\ncontent-length:1\n\nabc\0").body == b"abc"


@pytest.mark.parametrize("command", sorted(CLIENT_COMMANDS - {"SEND"}))
def test_st_018_only_send_has_a_body(command: str) -> None:
    refused(f"{command}\n\nbody\0".encode())
    refused(f"{command}\ncontent-length:4\n\nbody\0".encode())
    refused(f"{command}\n\nbo".encode())
    assert parse_one(f"{command}\ncontent-length:0\n\n\0".encode()).body == b""


def test_st_019_with_a_length_that_many_octets_are_read() -> None:
    assert parse_one(b"SEND\ncontent-length:7\n\na\0b\n\n\0c\0").body == b"a\0b\n\n\0c"


@pytest.mark.parametrize("data", (b"SEND\ncontent-length:2\n\nabc\0", b"SEND\ncontent-length:0\n\nabc\0"))
def test_st_020_behind_a_counted_body_there_is_a_nul(data: bytes) -> None:
    assert "longer" in refused(data)
    with pytest.raises(StompError, match="longer"):
        parse(*(data[at : at + 1] for at in range(len(data))))


@pytest.mark.parametrize(
    "length", ("-1", "+1", " 1", "1 ", "", "x", "1.0", "0x1", "1_0", "٣", "9223372036854775808", "9" * 400, "1e3", "²")
)
def test_st_021_an_odd_length_is_a_clean_error(length: str) -> None:
    refused(f"SEND\ncontent-length:{length}\n\nabc\0".encode())
    refused(f"CONNECT\ncontent-length:{length}\n\n\0".encode())
    assert parse_one(f"SEND\ncontent-length:3\ncontent-length:{length}\n\nabc\0".encode()).body == b"abc"


def test_st_022_without_a_length_the_body_ends_at_the_first_nul() -> None:
    first, second = parse(b"SEND\n\nab\n\nc\0SEND\n\n\0")
    assert (first.body, second.body) == (b"ab\n\nc", b"")


def test_st_023_messages_and_errors_with_a_body_tell_length_and_type() -> None:
    world = World()
    peer = world.connected()
    peer.subscribe("/queue/a")
    peer.send("SEND", ("destination", "/queue/a"), ("content-type", "text/plain"), body=b"abc\0d")
    message = peer.frame()
    assert (message.headers["content-length"], message.headers["content-type"]) == ("5", "text/plain")
    peer.send("ACK", ("id", "7"))
    error = peer.error()
    assert error.headers["content-type"] == "text/plain;charset=utf-8"
    assert int(error.headers["content-length"]) == len(error.body) > 0


STREAM = (
    b"\r\nCONNECT\naccept-version:1.2\nhost:h\n\n\0\n"
    b"SEND\r\ndestination:/queue/a\r\ncontent-length:5\r\n\r\na\0b\nc\0\r\n"
    b"SEND\nna\\cme:va\\\\lue\n\nbody\r\n\0SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0\n\n"
)


def test_st_024_frames_may_be_cut_anywhere_and_joined() -> None:
    whole = faces(parse(STREAM))
    assert [frame[0] for frame in whole] == ["CONNECT", "SEND", "SEND", "SUBSCRIBE"]
    assert faces(parse(*(STREAM[at : at + 1] for at in range(len(STREAM))))) == whole
    for cut in range(len(STREAM)):
        assert faces(parse(STREAM[:cut], STREAM[cut:])) == whole
    assert faces(parse(STREAM * 3)) == whole * 3


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_st_024_frames_may_be_cut_into_any_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert faces(parse(*(STREAM[start:end] for start, end in itertools.pairwise(edges)))) == faces(parse(STREAM))


@pytest.mark.parametrize("command", ("HELLO", "S", "UNKNOWN", "GET / HTTP/1.1", "{"))
def test_st_025_an_unknown_command_is_an_error(command: str) -> None:
    refused(f"{command}\n\n\0".encode())
    peer = World().connected()
    peer.raw(f"{command}\nreceipt:r1\n\n\0".encode())
    assert "command" in peer.error().headers["message"]


@pytest.mark.parametrize("command", sorted(SERVER_COMMANDS))
def test_st_026_a_server_s_command_from_a_client_is_an_error(command: str) -> None:
    refused(f"{command}\n\n\0".encode())
    peer = World().connected()
    peer.raw(f"{command}\nreceipt:r1\n\n\0".encode())
    assert peer.error().headers["receipt-id"] == "r1"


@pytest.mark.parametrize("content_type", ("text/plain;charset=iso-8859-1", "application/octet-stream", "x/ y ;z", ""))
def test_st_027_the_content_type_and_the_body_pass_untouched(content_type: str) -> None:
    peer = World().connected()
    peer.subscribe("/queue/a")
    peer.send("SEND", ("destination", "/queue/a"), ("content-type", content_type), body=b"\xe9\xff\0\r\n")
    message = peer.frame()
    assert (message.headers["content-type"], message.body) == (content_type, b"\xe9\xff\0\r\n")
    peer.send("SEND", ("destination", "/queue/a"), body=b"\xe9")
    assert "content-type" not in peer.frame().headers


# Limits.


def test_st_030_the_command_has_a_limit() -> None:
    assert "command" in refused(b"A" * (LIMITS.command_octets + 1) + b"\n\n\0", limits=LIMITS)
    assert "command" in refused(b"A" * 34, limits=LIMITS)  # refused before its end is seen
    assert "not one of" in refused(b"A" * LIMITS.command_octets + b"\n\n\0", limits=LIMITS)


def test_st_031_a_header_has_a_limit() -> None:
    most = LIMITS.line_octets
    assert parse(b"SEND\nn:" + b"v" * (most - 2) + b"\n\n\0", limits=LIMITS)
    assert "header is longer" in refused(b"SEND\nn:" + b"v" * (most - 1) + b"\n\n\0", limits=LIMITS)
    assert "header is longer" in refused(b"SEND\nn:" + b"v" * (most - 1), limits=LIMITS)


def test_st_032_headers_are_counted_repeated_ones_too() -> None:
    most = LIMITS.headers
    for line in ("same:x\n", "n%d:x\n"):
        lines = [line.replace("%d", str(at)) for at in range(most + 1)]
        assert parse(("SEND\n" + "".join(lines[:most]) + "\n\0").encode(), limits=LIMITS)
        assert "more than 10 headers" in refused(("SEND\n" + "".join(lines) + "\n\0").encode(), limits=LIMITS)


def test_st_032_many_headers_cost_linear_time() -> None:
    def spent(count: int, line: str) -> float:
        head = ("SEND\n" + "".join(line.replace("%d", str(at)) for at in range(count)))[:-1].encode()
        roomy = StompLimits(headers=10**6, head_octets=10**8)
        best = 1e9
        for _ in range(5):
            began = time.process_time()
            parse_head(head, version="1.2", is_strict=True, limits=roomy)
            best = min(best, time.process_time() - began)
        return best

    for line in ("same:x\n", "name%d:x\n"):
        assert spent(40_000, line) < 16 * max(spent(10_000, line), 1e-4)


def test_st_033_the_headers_together_have_a_limit() -> None:
    most = LIMITS.head_octets
    lines = b"SEND\n" + (b"n:" + b"v" * 97 + b"\n") * 5
    fill = b"m:" + b"v" * (most - len(lines) - 2)
    assert parse(lines + fill + b"\n\n\0", limits=LIMITS)
    assert "headers are longer" in refused(lines + fill + b"v\n\n\0", limits=LIMITS)
    assert "headers are longer" in refused(lines + fill + b"v", limits=LIMITS)


def test_st_034_a_declared_body_is_refused_before_it_is_read() -> None:
    most = LIMITS.body_octets
    assert parse(b"SEND\ncontent-length:%d\n\n%b\0" % (most, b"x" * most), limits=LIMITS)
    assert "body is longer" in refused(b"SEND\ncontent-length:%d\n\n" % (most + 1), limits=LIMITS)


def test_st_035_a_body_without_length_is_refused_at_its_limit() -> None:
    most = LIMITS.body_octets
    assert parse(b"SEND\n\n%b\0" % (b"x" * most), limits=LIMITS)
    assert "body is longer" in refused(b"SEND\n\n" + b"x" * (most + 1) + b"\0", limits=LIMITS)
    with pytest.raises(StompError, match="body is longer"):
        parse(b"SEND\n\n", *[b"x"] * (most + 1), limits=LIMITS)


@pytest.mark.parametrize("drip", (1, 7, 1_448))
def test_st_030_031_033_035_memory_stays_within_the_limits(drip: int) -> None:
    """Whatever is dripped in, and however, what is kept is not much more than the limit."""
    limits = StompLimits(line_octets=40_000, head_octets=50_000, body_octets=50_000)
    for begin in (b"SEND\nn:", b"SEND\n\n", b"SEND\ncontent-length:49999\n\n"):
        stream = StompStream(limits=limits)
        stream.receive_data(begin)
        list(stream.events())
        tracemalloc.start()
        try:
            for _ in range(60_000 // drip):
                stream.receive_data(b"x" * drip)
                list(stream.events())
        except StompError:
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 400_000


def test_st_036_limits_are_smaller_before_the_login() -> None:
    world = World(limits=SMALL)
    long = ("own", "v" * 120)
    peer = world.peer()
    peer.send("CONNECT", ("accept-version", "1.2"), long)
    assert "header is longer than 100" in peer.error().headers["message"]
    peer = world.peer()
    peer.send("CONNECT", ("accept-version", "1.2"), ("own", "v" * 96))
    assert peer.frame().command == "CONNECTED"
    peer.send("SEND", ("destination", "/queue/a"), long)
    assert not peer.line.is_finished
