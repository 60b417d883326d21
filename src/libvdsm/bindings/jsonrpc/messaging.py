"""JSON-RPC by messages: what is sent to ``/exchange/requests`` is one message of JSON-RPC, and so is the answer.

Each caller has one session, whatever number of messages he sends, so that what he may ask for at a time is bounded as on a
stream. Call options may come as headers of the message (``vdsm-timeout`` and so on, as over HTTP); those in the member
``meta`` win.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from libvdsm.bindings.jsonrpc.endpoint import JsonRpcEndpoint, JsonRpcSession
from libvdsm.bindings.jsonrpc.errors import encode_error
from libvdsm.bindings.jsonrpc.http import BadHeaderError, read_options
from libvdsm.interfaces.caller import Caller
from libvdsm.interfaces.generated.errors import InvalidRequest
from libvdsm.interfaces.messaging import Message

_JSON = "application/json"
_PREFIX = "vdsm-"
_TRACE = ("traceparent", "tracestate")


class JsonRpcRequests:
    """See ``interfaces.messaging.Requests``."""

    def __init__(self, endpoint: JsonRpcEndpoint) -> None:
        self._endpoint = endpoint
        self._sessions: WeakKeyDictionary[Caller, JsonRpcSession] = WeakKeyDictionary()

    def answer(self, caller: Caller, message: Message) -> Message | asyncio.Future[Message | None] | None:
        """See ``Requests``."""
        session = self._sessions.get(caller)
        if session is None:
            session = self._sessions[caller] = self._endpoint.open(caller)
        body = message.body
        answer: bytes | asyncio.Future[bytes] | None
        if message.headers:
            try:
                options = _options(message)
            except BadHeaderError as error:
                return _reply(message, b'{"jsonrpc":"2.0","id":null,"error":' + encode_error(InvalidRequest(reason=str(error))) + b"}\n")
            answer = session.answer(body, options) if options is not None else None
        else:
            answer = None
        if answer is None:
            answer = session.take(body)
            if answer is None:
                answer = session.answer(body)
        if isinstance(answer, bytes):
            return _reply(message, answer)
        return _reply_later(message, answer)

    def release(self, caller: Caller) -> None:
        """See ``Requests``: what he ordered goes on."""
        session = self._sessions.pop(caller, None)
        if session is not None:
            session.close()


def _options(message: Message) -> bytes | None:
    headers = {
        name.lower().encode(): value.encode()
        for name, value in message.headers.items()
        if name[:5].lower() == _PREFIX or name.lower() in _TRACE
    }
    return read_options(headers) if headers else None


def _reply(request: Message, answer: bytes) -> Message | None:
    """The answer, for whoever correlates it by what the request gave him to; a notification has none."""
    if not answer:
        return None
    correlation = request.correlation_id if request.correlation_id is not None else request.message_id
    return Message(body=answer, content_type=_JSON, correlation_id=correlation, durable=False)


def _reply_later(request: Message, answer: asyncio.Future[bytes]) -> asyncio.Future[Message | None]:
    reply: asyncio.Future[Message | None] = answer.get_loop().create_future()

    def settle(done: asyncio.Future[bytes]) -> None:
        if reply.done():
            return
        if done.cancelled():
            reply.cancel()
        else:
            reply.set_result(_reply(request, done.result()))

    answer.add_done_callback(settle)
    return reply
