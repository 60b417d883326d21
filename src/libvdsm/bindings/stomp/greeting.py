"""How a conversation begins: versions, heart-beats, and who it is. Pure functions of the CONNECT frame's headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libvdsm.bindings.stomp.config import VERSIONS, SessionLimits
from libvdsm.interfaces.caller import ANYBODY, Caller, is_called
from libvdsm.interfaces.generated.errors import NotAuthenticated
from libvdsm.wire.stomp.events import StompError

_BEATS: Final = re.compile(r" *([0-9]{1,9}) *, *([0-9]{1,9}) *", re.ASCII)


class VersionError(StompError):
    """No version is common; ``str()`` lists ours."""


@dataclass(frozen=True, slots=True)
class Beats:
    """Heart-beats as agreed, in milliseconds; 0: none."""

    ours: int  # we send at least one in so many
    theirs: int  # the client does


def choose_version(headers: Mapping[str, str], offered: Sequence[str] = VERSIONS) -> str:
    """The highest common version. Blanks around a version and versions that nobody knows do not matter; raises ``VersionError``."""
    wanted = headers.get("accept-version")
    if wanted is None:
        wanted = "1.0"  # 1.2, "Protocol Negotiation"
    common = {each.strip(" ") for each in wanted.split(",")} & set(offered)
    if not common:
        raise VersionError(f"the versions that are spoken here are {', '.join(offered)}")
    return max(common)


def agree_on_beats(headers: Mapping[str, str], limits: SessionLimits) -> Beats:
    """What both sides can do: whoever wants beats gets them, in intervals that are raised to the shortest. Raises ``StompError``.

    CONNECTED answers ``ours,theirs``. As we can what the client wants and want what it can, the greater of both numbers
    (1.2, "Heart-beating") is then the one that is answered.
    """
    text = headers.get("heart-beat")
    if text is None:
        return Beats(0, 0)
    found = _BEATS.fullmatch(text)
    if found is None:
        raise StompError("the heart-beat is not two numbers of milliseconds")
    can, wants = int(found[1]), int(found[2])
    if max(can, wants) > limits.longest_beat_ms:
        raise StompError(f"a heart-beat is at most {limits.longest_beat_ms} milliseconds")
    return Beats(_at_least(wants, limits.shortest_beat_ms), _at_least(can, limits.shortest_beat_ms))


def _at_least(interval: int, shortest: int) -> int:
    return max(interval, shortest) if interval else 0


def log_in(caller: Caller, headers: Mapping[str, str], login: Callable[[Caller, str], None]) -> None:
    """Let the caller be who the frame says, by a token as passcode. Raises ``NotAuthenticated``, alike for whatever is wrong.

    Without a passcode it stays who the connection proved to be, and a ``login`` must be that identity's name. A token works like
    ``Identity.login``, and is bound by the same rules.
    """
    name, passcode = headers.get("login", ""), headers.get("passcode", "")
    if passcode:
        try:
            login(caller, passcode)
        except NotAuthenticated as refusal:
            if caller.only is not None:  # that a certificate is needed first tells nothing of the token
                raise
            raise _refusal() from refusal
    elif "passcode" in headers and caller.source == "anonymous":
        raise _refusal()  # an empty one proves nothing
    if not is_called(caller.identity, name) or (name == ANYBODY and not passcode):
        raise _refusal()


def _refusal() -> NotAuthenticated:
    return NotAuthenticated(reason="the login is refused")


def looks_like_vdsm(command: str, headers: Mapping[str, str]) -> bool:
    """Whether this may be the greeting of vdsm's Java client, which needs frames of a certain length and pace."""
    return command == "CONNECT" and headers.get("accept-version") == "1.2" and "login" not in headers and "passcode" not in headers


def shows_modern(command: str, headers: Mapping[str, str]) -> bool:
    """Whether no old client greets like this: by the command of 1.2, with a choice of versions, or with a name or a secret."""
    return command == "STOMP" or "," in headers.get("accept-version", "") or "login" in headers or "passcode" in headers
