"""JSON values on a byte stream: newline-delimited or concatenated, in any split of the bytes.

An array or object ends where its brackets balance; anything else ends at its line feed. At a line
feed inside a value, what is there so far must be the beginning of a JSON value, else the value is
broken and reading goes on behind that line feed: one bad line costs one answer, not the connection.
Framing only: ``strict`` judges the messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from libvdsm.wire import strict

#: The default bound of one message, in octets.
LONGEST_MESSAGE = 4 * 1024 * 1024

#: Octets received and not yet looked at that are much.
MUCH = 64 * 1024

_BLANKS = b" \t\r\n"
_SKIP_BLANKS = re.compile(rb"[ \t\r\n]*")
_TOKEN = re.compile(rb'["\[\]{}\n]')
_IN_STRING = re.compile(rb'[^"\\\n]*(?:\\[^\n][^"\\\n]*)*')
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OPENING = (0x5B, 0x7B)
_CLOSING = (0x5D, 0x7D)
_LINE_FEED = 0x0A
_QUOTE = 0x22
_BACKSLASH = 0x5C

_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, slots=True)
class Broken:
    """The peer broke the framing. After a fatal one nothing more is read."""

    reason: str
    is_fatal: bool = False


class JsonStream:
    """The framing of one connection, receiving side."""

    __slots__ = (
        "_chunks",
        "_data",
        "_depth",
        "_in_string",
        "_is_dead",
        "_is_escaped",
        "_is_line",
        "_length",
        "_line_end",
        "_next_check",
        "_position",
        "_slow_until",
        "longest",
    )

    def __init__(self, *, longest: int = LONGEST_MESSAGE) -> None:
        self.longest = longest  # may be changed at any time
        self._data = b""
        self._position = 0
        self._line_end = 0
        self._slow_until = 0  # up to here the fast path was tried in vain
        self._is_dead = False
        self._begin()

    def _begin(self) -> None:
        self._chunks: list[bytes] = []  # of the message that is not complete; all scanned
        self._length = 0
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._is_line = False
        self._next_check = 0

    @property
    def is_partial(self) -> bool:
        """Whether a message has begun that is not complete."""
        return bool(self._chunks)

    @property
    def has_more(self) -> bool:
        """Whether something was received that ``events`` has not yet looked at."""
        return self._position < len(self._data) and not self._is_dead

    @property
    def has_much(self) -> bool:
        """Whether that is so much that no more should be read."""
        return len(self._data) - self._position >= MUCH

    def next_line(self) -> bytes | None:
        """What stands before the next line feed, if nothing of a message was left before it; not looked at, and not yet taken.

        If it is seen elsewhere to be exactly one value, ``pass_line`` takes it; else ``events`` goes on from its beginning.
        """
        if self._chunks or self._is_dead:
            return None
        data, start = self._data, self._position
        end = data.find(b"\n", start)
        if end == start:  # it ends a value that was read in parts
            self._position = start = end + 1
            end = data.find(b"\n", start)
        self._line_end = end
        return None if end < 0 or end - start > self.longest else data[start:end]

    def pass_line(self) -> None:
        """The last ``next_line`` is taken."""
        self._position = self._line_end + 1

    def receive_data(self, data: bytes) -> None:
        """Take what was read; ``events`` gives what it means."""
        if self._is_dead:
            return
        self._data = self._data[self._position :] + data if self._position < len(self._data) else data
        self._position = self._slow_until = 0

    def receive_eof(self) -> Broken | None:
        """The peer sends no more: what it left incomplete, if anything."""
        if self._is_dead or not self._chunks:
            return None
        self._is_dead = True
        return Broken("the rest of the message did not come", is_fatal=True)

    def events(self) -> Iterator[bytes | Broken]:
        """The complete messages so far. May be left and called again: what was not taken stays."""
        while self._position < len(self._data) and not self._is_dead:
            line = self._take_line() if not self._chunks and self._position >= self._slow_until else None
            event = self._scan() if line is None else line
            if event is not None:
                yield event

    def _take_line(self) -> bytes | None:
        """The fast path: what stands before the line feed (or the end) is exactly one value."""
        data, start = self._data, self._position
        end = data.find(b"\n", start)
        stop = len(data) if end < 0 else end
        line = data[start:stop]
        if stop - start > self.longest or not line or (end < 0 and line[0] not in _OPENING):
            self._slow_until = stop
            return None
        try:
            _decode_raw(line)
        except (msgspec.DecodeError, RecursionError):
            self._slow_until = stop
            return None
        self._position = stop if end < 0 else stop + 1
        return line.strip(_BLANKS)

    def _scan(self) -> bytes | Broken | None:
        """Go on with the message at hand through the rest of the data; the state is kept across reads."""
        data = self._data
        start = self._position
        if not self._chunks:
            found = _SKIP_BLANKS.match(data, start)
            start = found.end() if found else start
            if start == len(data):
                self._position = start
                return None
            self._is_line = data[start] not in _OPENING
        end, fault = self._find_line_end(start) if self._is_line else self._find_end(start)
        stop = len(data) if end is None else end
        self._chunks.append(data[start:stop])
        self._length += stop - start
        self._position = stop
        if self._length - (self._is_line and end is not None) > self.longest:
            self._is_dead = True
            return Broken(f"the message is longer than {self.longest} octets", is_fatal=True)
        if fault is not None:
            self._begin()
            return fault
        return None if end is None else self._finish()

    def _finish(self) -> bytes:
        message = b"".join(self._chunks).strip(_BLANKS)
        self._begin()
        return message

    def _find_line_end(self, start: int) -> tuple[int | None, None]:
        end = self._data.find(b"\n", start)
        return (None if end < 0 else end + 1), None

    def _find_end(self, start: int) -> tuple[int | None, Broken | None]:
        """Where the array or object ends, or where it is seen to be broken."""
        data, position, depth = self._data, start, self._depth
        while position < len(data):
            if self._in_string:
                position, is_broken = self._pass_string(position)
                if is_broken:
                    return position, Broken("a line feed in a string")
                continue
            found = _TOKEN.search(data, position)
            if found is None:
                break
            position = found.end()
            token = data[position - 1]
            if token == _QUOTE:
                self._in_string = True
            elif token in _OPENING:
                depth += 1
            elif token in _CLOSING:
                depth -= 1
                if depth <= 0:
                    return position, None
            elif fault := self._check_prefix(start, position):
                return position, fault
        self._depth = depth
        return None, None

    def _pass_string(self, position: int) -> tuple[int, bool]:
        """Behind the string that was begun, or at the end of the data; or behind the line feed that breaks it."""
        data = self._data
        if self._is_escaped and data[position] != _LINE_FEED:
            position += 1
        self._is_escaped = False
        found = _IN_STRING.match(data, position)
        position = found.end() if found else position
        if position == len(data):
            return position, False
        token = data[position]
        if token == _QUOTE:
            self._in_string = False
        elif token == _BACKSLASH:  # the last octet that was read, or before a line feed
            self._is_escaped = position + 1 == len(data)
        return position + 1, token == _LINE_FEED

    def _check_prefix(self, start: int, position: int) -> Broken | None:
        """See, at a line feed outside strings, whether this is the beginning of a value.

        Checked again only when the message has doubled, so that the work stays linear.
        """
        length = self._length + position - start
        if length < self._next_check:
            return None
        self._next_check = 2 * length
        prefix = _STRING.sub(b'""', b"".join((*self._chunks, self._data[start:position])))
        try:
            _decode_raw(prefix)
        except msgspec.DecodeError as error:
            return None if "truncated" in str(error) else Broken(str(error).removeprefix("JSON is malformed: "))
        except RecursionError:
            return Broken(f"more than {strict.DEEPEST} levels")
        return None
