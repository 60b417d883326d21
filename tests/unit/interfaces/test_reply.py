"""A reply is shaped once, however it ends, and tells its follower."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from libvdsm.interfaces.reply import Reply, promise

Told = list[tuple[bytes | None, BaseException | None]]


def shaped() -> tuple[Reply, Told, list[Reply]]:
    reply, told, followed = promise(asyncio.get_running_loop()), list[tuple[bytes | None, BaseException | None]](), list[Reply]()

    def shape(result: bytes | None, failure: BaseException | None) -> bytes:
        told.append((result, failure))
        return b"<" + (result or b"") + b">"

    def follow(done: asyncio.Future[bytes]) -> None:
        assert isinstance(done, Reply)
        followed.append(done)

    reply.shape, reply.follow = shape, follow
    return reply, told, followed


async def test_what_it_is_becomes_what_it_is_shaped_to() -> None:
    """The result as well as the failure; whoever follows and whoever waits are told the same."""
    reply, told, followed = shaped()
    reply.settle(b"1")
    reply.settle(b"2")
    assert (await reply, told, followed) == (b"<1>", [(b"1", None)], [reply])
    reply, told, followed = shaped()
    failure = OSError()
    reply.fail(failure)
    reply.fail(failure)
    assert (await reply, told, followed) == (b"<>", [(None, failure)], [reply])


async def test_without_a_shape_it_is_what_it_is() -> None:
    """A result, or a failure that is raised."""
    reply = promise(asyncio.get_running_loop())
    reply.settle(b"1")
    assert await reply == b"1"
    reply = promise(asyncio.get_running_loop())
    reply.fail(KeyError("x"))
    with pytest.raises(KeyError):
        await reply


@pytest.mark.parametrize(("end", "followers"), ((Reply.cancel, 0), (Reply.give_up, 1)))
async def test_what_nobody_wants_is_shaped_all_the_same(end: Callable[[Reply], object], followers: int) -> None:
    """So that whoever counts is told; the answer that comes later is nobody's."""
    reply, told, followed = shaped()
    end(reply)
    end(reply)
    reply.settle(b"1")
    assert (reply.cancelled(), told, len(followed)) == (True, [(None, None)], followers)


async def test_a_defect_of_others_harms_nobody_else() -> None:
    """Whoever brings the answer goes on; whoever waits is told of a shape's defect."""
    complaints = list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context["exception"]))
    defect = RuntimeError("defect")

    def fail(*_anything: object) -> Any:
        raise defect

    reply = promise(loop)
    reply.shape = reply.follow = fail
    reply.settle(b"1")
    with pytest.raises(RuntimeError):
        await reply
    assert complaints == [defect, defect]
