"""What the simulator shows: an image of a machine's screen, and the same screen by RFB 3.8. No I/O here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 320, 200
_CUT_TEXT_LIMIT = 64 * 1024
_SCALE = 4
_CELL = 4 * _SCALE  # a glyph is three pixels wide and one apart from the next
_LINE = 7 * _SCALE

# Three by five pixels; a digit of each glyph is one row, its bits are the pixels from left to right.
_GLYPHS = {
    " ": "00000", "-": "00700", ".": "00002", ":": "02020", "_": "00007", "/": "11244", "?": "61202",
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71122", "8": "75757", "9": "75717",
    "A": "25755", "B": "65656", "C": "34443", "D": "65556", "E": "74647", "F": "74644", "G": "34553", "H": "55755", "I": "72227", "J": "11152",
    "K": "55655", "L": "44447", "M": "57755", "N": "65555", "O": "25552", "P": "65644", "Q": "25573", "R": "65655", "S": "34216", "T": "72222",
    "U": "55557", "V": "55552", "W": "55775", "X": "55255", "Y": "55222", "Z": "71247",
}  # fmt: skip


def picture(lines: Sequence[str]) -> bytes:
    """A PNG image (greyscale) with these lines of text."""
    rows = [bytearray(WIDTH) for _ in range(HEIGHT)]
    for row, line in enumerate(lines):
        for column, letter in enumerate(line.upper()[: WIDTH // _CELL - 1]):
            _draw(rows, _SCALE + column * _CELL, _SCALE + row * _LINE, _GLYPHS.get(letter, _GLYPHS["?"]))
    return _png(rows)


def _draw(rows: list[bytearray], left: int, top: int, glyph: str) -> None:
    for down, digit in enumerate(glyph):
        for right in range(3):
            if int(digit, 8) >> (2 - right) & 1:
                for y in range(top + down * _SCALE, min(top + (down + 1) * _SCALE, HEIGHT)):
                    rows[y][left + right * _SCALE : left + (right + 1) * _SCALE] = b"\xe0" * _SCALE


def _png(rows: list[bytearray]) -> bytes:
    """PNG (W3C, third edition), sections 5 and 11: signature, header, one stream of unfiltered rows, end."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class RfbError(Exception):
    """The viewer broke the protocol."""


class RfbSession:
    """The server's side of RFB 3.8 (RFC 6143) with no authentication and a blank screen."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()
        self._buffer = bytearray()
        self._pixel_size = 4
        self._size = 12
        self._step: Callable[[bytes], bytes] = self._version

    @staticmethod
    def greeting() -> bytes:
        """What the server says first (7.1.1)."""
        return b"RFB 003.008\n"

    def receive(self, data: bytes) -> bytes:
        """Answer what the viewer sent; raises ``RfbError``."""
        self._buffer += data
        answer = bytearray()
        while len(self._buffer) >= self._size:
            taken = bytes(self._buffer[: self._size])
            del self._buffer[: self._size]
            answer += self._step(taken)
        return bytes(answer)

    def _await(self, size: int, step: Callable[[bytes], bytes], answer: bytes = b"") -> bytes:
        self._size, self._step = size, step
        return answer

    def _version(self, data: bytes) -> bytes:
        if data != b"RFB 003.008\n":
            reason = f"version {data!r}"
            raise RfbError(reason)
        return self._await(1, self._security, b"\x01\x01")  # 7.1.2: one type, None

    def _security(self, data: bytes) -> bytes:
        if data != b"\x01":
            reason = f"security type {data[0]}"
            raise RfbError(reason)
        return self._await(1, self._client_init, bytes(4))  # 7.1.3: OK

    def _client_init(self, _shared: bytes) -> bytes:
        pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        server_init = struct.pack(">HH", WIDTH, HEIGHT) + pixels + struct.pack(">I", len(self._name)) + self._name
        return self._await(1, self._message, server_init)  # 7.3.2

    def _message(self, kind: bytes) -> bytes:
        """7.5: the messages of a client, by their first byte."""
        rest = {
            0: (19, self._pixel_format),
            2: (3, self._encodings),
            3: (9, self._update),
            4: (7, self._input),
            5: (5, self._input),
            6: (7, self._cut_text),
        }
        if kind[0] not in rest:
            reason = f"message {kind[0]}"
            raise RfbError(reason)
        return self._await(*rest[kind[0]])

    def _input(self, _ignored: bytes) -> bytes:
        return self._await(1, self._message)

    def _pixel_format(self, data: bytes) -> bytes:
        if data[3] not in {8, 16, 32}:
            reason = f"{data[3]} bits in a pixel"
            raise RfbError(reason)
        self._pixel_size = data[3] // 8
        return self._await(1, self._message)

    def _encodings(self, data: bytes) -> bytes:
        count = int.from_bytes(data[1:3], "big")
        return self._await(4 * count, self._input) if count else self._await(1, self._message)

    def _cut_text(self, data: bytes) -> bytes:
        size = int.from_bytes(data[3:7], "big")
        if size > _CUT_TEXT_LIMIT:
            reason = f"a text of {size} bytes"
            raise RfbError(reason)
        return self._await(size, self._input) if size else self._await(1, self._message)

    def _update(self, data: bytes) -> bytes:
        """7.5.3: the whole screen once in raw encoding; it never changes, so incremental requests stay open."""
        answer = b""
        if not data[0]:
            answer = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + bytes(WIDTH * HEIGHT * self._pixel_size)
        return self._await(1, self._message, answer)
