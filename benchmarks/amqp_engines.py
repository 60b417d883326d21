"""What a message through a queue costs the server over AMQP: vdsmd, and a queue of a few lines on python-qpid-proton's own layer.

    python benchmarks/amqp_engines.py            both, in turns; microseconds of CPU for one message in and out

Without python-qpid-proton vdsmd is measured alone. The client is this program: frames made beforehand, 64 messages in flight, all
settled by both sides. See docs/adr/0031.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from libvdsm.wire.amqp import encoding
from libvdsm.wire.amqp import performatives as p
from libvdsm.wire.amqp.frames import AMQP_HEADER, FrameStream, encode_frame
from libvdsm.wire.amqp.values import Described, ULong
from tests.daemon_process import start_vdsmd

IN_FLIGHT = 64
BATCHES = 250
_ACCEPTED = Described(ULong(0x24), [])


class Client:
    """One connection with one link."""

    def __init__(self, port: int, attach: p.Attach) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = FrameStream()
        self.stream.largest = 1 << 20
        begin = p.Begin(None, 0, 2**31 - 1, 2**31 - 1)
        frames = [encode_frame(0, each) for each in (p.Open("bench", max_frame_size=65_536), begin, attach)]
        self.sock.sendall(AMQP_HEADER + b"".join(frames))
        while self.stream.take_header() is None:
            self.stream.receive(self.sock.recv(65_536))
        self.until(p.Attach)

    def until(self, kind: type) -> None:
        """Read up to a frame of this kind."""
        while not isinstance(self.next(), kind):
            pass

    def next(self) -> object:
        """The next performative."""
        stream = self.stream
        while not stream.next():
            stream.receive(self.sock.recv(1 << 20))
        if stream.body == stream.end:
            return None
        return p.decode(stream.data, stream.body, stream.end)[0]


def measure(pid: int, port: int, octets: int, queue: str = "/queue/bench") -> float:
    """Microseconds of the server's CPU for one message in and out."""
    body = b"\x00\x53\x73" + encoding.encode(["id"]) + b"\x00\x53\x75" + encoding.encode(b"x" * octets)
    sender = Client(port, p.Attach("out", 0, role=False, source=p.Source(), target=p.Target(queue), initial_delivery_count=0))
    receiver = Client(port, p.Attach("in", 0, role=True, source=p.Source(queue), target=p.Target()))
    batches = [
        b"".join(encode_frame(0, p.Transfer(0, n, n.to_bytes(4, "big"), 0), body) for n in range(first, first + IN_FLIGHT))
        for first in range(0, BATCHES * IN_FLIGHT, IN_FLIGHT)
    ]
    began = cpu_ns(pid)
    for number, batch in enumerate(batches):
        first = number * IN_FLIGHT
        receiver.sock.sendall(encode_frame(0, p.Flow(0, 2**31 - 1, 0, 1, 0, first, IN_FLIGHT)))
        sender.sock.sendall(batch)
        came = settled = 0
        while came < IN_FLIGHT:
            came += isinstance(receiver.next(), p.Transfer)
        done = p.Disposition(role=True, first=first, last=first + IN_FLIGHT - 1, settled=True, state=_ACCEPTED)
        receiver.sock.sendall(encode_frame(0, done))
        while settled < IN_FLIGHT:
            found = sender.next()
            if isinstance(found, p.Disposition):
                settled += (found.first if found.last is None else found.last) - found.first + 1
    spent = cpu_ns(pid) - began
    sender.sock.close()
    receiver.sock.close()
    return spent / (BATCHES * IN_FLIGHT) / 1_000


def cpu_ns(pid: int) -> int:
    """CPU time of a process so far."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def serve_proton() -> None:
    """A queue on proton's Python layer."""
    from proton import Message
    from proton.handlers import MessagingHandler
    from proton.reactor import Container

    class Queue(MessagingHandler):
        def __init__(self) -> None:
            super().__init__(prefetch=2 * IN_FLIGHT)
            self.waiting: deque[Message] = deque()
            self.sender: Any = None

        def on_start(self, event: Any) -> None:  # noqa: ANN401 - proton's events have no types
            event.container.listen("127.0.0.1:0")

        def on_link_opening(self, event: Any) -> None:  # noqa: ANN401 - proton's events have no types
            event.link.source.address = event.link.remote_source.address
            event.link.target.address = event.link.remote_target.address
            if event.link.is_sender:
                self.sender = event.link

        def on_sendable(self, event: object) -> None:  # noqa: ARG002 - proton calls it so
            self._drain()

        def on_message(self, event: Any) -> None:  # noqa: ANN401 - proton's events have no types
            self.waiting.append(event.message)
            self._drain()

        def _drain(self) -> None:
            while self.waiting and self.sender is not None and self.sender.credit:
                self.sender.send(self.waiting.popleft())

    Container(Queue()).run()


def proton_port(pid: int) -> int:
    """Where it listens: the one socket of its own."""
    for _each in range(100):
        inodes = {str(each.readlink())[8:-1] for each in Path(f"/proc/{pid}/fd").iterdir() if "socket:" in str(each.readlink())}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                return int(fields[1].split(":")[1], 16)
        time.sleep(0.05)
    raise TimeoutError


def call(port: int, method: str, params: dict[str, object]) -> None:
    """One call of JSON-RPC."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        assert b'"result"' in sock.recv(65_536)


def main() -> None:
    """Both in turns, or only ours where there is no proton."""
    has_proton = importlib.util.find_spec("proton") is not None
    if not has_proton:
        print("python-qpid-proton is not installed: there is nothing to compare with")
    found: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        daemon = start_vdsmd(Path(folder), verify=False)
        proton = subprocess.Popen([sys.executable, __file__, "--proton"]) if has_proton else None
        try:
            assert daemon.port is not None
            call(daemon.port, "Queue.create", {"name": "bench", "durable": False})
            for _each in range(3):
                for octets in (100, 2_000):
                    found.setdefault(("vdsmd", octets), []).append(measure(daemon.front, daemon.port, octets))
                    if proton is not None:
                        found.setdefault(("proton", octets), []).append(measure(proton.pid, proton_port(proton.pid), octets))
        finally:
            if proton is not None:
                proton.terminate()
                proton.wait()
            daemon.stop()
    for (name, octets), each in sorted(found.items()):
        print(f"{name:8} {octets:6} octets: {statistics.median(each):6.1f} us in and out")


if __name__ == "__main__":
    serve_proton() if "--proton" in sys.argv else main()
