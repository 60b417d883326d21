"""A subsystem's port while workers come and go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from libvdsm.daemon.ports import IpcPort
from libvdsm.interfaces.generated.errors import SubsystemUnavailable
from libvdsm.interfaces.messages import ReportOffer
from libvdsm.ipc.descriptors import side_pair
from libvdsm.ipc.frames import FrameReader, frame


class Heard:
    """``WorkerReports`` that remembers; ``wait`` is for the next event of a kind."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._news = asyncio.Event()

    async def wait(self, event: str, count: int = 1) -> None:
        while self.events.count(event) < count:
            self._news.clear()
            await self._news.wait()

    def _hear(self, event: str) -> None:
        self.events.append(event)
        self._news.set()

    def attached(self, name: str) -> None:
        self._hear("attached")

    def lost(self, name: str, reason: str) -> None:
        self._hear("lost")

    def held(self, name: str, reason: str) -> None:
        self._hear("held")

    def degraded(self, name: str, reason: str) -> None:
        self._hear(f"degraded {reason}")

    def report(self, name: str, method: str, params: Raw) -> None:
        self._hear(method)

    def offer(self, name: str, offer: ReportOffer, stream: socket.socket) -> None:
        self._hear(f"offer {offer.ticket}")
        stream.close()


class Worker:
    """The other ends of a worker's ipc."""

    def __init__(self) -> None:
        self.front_frames, self.frames = socket.socketpair()
        self.front_side, self.side = side_pair()

    def say(self, body: bytes) -> None:
        self.frames.sendall(frame(body))

    def die(self) -> None:
        self.frames.close()
        self.side.close()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def test_without_a_worker_calls_fail_with_the_reason() -> None:
    async def test() -> None:
        port = IpcPort("virt", Heard())
        assert not port.is_up()
        assert port.name == "virt"
        with pytest.raises(SubsystemUnavailable, match="being started"):
            await port.call("VM.get", b"{}", b"{}", 5)
        port.held("it crashes")
        with pytest.raises(SubsystemUnavailable, match="it crashes"):
            await port.call("VM.get", b"{}", b"{}", 5)

    run(test)


def test_what_the_worker_said_before_it_was_attached_is_heard_after() -> None:
    async def test() -> None:
        heard, worker = Heard(), Worker()
        port = IpcPort("virt", heard)
        worker.say(b'{"method":"report.condition","params":{"state":"ready"}}')
        await port.attach(worker.front_frames, worker.front_side)
        await heard.wait("report.condition")
        assert heard.events == ["attached", "report.condition"]
        assert port.is_up()
        assert not port.reason()
        port.close()
        worker.die()

    run(test)


def test_a_worker_that_died_meanwhile_is_attached_and_lost() -> None:
    async def test() -> None:
        heard, worker = Heard(), Worker()
        port = IpcPort("virt", heard)
        worker.die()
        await port.attach(worker.front_frames, worker.front_side)
        await heard.wait("lost")
        assert heard.events == ["attached", "lost"]
        assert not port.is_up()
        assert port.reason()

    run(test)


@pytest.mark.parametrize("has_died", (True, False))
def test_that_it_is_held_down_is_the_last_word_about_a_worker(*, has_died: bool) -> None:
    """The supervisor may say it before the loop has heard the worker, or its end: what it said is heard, its loss is not the last word."""

    async def test() -> None:
        heard, worker = Heard(), Worker()
        port = IpcPort("virt", heard)
        worker.say(b'{"method":"report.condition","params":{"state":"ready"}}')
        if has_died:
            worker.die()
        opening = asyncio.ensure_future(port.attach(worker.front_frames, worker.front_side))
        port.held("it crashes")
        if not has_died:
            await heard.wait("report.condition")
            worker.die()
        await heard.wait("held")
        await opening
        assert heard.events == ["attached", "report.condition", "lost", "held"]
        assert port.reason() == "it crashes"

    run(test)


def test_a_worker_after_one_that_was_held_down_is_lost_as_any() -> None:
    async def test() -> None:
        heard, workers = Heard(), [Worker() for _ in range(2)]
        port = IpcPort("virt", heard)
        await port.attach(workers[0].front_frames, workers[0].front_side)
        port.held("it crashes")
        await port.attach(workers[1].front_frames, workers[1].front_side)
        assert not port.reason()
        workers[1].die()
        await heard.wait("lost", 2)
        assert heard.events == ["attached", "lost", "attached", "lost"]
        workers[0].die()

    run(test)


def test_of_many_workers_that_are_attached_at_once_the_last_one_counts() -> None:
    async def test() -> None:
        heard, workers = Heard(), [Worker() for _ in range(3)]
        port = IpcPort("virt", heard)
        workers[0].die()
        await asyncio.gather(*(port.attach(worker.front_frames, worker.front_side) for worker in workers))
        await heard.wait("attached", 3)
        assert heard.events == ["attached", "lost", "attached", "lost", "attached"]
        answer = port.call("VM.get", b"{}", b"{}", 5)
        request = await asyncio.to_thread(workers[2].frames.recv, 1000)
        assert b"VM.get" in next(FrameReader().receive(request))
        workers[2].say(b'{"id":1,"result":"here"}')
        assert await answer == b'"here"'
        assert port.is_up()
        port.close()
        for worker in workers:
            worker.die()

    run(test)


def test_an_offer_comes_with_its_stream_whichever_is_first() -> None:
    async def test() -> None:
        heard, worker = Heard(), Worker()
        port = IpcPort("virt", heard)
        await port.attach(worker.front_frames, worker.front_side)
        for token, ticket in ((1, b"a"), (2, b"b")):
            near, far = socket.socketpair()
            say = b'{"method":"report.offer","params":{"token":%d,"ticket":"%b","identity":"me","expires":5}}' % (token, ticket)
            if token == 1:
                worker.say(say)
            socket.send_fds(worker.side, [token.to_bytes(8, "big")], [far.fileno()])
            if token == 2:
                worker.say(say)
            far.close()
            await heard.wait(f"offer {ticket.decode()}")
            near.close()
        port.close()
        worker.die()

    run(test)


def test_degraded_is_passed_on_only_while_there_is_a_worker() -> None:
    async def test() -> None:
        heard, worker = Heard(), Worker()
        port = IpcPort("virt", heard)
        port.degraded("slow")
        await port.attach(worker.front_frames, worker.front_side)
        port.degraded("slow")
        port.close()
        port.close()
        assert heard.events == ["attached", "degraded slow", "lost"]
        worker.die()

    run(test)
