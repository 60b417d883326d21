"""Which protocol do these first bytes speak? A pure function of a prefix.

Every client of ours speaks first. The answer never waits for more bytes than the candidates that are
still in question need. STOMP and AMQP are known, so that a listener can say what it refused.
"""

from __future__ import annotations

import enum


class Protocol(enum.Enum):
    """What a connection speaks."""

    JSON = "json"
    HTTP = "http"
    STOMP = "stomp"
    AMQP = "amqp"


class Undecided(enum.Enum):
    """Why there is no protocol yet, or never will be."""

    NEED_MORE = "need more"
    NONE_OF_OURS = "none of ours"


#: No candidate needs more octets than this, blanks before it included.
LONGEST_PREFIX = 64

_BLANKS = b" \t\r\n"
_LINE_ENDS = b"\r\n"
_METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI")
_COMMANDS = (b"CONNECT", b"STOMP", b"SUBSCRIBE")
# CONNECT is both: HTTP goes on with a blank, STOMP with an end of line.
_WORDS: tuple[tuple[bytes, Protocol], ...] = (
    *((method + b" ", Protocol.HTTP) for method in _METHODS),
    *((command + end, Protocol.STOMP) for command in _COMMANDS for end in (b"\n", b"\r")),
)


def detect(prefix: bytes) -> Protocol | Undecided:
    """Judge the first octets of a connection.

    Blanks before JSON and empty lines before HTTP (RFC 9112, 2.2) and STOMP are skipped; an AMQP
    header stands at the very beginning. What is behind ``LONGEST_PREFIX`` counts no more than if it came later.
    """
    prefix = prefix[:LONGEST_PREFIX]
    if prefix.startswith(b"AMQP"):
        return Protocol.AMQP
    if prefix and b"AMQP".startswith(prefix):
        return Undecided.NEED_MORE
    text = prefix.lstrip(_BLANKS)
    if not text:
        return Undecided.NEED_MORE if len(prefix) < LONGEST_PREFIX else Undecided.NONE_OF_OURS
    if text[0] in b"{[":
        return Protocol.JSON
    return _detect_word(prefix.lstrip(_LINE_ENDS), len(prefix))


def _detect_word(text: bytes, length: int) -> Protocol | Undecided:
    for word, protocol in _WORDS:
        if text.startswith(word):
            return protocol
    if length < LONGEST_PREFIX and any(word.startswith(text) for word, _ in _WORDS):
        return Undecided.NEED_MORE
    return Undecided.NONE_OF_OURS
