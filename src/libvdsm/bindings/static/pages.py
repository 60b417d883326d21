"""The pages at ``/docs/``: what can be called, from the same document that ``Schema.discover`` answers with."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import msgspec

from libvdsm.bindings.static.files import File, make_file

_STYLE: Final = """\
body { font: 16px/1.5 sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
td { border-top: 1px solid #ccc; padding: .3rem .6rem .3rem 0; vertical-align: top }
code { font-family: monospace }
"""
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The API of this host</title>
<link rel="stylesheet" href="style.css">
<h1>The API of this host</h1>
<p>Version {version}. The same as a document for programs: <a href="openrpc.json">OpenRPC</a>.</p>
<table>
{rows}
</table>
</html>
"""
_ROW: Final = "<tr><td><code>{name}</code></td><td>{summary}</td></tr>"


class _Info(msgspec.Struct):
    version: str = ""


class _Method(msgspec.Struct):
    name: str
    summary: str = ""


class _Document(msgspec.Struct):
    info: _Info
    methods: Sequence[_Method] = ()


def make_pages(openrpc: bytes) -> dict[str, File]:
    """The pages about the API that ``openrpc`` describes."""
    told = msgspec.json.decode(openrpc, type=_Document)
    rows = "\n".join(_ROW.format(name=escape(each.name), summary=escape(each.summary)) for each in told.methods)
    pages = {
        "index.html": _PAGE.format(version=escape(told.info.version), rows=rows).encode(),
        "openrpc.json": openrpc,
        "style.css": _STYLE.encode(),
    }
    return {name: make_file(name, data) for name, data in pages.items()}
