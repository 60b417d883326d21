"""The table between AMQP's messages and the broker's (docs/guide/messages.md).

The bare message of an AMQP sender is kept octet for octet and goes to AMQP receivers as it came (part 3, 3.2). Everybody else
gets what this table makes of it; and AMQP receivers get of others' messages what it makes of those.
"""

from __future__ import annotations

import base64
import math
import struct
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from libvdsm.interfaces.messaging import DEAD_ERROR, DEAD_ORIGIN, DEAD_REASON, Delivery, Message
from libvdsm.wire.amqp import decoding, encoding, sections
from libvdsm.wire.amqp.errors import DecodeError, Scope
from libvdsm.wire.amqp.values import Array, Decimal, Described, Symbol, Timestamp, UByte, UInt, ULong

_PROPERTIES: Final = 13
_NO_PROPERTIES: Final[list[object]] = [None] * 9
_MS: Final = 1_000
_USUAL_PRIORITY: Final = 4
_HIGHEST_PRIORITY: Final = 9
_SAFE: Final = 2**53
_MOST_MS: Final = 0xFFFFFFFF
#: Constructors of what is short: no section with one of these has more than 257 octets.
_NULL: Final = 0x40
_STR8: Final = 0xA1
_LIST8: Final = 0xC0
_MAP8: Final = 0xC1
#: Constructors of values that are always the same text, and of whole numbers.
_CONSTANTS: Final = {0x40: "", 0x41: "true", 0x42: "false", 0x43: "0", 0x44: "0"}
_NUMBERS: Final = {
    code: struct.Struct(form)
    for form, codes in {
        ">B": (0x50, 0x52, 0x53),
        ">b": (0x51, 0x54, 0x55),
        ">H": (0x60,),
        ">h": (0x61,),
        ">I": (0x70,),
        ">i": (0x71,),
        ">Q": (0x80,),
        ">q": (0x81, 0x83),
    }.items()
    for code in codes
}
#: So many short sections of each kind are known again.
_KEPT: Final = 1_024
#: Annotations of so many octets are known again.
_MOST_KNOWN: Final = 257
_TEXT: Final = "text/plain"
#: A message without its body, its ``to``, the user it claims, and its end in seconds since 1970.
_Properties: TypeAlias = tuple[Message, str | None, bytes | None, float | None]
#: How a section of message annotations begins.
ANNOTATIONS: Final = b"\x00\x53\x72"
_NOTHING_SAID: Final = Message(body=b"")
#: Names of annotations that only we say.
OWN: Final = "x-opt-vdsm-"
_OWN: Final = OWN.encode()
#: How numbers, UUIDs and binaries are written where only text can stand (as AMQP's JMS mapping has it), and read back.
_ULONG: Final = "AMQP_ULONG:"
_UUID: Final = "AMQP_UUID:"
_BINARY: Final = "AMQP_BINARY:"


def read(payload: bytes, now: float, sender: str | None = None) -> tuple[Message, str | None, bytes | None]:
    """A message of ``sender`` as the broker has it, its ``to``, and the user it claims. Raises ``DecodeError``. ``now``: seconds since 1970."""
    usual = sections.find_usual(payload)
    if usual is None:
        return _read_unusual(payload, now, sender)
    header, annotations, properties, application, kept, begin, is_text = usual
    durable, priority, expires_at, template, to, user = False, _USUAL_PRIORITY, None, _NOTHING_SAID, None, None
    if header >= 0:
        durable, priority, expires_at = _read_header(payload, header, now)
    if properties >= 0:
        template, to, user, ends = _read_properties(payload, properties)
        if ends is not None:
            expires_at = ends if expires_at is None else min(ends, expires_at)
    if application >= 0:
        template = replace(template, headers=_read_headers(payload, application))
    if annotations >= 0:
        bare = annotations + 2 + payload[annotations + 1]
        if not _may_be_kept(payload[annotations:bare]):
            kept = bare
    if is_text:
        _check_text(payload, begin)
    return (
        replace(
            template,
            body=payload[begin:],
            amqp=payload[kept:] if kept else payload,
            durable=durable,
            priority=priority,
            expires_at=expires_at,
            user=sender,
            content_type=_TEXT if is_text and template.content_type is None else template.content_type,
        ),
        to,
        user,
    )


def _check_text(payload: bytes, position: int) -> None:
    try:
        payload[position:].decode()
    except UnicodeDecodeError as fault:
        raise DecodeError("a value is not complete, or is no text") from fault


