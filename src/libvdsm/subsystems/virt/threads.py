"""Threads for calls that may hang for ever, and what is said when there can be no more of them (F-41)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from libvdsm.interfaces.generated.errors import HypervisorUnavailable


def begin_thread(name: str, work: Callable[..., object], *args: object) -> None:
    """Run ``work`` in a thread that nobody waits for at the end; raises ``HypervisorUnavailable`` if there can be none."""
    try:
        threading.Thread(target=work, args=args, name=name, daemon=True).start()
    except RuntimeError as error:
        raise HypervisorUnavailable(reason=f"{name}: {error}").because(error) from error
