"""How old a record is, when the clock of the host may jump."""

from __future__ import annotations

from typing import Final

from libvdsm.base.clock import Clock

#: Seconds: for so long a new idea of the time must stand before anything is thrown away because of it ...
BELIEVED_AFTER_S: Final = 3600.0
#: ... and so much is no new idea.
_SAME_S: Final = 60.0


class Ages:
    """The present for the purpose of throwing away what is old.

    The clock may be set to a wrong year and back. A jump, and the idea of the time with which the store was opened, is
    believed after it has stood for an hour of the steady clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._offset_now()
        self._since = clock.monotonic()

    def believed_now(self) -> float | None:
        """Seconds since 1970; ``None`` while it is not certain."""
        offset = self._offset_now()
        if abs(offset - self._offset) > _SAME_S:
            self._offset, self._since = offset, self._clock.monotonic()
        return self._clock.time() if self._clock.monotonic() - self._since >= BELIEVED_AFTER_S else None

    def _offset_now(self) -> float:
        return self._clock.time() - self._clock.monotonic()