def _read_unusual(payload: bytes, now: float, sender: str | None) -> tuple[Message, str | None, bytes | None]:
    parts = sections.split(payload)
    durable, priority, expires_at = _read_header(payload, parts.header, now)
    template, to, user = _NOTHING_SAID, None, None
    if parts.properties >= 0:
        template, to, user, ends = _read_properties(payload, parts.properties)
        if ends is not None:
            expires_at = ends if expires_at is None else min(ends, expires_at)
    if parts.application_properties >= 0:
        template = replace(template, headers=_read_headers(payload, parts.application_properties))
    kept = payload[parts.bare :] if parts.bare else payload
    if parts.annotations is not None:
        start, end = parts.annotations
        value = payload[decoding.skip(payload, start + 1) : end]
        if _may_be_kept(value):
            kept = ANNOTATIONS + value + kept  # whose descriptor may have had another form
    body, kind = _read_body(payload, parts)
    if template.content_type is not None:
        kind = template.content_type
    message = replace(
        template, body=body, amqp=kept, durable=durable, priority=priority, expires_at=expires_at, user=sender, content_type=kind
    )
    return message, to, user


def _may_be_kept(annotations: bytes) -> bool:
    """Whether annotations are the sender's own, and not said in our name. Raises ``DecodeError`` for what they may not be."""
    return _are_own(annotations) if len(annotations) <= _MOST_KNOWN else _are_own.__wrapped__(annotations)


@lru_cache(maxsize=_KEPT)
def _are_own(annotations: bytes) -> bool:
    decoding.decode(annotations)
    return _OWN not in annotations


def _read_header(payload: bytes, position: int, now: float) -> tuple[bool, int, float | None]:
    if position < 0 or payload[position] == 0x45:  # noqa: PLR2004 - an empty list
        return False, _USUAL_PRIORITY, None
    if payload[position] == _LIST8:
        durable, priority, ttl = _known_header(payload[position : position + 2 + payload[position + 1]])
    else:
        durable, priority, ttl = _decode_header(payload, position)
    return durable, priority, None if ttl is None else now + ttl / _MS


@lru_cache(maxsize=_KEPT)
def _known_header(octets: bytes) -> tuple[bool, int, int | None]:
    return _decode_header(octets, 0)


def _decode_header(payload: bytes, position: int) -> tuple[bool, int, int | None]:
    fields, _end = decoding.decode_list(payload, position, len(payload))
    durable, priority, ttl = [*fields, None, None, None][:3]
    if not isinstance(durable, bool | None) or not isinstance(priority, int | None) or not isinstance(ttl, int | None):
        raise DecodeError("a field of the header is not what it must be", Scope.LINK)
    at = _USUAL_PRIORITY if priority is None else min(int(priority), _HIGHEST_PRIORITY)
    return durable is True, at, ttl


def _read_properties(payload: bytes, position: int) -> _Properties:
    """What senders repeat is known again: all that stands behind the id of a message, which is another one each time."""
    if payload[position] == _LIST8 and payload[position + 1] > 1 and payload[position + 2]:
        end = position + 2 + payload[position + 1]
        if payload[position + 3] == _NULL:
            return _known_properties(payload[position + 2], payload[position + 4 : end])
        if payload[position + 3] == _STR8 and position + 4 < end:
            begin = position + 5
            rest = begin + payload[position + 4]
            try:
                id = payload[begin:rest].decode()
            except UnicodeDecodeError:
                return _decode_properties(payload, position)
            if rest <= end:
                template, to, user, ends = _known_properties(payload[position + 2], payload[rest:end])
                return replace(template, message_id=id), to, user, ends
    return _decode_properties(payload, position)


@lru_cache(maxsize=_KEPT)
def _known_properties(count: int, rest: bytes) -> _Properties:
    """Of so many fields the ``rest`` behind the first, as if that were null."""
    return _decode_properties(bytes((_LIST8, len(rest) + 2, count, _NULL)) + rest, 0)


def _decode_properties(payload: bytes, position: int) -> _Properties:
    fields, _end = decoding.decode_list(payload, position, len(payload))
    if len(fields) > _PROPERTIES:
        raise DecodeError("the properties are too many", Scope.LINK)
    if not fields:
        return _NOTHING_SAID, None, None, None
    message_id, user, to, subject, reply_to, correlation, kind, encoding, expiry = (fields + _NO_PROPERTIES)[:9]
    made = replace(
        _NOTHING_SAID,
        message_id=_id_text(message_id),
        correlation_id=_id_text(correlation),
        subject=_word("subject", subject),
        reply_to=_word("reply_to", reply_to),
        content_type=_word("content_type", kind),
        content_encoding=_word("content_encoding", encoding),
    )
    if (to is not None and not isinstance(to, str)) or (user is not None and not isinstance(user, bytes)):
        raise DecodeError("a property is not what it must be", Scope.LINK)
    if expiry is None:
        return made, to, user, None
    if not isinstance(expiry, int):
        raise DecodeError("a property is not what it must be", Scope.LINK)
    return made, to, user, expiry / _MS


