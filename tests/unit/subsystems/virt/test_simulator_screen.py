"""What the simulator shows."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.subsystems.virt.drivers.simulator_screen import HEIGHT, WIDTH, RfbError, RfbSession, picture

_HANDSHAKE = b"RFB 003.008\n\x01\x01"


def rows(image: bytes) -> list[bytes]:
    data = image[image.index(b"IDAT") + 4 : image.index(b"IEND") - 8]
    pixels = zlib.decompress(data)
    return [pixels[at : at + WIDTH + 1] for at in range(0, len(pixels), WIDTH + 1)]


def test_the_picture_has_the_size_that_it_says_and_shows_something() -> None:
    image = picture(["WEB-0001"])
    assert struct.unpack(">II", image[16:24]) == (WIDTH, HEIGHT)
    found = rows(image)
    assert len(found) == HEIGHT
    assert any(any(row[1:]) for row in found)


def test_different_texts_look_different_and_the_same_alike() -> None:
    assert picture(["A"]) != picture(["B"])
    assert picture(["a"]) == picture(["A"])


@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_text_gives_a_picture_of_the_same_size(lines: list[str]) -> None:
    assert len(rows(picture(lines))) == HEIGHT
    assert {len(row) for row in rows(picture(lines))} == {WIDTH + 1}


def connected() -> RfbSession:
    session = RfbSession("web")
    assert session.greeting() == b"RFB 003.008\n"
    answer = session.receive(_HANDSHAKE)
    assert answer[:2] == b"\x01\x01"
    assert answer[2:6] == bytes(4)
    assert struct.unpack(">HH", answer[6:10]) == (WIDTH, HEIGHT)
    assert answer.endswith(b"\x00\x00\x00\x03web")
    return session


def test_a_viewer_gets_the_whole_screen_in_its_own_pixels() -> None:
    session = connected()
    full = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
    assert len(session.receive(full)) == 16 + WIDTH * HEIGHT * 4
    pixel_format = b"\0\0\0\0" + struct.pack(">BBBBHHHBBB", 8, 8, 0, 1, 7, 7, 3, 0, 3, 6) + bytes(3)
    assert session.receive(pixel_format) == b""
    assert len(session.receive(full)) == 16 + WIDTH * HEIGHT


def test_nothing_changes_so_a_viewer_who_waits_for_changes_waits() -> None:
    assert connected().receive(struct.pack(">BBHHHH", 3, 1, 0, 0, WIDTH, HEIGHT)) == b""


def test_keys_pointer_text_and_encodings_are_taken() -> None:
    session = connected()
    taken = struct.pack(">BBxxI", 4, 1, 65) + struct.pack(">BBHH", 5, 0, 1, 1) + struct.pack(">BxxxI", 6, 3) + b"abc"
    taken += struct.pack(">BxHii", 2, 2, 0, 1) + struct.pack(">BxH", 2, 0) + struct.pack(">BxxxI", 6, 0)
    assert session.receive(taken) == b""
    assert session.receive(struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1))


@pytest.mark.parametrize("said", (b"RFB 003.003\n", b"GET / HTTP/1.1\r\n", b"RFB 003.008\n\x02", _HANDSHAKE + b"\xff"))
def test_who_breaks_the_protocol_is_told_so(said: bytes) -> None:
    with pytest.raises(RfbError):
        RfbSession("web").receive(said)


@given(st.binary(max_size=400), st.integers(1, 9))
def test_any_split_gives_the_same_answer(data: bytes, size: int) -> None:
    def talk(pieces: list[bytes]) -> tuple[bytes, bool]:
        session, said = RfbSession("web"), b""
        try:
            for piece in pieces:
                said += session.receive(piece)
        except RfbError:
            return b"", True
        return said, False

    stream = _HANDSHAKE + data
    assert talk([stream]) == talk([stream[at : at + size] for at in range(0, len(stream), size)])
