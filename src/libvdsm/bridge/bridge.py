"""The bridge of the front (``interfaces.bridge.Bridge``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.bridge.idempotency import Answers
from libvdsm.bridge.options import NO_OPTIONS, check_time, decode_options
from libvdsm.bridge.tickets import Tickets
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.bridge.work import Work, internal_error
from libvdsm.broker.broker import Broker
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import DeadlineExceeded, MethodNotFound, PermissionDenied
from libvdsm.interfaces.generated.types import CallOptions, TaskAccepted
from libvdsm.interfaces.method import MethodEntry
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Tasks

#: A verb that the front answers: from its caller and its decoded parameters, at once or later.
Handler = Callable[[Caller, Any], bytes | Awaitable[bytes]]


class _Route:
    """One verb, ready to be called."""

    __slots__ = ("attribute", "decode", "entry", "handler", "permission", "quick", "verify")

    def __init__(self, entry: MethodEntry, handler: Handler | None, *, verify: bool) -> None:
        self.entry = entry
        self.permission = entry.permission
        self.handler = handler
        self.decode = ParamsDecoder(entry.params, entry.param_names)
        self.quick = self.decode.quick
        self.attribute = _attribute(entry)
        answer = TaskAccepted if entry.kind == "operation" else entry.result
        self.verify = msgspec.json.Decoder(answer).decode if verify else None


class FrontBridge:
    """Find, authorise, validate, deduplicate, call or start a task, map errors, record."""

    def __init__(
        self,
        *,
        methods: Mapping[str, MethodEntry],
        handlers: Mapping[str, Handler],
        work: Work,
        tasks: Tasks,
        broker: Broker,
        tickets: Tickets,
        answers: Answers,
        clock: Clock,
        verify_results: bool = False,
    ) -> None:
        """``handlers``: the verbs of subsystem ``front``, by their full names; all of them, and no other."""
        front = {name for name, entry in methods.items() if entry.subsystem == "front"}
        if front != set(handlers):
            message = f"verbs of the front without or beyond the schema: {sorted(front ^ set(handlers))}"
            raise ValueError(message)
        self._methods = methods
        self._routes = {name: _Route(entry, handlers.get(name), verify=verify_results) for name, entry in methods.items()}
        self._verify = verify_results
        self._work = work
        self._tasks = tasks
        self._broker = broker
        self._tickets = tickets
        self._answers = answers
        self._clock = clock
        self.calls = 0

    # --- Bridge ---

    def call(self, caller: Caller, method: str, params: bytes = b"{}", options: bytes | None = None) -> bytes | Awaitable[bytes]:
        """See ``Bridge``."""
        route = self._routes.get(method)
        if route is None:
            raise MethodNotFound(method=method[:128])
        if route.permission is not None and route.permission not in caller.permissions:
            raise PermissionDenied(identity=caller.identity, permission=route.permission)
        self.calls += 1
        try:
            if options is None and route.handler is not None and not self._verify:
                try:
                    decoded = route.quick(params)
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                    decoded = route.decode(params)
                return route.handler(caller, decoded)
            return self._call_with_options(caller, route, params, NO_OPTIONS if options is None else decode_options(options))
        except ApiError:
            raise
        except Exception as error:
            raise internal_error(method, error) from error

    async def wait(self, caller: Caller, task_id: str, timeout_s: float) -> bytes:
        """See ``Bridge``."""
        permission = self._methods["Task.wait"].permission
        if permission is not None and permission not in caller.permissions:
            raise PermissionDenied(identity=caller.identity, permission=permission)
        task = self._tasks.get(task_id)
        return task.fragment if task.end_is_told else await wait_for_end(task, timeout_s)

    def subscribe(
        self,
        caller: Caller,
        sink: Sink,
        topics: Sequence[str] = ("#",),
        *,
        after: str | None = None,
        snapshot: bool = False,
        subscription_id: str | None = None,
    ) -> bytes:
        """See ``Bridge``."""
        permission = self._methods["Event.subscribe"].permission
        if permission is not None and permission not in caller.permissions:
            raise PermissionDenied(identity=caller.identity, permission=permission)
        return self._broker.subscribe(caller, sink, topics, after=after, snapshot=snapshot, subscription_id=subscription_id)

    def release(self, sink: Sink) -> None:
        """See ``Bridge``."""
        self._broker.release(sink)

    def redeem(self, caller: Caller, ticket: str) -> socket.socket:
        """See ``Bridge``."""
        return self._tickets.redeem(caller.identity, ticket)

    def describe(self) -> Mapping[str, MethodEntry]:
        """See ``Bridge``."""
        return self._methods

    async def close(self) -> None:
        """Take no more work; end what is under way."""
        await self._work.close()
        self._tickets.close()

    # --- the steps beyond the hot path ---

    def _call_with_options(self, caller: Caller, route: _Route, params: bytes, options: CallOptions) -> bytes | Awaitable[bytes]:
        check_time(options, self._clock)
        entry = route.entry
        decoded = route.decode(params)
        if route.handler is not None:
            answer = route.handler(caller, decoded)
        elif options.idempotency_key is not None and entry.kind != "query":
            answer = self._once(caller, route, params, decoded, options)
        else:
            answer = self._run(caller, route, params, decoded, options)
        if isinstance(answer, bytes):
            return answer if route.verify is None else _verified(route, answer)
        if route.handler is None and route.verify is None and options.wait is None:
            return answer  # the port keeps the deadline
        return self._finish(route, answer, options)

    def _run(self, caller: Caller, route: _Route, params: bytes, decoded: object, options: CallOptions) -> Awaitable[bytes]:
        object_id = None if route.attribute is None else getattr(decoded, route.attribute)
        named = route.decode.named(params)
        return self._work.call(caller, route.entry, named, object_id, options)

    async def _once(self, caller: Caller, route: _Route, params: bytes, decoded: object, options: CallOptions) -> bytes:
        async def run() -> bytes:
            return await self._run(caller, route, params, decoded, options)

        key = options.idempotency_key or ""
        return await self._answers.once(caller.identity, key, route.entry.name, params, run)

    async def _finish(self, route: _Route, answer: Awaitable[bytes], options: CallOptions) -> bytes:
        try:
            if options.timeout is not None and options.wait is None:
                async with asyncio.timeout(options.timeout + 1):
                    result = await answer
            else:
                result = await answer
        except TimeoutError:
            raise DeadlineExceeded(seconds=options.timeout or route.entry.timeout_s) from None
        except ApiError:
            raise
        except Exception as error:
            raise internal_error(route.entry.name, error) from error
        return result if route.verify is None else _verified(route, result)


def _attribute(entry: MethodEntry) -> str | None:
    """The attribute of the decoded parameters that holds the object's id."""
    if entry.object_param is None:
        return None
    fields = dict(zip(entry.params.__struct_encode_fields__, entry.params.__struct_fields__, strict=True))
    return fields[entry.object_param]


def _verified(route: _Route, answer: bytes) -> bytes:
    """The answer, if it is what the schema says (``--verify-results``)."""
    if route.verify is not None:
        try:
            route.verify(answer)
        except msgspec.DecodeError as error:
            raise internal_error(route.entry.name, error) from error
    return answer
