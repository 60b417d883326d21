"""The moment at which a verb has done what it promises: where tests may stop the process (``base.faultpoints``)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from libvdsm.base import faultpoints
from libvdsm.interfaces.generated.errors import OutcomeUnknown
from libvdsm.interfaces.work import WorkContext
from libvdsm.subsystems.virt.driver import NotComeBackError

T = TypeVar("T")


async def deed(context: WorkContext, call: Awaitable[T]) -> T:
    """Await the driver's call that does what the verb is for. Nothing of it has been looked at or told when this returns.

    Raises ``OutcomeUnknown`` when it does not come back: then it may still be done, at any later time.
    """
    try:
        result = await call
    except NotComeBackError as error:
        raise OutcomeUnknown(method=context.method, reason=error.message) from error
    faultpoints.reach(context.method, "after_call")
    return result
