"""Bodies made of pieces: made a little at a time, so that neither the loop nor the memory is ever taken by one of them."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Iterable, Iterator
from time import perf_counter as clock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from libvdsm.interfaces.bodies import BodyWriter

_log = logging.getLogger(__name__)

#: What making a body may take of a turn of the loop.
SLICE_S: Final = 0.001
#: gzip's own container (RFC 1952), with the largest window of deflate.
_GZIP: Final = 16 + zlib.MAX_WBITS
#: So much is compressed at a time: about a fifth of a millisecond.
_STEP: Final = 16 * 1024


class Pieces:
    """The ``Body`` that is all ``pieces`` in a row; an empty one is work that had nothing to show."""

    def __init__(self, pieces: Iterable[bytes], slice_s: float = SLICE_S) -> None:
        self._pieces = iter(pieces)
        self._slice_s = slice_s
        self._writer: BodyWriter | None = None

    def start(self, writer: BodyWriter) -> None:
        """See ``Body``."""
        self._writer = writer
        self._make()

    def check_time(self, now: float) -> None:
        """See ``Body``: there is nothing to be late with."""

    def stop(self) -> None:
        """See ``Body``."""
        self._writer = None
        self._pieces = iter(())

    def _make(self) -> None:
        """Go on, until it is enough for this turn."""
        writer, until = self._writer, clock() + self._slice_s
        if writer is None:
            return
        try:
            for piece in self._pieces:
                writer.write(piece)
                if writer.is_full():
                    writer.when_drained(self._make)
                    return
                if clock() >= until:
                    asyncio.get_running_loop().call_soon(self._make)
                    return
        except Exception:  # noqa: BLE001 - the top of what the loop calls: the client must see that the body is cut off
            _log.exception("a body could not be made to its end")
            writer.fail()
        else:
            writer.end()


def compress(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same in gzip, at its cheapest level."""
    engine = zlib.compressobj(level=1, wbits=_GZIP)
    for piece in pieces:
        for start in range(0, len(piece), _STEP):
            yield engine.compress(piece[start : start + _STEP])
        if not piece:
            yield b""
    yield engine.flush()
