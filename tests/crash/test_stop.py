"""Asked to end under traffic (F-40): within 30 s, what was acknowledged is on disk, and nobody is left waiting."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.caller import Caller, Connection, LostError, RefusedError
from tests.crash.judge import audited, await_quiet, follow, machines, rest, settled
from tests.crash.test_cycles import CLIENTS, MACHINES, befell
from tests.crash.traffic import Client
from tests.crash.tree import Daemon, until


@pytest.mark.timeout(300)
def test_f40_what_was_acknowledged_before_the_end_is_there_after_it(tmp_path: Path) -> None:
    """Clients go on through several ends and starts, as through crashes."""
    dice = random.Random(40)
    with Daemon(tmp_path, machines=MACHINES) as daemon:
        caller = daemon.keep(Caller(daemon.socket))
        until(lambda: len(caller.ask("VM.list")["items"]) == MACHINES, "the machines are known")
        await_quiet(caller)
        resume, known, before, audit = caller.ask("Event.read")["resume"], machines(caller), befell(daemon), set(audited(caller))
        ids = sorted(known)
        clients = [Client(daemon.socket, {id: known[id]["state"] for id in ids[number::CLIENTS]}, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(4):
            until(daemon.ready_file.exists, "it serves")
            time.sleep(dice.uniform(0.1, 0.6))
            began = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - began < 30
            caller.close()
            daemon.again()
        for client in clients:
            client.halt()
        await_quiet(caller)
        after = befell(daemon)
        for client in clients:
            for id, expected in client.expected.items():
                expected.check(after.get(id, Counter()) - before.get(id, Counter()))
        events, vms, _tasks = settled(caller, resume)
        followed = {id: rest(document) for id, document in follow(known, events, "vm").items()}
        assert followed == {id: rest(document) for id, document in vms.items()}
        stories = [story for client in clients for story in client.stories]
        done = [record for id, record in audited(caller).items() if id not in audit and record["outcome"] == "done"]
        assert len(done) == sum(story.final.outcome == "done" for story in stories)
        caller.close()
        failures = [line for line in daemon.log.splitlines() if "Traceback" in line]
        assert not failures, failures[0].replace("\\n", "\n")


def test_f40_who_waits_is_told_or_let_go(tmp_path: Path) -> None:
    """Calls that are under way when it ends are answered or cut off; none is left hanging."""
    with Daemon(tmp_path) as daemon:
        line = daemon.keep(Connection(daemon.socket))
        waiting = line.send("Event.read", {"timeout": 60})
        ends: list[str] = []

        def flood() -> None:
            other = Connection(daemon.socket)
            try:
                while True:
                    other.call("VM.getStats", {})
            except RefusedError as refused:
                ends.append(refused.name)
            except LostError:
                ends.append("lost")
            finally:
                other.close()

        threads = [threading.Thread(target=flood) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 30
        try:
            line.answer(waiting)
        except (LostError, RefusedError):
            ends.append("let go")
        else:
            ends.append("told")
        for thread in threads:
            thread.join(90)
            assert not thread.is_alive()
        assert len(ends) == 4
        assert set(ends) <= {"lost", "ShuttingDown", "SubsystemUnavailable", "let go", "told"}
        line.close()
