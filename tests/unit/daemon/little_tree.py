"""A supervisor with tiny children that print what they live through, one JSON line each. Run by ``test_supervisor``.

Arguments: the ready file (or ``-``), then a word for each worker: ``steady``, ``crashing``, ``leaving`` (status 0),
``unreachable``, ``silent`` (never beats), ``stubborn`` (outlives its front); ``front-crashing`` makes the front one that
cannot be started, ``front-deaf`` one that does not stop when asked.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from functools import partial
from pathlib import Path

from libvdsm.daemon import kernel
from libvdsm.daemon.child import ChildEnds, Program
from libvdsm.daemon.control import ControlEnd, Notice
from libvdsm.daemon.restart import UNREACHABLE, Pace
from libvdsm.daemon.supervisor import Plan, Supervisor

PACE = Pace(
    first_s=0.01,
    limit_s=0.1,
    unreachable_limit_s=0.02,
    healthy_s=30,
    crashes=5,
    window_s=60,
    held_s=0.8,
    look_s=0.05,
    degraded_s=0.7,
    hung_s=2.5,
    front_stop_s=3,
    worker_stop_s=2,
    world_stop_s=2,
    head_start_s=0.05,
)


def say(who: str, what: str, **more: object) -> None:
    os.write(1, json.dumps({"who": who, "what": what, "pid": os.getpid(), **more}).encode() + b"\n")


def front(word: str, ends: ChildEnds) -> int:
    say("front", "start")
    if word == "front-crashing":
        return 1
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
    assert ends.control is not None
    control = ControlEnd(ends.control)
    control.send(Notice("ready"))
    kept = []
    while not asked or word == "front-deaf":
        os.write(ends.heartbeat, b".")
        if not select.select([control], [], [], 0.02)[0]:
            continue
        received = control.receive()
        if received is None:
            say("front", "orphan")
            return 0
        kept.append(received.descriptors)
        notice = received.notice
        say("front", notice.what, name=notice.name, reason=notice.reason, worker=notice.pid, descriptors=len(received.descriptors))
        for descriptor in received.descriptors:
            if notice.name != "steady":
                os.close(descriptor)
    say("front", "stop")
    return 0


def worker(word: str, ends: ChildEnds) -> int:
    say(word, "start", descriptors=len(list(Path("/proc/self/fd").iterdir())))
    if word in {"crashing", "leaving", "unreachable"}:
        return {"crashing": 3, "leaving": 0, "unreachable": UNREACHABLE}[word]
    assert ends.frames is not None
    while True:
        if word != "silent":
            os.write(ends.heartbeat, b".")
        if word in {"silent", "stubborn"}:
            time.sleep(0.02)
        elif select.select([ends.frames], [], [], 0.02)[0]:
            say(word, "end")
            return 0


def world(_ends: ChildEnds) -> int:
    say("world", "start")
    signal.pause()
    return 0


def main() -> int:
    ready_file, *words = sys.argv[1:]
    kernel.die_with(os.getppid())
    fronts = [word for word in words if word.startswith("front")]
    plan = Plan(
        front=Program("front", "front", partial(front, fronts[0] if fronts else "front")),
        workers=[Program(word, "worker", partial(worker, word)) for word in words if word not in fronts],
        worlds=[Program("world", "world", world)],
        ready_file=None if ready_file == "-" else Path(ready_file),
        describe={"port": None},
        pace=PACE,
    )
    return Supervisor(plan).run()


if __name__ == "__main__":
    sys.exit(main())
