"""Byte streams of a domain: the pump of a serial port, and pictures as PNG."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import zlib
from typing import Final

from libvdsm.interfaces.generated.errors import HypervisorError, HypervisorUnavailable
from libvdsm.subsystems.virt.drivers import libvirt_api as api
from libvdsm.subsystems.virt.threads import begin_thread

_CHUNK: Final = 65536
_PPM_HEADER: Final = re.compile(rb"P6(?:\s|#[^\n]*\n)+(?P<width>\d+)(?:\s|#[^\n]*\n)+(?P<height>\d+)(?:\s|#[^\n]*\n)+(?P<maximum>\d+)\s")
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class SerialPump:
    """Carries bytes between a stream of libvirt's and a socket, on a connection of its own, until either ends."""

    def __init__(self, connection: api.Connect, stream: api.Stream, inner: socket.socket) -> None:
        self._connection = connection
        self._stream = stream
        self._socket = inner
        self._lock = threading.Lock()
        self._is_ended = False

    def start(self) -> None:
        """Begin, with a thread for each direction; ends all if there can be none. Raises ``HypervisorUnavailable``."""
        try:
            begin_thread("serial-out", self._carry_out)
            begin_thread("serial-in", self._carry_in)
        except HypervisorUnavailable:
            self._end()
            raise

    def _carry_out(self) -> None:
        """From the guest."""
        with contextlib.suppress(api.Error, OSError):
            while data := self._stream.recv(_CHUNK):
                self._socket.sendall(data)
        self._end()

    def _carry_in(self) -> None:
        """To the guest."""
        with contextlib.suppress(api.Error, OSError):
            while data := self._socket.recv(_CHUNK):
                while data:
                    data = data[self._stream.send(data) :]
        self._end()

    def _end(self) -> None:
        with self._lock:
            if self._is_ended:
                return
            self._is_ended = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(api.Error):
            self._stream.abort()
        with contextlib.suppress(api.Error):
            self._connection.close()
        self._socket.close()


def receive_all(stream: api.Stream) -> bytes:
    """Everything that a stream has to say."""
    parts = []
    while data := stream.recv(_CHUNK):
        parts.append(data)
    stream.finish()
    return b"".join(parts)


def as_png(content_type: str, image: bytes) -> bytes:
    """A picture as PNG; libvirt gives PNG or PPM, whatever it says."""
    if image.startswith(_PNG_SIGNATURE):
        return image
    if image.startswith(b"P6"):
        return _png_of_ppm(image)
    raise HypervisorError(call="virDomainScreenshot", number=0, reason=f"a picture of type {content_type} is not known")


def _png_of_ppm(image: bytes) -> bytes:
    """PNG (ISO/IEC 15948) of a binary PPM with 8 bits a sample."""
    header = _PPM_HEADER.match(image)
    if header is None:
        raise HypervisorError(call="virDomainScreenshot", number=0, reason="the picture's header is broken")
    size, pixels = (int(header["width"]), int(header["height"])), image[header.end() :]
    stride = size[0] * 3
    if header["maximum"] != b"255" or len(pixels) < stride * size[1]:
        raise HypervisorError(call="virDomainScreenshot", number=0, reason="the picture is cut off, or has more than 8 bits a sample")
    rows = b"".join(b"\0" + pixels[line * stride : (line + 1) * stride] for line in range(size[1]))
    form = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)  # 8 bits, truecolour, no interlace
    return _PNG_SIGNATURE + _chunk(b"IHDR", form) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