def _word(name: str, value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    if not isinstance(value, str):
        raise DecodeError(f"{name} is no text", Scope.LINK)
    return str(value)


def _id_text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return _BINARY + value.hex()
    if isinstance(value, uuid.UUID):
        return _UUID + str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{_ULONG}{int(value)}"
    raise DecodeError("an id of a message is no id", Scope.LINK)


def _id_value(text: str) -> object:
    """What ``_id_text`` wrote; any other text is itself."""
    try:
        if text.startswith(_ULONG):
            number = int(text.removeprefix(_ULONG))
            return ULong(number) if 0 <= number < 2**64 else text
        if text.startswith(_UUID):
            return uuid.UUID(text.removeprefix(_UUID))
        if text.startswith(_BINARY):
            return bytes.fromhex(text.removeprefix(_BINARY))
    except ValueError:
        return text
    return text


def _read_headers(payload: bytes, position: int) -> Mapping[str, str]:
    if payload[position] == _MAP8:
        return dict(_known_headers(payload[position : position + 2 + payload[position + 1]]))
    return _decode_headers(payload, position)


@lru_cache(maxsize=_KEPT)
def _known_headers(octets: bytes) -> Mapping[str, str]:
    headers = _usual_headers(octets)
    return _decode_headers(octets, 0) if headers is None else headers


def _usual_headers(octets: bytes) -> Mapping[str, str] | None:
    """Those of a short map in which there are texts, whole numbers and constants alone; ``None`` if it is not such a one, or not right."""
    headers: dict[str, str] = {}
    position, end = 3, len(octets)
    try:
        while position < end:
            if octets[position] != _STR8:
                return None
            begin, position = position + 2, position + 2 + octets[position + 1]
            name = octets[begin:position].decode()
            code = octets[position]
            if code == _STR8:
                begin, position = position + 2, position + 2 + octets[position + 1]
                headers[name] = octets[begin:position].decode()
            elif code in _CONSTANTS:
                headers[name] = _CONSTANTS[code]
                position += 1
            else:
                read = _NUMBERS[code]
                headers[name] = str(read.unpack_from(octets, position + 1)[0])
                position += 1 + read.size
    except (IndexError, KeyError, UnicodeDecodeError, struct.error):
        return None
    return headers if position == end and 2 * len(headers) == octets[2] else None


def _decode_headers(payload: bytes, position: int) -> Mapping[str, str]:
    found, _end = decoding.decode(payload, position)
    headers: dict[str, str] = {}
    if not isinstance(found, dict):
        raise DecodeError("the application properties are no map", Scope.LINK)
    for name, value in found.items():
        if not isinstance(name, str) or isinstance(value, list | dict | Array | Described):
            raise DecodeError("an application property is not a simple value with a name", Scope.LINK)
        headers[str(name)] = text_of(value)
    return headers


def text_of(value: object) -> str:
    """A simple value where only text can stand."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return value.hex()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value))
    return str(value)


def _read_body(payload: bytes, parts: sections.Parts) -> tuple[bytes, str | None]:
    """The body as octets, and what they are unless their sender says it."""
    if parts.body == sections.DATA:
        if len(parts.bodies) == 1:
            start, end = parts.bodies[0]
            return payload[start + (2 if payload[start] == 0xA0 else 5) : end], None  # noqa: PLR2004 - vbin8
        return b"".join(payload[start + (2 if payload[start] == 0xA0 else 5) : end] for start, end in parts.bodies), None  # noqa: PLR2004 - vbin8
    found = [decoding.decode(payload, start)[0] for start, _end in parts.bodies]
    if parts.body == sections.SEQUENCE:
        return _json([item for each in found if isinstance(each, list) for item in each]), "application/json"
    value = found[0]
    if isinstance(value, bytes):
        return value, None
    if isinstance(value, str):
        return value.encode(), _TEXT
    return _json(value), "application/json"


def _json(value: object) -> bytes:
    return msgspec.json.encode(plain(value))


def plain(value: object) -> object:
    """A value as JSON can say it: what has no place there is text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -_SAFE < value < _SAFE else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Array):
        return [plain(each) for each in value.items]
    if isinstance(value, dict):
        return {text_of(key): plain(each) for key, each in value.items()}
    if isinstance(value, Described):
        return {"descriptor": plain(value.descriptor), "value": plain(value.value)}
    return text_of(value)


# To AMQP.

_SHORT_ANNOTATIONS: Final = ANNOTATIONS + bytes((_MAP8,))
_USER: Final = Symbol(f"{OWN}user")
_DEAD: Final = tuple((name, Symbol(f"{OWN}{name}")) for name in (DEAD_REASON, DEAD_ORIGIN, DEAD_ERROR))
_HEADERS: Final[dict[tuple[bool, int, int], bytes]] = {}


