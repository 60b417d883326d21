"""The codec of one WebSocket, the server's side: octets in any split to messages, each judged as early as it can be.

A frame's head is judged before its payload is awaited, a text as its octets come, and a length before anything of that
length is kept. Events come out one at a time: what was received and not asked for stays as it came.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final

from libvdsm.wire.websocket.events import Broken, Close, Code, Event, Message, Ping, Pong
from libvdsm.wire.websocket.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, apply_mask, encode

#: A fragment weighs at least so much: ten thousand empty ones are work as well.
FRAGMENT_OCTETS: Final = 128
#: Octets received and not yet looked at that are much.
MUCH: Final = 64 * 1024

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_USUAL: Final = _FIN | TEXT
_CONTROL: Final = 0x8
_KNOWN: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))
_CONTROL_OCTETS: Final = 125
_MEDIUM: Final = 126  # the length follows in two octets
_LONG: Final = 127  # ... in eight
_HEAD: Final = 2
_MASK: Final = 4
_Utf8 = codecs.getincrementaldecoder("utf-8")


def may_be_sent(code: int) -> bool:
    """Whether a peer may close with ``code`` (RFC 6455, 7.4): those that mean something, and the two ranges for others."""
    return code in _CODES or 3000 <= code <= 4999  # noqa: PLR2004 - the ranges of 7.4.2


_CODES: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011))


class _BreachError(Exception):
    """The peer broke the protocol."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.broken = Broken(code, reason)


