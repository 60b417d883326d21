"""A subsystem's service behind bytes: decodes a verb's parameters, calls it, encodes what it answers.

The same code serves a worker's channel and the front itself (``--in-process``). A query runs up to its first wait
where it is asked, outside any asyncio task: most never wait, and a task would cost more than their work. So the first
step of a query may not use ``asyncio.timeout`` or ``asyncio.current_task``; commands and operations are tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from libvdsm.base import faultpoints
from libvdsm.base.secret import decode_hook
from libvdsm.interfaces.generated.errors import InvalidParams, MethodNotFound
from libvdsm.interfaces.messages import Checked, Recovered, ReportProgress, WorkCancel, WorkCheck, WorkMeta, WorkRecover
from libvdsm.interfaces.method import MethodEntry
from libvdsm.interfaces.work import Service, WorkContext
from libvdsm.ipc import failures

_encode = msgspec.json.Encoder().encode
_decode_meta = msgspec.json.Decoder(WorkMeta).decode
_decode_cancel = msgspec.json.Decoder(WorkCancel).decode
_decode_recover = msgspec.json.Decoder(WorkRecover).decode
_decode_check = msgspec.json.Decoder(WorkCheck).decode

#: Tells the front: the name of a notification and its encoded parameters.
Tell = Callable[[str, bytes], None]
#: A message between front and worker that is no verb, from its encoded parameters; a service has them in ``internal``.
Internal = Callable[[bytes], Awaitable[bytes]]


class _Verb:
    __slots__ = ("_bytes", "_value", "call", "decode", "is_query", "name")

    def __init__(self, entry: MethodEntry, call: Callable[[WorkContext, Any], Coroutine[Any, Any, object]]) -> None:
        self.name = entry.name
        self.call = call
        self.decode: Callable[[bytes | Raw], Any] = msgspec.json.Decoder(entry.params, dec_hook=decode_hook).decode
        self.is_query = entry.kind == "query"
        self._value: object = None
        self._bytes = b""

    def encode(self, value: object) -> bytes:
        """The raw JSON of a query's result. Results are frozen: the very value of the time before has its bytes already."""
        if value is not self._value:
            self._value, self._bytes = value, _encode(value)
        return self._bytes


class _Begun:
    """A coroutine that has run to its first wait, to be awaited for the rest."""

    __slots__ = ("_work", "_yielded")

    def __init__(self, work: Coroutine[Any, Any, object], yielded: object) -> None:
        self._work = work
        self._yielded = yielded

    def __await__(self) -> Generator[Any, Any, object]:
        yielded = self._yielded
        while True:
            try:
                sent = yield yielded
            except GeneratorExit:
                self._work.close()
                raise
            except BaseException as failure:  # noqa: BLE001 - handed to the coroutine that waits
                step: Callable[[], object] = _Throw(self._work, failure)
            else:
                step = _Send(self._work, sent)
            try:
                yielded = step()
            except StopIteration as done:
                return done.value


class _Send:
    __slots__ = ("_value", "_work")

    def __init__(self, work: Coroutine[Any, Any, object], value: object) -> None:
        self._work = work
        self._value = value

    def __call__(self) -> object:
        return self._work.send(self._value)


class _Throw:
    __slots__ = ("_failure", "_work")

    def __init__(self, work: Coroutine[Any, Any, object], failure: BaseException) -> None:
        self._work = work
        self._failure = failure

    def __call__(self) -> object:
        return self._work.throw(self._failure)


