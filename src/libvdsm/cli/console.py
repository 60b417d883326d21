"""A byte stream on the user's terminal: raw, until the escape key or the end of the stream."""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import termios
import tty
from typing import TYPE_CHECKING, Final

from libvdsm.cli.terminal import is_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from libvdsm.cli.session import Stream

#: Ctrl-], as telnet and virsh have it.
ESCAPE: Final = b"\x1d"
_CHUNK: Final = 65536
_CONTROL: Final = 0x40  # between a control character and the key that is pressed with Ctrl


def escape_byte(text: str) -> bytes:
    """Read an escape key: ``^]`` or a single character. ValueError if it is neither."""
    if text[:1] == "^" and len(text[1:]) == 1 and "@" <= text[1].upper() <= "_":
        return bytes([ord(text[1].upper()) - _CONTROL])
    if len(text) == 1 and text.isascii():
        return text.encode()
    raise ValueError(f"{text!r} is no key such as ^]")


def escape_name(key: bytes) -> str:
    """Write an escape key for people: ``Ctrl-]``."""
    return key.decode() if key.decode().isprintable() else f"Ctrl-{chr(key[0] + _CONTROL)}"


def attach(stream: Stream, *, escape: bytes = ESCAPE, linger_s: float = 1.0) -> str:
    """Join standard input and output with a stream; return what ended it: ``escape``, ``closed`` or ``input``.

    Without a terminal, input is passed on as it is, and after its end output is read on until the
    stream has been quiet for ``linger_s`` seconds.
    """
    with _raw(), selectors.DefaultSelector() as selector:
        selector.register(stream.fileno(), selectors.EVENT_READ, "stream")
        with contextlib.suppress(PermissionError):  # epoll refuses plain files; they are read at once below
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "input")
        if len(selector.get_map()) == 1:
            stream.send(sys.stdin.buffer.read())
            return _drain(stream, selector, linger_s)
        return _join(stream, selector, escape if is_terminal("stdin") else b"", linger_s)


def _join(stream: Stream, selector: selectors.BaseSelector, escape: bytes, linger_s: float) -> str:
    while True:
        for key, _ in selector.select():
            if key.data == "stream":
                if not _copy(stream):
                    return "closed"
                continue
            typed = os.read(sys.stdin.fileno(), _CHUNK)
            before, found, _after = typed.partition(escape) if escape else (typed, b"", b"")
            if before:
                stream.send(before)
            if found:
                return "escape"
            if not typed:
                selector.unregister(sys.stdin.fileno())
                return _drain(stream, selector, linger_s)


def _drain(stream: Stream, selector: selectors.BaseSelector, linger_s: float) -> str:
    while selector.select(linger_s):
        if not _copy(stream):
            return "closed"
    return "input"


def _copy(stream: Stream) -> bool:
    data = stream.receive()
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]
    return bool(data)


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    if not is_terminal("stdin"):
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
