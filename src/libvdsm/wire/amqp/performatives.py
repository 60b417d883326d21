"""The bodies of frames (1.0 part 2, 2.7; part 5, 5.3.3): structs here, described lists on the wire.

A table says of each field what it is and whether it must be there; what is wrong with one is a ``DecodeError``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from libvdsm.wire.amqp import decoding, encoding
from libvdsm.wire.amqp.errors import DecodeError
from libvdsm.wire.amqp.values import Array, Described, Symbol


class Error(msgspec.Struct, frozen=True, gc=False):
    """What went wrong, as it is said to the peer."""

    condition: str
    description: str | None = None
    info: dict[Any, Any] | None = None


class Open(msgspec.Struct, frozen=True, gc=False):
    """The peer's name and its bounds."""

    container_id: str
    hostname: str | None = None
    max_frame_size: int = 0xFFFFFFFF
    channel_max: int = 0xFFFF
    idle_time_out: int | None = None  # milliseconds
    outgoing_locales: object = None
    incoming_locales: object = None
    offered_capabilities: tuple[str, ...] = ()
    desired_capabilities: tuple[str, ...] = ()
    properties: dict[Any, Any] | None = None


class Begin(msgspec.Struct, frozen=True, gc=False):
    """A session begins, or is answered."""

    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int = 0xFFFFFFFF
    offered_capabilities: tuple[str, ...] = ()
    desired_capabilities: tuple[str, ...] = ()
    properties: dict[Any, Any] | None = None


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where messages of a link come from (part 3, 3.5.3)."""

    address: str | None = None
    durable: int = 0
    expiry_policy: str = "session-end"
    timeout: int = 0
    dynamic: bool = False
    dynamic_node_properties: dict[Any, Any] | None = None
    distribution_mode: str | None = None
    filter: dict[Any, Any] | None = None
    default_outcome: object = None
    outcomes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class Target(msgspec.Struct, frozen=True, gc=False):
    """Where they go to (part 3, 3.5.4)."""

    address: str | None = None
    durable: int = 0
    expiry_policy: str = "session-end"
    timeout: int = 0
    dynamic: bool = False
    dynamic_node_properties: dict[Any, Any] | None = None
    capabilities: tuple[str, ...] = ()


class Coordinator(msgspec.Struct, frozen=True, gc=False):
    """The target of whoever wants transactions (part 4, 4.5.1)."""

    capabilities: tuple[str, ...] = ()


class Attach(msgspec.Struct, frozen=True, gc=False):
    """A link begins, or is answered."""

    name: str
    handle: int
    role: bool  # True: whoever says it receives
    snd_settle_mode: int = 2
    rcv_settle_mode: int = 0
    source: Source | None = None
    target: Target | Coordinator | None = None
    unsettled: dict[Any, Any] | None = None
    incomplete_unsettled: bool = False
    initial_delivery_count: int | None = None
    max_message_size: int | None = None
    offered_capabilities: tuple[str, ...] = ()
    desired_capabilities: tuple[str, ...] = ()
    properties: dict[Any, Any] | None = None


class Flow(msgspec.Struct, frozen=True, gc=False):
    """Windows of the session and, with a handle, credit of a link."""

    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    available: int | None = None
    drain: bool = False
    echo: bool = False
    properties: dict[Any, Any] | None = None


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """A message, or a part of one; the payload stands behind it."""

    handle: int
    delivery_id: int | None = None
    delivery_tag: bytes | None = None
    message_format: int | None = None
    settled: bool | None = None
    more: bool = False
    rcv_settle_mode: int | None = None
    state: Any = None
    resume: bool = False
    aborted: bool = False
    batchable: bool = False


class Disposition(msgspec.Struct, frozen=True, gc=False):
    """What became of deliveries."""

    role: bool
    first: int
    last: int | None = None
    settled: bool = False
    state: Any = None
    batchable: bool = False


class Detach(msgspec.Struct, frozen=True, gc=False):
    """A link ends, or (not closed) rests."""

    handle: int
    closed: bool = False
    error: Error | None = None


class End(msgspec.Struct, frozen=True, gc=False):
    """A session ends."""

    error: Error | None = None


class Close(msgspec.Struct, frozen=True, gc=False):
    """The connection ends."""

    error: Error | None = None


class SaslMechanisms(msgspec.Struct, frozen=True, gc=False):
    """How one may log in."""

    mechanisms: tuple[str, ...]


class SaslInit(msgspec.Struct, frozen=True, gc=False):
    """How the client does, and its first word."""

    mechanism: str
    initial_response: bytes | None = None
    hostname: str | None = None


class SaslChallenge(msgspec.Struct, frozen=True, gc=False):
    """A question."""

    challenge: bytes


class SaslResponse(msgspec.Struct, frozen=True, gc=False):
    """Its answer."""

    response: bytes


class SaslOutcome(msgspec.Struct, frozen=True, gc=False):
    """How it went (5.3.3.6): 0 it is done, 1 refused, 2 to 4 it is our own fault."""

    code: int
    additional_data: bytes | None = None


Performative = (
    Open
    | Begin
    | Attach
    | Flow
    | Transfer
    | Disposition
    | Detach
    | End
    | Close
    | SaslMechanisms
    | SaslInit
    | SaslChallenge
    | SaslResponse
    | SaslOutcome
)


class _Kind(msgspec.Struct, frozen=True, gc=False):
    """What a field may be: how a received value is judged, and how one is written."""

    name: str
    read: Callable[[object], object]  # raises TypeError
    write: Callable[[object], bytes]


def _whole(most: int) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise TypeError
        return value

    return read


def _exactly(kind: type) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, kind):
            raise TypeError
        return value

    return read


def _read_word(value: object) -> str:
    """A symbol; a string as well, if it could be one (part 1, 1.6.21: ASCII), or it could not be said again."""
    if not isinstance(value, str) or not value.isascii():
        raise TypeError
    return value


def _read_words(value: object) -> object:
    """Several words, or one (part 1, 1.4: a field with ``multiple``)."""
    return tuple(str(_read_word(each)) for each in (value.items if isinstance(value, Array) else (value,)))


def _write_words(value: object) -> bytes:
    words = value if isinstance(value, tuple) else (value,)
    return encoding.encode(Array(tuple(Symbol(each) for each in words))) if words else b"\x40"


def _nested(*classes: type) -> Callable[[object], object]:
    def read(value: object) -> object:
        made = _from_described(value)
        if not isinstance(made, classes):
            raise TypeError
        return made

    return read


def _write_nested(value: object) -> bytes:
    return encode(value)  # type: ignore[arg-type] # whatever has a descriptor


def _any(value: object) -> object:
    return value


_UINT: Final = _Kind("an uint", _whole(0xFFFFFFFF), encoding.encode_uint)  # type: ignore[arg-type]
_USHORT: Final = _Kind("an ushort", _whole(0xFFFF), lambda value: b"\x60" + value.to_bytes(2, "big"))  # type: ignore[attr-defined]
_UBYTE: Final = _Kind("an ubyte", _whole(0xFF), lambda value: b"\x50" + value.to_bytes(1, "big"))  # type: ignore[attr-defined]
_ULONG: Final = _Kind("an ulong", _whole(2**64 - 1), encoding.encode_ulong)  # type: ignore[arg-type]
_BOOL: Final = _Kind("a boolean", _exactly(bool), encoding.encode)
_TEXT: Final = _Kind("a string", _exactly(str), encoding.encode_text)  # type: ignore[arg-type]
_WORD: Final = _Kind("a symbol", _read_word, encoding.encode_symbol)  # type: ignore[arg-type]
_WORDS: Final = _Kind("symbols", _read_words, _write_words)
_BINARY: Final = _Kind("a binary", _exactly(bytes), encoding.encode_binary)  # type: ignore[arg-type]
_MAP: Final = _Kind("a map", _exactly(dict), encoding.encode)
_ANY: Final = _Kind("anything", _any, encoding.encode)
_ERROR: Final = _Kind("an error", _nested(Error), _write_nested)
_SOURCE: Final = _Kind("a source", _nested(Source), _write_nested)
_TARGET: Final = _Kind("a target", _nested(Target, Coordinator), _write_nested)

_TABLE: Final[dict[int, tuple[type, tuple[_Kind, ...]]]] = {
    0x10: (Open, (_TEXT, _TEXT, _UINT, _USHORT, _UINT, _ANY, _ANY, _WORDS, _WORDS, _MAP)),
    0x11: (Begin, (_USHORT, _UINT, _UINT, _UINT, _UINT, _WORDS, _WORDS, _MAP)),
    0x12: (Attach, (_TEXT, _UINT, _BOOL, _UBYTE, _UBYTE, _SOURCE, _TARGET, _MAP, _BOOL, _UINT, _ULONG, _WORDS, _WORDS, _MAP)),
    0x13: (Flow, (_UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _UINT, _BOOL, _BOOL, _MAP)),
    0x14: (Transfer, (_UINT, _UINT, _BINARY, _UINT, _BOOL, _BOOL, _UBYTE, _ANY, _BOOL, _BOOL, _BOOL)),
    0x15: (Disposition, (_BOOL, _UINT, _UINT, _BOOL, _ANY, _BOOL)),
    0x16: (Detach, (_UINT, _BOOL, _ERROR)),
    0x17: (End, (_ERROR,)),
    0x18: (Close, (_ERROR,)),
    0x1D: (Error, (_WORD, _TEXT, _MAP)),
    0x28: (Source, (_TEXT, _UINT, _WORD, _UINT, _BOOL, _MAP, _WORD, _MAP, _ANY, _WORDS, _WORDS)),
    0x29: (Target, (_TEXT, _UINT, _WORD, _UINT, _BOOL, _MAP, _WORDS)),
    0x30: (Coordinator, (_WORDS,)),
    0x40: (SaslMechanisms, (_WORDS,)),
    0x41: (SaslInit, (_WORD, _BINARY, _TEXT)),
    0x42: (SaslChallenge, (_BINARY,)),
    0x43: (SaslResponse, (_BINARY,)),
    0x44: (SaslOutcome, (_UBYTE, _BINARY)),
}
_NAMES: Final = {
    0x10: "open",
    0x11: "begin",
    0x12: "attach",
    0x13: "flow",
    0x14: "transfer",
    0x15: "disposition",
    0x16: "detach",
    0x17: "end",
    0x18: "close",
    0x1D: "error",
    0x28: "source",
    0x29: "target",
    0x30: "coordinator",
    0x40: "sasl-mechanisms",
    0x41: "sasl-init",
    0x42: "sasl-challenge",
    0x43: "sasl-response",
    0x44: "sasl-outcome",
}
#: Descriptors may be words as well as numbers.
_CODES: Final = {f"amqp:{name}:list": code for code, name in _NAMES.items()}
_NO_DEFAULT: Final = object()


def _columns(kind: type, kinds: tuple[_Kind, ...]) -> tuple[tuple[str, _Kind, object], ...]:
    """Of each field its name, its kind, and the value that need not be written."""
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined] # a struct of msgspec
    defaults: tuple[object, ...] = kind.__struct_defaults__  # type: ignore[attr-defined]
    padded = (_NO_DEFAULT,) * (len(names) - len(defaults)) + defaults
    return tuple(zip(names, kinds, padded, strict=True))


_KNOWN: Final = {kind: (code, _columns(kind, kinds)) for code, (kind, kinds) in _TABLE.items()}


def descriptor_code(descriptor: object) -> int:
    """The number of a descriptor, however it is said; -1 if it is none of these."""
    if isinstance(descriptor, int):
        return int(descriptor)
    return _CODES.get(descriptor, -1) if isinstance(descriptor, str) else -1


def _make(code: int, fields: list[object]) -> object:
    kind, kinds = _TABLE[code]
    if len(fields) > len(kinds):
        raise DecodeError(f"{_NAMES[code]} has too many fields")
    names = kind.__struct_fields__  # type: ignore[attr-defined] # a struct of msgspec
    made = {}
    for name, each, value in zip(names, kinds, fields, strict=False):
        if value is not None:
            try:
                made[name] = each.read(value)
            except TypeError:
                raise DecodeError(f"{name} of {_NAMES[code]} is not {each.name}") from None
    if kind is Begin:
        made.setdefault("remote_channel", None)
    elif kind is Flow:
        made.setdefault("next_incoming_id", None)
    try:
        return kind(**made)
    except TypeError:
        raise DecodeError(f"{_NAMES[code]} without a field that must be there") from None


def _from_described(value: object) -> object:
    if not isinstance(value, Described) or not isinstance(value.value, list):
        raise TypeError
    code = descriptor_code(value.descriptor)
    if code not in _TABLE:
        raise TypeError
    return _make(code, value.value)


def decode(data: bytes, position: int, end: int) -> tuple[Performative, int]:
    """The performative that begins at ``position`` of a frame which ends at ``end``, and where its payload begins."""
    if data[position : position + 2] == b"\x00\x53":
        code, position = (data[position + 2] if position + 2 < end else -1), position + 3
    elif data[position : position + 1] == b"\x00":
        descriptor, position = decoding.decode(data, position + 1)
        code = descriptor_code(descriptor)
    else:
        code = -1
    if code not in _TABLE:
        raise DecodeError("the frame holds no performative")
    fields, position = decoding.decode_list(data, position, end)
    return _make(code, fields), position  # type: ignore[return-value] # nested ones are refused by whoever expects none


def encode(performative: msgspec.Struct) -> bytes:
    """Its octets; what is as it is by default is null, and left out at the end."""
    code, columns = _KNOWN[type(performative)]
    items = []
    for name, kind, default in columns:
        value = getattr(performative, name)
        items.append(b"\x40" if value is None or value == default else kind.write(value))
    while items and items[-1] == b"\x40":
        items.pop()
    return b"\x00\x53%c%b" % (code, encoding.encode_items(items))