class Dispatcher:
    """Answers the requests of the front; belongs to the running loop."""

    def __init__(self, subsystem: str, service: Service, methods: Mapping[str, MethodEntry], tell: Tell) -> None:
        """All verbs of ``subsystem`` must be methods of ``service``; ``tell`` takes the reports of progress."""
        entries = [entry for entry in methods.values() if entry.subsystem == subsystem]
        self._verbs = {entry.name: _Verb(entry, getattr(service, entry.attribute)) for entry in entries}
        self._internal: Mapping[str, Internal] = getattr(service, "internal", {})
        self._service = service
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, asyncio.Task[bytes]] = {}
        self._asked: set[asyncio.Task[bytes]] = set()
        self._cancelled: set[str] = set()

    def handle(self, method: str, params: bytes | Raw, meta: bytes | Raw) -> bytes | Awaitable[bytes]:
        """The result's raw JSON, now or later; raises ``ApiError`` now or later."""
        verb = self._verbs.get(method)
        if verb is None:
            return self._other(method, params, meta)
        try:
            decoded = verb.decode(params)
        except msgspec.ValidationError as failure:
            raise InvalidParams(path="$", reason=str(failure)) from failure
        told = _decode_meta(meta)
        return self._query(verb, decoded, told) if verb.is_query else self._start(verb, decoded, told)

    def _other(self, method: str, params: bytes | Raw, meta: bytes | Raw) -> bytes | Awaitable[bytes]:
        """What is no verb of the schema."""
        if method == "work.cancel":
            return self._cancel(_decode_cancel(params).operationId)
        if method == "work.recover":
            recover = _decode_recover(params)
            return self._ask(self._recover(self._verb(recover.method), recover.params, _decode_meta(meta)))
        if method == "work.check":
            check = _decode_check(params)
            return self._ask(self._check(self._verb(check.method), check.params, _decode_meta(meta)))
        if method in self._internal:
            return self._internal[method](bytes(params))
        raise MethodNotFound(method=method)

    def _ask(self, work: Coroutine[Any, Any, bytes]) -> Awaitable[bytes]:
        """A question about a verb, in a task of its own."""
        task = self._loop.create_task(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)
        return task

    def _verb(self, method: str) -> _Verb:
        verb = self._verbs.get(method)
        if verb is None:
            raise MethodNotFound(method=method)
        return verb

    async def _recover(self, verb: _Verb, params: Raw, told: WorkMeta) -> bytes:
        """What became of a verb. If it is still at work here (the front has waited too long for it), its end is awaited first."""
        context = self._context(verb, told)
        running = self._running.get(told.operationId)
        if running is not None:
            done, _ = await asyncio.wait((running,), timeout=told.timeout / 2)
            if done and not running.cancelled() and running.exception() is None:
                return _encode(Recovered(outcome="done", result=Raw(running.result())))
            running.cancel()
            await asyncio.wait((running,))
        try:
            decoded = verb.decode(params)
        except msgspec.ValidationError as failure:  # what was hidden from the journal was needed
            return _encode(Recovered(outcome="unknown", reason=f"its parameters cannot be read any more: {failure}"))
        return _encode(await self._service.recover(context, decoded))

    async def _check(self, verb: _Verb, params: Raw, told: WorkMeta) -> bytes:
        try:
            decoded = verb.decode(params)
        except msgspec.ValidationError as failure:
            refusal = InvalidParams(path="$", reason=str(failure))
            return _encode(Checked(reasons=[Raw(failures.to_bytes(refusal, verb.name))]))
        return _encode(await self._service.check(self._context(verb, told), decoded))

    async def stop(self) -> None:
        """Give up what runs: the front is gone, or goes."""
        tasks = [*self._running.values(), *self._asked]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _query(self, verb: _Verb, params: object, told: WorkMeta) -> bytes | Awaitable[bytes]:
        work = verb.call(self._context(verb, told), params)
        try:
            yielded = work.send(None)
        except StopIteration as done:
            return verb.encode(done.value)
        return _encoded(_Begun(work, yielded))

    def _start(self, verb: _Verb, params: object, told: WorkMeta) -> Awaitable[bytes]:
        id = told.operationId
        context = self._context(verb, told)
        context.progress = lambda value: self._tell("report.progress", _encode(ReportProgress(operationId=id, value=value)))
        context.is_cancelled = lambda: id in self._cancelled
        task = self._running[id] = self._loop.create_task(_carried_out(verb.name, verb.call(context, params)), name=verb.name)
        task.add_done_callback(lambda _task: self._ended(id))
        return task

    def _context(self, verb: _Verb, told: WorkMeta) -> WorkContext:
        return WorkContext(
            method=verb.name,
            operation_id=told.operationId,
            identity=told.identity,
            address=told.address,
            deadline=self._loop.time() + told.timeout,
            flow_id=told.flowId,
            generation=told.generation,
            expected_generation=told.expectedGeneration,
            desired=None if isinstance(told.desired, UnsetType) else told.desired,
        )

    def _ended(self, id: str) -> None:
        self._running.pop(id, None)
        self._cancelled.discard(id)

    def _cancel(self, id: str) -> bytes:
        """The work looks at its flag where it can stop; nothing is torn out of its middle."""
        if id not in self._running:
            return b'{"cancelled":false}'
        self._cancelled.add(id)
        return b'{"cancelled":true}'


async def _carried_out(method: str, work: Awaitable[object]) -> bytes:
    """A deed to its end: what it has done was told when it returns, and its answer not yet."""
    result = await work
    faultpoints.reach(method, "after_effect")
    return _encode(result)


async def _encoded(work: Awaitable[object]) -> bytes:
    return _encode(await work)
