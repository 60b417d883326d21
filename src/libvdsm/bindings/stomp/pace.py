"""What vdsm's Java client needs of the frames that it is sent, because of how it reads.

It has a buffer of 1,024 octets for headers, of two frames that end inside it handles the first only, and over TLS takes one
record in a turn. So in plain every JSON body is padded with blanks to a frame beyond that, and over TLS every frame is a
record of its own, two milliseconds after the one before. Nobody else is served like this.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from libvdsm.interfaces.endpoint import Line

_BUFFER_OCTETS: Final = 1_024
#: Beyond the buffer, whatever the padding does to the digits of the length.
_FRAME_OCTETS: Final = _BUFFER_OCTETS + 16
PAUSE_S: Final = 0.002
#: Frames that wait before the client counts as slow.
_MUCH: Final = 256


def pad(body: bytes, head_octets: int, content_type: str | None) -> bytes:
    """A JSON body with as many blanks behind it as the frame is too short; any other as it is."""
    missing = _FRAME_OCTETS - head_octets - len(body)
    if missing <= 0 or not body or content_type != "application/json":
        return body
    return body + b" " * missing


class Pace:
    """One client's frames over TLS: one at a time, with a pause behind each."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._waiting: deque[bytes] = deque()
        self._resumes: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._then: Callable[[], None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether much waits."""
        return len(self._waiting) >= _MUCH

    def put(self, data: bytes) -> None:
        """Send a frame when it is its turn."""
        self._waiting.append(data)
        if self._timer is None:
            self._next()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` when nothing waits any more."""
        self._resumes.append(resume)

    def then(self, finish: Callable[[], None]) -> None:
        """Call ``finish`` behind the last frame."""
        self._then = finish
        if not self._waiting:
            finish()

    def close(self) -> None:
        """The line is gone."""
        self._waiting.clear()
        self._resumes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        self._timer = None
        if self._waiting:
            self._line.put_now(self._waiting.popleft())
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._next)
        if not self._waiting:
            resumes, self._resumes = self._resumes, []
            for resume in resumes:
                self._line.when_drained(resume)
            if self._then is not None:
                self._then()
