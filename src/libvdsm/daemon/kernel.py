"""What a process of ours asks of the kernel for itself: to die with its parent, its name, to have no rights, to show nothing.

Standard library only. Everything here is for the calling process and cannot be undone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
import signal
from dataclasses import dataclass

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63
_M_MMAP_THRESHOLD = -3

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)


@dataclass(frozen=True, slots=True)
class User:
    """As whom a process runs."""

    uid: int
    gid: int


def user_for(name: str, fallback: int) -> User:
    """The user ``name`` if the host has it, else the bare number ``fallback`` as user and group."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return User(fallback, fallback)
    return User(entry.pw_uid, entry.pw_gid)


def die_with(parent: int) -> None:
    """Be killed when ``parent`` ends, however it ends; ends at once if it has ended already.

    Forgotten by the kernel when the user changes: call it again then.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def set_name(name: str) -> None:
    """The name that ``ps`` and ``top`` show, cut at 15 octets."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _libc.prctl(_PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0)


def hide_memory(*, from_own_user: bool) -> None:
    """What is in memory stays there: no core dump, and no other user may look into the process; nor its own, if so asked.

    What is forked has it from us; the kernel may forget it when the user changes: call it again then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if from_own_user:
        _prctl(_PR_SET_DUMPABLE, 0)


def become(user: User) -> None:
    """From root to ``user`` for ever: no groups, no capabilities, no way to new privileges. Raises ``OSError``."""
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # the kernel refuses those that it does not have
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)  # from root: clears the permitted, effective and ambient capabilities
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    hide_memory(from_own_user=True)
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3:
        raise PermissionError(f"still runs as {os.getresuid()}")


def map_great_blocks() -> None:
    """Let malloc take blocks of 128 KiB and more from the kernel one by one, and give them back, for good.

    By itself it stops doing so after the first such block was freed. Then the 256 KiB that the loop reserves for each TLS
    connection, and hardly touches, come from pages that are in use: an idle one took 45 KiB instead of 25.
    """
    with contextlib.suppress(AttributeError):  # a C library without it has no such habit
        _libc.mallopt(_M_MMAP_THRESHOLD, 128 * 1024)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