def header(delivery: Delivery, now: float) -> bytes:
    """The section that is a delivery's own."""
    message, count = delivery.message, delivery.count
    if message.expires_at is None and count <= 1:
        kept = _HEADERS.get((message.durable, message.priority, count))
        if kept is None:
            kept = _HEADERS[message.durable, message.priority, count] = _header(message, count, None)
        return kept
    ttl = None if message.expires_at is None else min(max(round((message.expires_at - now) * _MS), 0), _MOST_MS)
    return _header(message, count, ttl)


def _header(message: Message, count: int, ttl: int | None) -> bytes:
    fields = [message.durable, UByte(message.priority), None if ttl is None else UInt(ttl), None, UInt(count)]
    return b"\x00\x53\x70" + encoding.encode_items([encoding.encode(each) for each in fields])


def usual(message: Message, count: int) -> tuple[bytes, bytes] | None:
    """Both parts of what is sent, if nobody else gets it and it is an AMQP sender's; ``None`` if something more is to be said of it.

    That is the case if it expires, is a dead letter, or has long annotations: then ``header`` and ``tail`` say it.
    """
    octets = message.amqp
    if octets is None or message.expires_at is not None or (message.headers and DEAD_REASON in message.headers):
        return None
    if octets[2] != ANNOTATIONS[2]:
        return _known_head(message.durable, message.priority, count, message.user, b""), octets
    if octets[:4] == _SHORT_ANNOTATIONS:
        end = 5 + octets[4]
        return _known_head(message.durable, message.priority, count, message.user, octets[:end]), octets[end:]
    return None


@lru_cache(maxsize=_KEPT)
def _known_head(durable: bool, priority: int, count: int, user: str | None, annotations: bytes) -> bytes:
    fields = [durable, UByte(priority), None, None, UInt(count)]
    octets = b"\x00\x53\x70" + encoding.encode_items([encoding.encode(each) for each in fields])
    return octets + (annotations if user is None else _annotated(annotations, user, None))


def resume_annotation(token: str) -> bytes:
    """The section that says where to go on after an event."""
    return ANNOTATIONS + encoding.encode({Symbol(f"{OWN}resume"): token})


def tail(message: Message, destination: str, *, is_first: bool = True) -> bytes:
    """What all deliveries of a message have in common. ``is_first``: no annotations stand before it."""
    if not is_first:
        return write(message, destination) if message.amqp is None else message.amqp
    is_dead = bool(message.headers) and DEAD_REASON in message.headers
    if message.amqp is None:
        octets = write(message, destination)
        return ANNOTATIONS + encoding.encode(_dead_annotations(message)) + octets if is_dead else octets
    return _annotated(message.amqp, message.user, _dead_annotations(message) if is_dead else None)


def _dead_annotations(message: Message) -> dict[Symbol, str]:
    """Why a dead letter is one: the bare message stays as its sender wrote it, so its properties cannot say so."""
    return {symbol: message.headers[name] for name, symbol in _DEAD if name in message.headers}


def _annotated(amqp: bytes, user: str | None, more: dict[Symbol, str] | None) -> bytes:
    """An AMQP message, and what we say of it, among the annotations that it came with."""
    is_bare = not amqp.startswith(ANNOTATIONS)
    if more is None and is_bare:
        return amqp if user is None else _user_annotation(user) + amqp
    ours = (more or {}) if user is None else {_USER: user} | (more or {})
    if not ours:
        return amqp
    if is_bare:
        return ANNOTATIONS + encoding.encode(ours) + amqp
    found, end = decoding.decode(amqp, len(ANNOTATIONS))
    annotations = found if isinstance(found, dict) else {}
    return ANNOTATIONS + encoding.encode(annotations | ours) + amqp[end:]


@lru_cache(maxsize=1_024)
def _user_annotation(user: str) -> bytes:
    return ANNOTATIONS + encoding.encode({_USER: user})


def write(message: Message, destination: str) -> bytes:
    """The bare message of what another protocol sent."""
    fields = (
        None if message.message_id is None else _id_value(message.message_id),
        None if message.user is None else message.user.encode(),
        destination,
        message.subject,
        message.reply_to,
        None if message.correlation_id is None else _id_value(message.correlation_id),
        None if message.content_type is None else Symbol(message.content_type),
        None if message.content_encoding is None else Symbol(message.content_encoding),
        None if message.expires_at is None else Timestamp(round(message.expires_at * _MS)),
    )
    octets = b"\x00\x53\x73" + encoding.encode_items([encoding.encode(each) for each in fields])
    if message.headers:
        octets += b"\x00\x53\x74" + encoding.encode(dict(message.headers))
    return octets + b"\x00\x53\x75" + encoding.encode_binary(message.body)
