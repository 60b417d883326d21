"""F-25: memory is short. What waits for readers is bounded for all together; a worker that has none left dies alone."""

from __future__ import annotations

import json
import resource
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.conftest import StartVdsmd
from tests.faults.caller import Caller, calling
from tests.faults.test_f23_idle_connections import rss_kib
from tests.lab.own_time import OwnTime

PATIENCE_S = 60.0
MIB = 1024 * 1024
#: What may wait for all readers together, here.
BOUND_MIB = 16
READERS = 120
#: Requests of each, none of whose answers is read.
ROUNDS = 12
#: What each process of the daemon may map at all, its code and stacks included.
ADDRESS_SPACE_MIB = 640
#: Room for one answer to each request that is under way, and for what the allocator keeps.
SLACK_MIB = 48
#: What the worker is given to keep.
BIG = {f"big{number}": "x" * 4_000 for number in range(14)}


def address_space(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmSize:")[1].split()[0]) * 1024


def test_f25_readers_that_do_not_read_have_a_bound_together(vdsmd: StartVdsmd, tmp_path: Path) -> None:
    """Forty times what each alone may leave unread, in a front that may not grow by half of that: it lives, and others are served."""
    file = tmp_path / "vdsmd.toml"
    file.write_text(f"[limits]\nunsent_octets = {BOUND_MIB * MIB}\n")
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MIB * MIB, former[1]))
    try:
        daemon = vdsmd("--config", str(file), hypervisor="simulator:300")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)
    assert daemon.port is not None
    asking = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "VM.list", "params": {"limit": 300}}).encode() + b"\n"
    with calling(daemon) as local, ExitStack() as opened:
        local.await_(lambda: len(local.call("VM.list", {"limit": 1000})["items"]) == 300, "all machines are seen")
        before = rss_kib(daemon.front)
        assert address_space(daemon.front) + READERS * 4 * MIB > ADDRESS_SPACE_MIB * MIB  # without the bound it would have to end
        readers = []
        for _ in range(READERS):
            reader = opened.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", daemon.port))
            reader.setblocking(False)
            readers.append(reader)
        most = rounds = 0
        begin = time.monotonic()
        while "too much waits to be taken by all" not in daemon.log or time.monotonic() - begin < 3.0:
            for reader in readers if rounds < ROUNDS else ():
                _ask(reader, asking)
            rounds += 1
            clock = OwnTime(lambda: (daemon.front,))
            assert local.call("Host.ping", {}) == {"pong": True}
            assert clock.seconds() < 2.0
            most = max(most, rss_kib(daemon.front) - before)
            assert time.monotonic() - begin < PATIENCE_S
            time.sleep(0.02)
        local.await_(lambda: _unread(local) <= BOUND_MIB * MIB, "no more waits than may")
        assert most < (BOUND_MIB * 4 + SLACK_MIB) * 1024
        assert json.loads(Path(daemon.ready_file).read_text())["front"] == daemon.front
        assert len(local.call("VM.list", {"limit": 1000})["items"]) == 300


def _unread(local: Caller) -> int:
    return sum(each["bufferedOctets"] for each in local.call("Connection.list", {"limit": 1000})["items"])


def _ask(reader: socket.socket, asking: bytes) -> None:
    try:
        reader.send(asking)
    except OSError:
        return  # full, or crowded out


def test_f25_a_worker_without_memory_dies_alone(vdsmd: StartVdsmd) -> None:
    """The virt worker may not grow: it ends or refuses; the front answers all the while, and the worker comes back."""
    daemon = vdsmd(hypervisor="simulator:3")
    with calling(daemon) as local:
        local.await_(lambda: local.condition("virt") == "ready", "the worker is ready")
        worker = daemon.worker("virt")
        limit = address_space(worker)
        resource.prlimit(worker, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        vms = local.call("VM.list", {})["items"]
        begin = time.monotonic()
        while daemon.worker("virt") == worker and "MemoryError" not in daemon.log:
            assert time.monotonic() - begin < PATIENCE_S, "it has never had too little"
            message = {"jsonrpc": "2.0", "id": 1, "method": "VM.update"}
            message["params"] = {"vmId": vms[0]["id"], "config": {"metadata": BIG}}
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(daemon.socket))
                other.sendall((json.dumps(message) + "\n").encode() * 50)
                assert local.call("Host.ping", {}) == {"pong": True}
        assert {each["id"] for each in local.call("VM.list", {})["items"]} == {each["id"] for each in vms}
        with suppress(ProcessLookupError):  # it refused, or it has ended
            resource.prlimit(worker, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        local.await_(lambda: local.condition("virt") == "ready", "the worker is ready again")
        assert json.loads(Path(daemon.ready_file).read_text())["front"] == daemon.front
