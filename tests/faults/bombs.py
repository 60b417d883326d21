"""What is too much (F-26), whatever protocol carries it: how much of it is sent, and what it may cost the front."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.daemon_process import VdsmdProcess
from tests.faults.caller import calling

MIB: Final = 1024 * 1024
#: At most so much is sent of what has no end.
MOST: Final = 64 * MIB
_ROOM: Final = 24 * MIB


def nested(depth: int) -> bytes:
    """A call whose parameters are so deep."""
    return b'{"jsonrpc":"2.0","id":1,"method":"Host.ping","params":' + b"[" * depth + b"]" * depth + b"}"


@contextmanager
def in_constant_memory(daemon: VdsmdProcess) -> Iterator[None]:
    """The front's memory stays meanwhile; afterwards it answers, and nothing in it has failed by a defect."""
    Path(f"/proc/{daemon.front}/clear_refs").write_text("5")
    before = _peak(daemon.front)
    yield
    grown = _peak(daemon.front) - before
    assert grown < _ROOM, f"{grown / MIB:.1f} MiB"
    with calling(daemon) as caller:
        assert caller.call("Host.ping") == {"pong": True}
    assert "Traceback" not in daemon.log


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024
