"""What a simulated guest does and says: its behaviour by metadata, and its serial console. No I/O, no clock.

The metadata of a virtual machine choose how its guest behaves; what cannot be read counts as absent:

``simulator.shutdown``          the ways that the guest obeys, separated by commas: ``agent``, ``acpi``; or ``ignore``. Both if absent.
``simulator.shutdown_seconds``  how long it needs to go down (0.2)
``simulator.boot_seconds``      how long it boots before it obeys anybody and its console says READY (0.5)
``simulator.crash_after``       seconds from its boot to a crash; absent: it never crashes
``simulator.on_crash``          ``destroy`` (the process goes, the default) or ``preserve`` (state ``crashed``)
``simulator.start``             ``fail``: it cannot be started
``simulator.cpu_percent``       how busy its processors are, in percent of one
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

#: What a guest may do to its own machine from within.
Act = Literal["shutdown", "reboot"]

_BANNER = (
    (0.0, "SimBIOS 1.0: {name}"),
    (0.2, "Booting from the first disk"),
    (0.4, "[    0.000000] Linux version 6.1.0-simulated (builder@simulator)"),
    (0.6, "[    0.120000] Memory: {memory}K available"),
    (0.8, "[    0.240000] smp: Brought up {vcpus} processors"),
    (1.0, "READY"),
)
_PROMPT = "# "
_LINE_LIMIT = 1024
_LF, _CR, _BACKSPACE, _DELETE, _INTERRUPT, _BLANK = 0x0A, 0x0D, 0x08, 0x7F, 0x03, 0x20


class Behaviour(Struct, frozen=True):
    """How a guest behaves."""

    obeys: tuple[str, ...] = ("agent", "acpi")
    shutdown_seconds: float = 0.2
    boot_seconds: float = 0.5
    crash_after: float | None = None
    keeps_crashed: bool = False
    start_fails: bool = False
    cpu_percent: float | None = None


def behaviour_of(config: Mapping[str, Any]) -> Behaviour:
    """The behaviour that the metadata of a configuration ask for."""
    metadata: Mapping[str, str] = config.get("metadata", {})
    return Behaviour(
        obeys=_ways(metadata.get("simulator.shutdown")),
        shutdown_seconds=_seconds(metadata.get("simulator.shutdown_seconds"), 0.2),
        boot_seconds=_seconds(metadata.get("simulator.boot_seconds"), 0.5),
        crash_after=_optional_seconds(metadata.get("simulator.crash_after")),
        keeps_crashed=metadata.get("simulator.on_crash") == "preserve",
        start_fails=metadata.get("simulator.start") == "fail",
        cpu_percent=_optional_seconds(metadata.get("simulator.cpu_percent")),
    )


def _ways(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ("agent", "acpi")
    return tuple(word for word in (part.strip() for part in text.split(",")) if word in {"agent", "acpi"})


def _optional_seconds(text: str | None) -> float | None:
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds(text: str | None, default: float) -> float:
    seconds = _optional_seconds(text)
    return default if seconds is None else seconds


def banner(name: str, config: Mapping[str, Any], progress: float, shown: int) -> tuple[str, int]:
    """What the console prints while booting: the lines due at ``progress`` (0 to 1) after the ``shown`` first ones, and the new count."""
    due = [text for share, text in _BANNER if share <= progress]
    words = {"name": name, "memory": config["memory"] // 1024, "vcpus": config.get("vcpus", 1)}
    text = "".join(line.format_map(words) + "\r\n" for line in due[shown:])
    if len(due) == len(_BANNER) > shown:
        text += _PROMPT
    return text, len(due)


class Shell:
    """A very small shell on a terminal line: echoes what is typed and answers a few commands."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._line = bytearray()
        self._previous = 0

    def receive(self, data: bytes, uptime: float) -> tuple[bytes, Act | None]:
        """What the terminal shows for ``data``, and what the guest then does to itself."""
        shown = bytearray()
        for byte in data:
            output, act = self._key(byte, uptime)
            shown += output
            if act is not None:
                return bytes(shown), act
        return bytes(shown), None

    def _key(self, byte: int, uptime: float) -> tuple[bytes, Act | None]:
        previous, self._previous = self._previous, byte
        if byte == _LF and previous == _CR:  # CR LF is one Enter
            return b"", None
        if byte in {_LF, _CR}:
            return self._enter(uptime)
        if byte in {_BACKSPACE, _DELETE}:
            return self._erase(), None
        if byte == _INTERRUPT:
            self._line.clear()
            return b"^C\r\n" + _PROMPT.encode(), None
        if byte < _BLANK or len(self._line) >= _LINE_LIMIT:
            return b"", None
        self._line.append(byte)
        return bytes((byte,)), None

    def _erase(self) -> bytes:
        if not self._line:
            return b""
        self._line.pop()
        return b"\x08 \x08"

    def _enter(self, uptime: float) -> tuple[bytes, Act | None]:
        words = self._line.decode(errors="replace").split()
        self._line.clear()
        text, act = self._run(words, uptime)
        shown = "\r\n" + (text + "\r\n" if text else "") + ("" if act else _PROMPT)
        return shown.encode(), act

    def _run(self, words: list[str], uptime: float) -> tuple[str, Act | None]:
        match words:
            case []:
                return "", None
            case ["poweroff"]:
                return "reboot: Power down", "shutdown"
            case ["reboot"]:
                return "reboot: Restarting system", "reboot"
            case [command, *rest]:
                return self._print(command, rest, uptime), None
        return "", None

    def _print(self, command: str, rest: list[str], uptime: float) -> str:
        match command:
            case "echo":
                return " ".join(rest)
            case "uname":
                return f"Linux {self._name} 6.1.0-simulated x86_64" if "-a" in rest else "Linux"
            case "hostname":
                return self._name
            case "uptime":
                return f"up {uptime:.0f} s"
            case "help":
                return "echo hostname help poweroff reboot uname uptime"
            case _:
                return f"sh: {command}: not found"
