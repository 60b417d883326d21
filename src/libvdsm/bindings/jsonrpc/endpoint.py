"""JSON-RPC for one caller on one connection: calls into the bridge, answers and events out.

What the bridge knows at once is answered without a task, and so is a query that a worker replies to. The rest
has one task each, at most ``in_flight`` per connection. A task of a query ends with the connection; a task
that changes something does not: what was received is carried out, and its answer is dropped and counted.
What an identity may ask for on all its connections is its account's to say; a refusal for that is said
without looking at the call.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from functools import partial

from libvdsm.base.errors import ApiError
from libvdsm.bindings.jsonrpc import values
from libvdsm.bindings.jsonrpc.errors import as_api_error, encode_error, encode_refusal
from libvdsm.bindings.jsonrpc.names import native_method
from libvdsm.bindings.jsonrpc.values import decode_envelope
from libvdsm.bridge.limits import Account, Accounts, IdentityLimits
from libvdsm.interfaces.bridge import Bridge
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import LimitExceeded, ParseError
from libvdsm.interfaces.reply import Reply
from libvdsm.wire import strict

Tasks = dict[int, asyncio.Future[bytes]]

#: What a call of two and of three members is long beside its method, its id and its parameters, written without blanks.
_FRAME = len('{"jsonrpc":"2.0","id":,"method":""}')
_FRAME_WITH_PARAMS = len('{"jsonrpc":"2.0","id":,"method":"","params":}')
_EMPTY = b"{}"
_HEAD = b'{"jsonrpc":"2.0","id":'
_RESULT = b',"result":'
_END = b"}\n"
_WITHOUT_BLANKS = (0, 1)  # the latter with its line feed


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonRpcLimits:
    """What one connection may ask for."""

    batch_members: int = 1_000
    batch_parallel: int = 16
    in_flight: int = 1_000


@dataclass(slots=True)
class JsonRpcCounters:
    """What happened, since the start."""

    calls: int = 0
    notifications: int = 0
    errors: int = 0
    dropped_answers: int = 0
    by_error: Counter[str] = field(default_factory=Counter)  # errors by their names


class JsonRpcEndpoint:
    """The binding; one for all connections."""

    def __init__(self, bridge: Bridge, *, limits: JsonRpcLimits | None = None, accounts: Accounts | None = None) -> None:
        self.bridge = bridge
        self.limits = limits or JsonRpcLimits()
        self.accounts = accounts or Accounts(IdentityLimits(requests_per_s=0), time.monotonic)
        self.connection_is_full = LimitExceeded(limit="calls in flight on a connection", maximum=self.limits.in_flight)
        self.counters = JsonRpcCounters()
        self.queries = frozenset(name for name, entry in bridge.describe().items() if entry.kind == "query")
        self.work: Tasks = {}  # what outlives its connection
        self.numbers = itertools.count()

    def open(self, caller: Caller) -> JsonRpcSession:
        """Begin to serve ``caller`` on a connection."""
        return JsonRpcSession(self, caller)


class JsonRpcSession:
    """One connection's calls."""

    __slots__ = (
        "_account",
        "_bridge_call",
        "_caller",
        "_counters",
        "_endpoint",
        "_in_flight",
        "_is_closed",
        "_loop",
        "_queries",
        "_running",
    )

    def __init__(self, endpoint: JsonRpcEndpoint, caller: Caller) -> None:
        self._endpoint = endpoint
        self._bridge_call = endpoint.bridge.call
        self._caller = caller
        self._account = endpoint.accounts.of(caller)
        caller.on_change.append(self._change_account)
        self._counters = endpoint.counters
        self._in_flight = endpoint.limits.in_flight
        self._queries: Tasks = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # found once: before Python 3.12 every look costs a system call
        self._running = 0
        self._is_closed = False

    def take(self, message: bytes) -> bytes | asyncio.Future[bytes] | None:
        """The hot path: as ``answer``, for bytes that are beyond doubt one usual call; ``None``, and nothing done, for any other.

        Exact, because the envelope is closed: if the message is no longer than its members written once and without
        blanks, none of them occurs twice, and only the parameters are left to be judged.
        """
        try:
            envelope = decode_envelope(message)
        except values.UNUSUAL:
            return None
        method, params, id = envelope.method, bytes(envelope.params), bytes(envelope.id)
        frame = len(message) - len(method) - len(id) - len(params) - (_FRAME_WITH_PARAMS if params else _FRAME)
        # Options would make it longer as well.
        if frame not in _WITHOUT_BLANKS or not id.isdigit() or method[:4] == "rpc.":
            return None
        if not params:
            params = _EMPTY
        elif params != _EMPTY and not (params[0] in b"{[" and strict.is_plain(params)):
            return None
        account = self._account
        account.left -= 1
        if account.left < 0 and not account.refill():
            return self._refuse_rate(id)
        self._counters.calls += 1
        if self._running >= self._in_flight or account.room <= 0:
            return self._write_failure(id, method, self._full())
        try:
            result = self._bridge_call(self._caller, method, params)
        except Exception as failure:  # noqa: BLE001 - the top of a call: whatever happens has a typed answer
            return self._write_failure(id, method, failure)
        if isinstance(result, bytes):
            return _HEAD + id + _RESULT + result + _END
        return self._launch(values.Call(method, params, id, None), result)

    def answer(self, message: bytes, options: bytes | None = None) -> bytes | asyncio.Future[bytes]:
        """The answer to one message, at once or later; ``options`` are a raw ``CallOptions`` that came beside it."""
        try:
            call = values.read_request(message)
        except values.NotACallError as fault:
            return self._answer_batch(message, options) if values.is_batch(message) else self._fail(fault)
        return self._carry_out(call, options)

    def refuse(self, reason: str) -> bytes:
        """The answer to bytes that were no message."""
        return self._fail(values.NotACallError(ParseError(reason=reason)))

    def decline(self, failure: ApiError) -> bytes:
        """An error that answers no call."""
        return values.write_error(b"null", encode_error(failure))

    def event(self, delivery: bytes) -> bytes:
        """The notification that carries an event."""
        return values.write_event(delivery)

    def close(self) -> None:
        """The client went away."""
        self._is_closed = True
        if self._change_account in self._caller.on_change:
            self._caller.on_change.remove(self._change_account)
        for task in self._queries.values():
            # In the next turn: a task that has not begun would leave the bridge's awaitable without an end.
            task.get_loop().call_soon(task.give_up if isinstance(task, Reply) else task.cancel)

    def _change_account(self) -> None:
        """The caller may have become another identity."""
        self._account = self._endpoint.accounts.of(self._caller)

    def _full(self) -> LimitExceeded:
        return self._endpoint.connection_is_full if self._running >= self._in_flight else self._account.flight_refusal

    def _refuse_rate(self, id: bytes | None) -> bytes:
        self._endpoint.counters.errors += 1
        self._endpoint.counters.by_error[LimitExceeded.name] += 1
        return b"" if id is None else values.write_error(id, encode_refusal(self._account.rate_refusal))

    def _fail(self, fault: values.NotACallError) -> bytes:
        self._endpoint.counters.errors += 1
        self._endpoint.counters.by_error[fault.answer.name] += 1
        return values.write_error(fault.id, encode_error(fault.answer))

    def _carry_out(self, call: values.Call, options: bytes | None) -> bytes | asyncio.Future[bytes]:
        id = call.id
        if id is None:
            self._counters.notifications += 1
        else:
            self._counters.calls += 1
        account = self._account
        if not account.spend():
            return self._refuse_rate(id)
        if self._running >= self._in_flight or account.room <= 0:
            return self._write_failure(id, call.method, self._full())
        try:
            method = call.method if call.method[:4] != "rpc." else native_method(call.method)
            given = call.options if options is None else values.merge_options(call.options, options)
            result = self._bridge_call(self._caller, method, call.params, given)
        except Exception as failure:  # noqa: BLE001 - the top of a call: whatever happens has a typed answer
            return self._write_failure(id, call.method, failure)
        if isinstance(result, bytes):
            return values.write_result(id, result) if id is not None else b""
        return self._launch(call, result)

    def _write_failure(self, id: bytes | None, method: str, failure: BaseException) -> bytes:
        counters = self._endpoint.counters
        counters.errors += 1
        if type(failure) is LimitExceeded:
            counters.by_error[LimitExceeded.name] += 1
            return b"" if id is None else values.write_error(id, encode_refusal(failure))
        error = as_api_error(failure, method)
        counters.by_error[error.name] += 1
        return b"" if id is None else values.write_error(id, encode_error(error))

    def _launch(self, call: values.Call, result: Awaitable[bytes]) -> asyncio.Future[bytes]:
        account = self._account
        account.room -= 1
        self._running += 1
        is_query = call.method in self._endpoint.queries
        number = next(self._endpoint.numbers)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if is_query and isinstance(result, Reply) and not result.done():
            return self._follow(call, result, number, account)
        tasks = self._queries if is_query else self._endpoint.work
        task = tasks[number] = self._loop.create_task(self._finish(call, result, tasks, number, account))
        return task

    def _follow(self, call: values.Call, result: Reply, number: int, account: Account) -> Reply:
        """A query that replies by itself needs no task and no turn of the loop: its reply becomes the answer."""
        id = call.id

        def shape(told: bytes | None, failure: BaseException | None) -> bytes:
            self._running -= 1
            account.room += 1
            self._queries.pop(number, None)
            if told is not None:
                return b"" if id is None else values.write_result(id, told)
            return b"" if failure is None else self._write_failure(id, call.method, failure)

        result.shape = shape
        self._queries[number] = result
        return result

    async def _finish(self, call: values.Call, result: Awaitable[bytes], tasks: Tasks, number: int, account: Account) -> bytes:
        try:
            encoded = await result
        except Exception as failure:  # noqa: BLE001 - the top of a call's task
            answer = self._write_failure(call.id, call.method, failure)
        else:
            answer = b"" if call.id is None else values.write_result(call.id, encoded)
        finally:
            # Here, because callbacks of the task would each cost a turn of the loop.
            self._running -= 1
            account.room += 1
            del tasks[number]
        if self._is_closed and answer:
            self._counters.dropped_answers += 1
        return answer

    # Batches.

    def _answer_batch(self, message: bytes, options: bytes | None) -> bytes | asyncio.Future[bytes]:
        """At once if every member is answered at once; else a task goes on where the first one was not."""
        try:
            members = values.read_batch(message, self._endpoint.limits.batch_members)
        except values.NotACallError as fault:
            return self._fail(fault)
        answers: list[bytes] = [b""] * len(members)
        rest = iter(enumerate(members))
        for index, member in rest:
            answer = self._begin_member(member, options)
            if isinstance(answer, bytes):
                answers[index] = answer
                continue
            number = next(self._endpoint.numbers)
            batch = self._finish_batch(answers, rest, (index, answer), options)
            task = self._endpoint.work[number] = asyncio.get_running_loop().create_task(batch)
            task.add_done_callback(partial(self._forget, number))
            return task
        return values.write_batch([answer for answer in answers if answer])

    def _forget(self, number: int, _batch: asyncio.Future[bytes]) -> None:
        del self._endpoint.work[number]

    def _begin_member(self, member: bytes, options: bytes | None) -> bytes | asyncio.Future[bytes]:
        try:
            call = values.read_member(member)
        except values.NotACallError as fault:
            return self._fail(fault)
        if self._is_closed and call.method in self._endpoint.queries:
            return b""
        return self._carry_out(call, options)

    async def _finish_batch(
        self,
        answers: list[bytes],
        rest: Iterator[tuple[int, bytes]],
        first: tuple[int, asyncio.Future[bytes]],
        options: bytes | None,
    ) -> bytes:
        async def work(waiting: tuple[int, asyncio.Future[bytes]] | None) -> None:
            if waiting is not None:
                answers[waiting[0]] = await _settle(waiting[1])
            for index, member in rest:
                answer = self._begin_member(member, options)
                answers[index] = answer if isinstance(answer, bytes) else await _settle(answer)

        others = min(self._endpoint.limits.batch_parallel, len(answers)) - 1
        await asyncio.gather(work(first), *(work(None) for _ in range(others)))
        return values.write_batch([answer for answer in answers if answer])


async def _settle(task: asyncio.Future[bytes]) -> bytes:
    """The answer of a member; nothing if it was cancelled because the client went away."""
    await asyncio.wait((task,))
    return b"" if task.cancelled() else task.result()
