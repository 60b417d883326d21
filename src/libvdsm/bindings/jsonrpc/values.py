"""Envelopes: taken apart with ``params``, ``id`` and ``meta`` kept raw; put together without encoding again."""

from __future__ import annotations

import re
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from libvdsm.interfaces.generated.errors import InvalidRequest, ParseError
from libvdsm.wire import strict

LONGEST_ID = 256

_ABSENT = Raw()
_EMPTY = b"{}"
_BRACE = ord("{")
_QUOTE = ord('"')
_SMALL = 512
_INTEGER = re.compile(rb"-?[0-9]+")
_SCALAR_ID = re.compile(rb'"[^"\\]{0,256}"|-?[0-9]{1,1000}|null')
_LONGEST_METHOD = 512  # not less than _SMALL


class Envelope(Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """A request as it is sent."""

    jsonrpc: Literal["2.0"]
    method: str
    params: Raw = _ABSENT
    id: Raw = _ABSENT
    meta: Raw = _ABSENT


class _Identified(Struct, frozen=True):
    id: Raw = _ABSENT


#: A request as it is sent, not judged; raises ``UNUSUAL`` for what is none.
decode_envelope = msgspec.json.Decoder(Envelope).decode
UNUSUAL = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_decode_members = msgspec.json.Decoder(list[Raw]).decode
_decode_identified = msgspec.json.Decoder(_Identified).decode
_decode_options = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Call(Struct, frozen=True, gc=False):
    """A request, judged. ``id`` is ``None`` for a notification."""

    method: str
    params: bytes
    id: bytes | None
    options: bytes | None


class NotACallError(Exception):
    """The request cannot be carried out; ``answer`` is the typed reason, ``id`` what it is addressed to."""

    def __init__(self, answer: InvalidRequest | ParseError, id: bytes = b"null") -> None:
        super().__init__(str(answer))
        self.answer = answer
        self.id = id


def read_request(message: bytes) -> Call:
    """One request object from one message; raises ``NotACallError``."""
    try:
        envelope = decode_envelope(message)
    except UNUSUAL as error:
        check(message)
        raise _explain(message, str(error)) from None
    id = b"" if envelope.id is _ABSENT else bytes(envelope.id)
    params = b"" if envelope.params is _ABSENT else bytes(envelope.params)
    # Exact, because the envelope is closed: as many colons as members means that none occurs twice, and
    # the members hold nothing that strict would look at.
    if (
        (id.isdigit() or not id)
        and (not params or params == _EMPTY)
        and envelope.meta is _ABSENT
        and len(message) <= _SMALL
        and message.count(b":") == 2 + (1 if params else 0) + (1 if id else 0)
        and message.isascii()
        and message.find(b"\\") < 0
    ):
        return Call(envelope.method, params or _EMPTY, id or None, None)
    if not strict.is_plain(message):
        check(message)
    return _judge(envelope, params, id)


def read_member(message: bytes) -> Call:
    """One member of a batch that was checked as a whole; raises ``NotACallError``."""
    try:
        envelope = decode_envelope(message)
    except UNUSUAL as error:
        raise _explain(message, str(error)) from None
    return _judge(envelope, bytes(envelope.params), bytes(envelope.id))


def is_batch(message: bytes) -> bool:
    """Whether a message can only be a batch."""
    return message.lstrip(b" \t\r\n")[:1] == b"["


def read_batch(message: bytes, longest: int) -> list[bytes]:
    """The members of a batch, raw; raises ``NotACallError`` if nothing of it is to be run."""
    check(message)
    members = _decode_members(message)
    if not members:
        raise NotACallError(InvalidRequest(reason="an empty batch"))
    if len(members) > longest:
        raise NotACallError(InvalidRequest(reason=f"a batch of more than {longest} members"))
    return [bytes(member) for member in members]


def check(message: bytes) -> None:
    """Refuse what is not one strict JSON value."""
    fault = strict.find_fault(message)
    if fault is not None:
        raise NotACallError(ParseError(reason=fault))


def _judge(envelope: Envelope, params: bytes, id: bytes) -> Call:
    if id and not id.isdigit() and _SCALAR_ID.fullmatch(id) is None:
        _check_id(id)
    if params and params[0] not in b"{[":
        raise NotACallError(InvalidRequest(reason="params is neither an object nor an array"), id or b"null")
    meta = None if envelope.meta is _ABSENT else bytes(envelope.meta)
    if meta is not None and meta[0] != _BRACE:
        raise NotACallError(InvalidRequest(reason="meta is not an object"), id or b"null")
    if len(envelope.method) > _LONGEST_METHOD:
        raise NotACallError(InvalidRequest(reason=f"a method of more than {_LONGEST_METHOD} characters"), id or b"null")
    return Call(envelope.method, params or _EMPTY, id or None, meta)


def _check_id(id: bytes) -> None:
    if id[0] == _QUOTE:
        if len(id) - 2 > LONGEST_ID:
            raise NotACallError(InvalidRequest(reason=f"an id of more than {LONGEST_ID} octets"))
    elif id != b"null" and _INTEGER.fullmatch(id) is None:
        raise NotACallError(InvalidRequest(reason="the id is neither a string, an integer nor null"))


def _explain(message: bytes, reason: str) -> NotACallError:
    """A valid JSON value that is no request: say why, and to whom if its id can be found."""
    if message.lstrip(b" \t\r\n")[:1] != b"{":
        return NotACallError(InvalidRequest(reason="not an object"))
    try:
        id = bytes(_decode_identified(message).id) or b"null"
        _check_id(id)
    except (msgspec.DecodeError, NotACallError):
        id = b"null"
    return NotACallError(InvalidRequest(reason=reason), id)


def merge_options(meta: bytes | None, beside: bytes | None) -> bytes | None:
    """The call options of an envelope and those that travelled beside it; the envelope's own win."""
    if beside is None or meta is None:
        return meta or beside
    return _encode(_decode_options(beside) | _decode_options(meta))


def write_result(id: bytes, result: bytes) -> bytes:
    """An answer."""
    return b'{"jsonrpc":"2.0","id":' + id + b',"result":' + result + b"}\n"


def write_error(id: bytes, error: bytes) -> bytes:
    """A failure."""
    return b'{"jsonrpc":"2.0","id":' + id + b',"error":' + error + b"}\n"


def write_batch(answers: list[bytes]) -> bytes:
    """The answers of a batch; nothing at all if there are none."""
    return b"[" + b",".join(answer[:-1] for answer in answers) + b"]\n" if answers else b""


def write_event(delivery: bytes) -> bytes:
    """The notification that carries an event."""
    return b'{"jsonrpc":"2.0","method":"Event.deliver","params":' + delivery + b"}\n"
