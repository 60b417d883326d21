"""Third phase: every complaint about a schema, each rule with a name (``report.RULES``).

``shape`` judges definitions before they are resolved; ``life``, ``names``, ``types``, ``values``,
``verbs``, ``errors`` and ``pinned`` judge the resolved description. A profile that passes here
keeps every promise that generators rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from libvdsm.schema import NATIVE, loader, lock, resolve
from libvdsm.schema.check.errors import check_errors
from libvdsm.schema.check.life import check_life
from libvdsm.schema.check.names import check_names
from libvdsm.schema.check.pinned import check_pinned
from libvdsm.schema.check.report import RULES, Report
from libvdsm.schema.check.shape import check_shape
from libvdsm.schema.check.types import check_types
from libvdsm.schema.check.values import check_values
from libvdsm.schema.check.verbs import check_examples, check_verbs

if TYPE_CHECKING:
    from pathlib import Path

    from libvdsm.schema.ir import Api

__all__ = ["RULES", "Report", "checked", "shaped"]


def checked(directory: Path = NATIVE, *, with_lock: bool = True) -> Api:
    """The description of a profile about which there are no complaints.

    ``with_lock`` also holds it against the lock file beside the directory. Raises SchemaError
    with all complaints of the first phase that has some, and LockError if the lock is unreadable.
    """
    report = Report()
    draft, pins = _draft(directory), lock.read(directory.parent / lock.FILE_NAME)
    api = resolve.build(draft, pins)
    for judge in (check_life, check_names, check_types, check_verbs, check_errors):
        judge(api, report)
    check_values(api, draft, report)
    if with_lock:
        check_pinned(api, draft, pins, report)
    report.settle()
    check_examples(api, report)
    report.settle()
    return api


def shaped(directory: Path) -> Api:
    """The description of a profile that is well-formed; whether it is sound is not asked.

    So an older profile can be read, which today's rules might refuse. Raises SchemaError and LockError as ``checked`` does.
    """
    return resolve.build(_draft(directory), lock.read(directory.parent / lock.FILE_NAME))


def _draft(directory: Path) -> loader.Draft:
    report = Report()
    draft = loader.load(directory)
    check_shape(draft, report)
    report.settle()
    return draft
