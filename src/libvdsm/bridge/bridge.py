"""The bridge of the front (``interfaces.bridge.Bridge``)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial

import msgspec

from libvdsm.base.clock import Clock
from libvdsm.base.errors import ApiError
from libvdsm.bridge.authority import Authority, named
from libvdsm.bridge.deeds import Deeds, Handler, is_deed
from libvdsm.bridge.options import NO_OPTIONS, check_time, decode_options
from libvdsm.bridge.streams import CONSOLE, Streams, vm_params
from libvdsm.bridge.tickets import Tickets
from libvdsm.bridge.validation import ParamsDecoder
from libvdsm.bridge.work import Work, internal_error
from libvdsm.broker.broker import Broker
from libvdsm.interfaces.audit import Actor, Deed, Trail
from libvdsm.interfaces.caller import Caller, Sink
from libvdsm.interfaces.generated.errors import DeadlineExceeded, MethodNotFound, ObjectNotFound, PermissionDenied
from libvdsm.interfaces.generated.types import CallOptions, EventFilter, TaskAccepted
from libvdsm.interfaces.method import MethodEntry
from libvdsm.tasks.service import wait_for_end
from libvdsm.tasks.tasks import Tasks

#: What a call may take beyond its time: whoever carries it out has the first word about that.
_GRACE_S = 6.0


class _Route:
    """One verb, ready to be called."""

    __slots__ = ("attribute", "decode", "entry", "handler", "is_deed", "is_direct", "permission", "quick", "verify")

    def __init__(self, entry: MethodEntry, handler: Handler | None, *, verify: bool) -> None:
        self.entry = entry
        self.permission = entry.permission
        self.handler = handler
        self.is_deed = is_deed(entry)
        self.decode = ParamsDecoder(entry.params, entry.param_names)
        self.quick = self.decode.quick
        self.attribute = _attribute(entry)
        answer = TaskAccepted if entry.kind == "operation" else entry.result
        self.verify = msgspec.json.Decoder(answer).decode if verify else None
        self.is_direct = not self.is_deed and not verify  # without options, whoever answers has the last word


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
        deeds: Deeds,
        authority: Authority,
        trail: Trail,
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
        self._work = work
        self._tasks = tasks
        self._broker = broker
        self._tickets = tickets
        self._streams = Streams()
        self._deeds = deeds
        self._authority = authority
        self._trail = trail
        self._clock = clock
        self.calls = 0

    # --- Bridge ---

    def call(self, caller: Caller, method: str, params: bytes = b"{}", options: bytes | None = None) -> bytes | Awaitable[bytes]:
        """See ``Bridge``."""
        route = self._routes.get(method)
        if route is None:
            raise MethodNotFound(method=method[:128])
        if caller.only is not None or (route.permission is not None and route.permission not in caller.permissions):
            self._require(caller, route.entry, params)
        self.calls += 1
        try:
            if options is None and route.is_direct:
                try:
                    decoded = route.quick(params)
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                    decoded = route.decode(params)
                    params = route.decode.named(params)
                if route.handler is not None:
                    return route.handler(caller, decoded)
                if route.attribute is None:
                    return self._work.plain(caller, route.entry, params)
                return self._work.query(caller, route.entry, params, getattr(decoded, route.attribute), NO_OPTIONS)
            return self._call_with_options(caller, route, params, NO_OPTIONS if options is None else decode_options(options))
        except PermissionDenied as refusal:  # by whoever answers: the scope of the question was too wide
            self.refused(caller, route.entry, params, refusal)
            raise
        except ApiError:
            raise
        except Exception as error:
            raise internal_error(method, error) from error

    async def wait(self, caller: Caller, task_id: str, timeout_s: float) -> bytes:
        """See ``Bridge``."""
        self._require(caller, self._methods["Task.wait"], msgspec.json.encode({"taskId": task_id}))
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
        filter: EventFilter | None = None,
        coalesce_s: float = 0.0,
    ) -> bytes:
        """See ``Bridge``."""
        self._require(caller, self._methods["Event.subscribe"], b"{}")
        return self._broker.subscribe(
            caller,
            sink,
            topics,
            after=after,
            snapshot=snapshot,
            subscription_id=subscription_id,
            filter=filter,
            coalesce_s=coalesce_s,
        )

    def release(self, sink: Sink) -> None:
        """See ``Bridge``."""
        self._broker.release(sink)

    def redeem(self, caller: Caller, ticket: str) -> socket.socket:
        """See ``Bridge``."""
        stream, vm = self._tickets.redeem(caller.identity, ticket, address=caller.address)
        if vm:
            try:
                self._streams.hold(caller, vm, stream, partial(self._authority.require, caller, self._methods[CONSOLE], vm_params(vm)))
            except ApiError:
                stream.close()
                raise ObjectNotFound(type="ticket", id="that was given") from None
        return stream

    def moved(self, type: str, id: str) -> None:
        """An object has gone to another project: whoever may not open its console there loses the one that he has."""
        self._streams.moved(type, id)

    def describe(self) -> Mapping[str, MethodEntry]:
        """See ``Bridge``."""
        return self._methods

    async def close(self) -> None:
        """Take no more work; end what is under way."""
        await self._deeds.close()
        self._tickets.close()

    # --- the steps beyond the hot path ---

    def _require(self, caller: Caller, entry: MethodEntry, params: bytes) -> None:
        """What is not everybody's: refused calls are recorded."""
        try:
            self._authority.require(caller, entry, params)
        except ApiError as refusal:
            self.refused(caller, entry, params, refusal)
            raise

    def refused(self, caller: Caller, entry: MethodEntry, params: bytes, refusal: ApiError) -> None:
        """Record a refused call."""
        id = None if entry.object_param is None else named(params, entry, entry.object_param)
        deed = Deed(
            actor=Actor(caller.identity, caller.source, caller.address),
            method=entry.name,
            outcome="refused",
            object=None if id is None or entry.object_type is None else (entry.object_type, id[:128]),
            project=self._authority.project(entry, id, params),
            error=refusal.name,
        )
        self._trail.refusal(deed)

    def _call_with_options(self, caller: Caller, route: _Route, params: bytes, options: CallOptions) -> bytes | Awaitable[bytes]:
        if not route.is_deed:  # a deed looks when it comes to be done: one that was done is answered however late it is asked for
            check_time(options, self._clock)
        decoded = route.decode(params)
        answer = self._begin(caller, route, params, decoded, options)
        if isinstance(answer, bytes):
            return answer if route.verify is None else _verified(route, answer)
        if route.handler is None and route.verify is None and options.wait is None and not route.is_deed:
            return answer  # the port keeps the deadline
        return self._finish(route, answer, options)

    def _begin(self, caller: Caller, route: _Route, params: bytes, decoded: object, options: CallOptions) -> bytes | Awaitable[bytes]:
        if route.handler is not None and not route.is_deed:
            return route.handler(caller, decoded)
        object_id = None if route.attribute is None else getattr(decoded, route.attribute)
        named_params = route.decode.named(params)
        if route.is_deed:
            return self._deeds.call(caller, route.entry, route.handler, named_params, decoded, object_id, options)
        return self._work.query(caller, route.entry, named_params, object_id, options)

    async def _finish(self, route: _Route, answer: Awaitable[bytes], options: CallOptions) -> bytes:
        seconds = route.entry.timeout_s if options.timeout is None else options.timeout
        is_bound = options.wait is None and (options.timeout is not None or (route.is_deed and route.handler is None))
        try:
            async with asyncio.timeout(seconds + _GRACE_S if is_bound else None):
                result = await answer
        except TimeoutError:
            raise DeadlineExceeded(seconds=seconds) from None
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
