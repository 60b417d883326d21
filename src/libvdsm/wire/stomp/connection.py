"""Frames on a byte stream, in any split of the bytes.

Every octet is looked at a bounded number of times: a head that is not complete is kept in one growing buffer and searched
where it was not yet, a body in the pieces in which it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from libvdsm.wire.stomp.events import CLIENT_COMMANDS, WITH_BODY, Frame, StompError, StompLimits
from libvdsm.wire.stomp.frames import parse_head

#: Octets received and not yet looked at that are much.
MUCH = 64 * 1024

_LINE_FEED = 0x0A
_RETURN = 0x0D
_NUL = b"\0"
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LINE_ENDS = re.compile(rb"(?:\r?\n)*")
#: Digits of a length that may be a length at all.
_LENGTH_DIGITS = 19
#: Commands whose heads name one delivery: none comes twice, and what comes between them is known again.
_NEVER_ALIKE = frozenset({"ACK", "NACK"})
#: Octets within which most heads end. Beyond them both kinds of line ends are looked for at once: whoever sends CR LF has no other in all that
#: was received, which is not searched through for each of his frames.
_USUAL_HEAD = 1_024
#: So many pieces of a body are joined to one.
_MOST_PIECES = 1_024


class StompStream:
    """The framing of one connection, receiving side.

    ``version`` and ``is_strict`` are set by whoever knows what was agreed; they count from the next frame on, as ``limits`` do.
    After a ``StompError`` nothing more is read.
    """

    __slots__ = (
        "_body_octets",
        "_body_pieces",
        "_body_wanted",
        "_commands",
        "_data",
        "_frame",
        "_head",
        "_is_dead",
        "_last_head",
        "_last_length",
        "_last_parsed",
        "_position",
        "is_strict",
        "limits",
        "newest_head",
        "version",
    )

    def __init__(self, *, limits: StompLimits | None = None, is_strict: bool = False, commands: frozenset[str] = CLIENT_COMMANDS) -> None:
        self.limits = limits or StompLimits()
        self.is_strict = is_strict
        self.version = "1.0"
        self._commands = commands
        self._data = b""
        self._position = 0
        self._head = bytearray()  # of a frame whose head is not complete
        self._frame: Frame | None = None  # whose body is not complete
        self._body_pieces: list[bytes] = []
        self._body_octets = 0
        self._body_wanted = -1  # octets that are missing, the NUL included; -1: up to the first NUL
        self.newest_head = b""  # of the frame that came last, whatever it is
        self._last_head = b""
        self._last_parsed: tuple[str, dict[str, str]] = ("", {})
        self._last_length: int | None = None
        self._is_dead = False

    @property
    def has_more(self) -> bool:
        """Whether octets were received that nobody has looked at."""
        return self._position < len(self._data)

    @property
    def has_much(self) -> bool:
        """Whether those are many."""
        return len(self._data) - self._position >= MUCH

    @property
    def is_partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._head) or self._frame is not None

    @property
    def last_head(self) -> tuple[bytes, int | None]:
        """The head of the SEND or other frame that came last, and its content-length: one that begins alike is alike."""
        return self._last_head, self._last_length

    def rest(self) -> tuple[bytes, int]:
        """What was received and from where on nobody has looked at it, for who knows the frames in it; nothing within a frame."""
        return (b"", 0) if self._head or self._frame is not None else (self._data, self._position)

    def move_to(self, position: int) -> None:
        """What stands before this position in ``rest`` was looked at: whole frames, and line ends behind them."""
        if position:
            self._position = position

    def receive_data(self, data: bytes) -> None:
        """Keep what the peer sent."""
        if self._is_dead:
            return
        if self._position < len(self._data):
            self._data = self._data[self._position :] + data
        else:
            self._data = data
        self._position = 0

    def events(self) -> Iterator[Frame]:
        """All frames that are complete. Raises ``StompError``."""
        while (frame := self.next_frame()) is not None:
            yield frame

    def set_rules(self, *, version: str, is_strict: bool) -> None:
        """What was agreed, from the next frame on."""
        if version != self.version or is_strict != self.is_strict:
            self.version, self.is_strict = version, is_strict
            self._last_head = b""

    def next_frame(self) -> Frame | None:
        """The next frame, or ``None`` if it is not complete. Raises ``StompError``; then nothing more comes."""
        try:
            return self._next_frame()
        except StompError:
            self._is_dead = True
            self._data, self._position = b"", 0
            self._head.clear()
            self._body_pieces.clear()
            self._frame = None
            raise

    def _next_frame(self) -> Frame | None:
        data, start = self._data, self._position
        if start >= len(data):
            return None
        if self._frame is not None:
            return self._go_on_with_body(self._frame)
        if self._head:
            return self._go_on_with_head()
        if data[start] <= _RETURN:
            start = self._skip_line_ends(start)
            if start >= len(data):
                return None
        end = data.find(b"\n\n", start, start + _USUAL_HEAD)
        if end < 0:
            return self._slow_head(start)
        head = data[start:end]
        if _RETURN in head:
            return self._slow_head(start)
        self._position = end + 2
        return self._begin(head)

    # Between frames and in heads.

    def _skip_line_ends(self, start: int) -> int:
        """Line ends between frames mean that the peer lives (1.2, "Heart-beating"); any number of them."""
        data = self._data
        found = _LINE_ENDS.match(data, start)
        position = found.end() if found is not None else start
        self._position = position
        if position == len(data):
            self._data, self._position = b"", 0
            return len(data)
        if data[position] == _RETURN and position + 1 == len(data):  # its line feed may come
            self._head += data[position:]
            self._position = len(data)
            return len(data)
        if data[position] <= _RETURN:
            raise StompError("what stands between frames is not a line end")
        return position

    def _slow_head(self, start: int) -> Frame | None:
        """A head that is not complete, or one with CR LF."""
        data = self._data
        found = _BLANK_LINE.search(data, start)
        if found is not None:
            self._position = found.end()
            return self._begin(data[start : found.start()])
        self._position = len(data)
        self._head += data[start:]
        self._check_head(0)
        return None

    def _go_on_with_head(self) -> Frame | None:
        head, data, start = self._head, self._data, self._position
        before = len(head)
        head += data[start:] if len(data) - start <= MUCH else data[start : start + self.limits.head_octets + 2]
        if head[0] == _RETURN:  # between frames, at the very end of what came before
            if len(head) < 2:  # noqa: PLR2004 - CR LF
                return None
            if head[1] != _LINE_FEED:
                raise StompError("a carriage return is not followed by a line feed")
            head.clear()
            self._position = start + 1
            return self._next_frame()
        found = _BLANK_LINE.search(head, max(0, before - 2))
        if found is None:
            self._position = len(data)
            self._check_head(before)
            return None
        self._position = start + found.end() - before
        whole = bytes(head[: found.start()])
        head.clear()
        return self._begin(whole)

    def _check_head(self, before: int) -> None:
        """Refuse what can become no head, before more of it is kept."""
        head, limits = self._head, self.limits
        if head.find(_NUL, before) >= 0:
            raise StompError("a frame ends before its headers do")
        if len(head) > limits.head_octets:
            raise StompError(f"the headers are longer than {limits.head_octets} octets")
        if len(head) - head.rfind(b"\n") - 1 > limits.line_octets:
            raise StompError(f"a header is longer than {limits.line_octets} octets")
        if len(head) > limits.command_octets + 1 and head.find(b"\n", 0, limits.command_octets + 2) < 0:
            raise StompError("the command is too long")

    # Heads and bodies.

    def _begin(self, head: bytes) -> Frame | None:
        """The head is complete; its body may be."""
        self.newest_head = head
        if head == self._last_head:
            command, headers = self._last_parsed
            length = self._last_length
        else:
            command, headers, length = self._read_head(head)
        data, start = self._data, self._position
        if length is None:
            end = data.find(_NUL, start)
            if end < 0:
                self._wait_for_body(Frame(command, headers), -1)
                return None
        else:
            end = start + length
            if end >= len(data):
                self._wait_for_body(Frame(command, headers), length + 1)
                return None
            if data[end]:
                raise StompError("the body is longer than its content-length", headers.get("receipt"))
        self._position = end + 1
        if end == start:
            return Frame(command, headers)
        frame = Frame(command, headers, data[start:end])
        self._check_body(frame)
        return frame

    def _read_head(self, head: bytes) -> tuple[str, dict[str, str], int | None]:
        if len(head) > self.limits.head_octets:
            raise StompError(f"the headers are longer than {self.limits.head_octets} octets")
        if _NUL in head:
            raise StompError("a frame ends before its headers do")
        command, headers = parse_head(head, version=self.version, is_strict=self.is_strict, limits=self.limits)
        if command not in self._commands:
            raise StompError("the command is not one of a client's", headers.get("receipt"))
        length = self._read_length(command, headers)
        if command not in _NEVER_ALIKE:
            self._last_head, self._last_parsed, self._last_length = head, (command, headers), length
        return command, headers, length

    def _read_length(self, command: str, headers: dict[str, str]) -> int | None:
        text = headers.get("content-length")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS):
            raise StompError("the content-length is not a number of octets", headers.get("receipt"))
        length = int(text)
        if length and command not in WITH_BODY:
            raise StompError(f"{command} has no body", headers.get("receipt"))
        if length > self.limits.body_octets:
            raise StompError(f"the body is longer than {self.limits.body_octets} octets", headers.get("receipt"))
        return length

    def _check_body(self, frame: Frame) -> None:
        if frame.command not in WITH_BODY:
            raise StompError(f"{frame.command} has no body", frame.headers.get("receipt"))
        if len(frame.body) > self.limits.body_octets:
            raise StompError(f"the body is longer than {self.limits.body_octets} octets", frame.headers.get("receipt"))

    def _wait_for_body(self, frame: Frame, wanted: int) -> None:
        """Keep what is there of it."""
        self._frame, self._body_wanted = frame, wanted
        self._body_pieces = []
        self._body_octets = 0
        self._keep_of_body(frame, self._data[self._position :])

    def _keep_of_body(self, frame: Frame, piece: bytes) -> None:
        self._position = len(self._data)
        if not piece:
            return
        if frame.command not in WITH_BODY:
            raise StompError(f"{frame.command} has no body", frame.headers.get("receipt"))
        self._body_pieces.append(piece)
        if len(self._body_pieces) >= _MOST_PIECES:  # small ones cost more than what is in them
            self._body_pieces = [b"".join(self._body_pieces)]
        if self._body_wanted >= 0:
            self._body_wanted -= len(piece)
            return
        self._body_octets += len(piece)
        if self._body_octets > self.limits.body_octets:
            raise StompError(f"the body is longer than {self.limits.body_octets} octets", frame.headers.get("receipt"))

    def _go_on_with_body(self, frame: Frame) -> Frame | None:
        data, start = self._data, self._position
        if self._body_wanted < 0:
            end = data.find(_NUL, start)
        else:
            end = start + self._body_wanted - 1
            if end >= len(data):
                end = -1
            elif data[end]:
                raise StompError("the body is longer than its content-length", frame.headers.get("receipt"))
        if end < 0:
            self._keep_of_body(frame, data[start:])
            return None
        self._body_pieces.append(data[start:end])
        frame.body = b"".join(self._body_pieces)
        self._body_pieces = []
        self._frame = None
        self._position = end + 1
        if frame.body:
            self._check_body(frame)
        return frame
