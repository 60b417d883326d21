"""The table of all emitters: each gives the files of one artefact, by path from the project's root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from libvdsm.codegen.asyncapi import emit as asyncapi
from libvdsm.codegen.cli import emit as cli
from libvdsm.codegen.docs import emit as docs
from libvdsm.codegen.jsonschema import emit as jsonschema
from libvdsm.codegen.openrpc import emit as openrpc
from libvdsm.codegen.python import emit as python
from libvdsm.codegen.server import emit as server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from libvdsm.schema import ir

EMITTERS: Final[Mapping[str, Callable[[ir.Api], dict[str, str]]]] = {
    "asyncapi": asyncapi.emit,
    "cli": cli.emit,
    "docs": docs.emit,
    "jsonschema": jsonschema.emit,
    "openrpc": openrpc.emit,
    "python": python.emit,
    "server": server.emit,
}
