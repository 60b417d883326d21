"""Calls, answers and notifications over a real socket pair, and a peer that is hostile or gone."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import pytest

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import DeadlineExceeded, InternalError, MethodNotFound, ObjectNotFound, SubsystemUnavailable
from libvdsm.ipc import channel
from libvdsm.ipc.channel import Channel
from libvdsm.ipc.frames import FrameReader, frame


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def answer(method: str, params: msgspec.Raw, meta: msgspec.Raw) -> bytes | Awaitable[bytes]:
    if method == "later":
        return later(bytes(params))
    if method == "fail":
        raise ObjectNotFound(type="vm", id="1")
    if method == "break":
        raise ZeroDivisionError
    return b'{"method":"%b","params":%b,"meta":%b}' % (method.encode(), bytes(params), bytes(meta))


async def later(params: bytes) -> bytes:
    await asyncio.sleep(0)
    if params == b'"fail"':
        raise ObjectNotFound(type="vm", id="2")
    if params == b'"cancel"':
        raise asyncio.CancelledError
    return params


async def pair(left_notice: channel.NoticeHandler = channel.ignore_notice) -> tuple[Channel, Channel]:
    left, right = socket.socketpair()
    return await channel.connect(left, "right", on_notice=left_notice), await channel.connect(right, "left", on_request=answer)


def test_a_call_carries_params_and_meta_and_brings_the_result() -> None:
    async def test() -> None:
        front, worker = await pair()
        found = await front.call("VM.get", b'{"vmId":"\n1"}'.replace(b"\n", b"\\n"), b'{"identity":"me"}', 5)
        assert json.loads(found) == {"method": "VM.get", "params": {"vmId": "\n1"}, "meta": {"identity": "me"}}
        assert front.pending == 0
        front.close()
        worker.close()

    run(test)


def test_many_calls_at_once_get_each_their_own_answer() -> None:
    async def test() -> None:
        front, worker = await pair()
        calls = [front.call("later" if i % 3 else "now", str(i).encode(), b"{}", 5) for i in range(500)]
        for i, found in enumerate(await asyncio.gather(*calls)):
            assert (json.loads(found) if i % 3 else json.loads(found)["params"]) == i
        front.close()
        worker.close()

    run(test)


def test_a_large_result_passes_in_many_pieces() -> None:
    async def test() -> None:
        front, worker = await pair()
        large = b'"' + b"x" * 9_000_000 + b'"'
        assert await front.call("later", large, b"{}", 15) == large
        front.close()
        worker.close()

    run(test)


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    (
        ("fail", b"{}", ObjectNotFound),
        ("break", b"{}", InternalError),
        ("later", b'"fail"', ObjectNotFound),
        ("later", b'"cancel"', InternalError),
    ),
)
def test_errors_are_rebuilt_as_what_they_were(method: str, params: bytes, kind: type[ApiError]) -> None:
    async def test() -> None:
        front, worker = await pair()
        with pytest.raises(kind):
            await front.call(method, params, b"{}", 5)
        front.close()
        worker.close()

    run(test)


def test_a_side_that_is_never_called_says_so() -> None:
    async def test() -> None:
        front, worker = await pair()
        with pytest.raises(MethodNotFound):
            await worker.call("VM.get", b"{}", b"{}", 5)
        front.close()
        worker.close()

    run(test)


def test_notifications_and_answers_keep_the_order_in_which_they_were_said() -> None:
    async def test() -> None:
        heard: list[str] = []
        worker: Channel

        def speak(method: str, _params: msgspec.Raw, _meta: msgspec.Raw) -> bytes:
            worker.notify("report.before", b"{}")
            asyncio.get_running_loop().call_soon(worker.notify, "report.after", b"{}")
            return b'"answer"'

        left, right = socket.socketpair()
        both = asyncio.Event()

        def hear(method: str, _params: msgspec.Raw) -> None:
            heard.append(method)
            if len(heard) == 3:
                both.set()

        front = await channel.connect(left, "worker", on_notice=hear)
        worker = await channel.connect(right, "front", on_request=speak)
        front.call("x", b"{}", b"{}", 5).add_done_callback(lambda done: hear(done.result().decode(), msgspec.Raw()))
        await both.wait()
        assert heard[0] == "report.before"
        assert set(heard[1:]) == {'"answer"', "report.after"}
        front.close()
        worker.close()

    run(test)


def test_a_listener_that_fails_does_not_end_the_channel() -> None:
    async def test() -> None:
        def fail(_method: str, _params: msgspec.Raw) -> None:
            raise ZeroDivisionError

        front, worker = await pair(left_notice=fail)
        worker.notify("report.x", b"{}")
        assert await front.call("later", b"1", b"{}", 5) == b"1"
        front.close()
        worker.close()

    run(test)


def test_when_the_peer_goes_pending_calls_fail_at_once_and_later_ones_too() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        lost: list[str] = []
        front = await channel.connect(left, "virt", on_loss=lost.append)
        calls = [front.call("VM.get", b"{}", b"{}", 60) for _ in range(3)]
        right.close()
        for call in [*calls, front.call("VM.get", b"{}", b"{}", 60)]:
            with pytest.raises(SubsystemUnavailable) as failure:
                await call
            assert failure.value.params["subsystem"] == "virt"
        assert len(lost) == 1
        assert not front.is_open
        with pytest.raises(SubsystemUnavailable):
            await front.call("VM.get", b"{}", b"{}", 60)
        front.notify("x", b"{}")
        front.close()
        assert len(lost) == 1

    run(test)


def test_a_call_without_an_answer_ends_in_time_and_its_late_answer_is_dropped() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        front = await channel.connect(left, "virt")
        slow = front.call("VM.get", b"{}", b"{}", 0.01)
        with pytest.raises(DeadlineExceeded) as failure:
            await slow
        assert failure.value.params["seconds"] == 0.01
        right.sendall(frame(b'{"jsonrpc":"2.0","id":1,"result":1}'))
        other = front.call("VM.get", b"{}", b"{}", 5)
        right.sendall(frame(b'{"jsonrpc":"2.0","id":2,"result":2}'))
        assert await other == b"2"
        front.close()
        right.close()

    run(test)


def test_cancelling_forgets_the_answer_only() -> None:
    async def test() -> None:
        front, worker = await pair()
        front.call("now", b"1", b"{}", 5).cancel()
        assert json.loads(await front.call("now", b"2", b"{}", 5))["params"] == 2
        assert front.pending == 0
        front.close()
        worker.close()

    run(test)


@pytest.mark.parametrize(
    "octets",
    (
        b"\xff\xff\xff\xff",
        frame(b""),
        frame(b"nonsense"),
        frame(b"[]"),
        frame(b"[1]"),
        frame(b'[{"method":"report.x"},{"id":"x"}]'),
        frame(b'[[{"method":"report.x"}]]'),
        frame(b'{"id":"x","result":1}'),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
        frame(b'{"params":' + b"[" * 100_000),
    ),
)
def test_bytes_that_make_no_sense_end_the_channel_and_nothing_else(octets: bytes) -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        front = await channel.connect(left, "virt", on_loss=lost.set_result)
        call = front.call("VM.get", b"{}", b"{}", 60)
        right.sendall(octets)
        assert "made no sense" in await lost
        with pytest.raises(SubsystemUnavailable):
            await call
        right.close()

    run(test)


def test_an_answer_that_nobody_asked_for_is_ignored() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        front = await channel.connect(left, "virt")
        call = front.call("VM.get", b"{}", b"{}", 5)
        for stray in (b'{"id":77,"result":1}', b'{"result":1}', b"{}", b'{"id":0,"error":{}}'):
            right.sendall(frame(stray))
        right.sendall(frame(b'{"id":1,"result":"mine"}'))
        assert await call == b'"mine"'
        front.close()
        right.close()

    run(test)


def test_an_answer_with_neither_result_nor_error_is_our_defect() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        front = await channel.connect(left, "virt")
        call = front.call("VM.get", b"{}", b"{}", 5)
        right.sendall(frame(b'{"id":1}'))
        with pytest.raises(InternalError):
            await call
        front.close()
        right.close()

    run(test)


def test_what_is_said_in_one_turn_leaves_in_one_write() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        front = await channel.connect(left, "virt")
        writes: list[bytes] = []

        class Recording(asyncio.WriteTransport):
            def is_closing(self) -> bool:
                return False

            def write(self, data: bytes | bytearray | memoryview) -> None:
                writes.append(bytes(data))

            def close(self) -> None:
                close()

        assert front._transport is not None
        close = front._transport.close
        front._transport = Recording()
        for i in range(10):
            front.notify(f"report.{i}", b"{}")
        await asyncio.sleep(0)
        assert len(writes) == 1
        (body,) = FrameReader().receive(writes[0])
        assert [message["method"] for message in json.loads(body)] == [f"report.{i}" for i in range(10)]
        front.close()
        right.close()

    run(test)


def test_small_and_large_messages_of_one_turn_arrive_in_their_order() -> None:
    async def test() -> None:
        heard: list[str] = []
        front, worker = await pair(left_notice=lambda method, _params: heard.append(method))
        said = [f"report.{turn}.{number}" for turn in range(3) for number in range(20)]
        for index, method in enumerate(said):
            worker.notify(method, b'"%b"' % (b"x" * (200_000 if index % 20 == 7 and index > 20 else index)))
            if index % 20 == 19:
                await asyncio.sleep(0)
        assert await worker_is_heard(worker, front) == b'"over"'
        assert heard == said
        front.close()
        worker.close()

    async def worker_is_heard(worker: Channel, front: Channel) -> bytes:
        front.serve(lambda _method, _params, _meta: b'"over"')
        return await worker.call("end", b"{}", b"{}", 50)

    run(test)


def test_after_the_end_nothing_more_of_a_list_is_heard() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        heard: list[str] = []
        front: Channel
        over = asyncio.Event()

        def hear(method: str, _params: msgspec.Raw) -> None:
            heard.append(method)
            if method == "last":
                front.close()
                asyncio.get_running_loop().call_soon(over.set)

        front = await channel.connect(left, "virt", on_notice=hear)
        call = front.call("VM.get", b"{}", b"{}", 60)
        right.sendall(frame(b'[{"method":"first"},{"method":"last"},{"method":"late"},{"id":1,"result":1}]') + frame(b'{"method":"later"}'))
        await over.wait()
        with pytest.raises(SubsystemUnavailable):
            await call
        assert heard == ["first", "last"]
        right.close()

    run(test)


def test_one_message_of_a_list_that_fails_harms_no_other() -> None:
    async def test() -> None:
        front, worker = await pair()
        calls = [front.call(method, b"1", b"{}", 50) for method in ("now", "fail", "later", "break", "now")]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in found] == [bytes, ObjectNotFound, bytes, InternalError, bytes]
        front.close()
        worker.close()

    run(test)


def test_closing_still_sends_what_was_said() -> None:
    async def test() -> None:
        left, right = socket.socketpair()
        front = await channel.connect(left, "virt")
        front.notify("report.last", b"{}")
        front.close()
        right.setblocking(False)
        octets = await asyncio.get_running_loop().sock_recv(right, 1000)
        assert b"report.last" in octets
        right.close()

    run(test)


def test_what_is_said_to_a_peer_that_has_just_gone_is_dropped() -> None:
    """Between the end of the peer and our hearing of it a message is lost quietly, and pending calls fail as told."""

    async def test() -> None:
        ours, theirs = socket.socketpair()
        lost: list[str] = []
        front = await channel.connect(ours, "virt", on_loss=lost.append)
        pending = front.call("VM.list", b"{}", b"{}", 5)
        theirs.close()
        assert isinstance(front._transport, asyncio.Transport)
        front._transport.abort()
        front.notify("report.x", b"{}")
        with pytest.raises(SubsystemUnavailable):
            await pending
        assert len(lost) == 1

    run(test)
