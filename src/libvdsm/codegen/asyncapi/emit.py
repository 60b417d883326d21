"""Writes ``schema/compiled/asyncapi.json``, AsyncAPI 3.0.0: topics with their events, calls over messaging, queues.

Seen from the daemon, as AsyncAPI wants it: it sends events and receives calls.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from libvdsm.codegen.jsonschema.types import Definitions
from libvdsm.codegen.writer import BANNER
from libvdsm.schema import ir

if TYPE_CHECKING:
    from libvdsm.codegen.writer import Json

PATH: Final = "src/libvdsm/schema/compiled/asyncapi.json"
VERSION: Final = "3.0.0"

#: What every operation answers.
_ACCEPTED: Final = "TaskAccepted"
_PARAMETER: Final = re.compile(r"<(\w+)>")
_PORT: Final = "54321"
_CHANNELS: Final = "#/channels/"
_MESSAGES: Final = "#/components/messages/"
#: Headers of messages as STOMP writes them; AMQP has properties of these names (docs/guide/messages.md).
_REPLY_TO: Final = "$message.header#/reply-to"
_CORRELATION: Final = "$message.header#/correlation-id"


def emit(api: ir.Api) -> dict[str, str]:
    """The document by its path in the project."""
    return {PATH: json.dumps(document(api), ensure_ascii=False, indent=1) + "\n"}


def document(api: ir.Api) -> dict[str, Json]:
    """The document as a JSON value."""
    definitions = Definitions(api, "#/components/schemas/")
    events = {event.name: event for interface in api.interfaces.values() for event in interface.events}
    schemas = definitions.all() | {method.params_record: definitions.params(method) for method in api.methods.values()}
    messages = {_event_name(event): _event_message(definitions, event) for event in events.values()}
    messages |= {f"{method.full_name}": _call(definitions, method) for method in api.methods.values()}
    messages |= {f"{method.full_name}.answer": _answer(definitions, method) for method in api.methods.values()}
    messages |= {"delivery": _delivery(definitions), "free": {"summary": "Whatever its sender puts in; headers are the sender's own."}}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "libvdsm",
            "version": api.version,
            "description": "Events and calls of one virtualization host over STOMP, AMQP 1.0 and WebSocket.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "x-digest": api.digest,
            "x-generated": BANNER,
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": _channels(api, events),
        "operations": _operations(api, events),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "messages": dict(sorted(messages.items())),
            "securitySchemes": _security(),
        },
    }


def _servers() -> dict[str, Json]:
    host = f"{{host}}:{_PORT}"
    shared: dict[str, Json] = {
        "host": host,
        "variables": {"host": {"default": "localhost", "description": "The virtualization host."}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security()],
    }
    return {
        "stomp": {**shared, "protocol": "stomp", "protocolVersion": "1.2", "description": "STOMP 1.0 to 1.2 over TLS."},
        "amqp": {**shared, "protocol": "amqp1", "protocolVersion": "1.0.0", "description": "AMQP 1.0 over TLS."},
        "websocket": {
            **shared,
            "protocol": "wss",
            "pathname": "/ws",
            "description": "WebSocket with the sub-protocol v12.stomp, v11.stomp, v10.stomp, amqp or jsonrpc.",
        },
    }


def _security() -> dict[str, Json]:
    return {
        "certificate": {"type": "X509", "description": "A client certificate of an identity of the host."},
        "token": {"type": "userPassword", "description": "A token as password (STOMP's passcode, SASL PLAIN); the name may be left out."},
    }


# Channels.


def _channels(api: ir.Api, events: dict[str, ir.Event]) -> dict[str, Json]:
    calls = {method.full_name: {"$ref": _MESSAGES + method.full_name} for method in api.methods.values()}
    answers = {f"{name}.answer": {"$ref": f"{_MESSAGES}{name}.answer"} for name in calls}
    free: dict[str, Json] = {"free": {"$ref": f"{_MESSAGES}free"}}
    found = {event.name: _event_channel(event) for event in events.values()}
    found["calls"] = {"address": "/exchange/requests", "title": "Calls", "messages": calls}
    found["answers"] = {
        "address": None,
        "title": "Answers",
        "description": "The destination that a call names in reply-to: one of the caller's own.",
        "messages": answers,
    }
    found["deliveries"] = {
        "address": None,
        "title": "Deliveries on a JSON-RPC connection",
        "description": "Event.deliver notifications, on the connection that called Event.subscribe.",
        "messages": {"delivery": {"$ref": f"{_MESSAGES}delivery"}},
    }
    found["free.topic"] = {
        "address": "/topic/{topic}",
        "title": "Topics of clients",
        "description": "Words with dots between; subscribers may write * for one word and # for any number. Nothing is kept.",
        "parameters": {"topic": {"description": "Its first word is none of the host's own topics."}},
        "messages": free,
    }
    found["free.queue"] = {
        "address": "/queue/{queue}",
        "title": "Queues",
        "description": "Each message goes to one of the consumers and is kept until that one has acknowledged it.",
        "parameters": {"queue": {"description": "The name of a queue that Queue.create has made."}},
        "messages": free,
    }
    return found


def _event_channel(event: ir.Event) -> dict[str, Json]:
    found: dict[str, Json] = {
        "address": "/topic/" + _PARAMETER.sub(r"{\1}", event.topic),
        "title": event.topic,
        "description": event.summary,
        "messages": {_event_name(event): {"$ref": _MESSAGES + _event_name(event)}},
        "x-permission": event.permission,
        "x-since": event.lifecycle.since,
    }
    parameters = _PARAMETER.findall(event.topic)
    if parameters:
        found["parameters"] = {name: {"description": f"The {event.name}'s id; * for that of any."} for name in parameters}
    return found


# Operations.


def _operations(api: ir.Api, events: dict[str, ir.Event]) -> dict[str, Json]:
    found: dict[str, Json] = {f"tell.{event.name}": _telling(event) for event in events.values()}
    for method in api.methods.values():
        found[f"answer.{method.full_name}"] = {
            "action": "receive",
            "summary": method.summary,
            "channel": {"$ref": f"{_CHANNELS}calls"},
            "messages": [{"$ref": f"{_CHANNELS}calls/messages/{method.full_name}"}],
            "reply": {
                "address": {"location": _REPLY_TO, "description": "A destination of the caller's own."},
                "channel": {"$ref": f"{_CHANNELS}answers"},
                "messages": [{"$ref": f"{_CHANNELS}answers/messages/{method.full_name}.answer"}],
            },
            "x-permission": method.permission,
        }
    found["deliver"] = {
        "action": "send",
        "summary": "Events of the subscriptions of a JSON-RPC connection.",
        "channel": {"$ref": f"{_CHANNELS}deliveries"},
    }
    for name, summary in (("free.topic", "What clients tell each other."), ("free.queue", "Work that one of several takes.")):
        found[f"take.{name}"] = {"action": "receive", "summary": summary, "channel": {"$ref": _CHANNELS + name}}
        found[f"give.{name}"] = {"action": "send", "summary": summary, "channel": {"$ref": _CHANNELS + name}}
    return dict(sorted(found.items()))


def _telling(event: ir.Event) -> dict[str, Json]:
    return {
        "action": "send",
        "summary": event.summary,
        "channel": {"$ref": _CHANNELS + event.name},
        "messages": [{"$ref": f"{_CHANNELS}{event.name}/messages/{_event_name(event)}"}],
    }


# Messages.


def _event_name(event: ir.Event) -> str:
    return f"{event.name}.event"


def _event_message(definitions: Definitions, event: ir.Event) -> dict[str, Json]:
    about: dict[str, Any] = {"type": "object", "properties": {"object": {"properties": {"type": {"const": event.name}}}}}
    return {
        "name": _event_name(event),
        "summary": event.summary,
        "description": f"The patch is a JSON merge patch of a {event.document}.",
        "headers": _headers(resume="The token after this event.", topic="Its topic."),
        "payload": {"allOf": [definitions.reference("Event", sent=False), about]},
        "x-document": definitions.reference(event.document, sent=False)["$ref"],
    }


def _delivery(definitions: Definitions) -> dict[str, Json]:
    return {
        "name": "Event.deliver",
        "summary": "An event, or a gap before those that follow.",
        "payload": {
            "type": "object",
            "required": ["jsonrpc", "method", "params"],
            "properties": {
                "jsonrpc": {"const": "2.0"},
                "method": {"const": "Event.deliver"},
                "params": definitions.reference("EventDelivery", sent=False),
            },
        },
    }


def _call(definitions: Definitions, method: ir.Method) -> dict[str, Json]:
    reference = f"#/components/schemas/{method.params_record}"
    properties: dict[str, Json] = {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer"]},
        "method": {"const": method.full_name},
        "params": {"$ref": reference},
        "meta": definitions.reference("CallOptions", sent=True),
    }
    return {
        "name": method.full_name,
        "summary": method.summary,
        "headers": _headers(**{"reply-to": "Where the answer goes.", "correlation-id": "Stands in the answer as it stands here."}),
        "correlationId": {"location": _CORRELATION},
        "payload": {"type": "object", "required": ["jsonrpc", "method"], "properties": properties, "additionalProperties": False},
    }


def _answer(definitions: Definitions, method: ir.Method) -> dict[str, Json]:
    result = _ACCEPTED if method.kind is ir.Kind.OPERATION else method.result
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {"type": "object"}},
        "x-errors": list(method.errors),
    }
    properties: dict[str, Json] = {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer", "null"]},
        "result": definitions.reference(result, sent=False),
        "error": error,
    }
    return {
        "name": f"{method.full_name}.answer",
        "summary": f"What {method.full_name} has led to.",
        "headers": _headers(**{"correlation-id": "That of the call."}),
        "correlationId": {"location": _CORRELATION},
        "payload": {
            "type": "object",
            "required": ["jsonrpc", "id"],
            "properties": properties,
            "oneOf": [{"required": ["result"]}, {"required": ["error"]}],
        },
    }


def _headers(**summaries: str) -> dict[str, Json]:
    return {"type": "object", "properties": {name: {"type": "string", "description": text} for name, text in summaries.items()}}