class WebSocketConnection:
    """Octets to events, events to octets."""

    __slots__ = (
        "_at",
        "_control",
        "_data",
        "_decoder",
        "_got",
        "_is_final",
        "_is_mid_character",
        "_is_over",
        "_is_starved",
        "_kept",
        "_length",
        "_mask",
        "_opcode",
        "_type",
        "_weight",
        "longest",
    )

    def __init__(self, longest: int = 1024 * 1024) -> None:
        """``longest``: octets of a message; it may be changed at any time, and then holds for what begins."""
        self.longest = longest
        self._data = b""  # received ...
        self._at = 0  # ... and worked off up to here
        self._is_starved = True  # nothing can be said of the rest
        self._is_over = False
        # The frame whose payload is awaited; no opcode: none.
        self._opcode = -1
        self._is_final = False
        self._length = 0
        self._got = 0
        self._mask = b""
        self._control = b""
        # The message whose fragments come; no type: none.
        self._type = -1
        self._kept = bytearray()
        self._weight = 0
        self._decoder = _Utf8()
        self._is_mid_character = False

    @property
    def has_more(self) -> bool:
        """Whether something was received that ``next_event`` has not worked off."""
        return not self._is_starved

    @property
    def has_much(self) -> bool:
        """Whether that is so much that no more should be read meanwhile."""
        return len(self._data) - self._at >= MUCH

    @property
    def is_partial(self) -> bool:
        """Whether a frame or a message has begun that is not complete."""
        return not self._is_over and (self._type >= 0 or self._opcode >= 0 or self._at < len(self._data))

    def take(self, data: bytes) -> bytes | None:
        """The usual read at its cheapest: the payload, if ``data`` is beyond doubt one whole text message in ASCII.

        ``None`` if it is not so, or something is left from before; then nothing was taken, and ``receive_data`` is the way.
        """
        size = len(data)
        if size < _HEAD + _MASK or data[0] != _USUAL or self._data or self._opcode >= 0 or self._type >= 0 or self._is_over:
            return None
        length = data[1]
        if length == size + (_MASKED - _HEAD - _MASK) and size < _HEAD + _MASK + _MEDIUM:
            payload = apply_mask(data[6:], data[2:6])
        elif length == _MASKED | _MEDIUM and size - 8 == data[2] << 8 | data[3] and size >= 8 + _MEDIUM and size - 8 <= self.longest:
            payload = apply_mask(data[8:], data[4:8])
        else:
            return None
        return payload if payload.isascii() else None

    def receive_data(self, data: bytes) -> None:
        """Take what was read; ``next_event`` gives what it means."""
        if self._is_over:
            return
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0
        self._is_starved = not self._data

    def events(self) -> Iterator[Event]:
        """What was received, in order. May be left and called again: what was not taken stays."""
        while (event := self.next_event()) is not None:
            yield event

    def next_event(self) -> Event | None:
        """The first of ``events``, if there is one."""
        if self._is_starved:
            return None
        if self._opcode < 0 and self._type < 0:
            message = self._next_usual()
            if message is not None:
                return message
        try:
            while self._opcode >= 0 or self._read_head():
                event = self._read_control() if self._opcode & _CONTROL else self._read_data()
                if event is not None:
                    if isinstance(event, Close):
                        self._end()
                    return event
                if self._opcode >= 0:
                    break
        except _BreachError as breach:
            self._end()
            return breach.broken
        self._is_starved = True
        if self._at >= len(self._data):
            self._data, self._at = b"", 0
        return None

    def _next_usual(self) -> Message | None:
        """A short whole text in ASCII, if that is what comes next."""
        data, at = self._data, self._at
        start = at + _HEAD + _MASK
        if len(data) < start or data[at] != _USUAL:
            return None
        end = start + data[at + 1] - _MASKED
        if not start <= end < start + _MEDIUM or end > len(data):
            return None
        payload = apply_mask(data[start:end], data[at + _HEAD : start])
        if not payload.isascii():
            return None
        self._at = end
        return Message(payload, is_text=True)

    def send(self, event: Message | Ping | Pong | Close) -> bytes:
        """``event`` as octets."""
        return encode(event)

    def _end(self) -> None:
        """Data after it is not looked at (RFC 6455, 5.5.1 and 7.1.7)."""
        self._is_over = self._is_starved = True
        self._data, self._at = b"", 0
        self._kept, self._control = bytearray(), b""

    # Heads.

    def _read_head(self) -> bool:
        """Whether the head of the next frame is there whole; it is judged as soon as it can be."""
        data, at = self._data, self._at
        available = len(data) - at
        if available < _HEAD:
            return False
        first, second = data[at], data[at + 1]
        opcode, length = first & 0x0F, second & 0x7F
        self._judge(first, opcode, length, is_masked=bool(second & _MASKED))
        more = 0 if length < _MEDIUM else 2 if length == _MEDIUM else 8
        if available < _HEAD + more + _MASK:
            return False
        at += _HEAD
        if more:
            length = _read_length(data[at : at + more])
            at += more
        self._mask = data[at : at + _MASK]
        self._at = at + _MASK
        if opcode < _CONTROL:
            self._weigh(opcode, length, is_final=bool(first & _FIN))
        self._opcode, self._is_final, self._length, self._got = opcode, bool(first & _FIN), length, 0
        return True

    def _judge(self, first: int, opcode: int, length: int, *, is_masked: bool) -> None:
        """RFC 6455, 5.2 to 5.5: what two octets are enough to tell."""
        if first & _RESERVED:
            raise _BreachError(Code.PROTOCOL_ERROR, "a reserved bit is set, and no extension was agreed on")
        if opcode not in _KNOWN:
            raise _BreachError(Code.PROTOCOL_ERROR, f"the opcode {opcode} is reserved")
        if not is_masked:
            raise _BreachError(Code.PROTOCOL_ERROR, "a frame of a client must be masked")
        if opcode & _CONTROL:
            if not first & _FIN or length > _CONTROL_OCTETS:
                raise _BreachError(Code.PROTOCOL_ERROR, "a control frame is whole and carries 125 octets at most")
        elif opcode == CONTINUATION:
            if self._type < 0:
                raise _BreachError(Code.PROTOCOL_ERROR, "there is nothing to be continued")
        elif self._type >= 0:
            raise _BreachError(Code.PROTOCOL_ERROR, "a message begins within another one")

    def _weigh(self, opcode: int, length: int, *, is_final: bool) -> None:
        """A message may be refused for its length before any of it is kept."""
        if opcode != CONTINUATION:
            self._type, self._weight = opcode, 0
            if is_final:
                self._weight = length
        if opcode == CONTINUATION or not is_final:
            self._weight += max(length, FRAGMENT_OCTETS)
        if self._weight > self.longest:
            raise _BreachError(Code.TOO_BIG, f"the message is longer than {self.longest} octets, or in too many pieces")

    # Payloads.

    def _next_piece(self) -> bytes:
        """What is there of the payload, unmasked; the mask goes on where it was."""
        start = self._at
        end = min(start + self._length - self._got, len(self._data))
        self._at = end
        piece = apply_mask(self._data[start:end], self._mask)
        turn = (end - start) & 3
        if turn:
            self._mask = self._mask[turn:] + self._mask[:turn]
        self._got += end - start
        return piece

    def _read_control(self) -> Event | None:
        piece = self._next_piece()
        if self._got < self._length:
            self._control += piece
            return None
        data, self._control = self._control + piece, b""
        opcode, self._opcode = self._opcode, -1
        if opcode == CLOSE:
            return _read_close(data)
        return Ping(data) if opcode == PING else Pong(data)

    def _read_data(self) -> Message | None:
        piece = self._next_piece()
        is_whole = self._got == self._length
        is_text = self._type == TEXT
        if is_text:
            self._check(piece, is_last=is_whole and self._is_final)
        if not is_whole or not self._is_final:
            self._kept += piece
            if is_whole:
                self._opcode = -1
            return None
        self._opcode = self._type = -1
        if self._kept:
            self._kept += piece
            piece, self._kept = bytes(self._kept), bytearray()
        return Message(piece, is_text)

    def _check(self, piece: bytes, *, is_last: bool) -> None:
        """RFC 6455, 8.1: a text is UTF-8, which is seen at the first octet that it cannot be."""
        if not self._is_mid_character and piece.isascii():
            return
        try:
            self._decoder.decode(piece, is_last)
        except UnicodeDecodeError:
            raise _BreachError(Code.NOT_UTF8, "the text is not UTF-8") from None
        self._is_mid_character = not is_last and bool(self._decoder.getstate()[0])
        if is_last:
            self._decoder.reset()


def _read_length(octets: bytes) -> int:
    """RFC 6455, 5.2: in as few octets as it can be written with, and the first bit is 0."""
    length = int.from_bytes(octets, "big")
    if length < (_MEDIUM if len(octets) == 2 else 1 << 16):  # noqa: PLR2004 - two or eight
        raise _BreachError(Code.PROTOCOL_ERROR, "the length is written with more octets than it needs")
    if length >> 63:
        raise _BreachError(Code.PROTOCOL_ERROR, "the first bit of the length is set")
    return length


def _read_close(data: bytes) -> Close:
    """RFC 6455, 5.5.1 and 7.4: nothing, or a code and perhaps a reason in UTF-8."""
    if not data:
        return Close()
    code = int.from_bytes(data[:2], "big")
    if len(data) == 1 or not may_be_sent(code):
        raise _BreachError(Code.PROTOCOL_ERROR, "this is no code to close with")
    try:
        return Close(code, data[2:].decode())
    except UnicodeDecodeError:
        raise _BreachError(Code.NOT_UTF8, "the reason is not UTF-8") from None
