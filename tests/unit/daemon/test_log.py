"""Records that cannot block, cannot lie about lines and hold no secrets."""

from __future__ import annotations

import logging
import os
import socket

import pytest

from libvdsm.daemon.log import LINE_LIMIT, LineHandler, Outlet, clean


def record(message: str, *arguments: object, name: str = "libvdsm.bridge.work") -> logging.LogRecord:
    return logging.LogRecord(name, logging.WARNING, "x.py", 1, message, arguments, None)


def test_a_record_is_one_line_with_time_level_process_and_room() -> None:
    reading, writing = os.pipe()
    LineHandler(Outlet(writing), "front").emit(record("task %s failed", "1\nforged"))
    os.close(writing)
    line = os.read(reading, 65536).decode()
    os.close(reading)
    assert line.endswith(f" warning front[{os.getpid()}] bridge.work: task 1\\nforged failed\n")
    assert line[10] == "T"
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "cleaned"),
    (
        ("a\x1b[31mb\r\n\t\x00\x7f\x9b", "a\\x1b[31mb\\r\\n\\t\\x00\\x7f\\x9b"),
        ("a\u2028b", "a\\u2028b"),
        ("lone \ud800", "lone \\ud800"),
        ("ticket=abc next", "ticket=*** next"),
        ('"password": "abc def"', '"password": "*** def"'),
        ("Authorization: Bearer xyz", "Authorization: ***"),
        ("GET /stream/abc HTTP", "GET /stream/*** HTTP"),
        ("nothing to hide: 5", "nothing to hide: 5"),
    ),
)
def test_control_characters_are_escaped_and_secrets_struck_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_reader_that_does_not_read_loses_records_but_blocks_nobody() -> None:
    reading, writing = os.pipe()
    outlet = Outlet(writing)
    handler = LineHandler(outlet, "front")
    while not outlet.dropped:
        handler.emit(record("x" * 1000))
    handler.emit(record("dropped too"))
    assert outlet.dropped == 2
    while len(os.read(reading, 65536)) == 65536:
        pass
    handler.emit(record("again"))
    assert outlet.dropped == 0
    text = os.read(reading, 65536).decode()
    assert "log: 2 records were dropped" in text
    assert text.endswith("bridge.work: again\n")
    os.close(reading)
    os.close(writing)


def test_the_descriptor_of_others_is_not_made_non_blocking() -> None:
    reading, writing = os.pipe()
    Outlet(writing)
    assert os.get_blocking(writing)
    os.close(reading)
    os.close(writing)


def test_a_socket_that_is_full_or_gone_blocks_nobody() -> None:
    near, far = socket.socketpair()
    outlet = Outlet(near.fileno())
    while outlet.write(b"x" * 4000 + b"\n"):
        pass
    far.close()
    assert not outlet.write(b"more\n")
    near.close()
    assert outlet._socket is not None
    outlet._socket.close()


def test_long_records_are_cut_and_broken_ones_are_written_as_they_are() -> None:
    reading, writing = os.pipe()
    handler = LineHandler(Outlet(writing), "front")
    handler.emit(record("é" * 10_000))
    assert len(os.read(reading, 65536)) == LINE_LIMIT
    handler.emit(record("%d apples", "many"))
    assert b"%d apples ('many',)" in os.read(reading, 65536)
    os.close(reading)
    os.close(writing)


def test_what_went_wrong_is_told_in_the_same_line() -> None:
    reading, writing = os.pipe()
    try:
        raise ZeroDivisionError("oh")  # noqa: TRY301
    except ZeroDivisionError as failure:
        broken = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), (type(failure), failure, failure.__traceback__))
    LineHandler(Outlet(writing), "front").emit(broken)
    line = os.read(reading, 65536)
    assert line.count(b"\n") == 1
    assert b"failed\\nTraceback" in line
    assert line.endswith(b"ZeroDivisionError: oh\n")
    os.close(reading)
    os.close(writing)
