"""JSON-RPC over STOMP 1.2, the client's side: calls are sent to ``/exchange/requests``, events come from topics.

Seen from above this is the same as every other wire: ``Event.subscribe`` becomes SUBSCRIBE, MESSAGE becomes ``Event.deliver``.
An ERROR ends a STOMP connection, so what can be refused is asked for by a call first (``Event.read``), which answers
with a typed error and tells the token from which a new subscription begins. One destination has one pattern: a subscription
to several topics follows all events and keeps those that fit; of the others the token alone is told, as the place and the end of a snapshot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from libvdsm.client.runtime import wire
from libvdsm.client.runtime.errors import ApiError, ConnectionLostError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REQUESTS: Final = "/exchange/requests"
REPLIES: Final = "/temp-queue/replies"
_TOPIC: Final = "/topic/"
_MAX_HEAD: Final = 64 * 1024
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_UNESCAPED: Final = {"n": "\n", "r": "\r", "c": ":", "\\": "\\"}
_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", ":": "\\c"})
_INTERNAL: Final = -32603
_MOST_COALESCE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; of headers that come twice the first counts."""

    command: str
    headers: Mapping[str, str]
    body: bytes


class FrameReader:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` has ended; raises ``ProtocolError``."""
        self._data += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        data = self._data
        begin = 0
        while begin < len(data) and data[begin] in b"\r\n":  # heart-beats, and line ends behind a frame
            begin += 1
        if begin:
            del data[:begin]
        end = _BLANK_LINE.search(data)
        if end is None:
            if len(data) > _MAX_HEAD:
                message = f"the head of a frame is longer than {_MAX_HEAD} bytes"
                raise ProtocolError(message)
            return None
        command, headers = _parse_head(bytes(data[: end.start()]))
        length = _length(headers)
        if length is None:
            stop = data.find(b"\0", end.end())
        else:
            stop = end.end() + length
            if len(data) <= stop:
                stop = -1
            elif data[stop]:
                message = "a frame does not end where it should"
                raise ProtocolError(message)
        if stop < 0:
            if len(data) - end.end() > wire.MAX_MESSAGE:
                message = f"a message is longer than {wire.MAX_MESSAGE} bytes"
                raise ProtocolError(message)
            return None
        body = bytes(data[end.end() : stop])
        del data[: stop + 1]
        return Frame(command, headers, body)


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    try:
        command, *lines = head.decode().replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        message = "a header is not UTF-8"
        raise ProtocolError(message) from error
    is_plain = command == "CONNECTED"  # which has no escapes (1.2, "Value Encoding")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name:
            message = f"a header of a frame is malformed: {line[:80]!r}"
            raise ProtocolError(message)
        if not is_plain and "\\" in line:
            name, value = _unescape(name), _unescape(value)
        headers.setdefault(name, value)
    return command, headers


def _unescape(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        if found[1] not in _UNESCAPED:
            message = "a header has an escape sequence that is not defined"
            raise ProtocolError(message)
        return _UNESCAPED[found[1]]

    return _ESCAPE.sub(plain, text)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > wire.MAX_MESSAGE:
        message = f"the content-length is {text!r}"
        raise ProtocolError(message)
    return int(text)


def encode_frame(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A whole frame; one with a body tells its length."""
    is_plain = command == "CONNECT"
    lines = [command]
    for name, value in headers.items():
        if "\0" in value or (is_plain and ("\n" in value or "\r" in value)):
            message = f"the header {name} cannot be sent"
            raise ValueError(message)
        lines.append(f"{name}:{value}" if is_plain else f"{name}:{value.translate(_ESCAPED)}")
    if body:
        lines.append(f"content-length:{len(body)}")
    return "\n".join([*lines, "", ""]).encode() + body + b"\0"


@dataclass(slots=True)
class _Following:
    """A subscription, on its way or there."""

    number: int  # of the call that asked for it
    name: str
    topics: list[str]
    resume: str | None
    is_snapshot: bool
    coalesce_s: float
    fits: Callable[[Mapping[str, Any]], bool]


class StompWire:
    """See ``Wire``."""

    def __init__(self, *, host: str = "localhost", token: str | None = None, beat_s: float = 0.0) -> None:
        self._host = host
        self._token = token
        self._beats = beat_s > 0
        self._beat_ms = int(beat_s * 1000)
        self._reader = FrameReader()
        self._outgoing = bytearray()
        self._asked: dict[str, _Following] = {}  # by the id of the call that comes before SUBSCRIBE
        self._begun: dict[str, _Following] = {}  # by the receipt of their SUBSCRIBE
        self._ended: dict[str, int] = {}  # calls of Event.unsubscribe by the receipt
        self._followed: dict[str, _Following] = {}  # by name
        self.is_ready = False

    def hello(self) -> bytes:
        """See ``Wire``. The token is the passcode; the identity is the daemon's to know."""
        headers = {"accept-version": "1.2,1.1", "host": self._host, "heart-beat": f"{self._beat_ms},0"}
        if self._token is not None:
            headers["passcode"] = self._token
        return encode_frame("CONNECT", headers)

    def send(self, message: Mapping[str, Any]) -> bytes:
        """See ``Wire``."""
        match message["method"]:
            case "Event.subscribe":
                return self._subscribe(message)
            case "Event.unsubscribe":
                return self._unsubscribe(message)
            case _:
                return self._request(message)

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """See ``Wire``."""
        found = (self._frame(frame) for frame in self._reader.feed(data))
        return [one for one in found if one is not None]

    def outgoing(self) -> bytes:
        """See ``Wire``."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def beat(self) -> bytes:
        """See ``Wire``."""
        return b"\n" if self._beats and self.is_ready else b""

    def probe(self) -> bytes:
        """See ``Wire``."""
        return self._request(wire.ask_for_life())

    def goodbye(self) -> bytes:
        """See ``Wire``."""
        return encode_frame("DISCONNECT", {}) if self.is_ready else b""

    def _request(self, message: Mapping[str, Any]) -> bytes:
        headers = {"destination": REQUESTS, "reply-to": REPLIES, "content-type": "application/json"}
        return encode_frame("SEND", headers, wire.encode(message))

    def _subscribe(self, message: Mapping[str, Any]) -> bytes:
        params = message["params"]
        topics = [str(one) for one in params.get("topics") or ["#"]]
        wanted = _Following(
            number=message["id"],
            name=str(params["subscriptionId"]),
            topics=topics,
            resume=params.get("after"),
            is_snapshot=bool(params.get("snapshot")),
            coalesce_s=params.get("coalesce", 0.0),
            fits=matcher(topics if len(topics) > 1 else [], params.get("filter") or {}),
        )
        asked = f"token-{wanted.number}"
        self._asked[asked] = wanted
        given: dict[str, Any] = {"topics": topics, "limit": 1}
        if "filter" in params:
            given["filter"] = params["filter"]
        if wanted.resume is not None:
            given["after"] = wanted.resume
        return self._request({"jsonrpc": "2.0", "id": asked, "method": "Event.read", "params": given})

    def _begin(self, wanted: _Following, answer: Mapping[str, Any]) -> dict[str, Any] | None:
        """The call before SUBSCRIBE is answered: SUBSCRIBE, or tell why not."""
        if "error" in answer:
            return {"id": wanted.number, "error": answer["error"]}
        result = answer.get("result")
        if not isinstance(result, dict) or not isinstance(result.get("resume"), str):
            message = "the answer to Event.read is not as described"
            raise ProtocolError(message)
        if wanted.resume is None and not wanted.is_snapshot:
            wanted.resume = result["resume"]
        receipt = f"on-{wanted.number}"
        pattern = wanted.topics[0] if len(wanted.topics) == 1 else "#"
        headers = {"id": wanted.name, "destination": _TOPIC + pattern, "ack": "auto", "receipt": receipt}
        if wanted.is_snapshot:
            headers["snapshot"] = "true"
        elif wanted.resume is not None:
            headers["resume"] = wanted.resume
        if 0 < wanted.coalesce_s <= _MOST_COALESCE_S:  # of anything else, which Event.read does not see, nothing is merged
            headers["coalesce"] = str(wanted.coalesce_s)
        self._begun[receipt] = self._followed[wanted.name] = wanted
        self._outgoing += encode_frame("SUBSCRIBE", headers)
        return None

    def _unsubscribe(self, message: Mapping[str, Any]) -> bytes:
        name = str(message["params"]["subscriptionId"])
        for asked in [asked for asked, wanted in self._asked.items() if wanted.name == name]:
            del self._asked[asked]  # it has not begun, and will not
        if self._followed.pop(name, None) is None:  # ERROR would end the connection
            return self._request({"jsonrpc": "2.0", "id": message["id"], "method": "Host.ping", "params": {}})
        receipt = f"off-{message['id']}"
        self._ended[receipt] = message["id"]
        return encode_frame("UNSUBSCRIBE", {"id": name, "receipt": receipt})

    def _frame(self, frame: Frame) -> dict[str, Any] | None:
        headers = frame.headers
        match frame.command:
            case "MESSAGE":
                return self._message(frame)
            case "RECEIPT":
                return self._receipt(headers.get("receipt-id", ""))
            case "CONNECTED" if not self.is_ready:
                self.is_ready = True
                self._beats = self._beats and not headers.get("heart-beat", "0,0").endswith(",0")
                self._outgoing += encode_frame("SUBSCRIBE", {"id": "replies", "destination": REPLIES, "ack": "auto"})
                return None
            case "ERROR":
                return self._ended_by(frame)
            case _:
                message = f"a frame {frame.command[:40]!r} has no place here"
                raise ProtocolError(message)

    def _ended_by(self, frame: Frame) -> dict[str, Any]:
        """ERROR is the last frame, for the sake of one: a subscription that was refused hears why, all others that the connection is lost."""
        refusal = _refusal(frame)
        if not self.is_ready:
            raise refusal
        refused = self._begun.pop(frame.headers.get("receipt-id", ""), None)
        if refused is not None and isinstance(refusal, ApiError):
            return {"id": refused.number, "error": {"code": refusal.code, "message": refusal.message, "data": refusal.data}}
        message = f"the daemon has ended the connection: {refusal}"
        raise ConnectionLostError(message) from refusal

    def _receipt(self, receipt: str) -> dict[str, Any] | None:
        begun = self._begun.pop(receipt, None)
        if begun is not None:
            return {"id": begun.number, "result": {"subscriptionId": begun.name, "resume": begun.resume or ""}}
        ended = self._ended.pop(receipt, None)
        return None if ended is None else {"id": ended, "result": {}}

    def _message(self, frame: Frame) -> dict[str, Any] | None:
        headers = frame.headers
        name = headers.get("subscription", "")
        if name == "replies":
            answer = wire.decode(frame.body)
            asked = self._asked.pop(answer["id"], None) if isinstance(answer.get("id"), str) else None
            return answer if asked is None else self._begin(asked, answer)
        following, resume = self._followed.get(name), headers.get("resume")
        if following is None or resume is None:  # of a subscription that was ended, or what another client published
            return None
        said = wire.decode(frame.body)
        params: dict[str, Any] = {"subscriptionId": name, "resume": resume}
        if "gap" in headers:
            params["gap"] = said
        elif following.fits(said):
            params["event"] = said
        return {"method": "Event.deliver", "params": params}


def _refusal(frame: Frame) -> ApiError | ProtocolError:
    from libvdsm.client.runtime.core import Failure, typed

    text = frame.headers.get("message", "the daemon has ended the connection")
    name = frame.headers.get("error")
    if name is None:
        return ProtocolError(f"the daemon refuses the connection: {text}")
    return typed(Failure(_INTERNAL, text, {"error": name, "fault": "client", "remedy": frame.body.decode("utf-8", "replace")}))


def matcher(topics: list[str], wanted: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an event is of one of ``topics`` (any, if there are none) and fits a filter of ``Event.subscribe``."""
    patterns = [] if "#" in topics else [_pattern(topic) for topic in topics]
    sets = {name: set(wanted[name]) for name in ("types", "objectIds", "projects") if wanted.get(name) is not None}
    fields = wanted.get("fields")

    def fits(event: Mapping[str, Any]) -> bool:
        if patterns and not any(one.fullmatch(f".{event.get('topic')}") for one in patterns):
            return False
        subject = event.get("object") or {}
        for name, member in (("types", "type"), ("objectIds", "id"), ("projects", "project")):
            if name in sets and subject.get(member) not in sets[name]:
                return False
        return fields is None or event.get("change") != "changed" or any(_touches(event.get("patch"), one) for one in fields)

    return fits


def _pattern(topic: str) -> re.Pattern[str]:
    """``*`` is one word, ``#`` any number of words, none included; a topic is matched with a dot before each word."""
    parts = (r"\.[^.]+" if word == "*" else r"(?:\.[^.]+)*" if word == "#" else rf"\.{re.escape(word)}" for word in topic.split("."))
    return re.compile("".join(parts))


def _touches(patch: object, field: str) -> bool:
    for word in field.split("."):
        if not isinstance(patch, dict):
            return True  # something above it was replaced
        if word not in patch:
            return False
        patch = patch[word]
    return True
