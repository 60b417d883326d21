"""Descriptors beside the frames: either order, one use, none left open."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from libvdsm.ipc import descriptors
from libvdsm.ipc.descriptors import DescriptorSide, side_pair


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for happens in the kernel
        await asyncio.sleep(0.001)


def test_a_descriptor_arrives_for_who_asks_before_and_after() -> None:
    async def test() -> None:
        a, b = side_pair()
        sender, receiver = DescriptorSide(a), DescriptorSide(b)
        for ask_first in (True, False):
            near, far = socket.socketpair()
            taken: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
            token = sender.send(far)
            if not ask_first:
                await until(lambda: receiver.unclaimed == 1)
            receiver.claim(token, taken.set_result)
            stream = await taken
            near.sendall(b"hello")
            assert await asyncio.get_running_loop().sock_recv(stream, 10) == b"hello"
            assert stream.getblocking() is False
            assert far.fileno() < 0
            assert receiver.unclaimed == 0
            near.close()
            stream.close()
        sender.close()
        receiver.close()

    run(test)


def test_what_nobody_claims_is_closed_after_a_while() -> None:
    async def test() -> None:
        a, b = side_pair()
        sender, receiver = DescriptorSide(a), DescriptorSide(b, patience_s=0.02)
        near, far = socket.socketpair()
        sender.send(far)
        assert await asyncio.get_running_loop().run_in_executor(None, near.recv, 1) == b""
        assert receiver.unclaimed == 0
        near.close()
        sender.close()
        receiver.close()

    run(test)


def test_what_never_arrives_is_forgotten() -> None:
    async def test() -> None:
        a, b = side_pair()
        receiver = DescriptorSide(b, patience_s=0.02)
        receiver.claim(1, lambda _stream: None)
        await until(lambda: not receiver._claimed)
        receiver.close()
        a.close()

    run(test)


def test_many_more_than_the_socket_holds_all_arrive_in_order() -> None:
    async def test() -> None:
        a, b = side_pair()
        sender, receiver = DescriptorSide(a), DescriptorSide(b)
        count = 600
        taken: list[int] = []

        def take(number: int, stream: socket.socket) -> None:
            taken.append(number)
            stream.close()

        for number in range(count):
            near, far = socket.socketpair()
            near.close()
            token = sender.send(far)
            receiver.claim(token, partial(take, number))
        await until(lambda: len(taken) == count)
        assert taken == list(range(count))
        sender.close()
        receiver.close()

    run(test)


def test_a_flood_is_bounded_and_malformed_messages_are_dropped() -> None:
    async def test() -> None:
        a, b = side_pair()
        receiver = DescriptorSide(b)
        before = open_descriptors()
        a.send(b"short")
        spare = os.open("/dev/null", os.O_RDONLY)
        socket.send_fds(a, [(1).to_bytes(8, "big")], [spare, spare, spare])
        a.send((2).to_bytes(8, "big"))
        for _ in range(3):
            socket.send_fds(a, [(9).to_bytes(8, "big")], [spare])
        await until(lambda: receiver.unclaimed == 1)
        for token in range(descriptors.UNCLAIMED_LIMIT + 40):
            socket.send_fds(a, [(100 + token).to_bytes(8, "big")], [spare])
            await asyncio.sleep(0)
        await until(lambda: receiver.unclaimed == descriptors.UNCLAIMED_LIMIT)
        os.close(spare)
        receiver.close()
        a.close()
        assert open_descriptors() <= before

    run(test)


def test_closing_closes_everything_that_waits() -> None:
    async def test() -> None:
        before = open_descriptors()
        a, b = side_pair()
        sender, receiver = DescriptorSide(a), DescriptorSide(b)
        pairs = [socket.socketpair() for _ in range(20)]
        for _near, far in pairs:
            sender.send(far)
        await until(lambda: receiver.unclaimed > 0)
        sender.close()
        receiver.close()
        sender.close()
        spare = socket.socketpair()
        pairs.append(spare)
        assert sender.send(spare[1]) > 0
        for near, _far in pairs:
            near.close()
        assert open_descriptors() == before

    run(test)
