"""A service behind bytes, over a channel's other end or inside the front."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from libvdsm.base import faultpoints
from libvdsm.base.errors import ApiError
from libvdsm.daemon.dispatch import Dispatcher
from libvdsm.daemon.ports import LocalPort
from libvdsm.interfaces.generated.errors import DeadlineExceeded, InternalError, InvalidParams, MethodNotFound, ObjectNotFound
from libvdsm.interfaces.messages import Cause, Checked, Recovered, ReportOffer
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.work import Reporter, WorkContext

META = b'{"operationId":"op","identity":"me","timeout":5,"generation":7,"desired":{"a":1}}'


class EchoParams(msgspec.Struct, forbid_unknown_fields=True):
    word: str


class EchoResult(msgspec.Struct):
    word: str


def entry(name: str, kind: str = "query", subsystem: str = "toy") -> MethodEntry:
    return MethodEntry(
        name=f"Toy.{name}",
        attribute=name,
        kind=kind,
        subsystem=subsystem,
        permission=None,
        object_param=None,
        object_type=None,
        params=EchoParams,
        param_names=("word",),
        result=EchoResult,
        timeout_s=5.0,
        idempotent=True,
        cost="low",
        probe=None,
        progress_unit=None,
        paged=False,
        errors=(),
        uncacheable=False,
    )


METHODS = {e.name: e for e in (entry("now"), entry("later"), entry("work", "operation"), entry("other", subsystem="front"))}


class Toy:
    """A subsystem."""

    def __init__(self) -> None:
        self.contexts: list[WorkContext] = []
        self.tasks: list[asyncio.Task[Any] | None] = []
        self.go_on = asyncio.Event()
        self.events: list[str] = []

    async def start(self) -> None:
        self.events.append("start")

    async def stop(self) -> None:
        self.events.append("stop")

    async def recover(self, context: WorkContext, params: msgspec.Struct) -> Recovered:
        self.contexts.append(context)
        return Recovered(outcome="done", result=Raw(msgspec.json.encode(params)))

    async def check(self, context: WorkContext, params: msgspec.Struct) -> Checked:
        return Checked(reasons=[Raw(b'{"code":1}')], nothingToDo=context.method == "Toy.work" and isinstance(params, EchoParams))

    async def now(self, context: WorkContext, params: EchoParams) -> EchoResult:
        self.contexts.append(context)
        if params.word == "missing":
            raise ObjectNotFound(type="vm", id="1")
        if params.word == "defect":
            raise ZeroDivisionError
        return EchoResult(params.word)

    async def later(self, context: WorkContext, params: EchoParams) -> EchoResult:
        for _ in range(3):
            await asyncio.sleep(0)
        await self.go_on.wait()
        if params.word == "missing":
            raise ObjectNotFound(type="vm", id="1")
        return await self.now(context, params)

    async def work(self, context: WorkContext, params: EchoParams) -> EchoResult:
        self.tasks.append(asyncio.current_task())
        context.progress(0.5)
        await self.go_on.wait()
        return EchoResult("cancelled" if context.is_cancelled() else params.word)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def made() -> tuple[Toy, Dispatcher, list[tuple[str, bytes]]]:
    told: list[tuple[str, bytes]] = []
    toy = Toy()
    return toy, Dispatcher("toy", toy, METHODS, lambda method, params: told.append((method, params))), told


async def result(answer: bytes | Awaitable[bytes]) -> object:
    return json.loads(answer if isinstance(answer, bytes) else await answer)


def test_a_query_that_need_not_wait_is_answered_at_once() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        assert dispatcher.handle("Toy.now", b'{"word":"hello"}', META) == b'{"word":"hello"}'
        context = toy.contexts[0]
        assert (context.method, context.operation_id, context.identity, context.generation) == ("Toy.now", "op", "me", 7)
        assert bytes(context.desired or b"") == b'{"a":1}'
        assert 4 < context.deadline - asyncio.get_running_loop().time() <= 5

    run(test)


def test_a_query_that_waits_goes_on_where_it_stopped() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        answers = [dispatcher.handle("Toy.later", Raw(b'{"word":"%d"}' % i), Raw(META)) for i in range(3)]
        missing = dispatcher.handle("Toy.later", b'{"word":"missing"}', META)
        asyncio.get_running_loop().call_soon(toy.go_on.set)
        assert [await result(answer) for answer in answers] == [{"word": "0"}, {"word": "1"}, {"word": "2"}]
        with pytest.raises(ObjectNotFound):
            await result(missing)

    run(test)


def test_a_waiting_query_can_be_cancelled() -> None:
    async def test() -> None:
        _toy, dispatcher, _told = made()
        answer = dispatcher.handle("Toy.later", b'{"word":"x"}', META)
        assert not isinstance(answer, bytes)
        task = asyncio.ensure_future(answer)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(test)


@pytest.mark.parametrize(
    ("method", "params", "kind"),
    (
        ("Toy.now", b'{"word":"missing"}', ObjectNotFound),
        ("Toy.now", b'{"word":"defect"}', ZeroDivisionError),
        ("Toy.now", b'{"word":5}', InvalidParams),
        ("Toy.now", b'{"wrod":"x"}', InvalidParams),
        ("Toy.other", b"{}", MethodNotFound),
        ("Toy.none", b"{}", MethodNotFound),
    ),
)
def test_failures_come_out_as_they_are(method: str, params: bytes, kind: type[Exception]) -> None:
    async def test() -> None:
        _toy, dispatcher, _told = made()
        with pytest.raises(kind):
            await result(dispatcher.handle(method, params, META))

    run(test)


def test_an_operation_is_a_task_that_tells_its_progress_and_can_be_asked_to_stop() -> None:
    async def test() -> None:
        toy, dispatcher, told = made()
        answer = dispatcher.handle("Toy.work", b'{"word":"x"}', META)
        await asyncio.sleep(0)
        assert toy.tasks[0] is not None
        assert told == [("report.progress", b'{"operationId":"op","value":0.5}')]
        assert await result(dispatcher.handle("work.cancel", b'{"operationId":"another"}', b"{}")) == {"cancelled": False}
        assert await result(dispatcher.handle("work.cancel", b'{"operationId":"op"}', b"{}")) == {"cancelled": True}
        toy.go_on.set()
        assert await result(answer) == {"word": "cancelled"}
        assert await result(dispatcher.handle("work.cancel", b'{"operationId":"op"}', b"{}")) == {"cancelled": False}

    run(test)


def test_stopping_gives_up_what_runs() -> None:
    async def test() -> None:
        _toy, dispatcher, _told = made()
        answer = dispatcher.handle("Toy.work", b'{"word":"x"}', META)
        await asyncio.sleep(0)
        await dispatcher.stop()
        with pytest.raises(asyncio.CancelledError):
            await result(answer)

    run(test)


def asked(method: str, params: object) -> bytes:
    return json.dumps({"method": method, "params": params}).encode()


def test_the_service_is_asked_what_became_of_a_verb_with_its_own_parameters() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        assert await result(dispatcher.handle("work.recover", asked("Toy.work", {"word": "x"}), META)) == {
            "outcome": "done",
            "result": {"word": "x"},
        }
        context = toy.contexts[0]
        assert (context.method, context.operation_id, context.generation) == ("Toy.work", "op", 7)
        assert bytes(context.desired or b"") == b'{"a":1}'

    run(test)


def test_a_verb_whose_parameters_were_not_kept_whole_ends_as_unknown() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        found = await result(dispatcher.handle("work.recover", asked("Toy.work", {}), META))
        assert isinstance(found, dict)
        assert found["outcome"] == "unknown"
        assert "word" in found["reason"]
        assert toy.contexts == []

    run(test)


def test_a_verb_that_is_still_at_work_here_is_not_looked_for_but_waited_for() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        work = dispatcher.handle("Toy.work", b'{"word":"mine"}', META)
        found = dispatcher.handle("work.recover", asked("Toy.work", {"word": "mine"}), META)
        assert not isinstance(found, bytes)
        await asyncio.sleep(0)
        toy.go_on.set()
        assert await result(found) == {"outcome": "done", "result": {"word": "mine"}}
        assert await result(work) == {"word": "mine"}
        assert toy.contexts == []

    run(test)


def test_a_verb_that_does_not_come_to_an_end_is_given_up_before_it_is_looked_for() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        work = dispatcher.handle("Toy.work", b'{"word":"x"}', META)
        await asyncio.sleep(0)
        hasty = META.replace(b'"timeout":5', b'"timeout":0.01')
        assert await result(dispatcher.handle("work.recover", asked("Toy.work", {"word": "x"}), hasty)) == {
            "outcome": "done",
            "result": {"word": "x"},
        }
        assert len(toy.contexts) == 1
        with pytest.raises(asyncio.CancelledError):
            await result(work)

    run(test)


def test_the_service_is_asked_what_speaks_against_a_verb() -> None:
    async def test() -> None:
        _toy, dispatcher, _told = made()
        found = await result(dispatcher.handle("work.check", asked("Toy.work", {"word": "x"}), META))
        assert found == {"reasons": [{"code": 1}], "nothingToDo": True}
        wrong = await result(dispatcher.handle("work.check", asked("Toy.work", {"word": 1}), META))
        assert isinstance(wrong, dict)
        assert [reason["data"]["error"] for reason in wrong["reasons"]] == ["InvalidParams"]

    run(test)


@pytest.mark.parametrize("question", ("work.recover", "work.check"))
def test_nobody_is_asked_about_a_verb_of_somebody_else(question: str) -> None:
    async def test() -> None:
        _toy, dispatcher, _told = made()
        with pytest.raises(MethodNotFound):
            dispatcher.handle(question, asked("Toy.other", {"word": "x"}), META)

    run(test)


def test_a_process_can_be_stopped_when_a_deed_was_told_and_not_answered() -> None:
    async def test() -> None:
        toy, dispatcher, _told = made()
        reached: list[tuple[str, str]] = []
        faultpoints.set_hook(lambda verb, point: reached.append((verb, point)))
        try:
            toy.go_on.set()
            await result(dispatcher.handle("Toy.work", b'{"word":"x"}', META))
            await result(dispatcher.handle("Toy.later", b'{"word":"x"}', META))
        finally:
            faultpoints.set_hook(lambda _verb, _point: None)
        assert reached == [("Toy.work", "after_effect")], "a query has none"

    run(test)


class Heard:
    """``WorkerReports`` that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []
        self.streams: list[socket.socket] = []

    def attached(self, name: str) -> None:
        self.events.append(("attached", name))

    def lost(self, name: str, reason: str) -> None:
        self.events.append(("lost", name, reason))

    def held(self, name: str, reason: str) -> None:
        self.events.append(("held", name, reason))

    def degraded(self, name: str, reason: str) -> None:
        self.events.append(("degraded", name, reason))

    def report(self, name: str, method: str, params: Raw) -> None:
        self.events.append(("report", name, method, bytes(params).decode()))

    def offer(self, name: str, offer: ReportOffer, stream: socket.socket) -> None:
        self.events.append(("offer", name, offer.ticket, offer.identity))
        self.streams.append(stream)


