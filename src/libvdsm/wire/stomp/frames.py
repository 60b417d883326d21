"""The grammar of one frame: heads to headers, and frames to bytes.

Values are escaped by version (``Value Encoding``): 1.0 not at all, 1.1 line feed, colon and backslash, 1.2 the carriage return
as well. CONNECT and CONNECTED never. Blanks are part of names and values, both ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from libvdsm.wire.stomp.events import WITHOUT_ESCAPES, StompError, StompLimits

_UNESCAPED_11 = {"n": "\n", "c": ":", "\\": "\\"}
_UNESCAPED_12 = _UNESCAPED_11 | {"r": "\r"}
UNESCAPED: Mapping[str, Mapping[str, str]] = {"1.0": {}, "1.1": _UNESCAPED_11, "1.2": _UNESCAPED_12}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED_11 = str.maketrans({"\\": "\\\\", "\n": "\\n", ":": "\\c"})
_ESCAPED_12 = _ESCAPED_11 | str.maketrans({"\r": "\\r"})
_SPECIAL = re.compile("[\\\\\r\n:\0]")
#: What a header cannot carry where nothing is escaped, or (NUL) ever.
_UNFIT = re.compile("[\r\n\0]")
_UNFIT_NAME = re.compile("[\r\n:\0]")


def parse_head(head: bytes, *, version: str, is_strict: bool, limits: StompLimits) -> tuple[str, dict[str, str]]:
    """The command and the headers of ``head``, which has no line end at its end. Raises ``StompError``."""
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise StompError("a header is not UTF-8") from None
    if "\r" in text:
        text = _without_returns(text)
    command, *lines = text.split("\n")
    _check_sizes(head, command, lines, limits)
    unescaped = None if command in WITHOUT_ESCAPES else UNESCAPED[version]
    headers: dict[str, str] = {}
    is_fussy = is_strict and bool(unescaped)
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise StompError("a header has no colon")
        if not name:
            raise StompError("a header has no name")
        if is_fussy and ":" in value:
            raise StompError("a header's value has a colon that is not escaped")
        if unescaped and "\\" in line:
            name, value = _unescape(name, unescaped, is_strict=is_strict), _unescape(value, unescaped, is_strict=is_strict)
        if name not in headers:
            headers[name] = value
    return command, headers


def _check_sizes(head: bytes, command: str, lines: list[str], limits: StompLimits) -> None:
    if len(command) > limits.command_octets:
        raise StompError("the command is too long")
    if len(lines) > limits.headers:
        raise StompError(f"there are more than {limits.headers} headers")
    if len(head) > limits.line_octets and any(len(line.encode()) > limits.line_octets for line in lines):
        raise StompError(f"a header is longer than {limits.line_octets} octets")


def _without_returns(text: str) -> str:
    """Lines may end with CR LF; a CR anywhere else is wrong (1.2, "Augmented BNF")."""
    text = text.replace("\r\n", "\n").removesuffix("\r")
    if "\r" in text:
        raise StompError("a carriage return is not followed by a line feed")
    return text


def _unescape(text: str, unescaped: Mapping[str, str], *, is_strict: bool) -> str:
    """In one pass, so that nothing is decoded twice; what is not defined is an error, or stays as it is."""
    if "\\" not in text:
        return text

    def decode(found: re.Match[str]) -> str:
        plain = unescaped.get(found[1])
        if plain is not None:
            return plain
        if is_strict:
            raise StompError("a header has an escape sequence that is not defined")
        return found[0]

    return _ESCAPE.sub(decode, text)


def escape(text: str, version: str) -> str:
    """``text`` as a name or value of a header. What the version cannot say is left out."""
    if _SPECIAL.search(text) is None:
        return text
    if "\0" in text:
        text = text.replace("\0", "")
    if version == "1.2":
        return text.translate(_ESCAPED_12)
    if version == "1.1":
        return text.replace("\r", "").translate(_ESCAPED_11)
    return _UNFIT.sub("", text)


def encode_head(command: str, headers: Iterable[tuple[str, str]], version: str) -> bytes:
    """The command and headers, each with its line end; without the empty line, so that more may follow."""
    lines = [command]
    if command in WITHOUT_ESCAPES:
        lines += [f"{_UNFIT_NAME.sub('', name)}:{_UNFIT.sub('', value)}" for name, value in headers]
    elif version == "1.0":
        lines += [f"{_UNFIT_NAME.sub('', name)}:{escape(value, version)}" for name, value in headers]
    else:
        lines += [f"{escape(name, version)}:{escape(value, version)}" for name, value in headers]
    lines.append("")
    return "\n".join(lines).encode(errors="replace")


def encode_lines(headers: Iterable[tuple[str, str]], version: str) -> bytes:
    """Headers that follow others, each with its line end."""
    return encode_head("", headers, version)[1:]


def encode(command: str, headers: Iterable[tuple[str, str]], body: bytes = b"", *, version: str = "1.2") -> bytes:
    """A whole frame; one with a body tells its length."""
    head = encode_head(command, headers, version)
    if not body:
        return head + b"\n\0"
    return b"%bcontent-length:%d\n\n%b\0" % (head, len(body), body)
