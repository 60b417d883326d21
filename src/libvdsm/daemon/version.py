"""The version of vdsmd; a test compares it with the distribution's, whose reader is too slow for every start."""

from __future__ import annotations

from typing import Final

VERSION: Final = "1.0.0.dev0"
