"""A byte stream on the user's terminal: raw, until the escape key or the end of the stream."""

from __future__ import annotations

import contextlib
import os
import selectors
import termios
import tty
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the user sits: the descriptors of input and output."""

    source: int = 0
    sink: int = 1

    @property
    def is_terminal(self) -> bool:
        """Whether keys are typed, not piped."""
        return os.isatty(self.source)

    def show(self, data: bytes) -> None:
        """Write all of ``data``."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.sink, view) :]


def attach(stream: Stream, desk: Desk, *, escape: bytes = ESCAPE, linger_s: float = 1.0) -> str:
    """Join a desk with a stream; return what ended it: ``escape``, ``closed`` or ``input``.

    Without a terminal, input is passed on as it is, and after its end output is read on until the
    stream has been quiet for ``linger_s`` seconds.
    """
    with _raw(desk), selectors.DefaultSelector() as selector:
        selector.register(stream.fileno(), selectors.EVENT_READ, "stream")
        try:
            selector.register(desk.source, selectors.EVENT_READ, "input")
        except PermissionError:  # a plain file: it never blocks
            while typed := os.read(desk.source, _CHUNK):
                stream.send(typed)
            return _drain(stream, desk, selector, linger_s)
        return _join(stream, desk, selector, escape if desk.is_terminal else b"", linger_s)


def _join(stream: Stream, desk: Desk, selector: selectors.BaseSelector, escape: bytes, linger_s: float) -> str:
    while True:
        for key, _ in selector.select():
            if key.data == "stream":
                if not _copy(stream, desk):
                    return "closed"
                continue
            typed = os.read(desk.source, _CHUNK)
            before, found, _after = typed.partition(escape) if escape else (typed, b"", b"")
            if before:
                stream.send(before)
            if found:
                return "escape"
            if not typed:
                selector.unregister(desk.source)
                return _drain(stream, desk, selector, linger_s)


def _drain(stream: Stream, desk: Desk, selector: selectors.BaseSelector, linger_s: float) -> str:
    while selector.select(linger_s):
        if not _copy(stream, desk):
            return "closed"
    return "input"


def _copy(stream: Stream, desk: Desk) -> bool:
    data = stream.receive()
    desk.show(data)
    return bool(data)


@contextlib.contextmanager
def _raw(desk: Desk) -> Iterator[None]:
    if not desk.is_terminal:
        yield
        return
    before = termios.tcgetattr(desk.source)
    tty.setraw(desk.source, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(desk.source, termios.TCSADRAIN, before)
