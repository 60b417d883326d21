"""How the shell fails: its exit codes, and what it prints on the way out.

The codes are a promise to scripts: a number keeps its meaning for ever. Errors of the API are sorted
by their id where that matters to a script, else by whose fault they are, so an error that a later
daemon adds finds its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

from libvdsm.cli.terminal import safe

if TYPE_CHECKING:
    from collections.abc import Mapping


class Exit(IntEnum):
    """What vdsmsh answers to the program that ran it."""

    summary: str

    def __new__(cls, value: int, summary: str) -> Self:
        """Make a code with the sentence that documents it."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.summary = summary
        return member

    DONE = 0, "It is done."
    DEFECT = 1, "vdsmsh or the daemon has a defect; please report what was printed."
    USAGE = 2, "The command line, or a parameter in it, is wrong; nothing was done."
    CONNECTION = 3, "The daemon cannot be reached, or the connection broke."
    NOT_FOUND = 4, "There is no such object, or it is not yours to see."
    AMBIGUOUS = 5, "A name fits several objects; nothing was done."
    PERMISSION = 6, "You lack the permission."
    REFUSED = 7, "The call does not fit the present state: wrong state, exists already, changed meanwhile, a limit."
    SERVER = 8, "A part of the daemon is not available or failed."
    HOST = 9, "The hypervisor or the host failed, is busy, or cannot do it."
    GUEST = 10, "The guest does not answer."
    TIME_UP = 11, "The time was up; what was begun may still be done."
    OUTCOME_UNKNOWN = 12, "It was begun, and its end could not be seen."
    CANCELLED = 13, "The task was cancelled."
    STILL_RUNNING = 14, "The task was left running."
    UNSOUND = 15, "What was checked is not as it should be."
    INTERRUPTED = 130, "Interrupted by Ctrl-C."


_BY_ID: Final[Mapping[str, Exit]] = {
    "ParseError": Exit.USAGE,
    "InvalidRequest": Exit.USAGE,
    "InvalidParams": Exit.USAGE,
    "MethodNotFound": Exit.USAGE,
    "InternalError": Exit.DEFECT,
    "ObjectNotFound": Exit.NOT_FOUND,
    "PermissionDenied": Exit.PERMISSION,
    "DeadlineExceeded": Exit.TIME_UP,
    "TooLate": Exit.TIME_UP,
    "OutcomeUnknown": Exit.OUTCOME_UNKNOWN,
    "Cancelled": Exit.CANCELLED,
}
_BY_FAULT: Final[Mapping[str, Exit]] = {"client": Exit.REFUSED, "server": Exit.SERVER, "host": Exit.HOST, "guest": Exit.GUEST}


class Failure(Exception):  # noqa: N818 - the word of this room for every expected end that is not good
    """An expected failure: what to print, and the exit code."""

    exit: Exit = Exit.DEFECT

    def __init__(self, message: str, *, remedy: str = "", code: Exit | None = None) -> None:
        """Fail with a sentence, and a sentence that tells what to do."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if code is not None:
            self.exit = code

    def lines(self) -> list[str]:
        """Return what is printed, safe for a terminal."""
        found = [f"Error: {safe(self.message)}"]
        if self.remedy:
            found.append(f"  remedy: {safe(self.remedy)}")
        return found


class ConnectionFailure(Failure):
    """The daemon cannot be reached."""

    exit = Exit.CONNECTION


class AmbiguousName(Failure):
    """A name fits several objects."""

    exit = Exit.AMBIGUOUS

    def __init__(self, noun: str, name: str, candidates: list[tuple[str, str]]) -> None:
        """Fail with the candidates: their ids and a word about each."""
        super().__init__(f"{len(candidates)} {noun}s have the name {name}", remedy="Say which one by its id.")
        self.candidates = candidates

    def lines(self) -> list[str]:
        """Return what is printed, with a line for each candidate."""
        first, *rest = super().lines()
        return [first, *(f"  {safe(identity)}  {safe(words)}" for identity, words in self.candidates), *rest]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFailure:
    """An error answer of the daemon, or the error of a task that failed; the same members in both."""

    code: int
    message: str
    error: str = ""  # its id
    fault: str = ""
    path: str = ""  # JSONPath into the parameters
    remedy: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    retryable: bool = False

    @classmethod
    def of(cls, document: Mapping[str, object]) -> ApiFailure:
        """Read the object that an error answer or a task carries."""
        raw = document.get("data")
        data: Mapping[str, object] = raw if isinstance(raw, dict) else {}
        params = data.get("params")
        code = document.get("code")
        return cls(
            code=code if isinstance(code, int) else 0,
            message=str(document.get("message", "")),
            error=str(data.get("error") or ""),
            fault=str(data.get("fault") or ""),
            path=str(data.get("path") or ""),
            remedy=str(data.get("remedy") or ""),
            params=params if isinstance(params, dict) else {},
            retryable=data.get("retryable") is True,
        )

    @property
    def exit(self) -> Exit:
        """The exit code for it."""
        return _BY_ID.get(self.error) or _BY_FAULT.get(self.fault) or Exit.DEFECT


class Refused(Failure):
    """The daemon answered with an error."""

    def __init__(self, failure: ApiFailure, where: str = "") -> None:
        """Fail with the daemon's error; ``where`` names the option that it is about."""
        super().__init__(failure.message, remedy=failure.remedy, code=failure.exit)
        self.failure = failure
        self.where = where

    def lines(self) -> list[str]:
        """Return what is printed: message, option, remedy, and the error's id for scripts and reports."""
        first, *rest = super().lines()
        where = self.where or self.failure.path
        middle = [f"  where:  {safe(where)}"] if where else []
        again = ", may be tried again" if self.failure.retryable else ""
        return [first, *middle, *rest, f"  error:  {safe(self.failure.error or '?')} ({self.failure.code}{again})"]


def exit_table() -> str:
    """Return the exit codes as the help shows them."""
    return "\n".join(f"  {code.value:>3}  {code.summary}" for code in Exit)
