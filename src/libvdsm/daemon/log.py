"""Records on stderr, one line each, that can never block who writes them.

Standard library only. A line is ``time level process room: words key=value``; control characters are escaped, the value
of whatever looks like a ticket or a secret is struck out, and what stderr does not take at once is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import stat
import sys
import time
import traceback

#: No longer than what a pipe takes in one piece.
LINE_LIMIT = select.PIPE_BUF
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRET = re.compile(
    r"(?i)(ticket|token|password|passphrase|secret|authorization)(\"?\s*[=:]\s*\"?|/)(?:bearer |basic )?[^\s\",;&]+|(/stream/)\S+"
)


class Outlet:
    """A descriptor that is only ever written without blocking."""

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        mode = os.fstat(descriptor).st_mode
        self._socket = socket.socket(fileno=os.dup(descriptor)) if stat.S_ISSOCK(mode) else None
        self._descriptor = descriptor if self._socket or stat.S_ISREG(mode) else _own(descriptor)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What it writes to; a forked child keeps them open."""
        return (self._descriptor,) if self._socket is None else (self._descriptor, self._socket.fileno())

    def write(self, line: bytes) -> bool:
        """Whether ``line`` was taken; never blocks, never raises."""
        try:
            if self._socket is not None:
                written = self._socket.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            elif select.select([], [self._descriptor], [], 0)[1]:
                written = os.write(self._descriptor, line)
            else:
                written = 0
        except (OSError, ValueError):
            written = 0
        return written > 0


class LineHandler(logging.Handler):
    """Writes records to an ``Outlet``; ``process`` is the word for who speaks."""

    def __init__(self, outlet: Outlet, process: str) -> None:
        super().__init__()
        self._outlet = outlet
        self._process = process

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        outlet = self._outlet
        if outlet.dropped and outlet.write(self._line(time.time(), "warning", "log", f"{outlet.dropped} records were dropped")):
            outlet.dropped = 0
        room = record.name.removeprefix("libvdsm.")
        if not outlet.write(self._line(record.created, record.levelname.lower(), room, _words(record))):
            outlet.dropped += 1

    def _line(self, at: float, level: str, room: str, words: str) -> bytes:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"
        text = f"{stamp} {level} {self._process}[{os.getpid()}] {room}: {words}"
        return clean(text).encode()[: LINE_LIMIT - 1] + b"\n"


def clean(text: str) -> str:
    """``text`` in one line, without control characters and without the values of secrets."""
    return _SECRET.sub(_strike, _CONTROL.sub(_escape, text))


def set_up(process: str, level: str, outlet: Outlet) -> None:
    """Send all records of this process to ``outlet``; a forked child calls it again with its own word."""
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(outlet, process)]
    root.setLevel(level.upper())


def stderr_outlet() -> Outlet:
    """The ``Outlet`` for stderr; made by the supervisor before anything is forked."""
    return Outlet(sys.stderr.fileno() if sys.stderr is not None else os.open(os.devnull, os.O_WRONLY))


def _words(record: logging.LogRecord) -> str:
    try:
        words = record.getMessage()
    except (TypeError, ValueError):
        words = f"{record.msg} {record.args}"
    if record.exc_info and record.exc_info[1] is not None:
        words += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
    return words


def _own(descriptor: int) -> int:
    """The same file opened once more for us, non-blocking, so that nobody else's descriptor changes; else the one given."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_APPEND)
    except OSError:
        return descriptor


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(found[0], f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")  # noqa: PLR2004 - the last of Latin-1


def _strike(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}***" if found[1] else f"{found[3]}***"
