"""The front's durable state: how it is opened, and what ``vdsmd --check-state`` says of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from libvdsm.daemon import kernel
from libvdsm.daemon.config import Config, StateConfig
from libvdsm.daemon.log import clean
from libvdsm.journal.check import Verdict, check, repair
from libvdsm.journal.failures import StoreError
from libvdsm.journal.place import STATE, Place
from libvdsm.journal.store import SqliteStore
from libvdsm.journal.stored import LOG
from libvdsm.journal.turns import Bounds

_SOUND: Final = 0
_UNSOUND: Final = 1
_CANNOT_CHECK: Final = 2
_DAY_S: Final = 86400.0
#: The store of what is in queues, beside that of all else.
QUEUES: Final = "queues"
#: Who did what is asked for later than what happened.
_AUDIT: Final = Bounds(most_records=1_000_000, most_octets=256 * 1024 * 1024, keep_s=400 * _DAY_S)


def open_store(config: StateConfig) -> SqliteStore:
    """The store in the working folder; raises ``StoreError``."""
    journal = Bounds(config.journal_records, config.journal_octets, config.journal_days * _DAY_S, gives_room=True)
    return SqliteStore.open(Path(), logs={LOG: journal, "audit": _AUDIT}, reserve_octets=config.reserve_octets)


def open_queues(config: StateConfig) -> SqliteStore:
    """The store of messages in the working folder; raises ``StoreError``."""
    return SqliteStore.open(Path(), name=QUEUES, reserve_octets=config.reserve_octets)


def check_state(config: Config, front_user: kernel.User | None) -> int:
    """Say on stdout whether the state of a stopped daemon is sound, and repair it if asked to; answers the exit status.

    0: it is sound, or was made so. 1: it is unsound. 2: it could not be looked at.
    """
    if not config.state_dir.is_dir():
        sys.stderr.write(f"vdsmd: {clean(str(config.state_dir))}: there is no such folder\n")
        return _CANNOT_CHECK
    try:
        os.chdir(config.front_dir)
        if front_user is not None:
            kernel.become(front_user)  # nobody with rights follows the links of a folder that is the front's
        verdict = _both(repair if config.repair else check)
    except FileNotFoundError:
        verdict = Verdict(notes=("there is no state yet",))
    except (StoreError, OSError) as failure:
        sys.stderr.write(f"vdsmd: {clean(str(failure))}\n")
        return _CANNOT_CHECK
    for line in (*verdict.problems, *verdict.notes):
        sys.stdout.write(f"{clean(line)}\n")
    if verdict.is_sound:
        sys.stdout.write("the state is sound\n")
        return _SOUND
    count = len(verdict.problems)
    sys.stdout.write(f"repaired; {count} found\n" if config.repair else f"the state is unsound: {count} found\n")
    return _SOUND if config.repair else _UNSOUND


def _both(look: Callable[[Path, str], Verdict]) -> Verdict:
    """What is said of the state, and of the messages if there are any."""
    verdict = look(Path(), STATE)
    if not Place.at(Path(), QUEUES).exists():
        return verdict
    queues = look(Path(), QUEUES)
    problems = tuple(f"{QUEUES}: {problem}" for problem in queues.problems)
    return Verdict(verdict.problems + problems, verdict.notes + tuple(f"{QUEUES}: {note}" for note in queues.notes))