async def local(heard: Heard) -> tuple[LocalPort, Toy, Reporter]:
    built: list[tuple[Toy, Reporter]] = []

    def build(reporter: Reporter) -> Toy:
        built.append((Toy(), reporter))
        return built[0][0]

    port = LocalPort("toy", METHODS, build, heard)
    return port, *built[0]


def test_a_subsystem_in_the_front_takes_and_gives_the_same_bytes() -> None:
    async def test() -> None:
        heard = Heard()
        port, toy, reporter = await local(heard)
        assert not port.is_up()
        await port.start()
        assert port.is_up()
        assert toy.events == ["start"]
        reporter.removed("vm", "1", Cause(kind="daemon"))
        assert await port.call("Toy.now", b'{"word":"x"}', META, 5) == b'{"word":"x"}'
        near, far = socket.socketpair()
        reporter.offer("ticket", "me", far, 5)
        await asyncio.sleep(0)
        assert heard.events == [
            ("attached", "toy"),
            ("report", "toy", "report.removed", '{"type":"vm","id":"1","cause":{"kind":"daemon"}}'),
            ("offer", "toy", "ticket", "me"),
        ]
        assert heard.streams == [far]
        near.close()
        far.close()
        await port.stop()
        assert toy.events == ["start", "stop"]

    run(test)


@pytest.mark.parametrize(("word", "kind"), (("missing", ObjectNotFound), ("defect", InternalError)))
def test_failures_in_the_front_are_typed_too(word: str, kind: type[ApiError]) -> None:
    async def test() -> None:
        port, toy, _reporter = await local(Heard())
        await port.start()
        toy.go_on.set()
        for method in ("Toy.now", "Toy.later"):
            with pytest.raises(kind):
                await port.call(method, b'{"word":"%b"}' % word.encode(), META, 5)

    run(test)


def test_time_limits_hold_in_the_front_too() -> None:
    async def test() -> None:
        port, _toy, _reporter = await local(Heard())
        await port.start()
        with pytest.raises(DeadlineExceeded):
            await port.call("Toy.work", b'{"word":"x"}', META, 0.01)
        await port.stop()
        with pytest.raises(ApiError, match="not running"):
            await port.call("Toy.now", b'{"word":"x"}', META, 5)

    run(test)
