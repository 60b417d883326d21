"""What a script and its test say to each other: words in lines of JSON, out what happened, in what to do next."""

from __future__ import annotations

import json
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LISTING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "VM.list", "params": {}})
STRANGER = "vdsm-nobody-knows-this"
_telling = threading.Lock()


@dataclass(frozen=True, slots=True)
class Site:
    """Where the daemon is, and how one is known there."""

    port: int
    token: str
    ca: str


def site() -> Site:
    """From the command line."""
    return Site(**json.loads(sys.argv[1]))


def tell(word: str, value: object) -> None:
    """Say a thing to the test."""
    with _telling:
        sys.stdout.write(json.dumps({word: value}) + "\n")
        sys.stdout.flush()


def tell_list(body: str | bytes) -> None:
    """What VM.list answered."""
    tell("vms", [each["id"] for each in json.loads(body)["result"]["items"]])


def obey(functions: Mapping[str, Callable[[], None]]) -> None:
    """Each line of the test's names one of these functions; "end" is the last."""
    for line in sys.stdin:
        if line == "end\n":
            return
        try:
            functions[line.strip()]()
        except Exception:  # noqa: BLE001 - the test shall read it
            tell("failed", traceback.format_exc())
